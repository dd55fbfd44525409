"""Draw how every network learned: losses and validation error against the optimiser's steps.

Reads the curves of the networks (CSV, named as the networks); writes a figure as PNG and SVG.
"""

from pathlib import Path

import pandas as pd

from foci3d import job
from foci3d.plots import style, training


def main(curves: list[str], figure: tuple[str, str]) -> None:
    style.use_style()
    style.save(training.curves({Path(path).stem: pd.read_csv(path) for path in curves}), *figure)


if __name__ == "__main__":
    with job.running(snakemake):
        main(snakemake.input.curves, (snakemake.output.fig_training, snakemake.output.fig_training_svg))
