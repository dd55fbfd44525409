"""Draw Fig. 5: a cluster of cells moves through the layers, in space (a) and as the network sees it (b).

Reads predictions of a moving set (HDF5) and their table of samples (CSV); writes two figures as PNG and SVG. Shown is
the group with the median error.
"""

import pandas as pd

from foci3d import job
from foci3d.plots import choice, moving, style
from foci3d.predictions import Predictions


def main(
    predictions: Predictions,
    samples: pd.DataFrame,
    pixel_pitch_um: float,
    sensor_separation_um: float,
    fig5a: tuple[str, str],
    fig5b: tuple[str, str],
) -> None:
    style.use_style()
    steps, clusters = moving.steps_of(predictions.arrays, choice.median_case(samples, by="group"))
    sensor_planes_um = (0.0, sensor_separation_um)[: len(steps[0].sensors)]
    style.save(moving.scheme(steps, clusters, pixel_pitch_um, sensor_planes_um), *fig5a)
    style.save(moving.step_by_step(steps, clusters, pixel_pitch_um), *fig5b)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            Predictions.load(snakemake.input.predictions),
            pd.read_csv(snakemake.input.samples),
            snakemake.params.pixel_pitch_um,
            snakemake.params.sensor_separation_um,
            (snakemake.output.fig5a, snakemake.output.fig5a_svg),
            (snakemake.output.fig5b, snakemake.output.fig5b_svg),
        )
