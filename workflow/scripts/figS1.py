"""Draw Fig. S1: two layers without overlap, their true and predicted depth maps, and the distribution of the error.

Reads predictions of task depth_map (HDF5, um) and their table of samples (CSV); writes a figure as PNG and SVG. Shown
is the sample with the median error.
"""

import pandas as pd

from foci3d import job
from foci3d.plots import choice, depth_maps, style
from foci3d.predictions import Predictions


def main(
    predictions: Predictions, samples: pd.DataFrame, pixel_pitch_um: float, farthest_um: float, figure: tuple[str, str]
) -> None:
    style.use_style()
    shown = choice.median_case(samples)
    drawn = depth_maps.maps_and_errors(predictions.arrays, samples, shown, pixel_pitch_um, farthest_um)
    style.save(drawn, *figure)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            Predictions.load(snakemake.input.predictions),
            pd.read_csv(snakemake.input.samples),
            snakemake.params.pixel_pitch_um,
            snakemake.params.depth_range_um[1],
            (snakemake.output.figS1, snakemake.output.figS1_svg),
        )
