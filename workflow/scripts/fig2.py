"""Draw Fig. 2: predicted against true depth (a), accuracy and loss by depth (b).

Reads the table of samples of a depth network and the Cramer-Rao bound of depth (CSV, depths in um).
"""

from pathlib import Path

import pandas as pd

from foci3d.plots import depth_classes, style
from foci3d.workflow.job import run_job


def main(samples: Path, bounds: Path, fig2a: list[Path], fig2b: list[Path]) -> None:
    style.use_style()
    table = pd.read_csv(samples)
    style.save(depth_classes.predictions_by_depth(table), *fig2a)
    style.save(depth_classes.accuracy_by_depth(table, pd.read_csv(bounds)), *fig2b)


if __name__ == "__main__":
    run_job(main)
