"""Draw Fig. 3: blurred pictures, the network's outputs and the truth (a), the distribution of the pixel error (b).

Reads predictions of task image (HDF5) and their table of samples (CSV); writes two figures as PNG and SVG. Shown is
the sample with the median error in each quarter of the range of depths.
"""

import pandas as pd

from foci3d import job
from foci3d.plots import choice, deblur, style
from foci3d.predictions import Predictions

QUARTERS = 4


def main(
    predictions: Predictions,
    samples: pd.DataFrame,
    pixel_pitch_um: float,
    fig3a: tuple[str, str],
    fig3b: tuple[str, str],
) -> None:
    style.use_style()
    shown = choice.median_cases_by_depth(samples, QUARTERS)
    style.save(deblur.examples(predictions.arrays, samples, shown, pixel_pitch_um), *fig3a)
    style.save(deblur.errors(samples), *fig3b)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            Predictions.load(snakemake.input.predictions),
            pd.read_csv(snakemake.input.samples),
            snakemake.params.pixel_pitch_um,
            (snakemake.output.fig3a, snakemake.output.fig3a_svg),
            (snakemake.output.fig3b, snakemake.output.fig3b_svg),
        )
