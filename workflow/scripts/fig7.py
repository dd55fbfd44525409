"""Draw Fig. 7: real pictures as layers, the sensors' pictures, the cells found, and both together.

Reads predictions of task masks on a set of slides (HDF5) and their table of samples (CSV); writes a figure as PNG and
SVG. Shown is the stack with the median error.
"""

import pandas as pd

from foci3d import job
from foci3d.plots import choice, slides, style
from foci3d.plots.stacks import Stack
from foci3d.predictions import Predictions


def main(predictions: Predictions, samples: pd.DataFrame, pixel_pitch_um: float, fig7: tuple[str, str]) -> None:
    style.use_style()
    shown = choice.median_case(samples)
    scores = samples[samples["sample"] == shown]
    style.save(slides.slides(Stack.of(predictions.arrays, shown), scores, pixel_pitch_um), *fig7)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            Predictions.load(snakemake.input.predictions),
            pd.read_csv(snakemake.input.samples),
            snakemake.params.pixel_pitch_um,
            (snakemake.output.fig7, snakemake.output.fig7_svg),
        )
