"""Draw Fig. S1: two layers without overlap, their true and predicted depth maps, and their errors.

Reads predictions of task depth_map (HDF5, um), their table of samples and the table of errors by coverage (CSV). Shown
is the sample with the median error.
"""

from pathlib import Path

import pandas as pd

from foci3d.io.predictions import Predictions
from foci3d.plots import depth_maps, style
from foci3d.plots.selection import median_sample
from foci3d.workflow.job import run_job


def main(
    predictions: Path, samples: Path, coverage: Path, pixel_pitch_um: float, max_depth_um: float, figure: list[Path]
) -> None:
    style.use_style()
    test, table = Predictions.load(predictions), pd.read_csv(samples)
    by_coverage = pd.read_csv(coverage)
    drawn = depth_maps.maps_and_errors(test, table, by_coverage, median_sample(table), pixel_pitch_um, max_depth_um)
    style.save(drawn, *figure)


if __name__ == "__main__":
    run_job(main)
