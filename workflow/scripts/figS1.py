"""Draw Fig. S1, and make the table of the error of depth maps by the coverage of the scene.

Reads predictions of task depth_map (HDF5, um) and their table of samples, the tables of samples of all networks on the
test dataset, and the claims of the paper (CSV). Draws two layers without overlap, their true and predicted depth maps,
and their errors, of the sample with the median error; writes the table as CSV, HTML and Markdown.
"""

from pathlib import Path

import pandas as pd

from foci3d.evaluation.coverage import coverage_page, error_by_coverage
from foci3d.io.predictions import Predictions
from foci3d.plots import depth_maps, style
from foci3d.plots.selection import median_sample
from foci3d.workflow.job import run_job

CLAIM = "metric == 'error' and source.str.startswith('Fig. S1 ')"


def main(
    predictions: Path,
    samples: Path,
    compared: list[Path],
    claims: Path,
    networks: list[str],
    n_bootstrap: int,
    seed: int,
    pixel_pitch_um: float,
    max_depth_um: float,
    note: str,
    csv: Path,
    html: Path,
    markdown: Path,
    figure: list[Path],
) -> None:
    tables = {network: pd.read_csv(path) for network, path in zip(networks, compared, strict=True)}
    paper_error = pd.read_csv(claims).query(CLAIM, engine="python")["paper"].item()
    coverage_page(error_by_coverage(tables, paper_error, n_bootstrap, seed)).save(csv, html, markdown, note)
    style.use_style()
    test, table, by_coverage = Predictions.load(predictions), pd.read_csv(samples), pd.read_csv(csv)
    drawn = depth_maps.maps_and_errors(test, table, by_coverage, median_sample(table), pixel_pitch_um, max_depth_um)
    style.save(drawn, *figure)


if __name__ == "__main__":
    run_job(main)
