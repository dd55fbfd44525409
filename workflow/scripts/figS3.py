"""Draw Fig. S3: the blocks of a network between the measurements and the output of a test sample.

Reads a model (JSON and safetensors), its predictions of task masks (HDF5) and their table of samples (CSV). Shown is
the sample with the median error.
"""

from pathlib import Path

import pandas as pd

from foci3d.io.predictions import Predictions
from foci3d.learning.model import load_model
from foci3d.plots import style
from foci3d.plots.architecture import architecture
from foci3d.plots.selection import median_sample
from foci3d.plots.stacks import Stack
from foci3d.workflow.job import run_job


def main(model: Path, predictions: Path, samples: Path, pixel_pitch_um: float, figure: list[Path]) -> None:
    style.use_style()
    test = Predictions.load(predictions)
    stack = Stack.from_predictions(test, median_sample(pd.read_csv(samples)))
    network = load_model(model, recalibration=None).network
    style.save(architecture(network, test.network, stack, pixel_pitch_um), *figure)


if __name__ == "__main__":
    run_job(main)
