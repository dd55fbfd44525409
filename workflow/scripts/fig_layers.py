"""Draw the errors of networks against the number of layers and of sensors.

Reads the table of rule make_layers (CSV).
"""

from pathlib import Path

import pandas as pd

from foci3d.plots import style
from foci3d.plots.layers import errors_against_layers
from foci3d.workflow.job import run_job


def main(table: Path, figure: list[Path]) -> None:
    style.use_style()
    style.save(errors_against_layers(pd.read_csv(table)), *figure)


if __name__ == "__main__":
    run_job(main, snakemake)
