"""Draw Fig. 6: sensitivity and specificity by layer for a moving cluster (a), receiver operating characteristic (b).

Reads the summary and the curves of a moving set (CSV); writes two figures as PNG and SVG.
"""

import pandas as pd

from foci3d import job
from foci3d.plots import moving, style


def main(summary: pd.DataFrame, roc: pd.DataFrame, fig6a: tuple[str, str], fig6b: tuple[str, str]) -> None:
    style.use_style()
    style.save(moving.rates(summary), *fig6a)
    style.save(moving.roc(roc), *fig6b)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            pd.read_csv(snakemake.input.summary),
            pd.read_csv(snakemake.input.roc),
            (snakemake.output.fig6a, snakemake.output.fig6a_svg),
            (snakemake.output.fig6b, snakemake.output.fig6b_svg),
        )
