"""Draw the errors of networks against the errors of the imager.

Reads the table of rule make_robustness (CSV).
"""

from pathlib import Path

import pandas as pd

from foci3d.plots import style
from foci3d.plots.robustness import robustness
from foci3d.workflow.job import run_job


def main(table: Path, figure: list[Path]) -> None:
    style.use_style()
    style.save(robustness(pd.read_csv(table)), *figure)


if __name__ == "__main__":
    run_job(main, snakemake)
