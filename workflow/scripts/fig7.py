"""Draw Fig. 7: real images as layers, the measurements, the detected cells, and both together.

Reads predictions of task masks on slides (HDF5), their table of samples and their summary (CSV). Shown is the
stack with the median error.
"""

from pathlib import Path

import pandas as pd

from foci3d.io.predictions import Predictions
from foci3d.plots import slides, style
from foci3d.plots.selection import median_sample
from foci3d.plots.stacks import Stack
from foci3d.workflow.job import run_job


def main(predictions: Path, samples: Path, summary: Path, pixel_pitch_um: float, figure: list[Path]) -> None:
    style.use_style()
    table = pd.read_csv(samples)
    shown = median_sample(table)
    stack = Stack.from_predictions(Predictions.load(predictions), shown)
    scores = table[table["sample"] == shown], pd.read_csv(summary, dtype={"layer": str})
    style.save(slides.slides(stack, *scores, pixel_pitch_um), *figure)


if __name__ == "__main__":
    run_job(main)
