"""Draw Fig. 2: predicted against true depth (a), accuracy and loss by depth (b).

Reads the table of samples of a depth network and the bound of depth (CSV, depths in um); writes two figures as PNG
and SVG.
"""

import pandas as pd

from foci3d import job
from foci3d.plots import depth, style


def main(samples: pd.DataFrame, bound: pd.DataFrame, fig2a: tuple[str, str], fig2b: tuple[str, str]) -> None:
    style.use_style()
    style.save(depth.predictions_by_depth(samples), *fig2a)
    style.save(depth.accuracy_by_depth(samples, bound), *fig2b)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            pd.read_csv(snakemake.input.samples),
            pd.read_csv(snakemake.input.bound),
            (snakemake.output.fig2a, snakemake.output.fig2a_svg),
            (snakemake.output.fig2b, snakemake.output.fig2b_svg),
        )
