"""Draw Fig. S2: a stack seen by one sensor and taken apart, and the error by layer.

Reads predictions of task masks (HDF5) and their table of samples (CSV); writes a figure as PNG and SVG. Shown is the
sample with the median error.
"""

import pandas as pd

from foci3d import job
from foci3d.plots import choice, stacks, style
from foci3d.predictions import Predictions


def main(predictions: Predictions, samples: pd.DataFrame, pixel_pitch_um: float, figure: tuple[str, str]) -> None:
    style.use_style()
    stack = stacks.Stack.of(predictions.arrays, choice.median_case(samples))
    style.save(stacks.example_and_errors(stack, samples, pixel_pitch_um), *figure)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            Predictions.load(snakemake.input.predictions),
            pd.read_csv(snakemake.input.samples),
            snakemake.params.pixel_pitch_um,
            (snakemake.output.figS2, snakemake.output.figS2_svg),
        )
