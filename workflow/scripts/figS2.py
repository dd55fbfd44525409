"""Draw Fig. S2 or S4: a measured stack with its reconstruction, and the error by layer.

Reads predictions of task masks (HDF5) and their table of samples (CSV). Shown is the sample with the median error.
"""

from pathlib import Path

import pandas as pd

from foci3d.io.predictions import Predictions
from foci3d.plots import stacks, style
from foci3d.plots.selection import median_sample
from foci3d.workflow.job import run_job


def main(predictions: Path, samples: Path, pixel_pitch_um: float, figure: list[Path]) -> None:
    style.use_style()
    table = pd.read_csv(samples)
    stack = stacks.Stack.from_predictions(Predictions.load(predictions), median_sample(table))
    style.save(stacks.example_and_errors(stack, table, pixel_pitch_um), *figure)


if __name__ == "__main__":
    run_job(main)
