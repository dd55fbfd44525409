"""Draw the training curves of every network: losses and validation error against the optimiser steps.

Reads the curves of the networks (CSV files named after the networks).
"""

from pathlib import Path

import pandas as pd

from foci3d.plots import style, training
from foci3d.workflow.job import run_job


def main(curves: list[Path], figure: list[Path]) -> None:
    style.use_style()
    style.save(training.curves({path.stem: pd.read_csv(path) for path in curves}), *figure)


if __name__ == "__main__":
    run_job(main)
