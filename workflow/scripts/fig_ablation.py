"""Draw the validation error of the networks of the ablation against the training time.

Reads the curves of the networks (CSV files named after the networks).
"""

from pathlib import Path

import pandas as pd

from foci3d.plots import style
from foci3d.plots.ablation import error_against_time
from foci3d.workflow.job import run_job


def main(curves: list[Path], figure: list[Path]) -> None:
    style.use_style()
    style.save(error_against_time({path.stem: pd.read_csv(path) for path in curves}), *figure)


if __name__ == "__main__":
    run_job(main, snakemake)
