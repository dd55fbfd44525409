"""Make the table of the error of depth maps by the coverage of the scene.

Reads the tables of samples of networks on one test dataset, and the claims of the paper (CSV); writes CSV, HTML and
Markdown.
"""

from pathlib import Path

import pandas as pd

from foci3d.evaluation.coverage import coverage_page, error_by_coverage
from foci3d.workflow.job import run_job

CLAIM = "metric == 'error' and source.str.startswith('Fig. S1 ')"


def main(
    samples: list[Path],
    claims: Path,
    networks: list[str],
    n_bootstrap: int,
    seed: int,
    note: str,
    csv: Path,
    html: Path,
    markdown: Path,
) -> None:
    tables = {network: pd.read_csv(path) for network, path in zip(networks, samples, strict=True)}
    paper_error = pd.read_csv(claims).query(CLAIM, engine="python")["paper"].item()
    coverage_page(error_by_coverage(tables, paper_error, n_bootstrap, seed)).save(csv, html, markdown, note)


if __name__ == "__main__":
    run_job(main)
