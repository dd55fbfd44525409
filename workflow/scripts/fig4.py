"""Draw Fig. 4: a stack seen by two sensors and taken apart (a), error by layer (b), reconstruction in space (c).

Reads predictions of task masks (HDF5), their table of samples and the limits by layer (CSV); writes three figures as
PNG and SVG, and the last one also as a page to turn by hand. Shown is the sample with the median error.
"""

from pathlib import Path

import pandas as pd

from foci3d import job, store
from foci3d.measures import CELL_THRESHOLD
from foci3d.plots import choice, stacks, style, view3d
from foci3d.predictions import Predictions


def main(
    predictions: Predictions,
    samples: pd.DataFrame,
    limits: pd.DataFrame,
    pixel_pitch_um: float,
    sensor_separation_um: float,
    fig4a: tuple[str, str],
    fig4b: tuple[str, str],
    fig4c: tuple[str, str],
    fig4c_html: str,
) -> None:
    style.use_style()
    stack = stacks.Stack.of(predictions.arrays, choice.median_case(samples))
    style.save(stacks.example(stack, pixel_pitch_um), *fig4a)
    style.save(stacks.errors_by_layer(samples, limits["linear_share"]), *fig4b)
    sensor_planes_um = (0.0, sensor_separation_um)[: len(stack.sensors)]
    space = (stack.output, stack.depths_um, pixel_pitch_um, sensor_planes_um, CELL_THRESHOLD)
    style.save(view3d.figure_3d(*space), *fig4c)
    with store.replacing(fig4c_html) as path:
        Path(path).write_text(view3d.view_html(*space), encoding="utf-8")


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            Predictions.load(snakemake.input.predictions),
            pd.read_csv(snakemake.input.samples),
            pd.read_csv(snakemake.input.limits),
            snakemake.params.pixel_pitch_um,
            snakemake.params.sensor_separation_um,
            (snakemake.output.fig4a, snakemake.output.fig4a_svg),
            (snakemake.output.fig4b, snakemake.output.fig4b_svg),
            (snakemake.output.fig4c, snakemake.output.fig4c_svg),
            snakemake.output.fig4c_html,
        )
