"""Draw Fig. 6: sensitivity and specificity by layer for a moving cluster (a), receiver operating characteristic (b).

Reads the summary and the ROC curves of a test of moving clusters (CSV).
"""

from pathlib import Path

import pandas as pd

from foci3d.plots import moving, style
from foci3d.workflow.job import run_job


def main(summary: Path, roc: Path, fig6a: list[Path], fig6b: list[Path]) -> None:
    style.use_style()
    style.save(moving.rates(pd.read_csv(summary)), *fig6a)
    style.save(moving.roc(pd.read_csv(roc)), *fig6b)


if __name__ == "__main__":
    run_job(main)
