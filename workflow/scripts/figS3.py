"""Draw Fig. S3: a network as it is built, between the pictures and the output of a test sample.

Reads the description of a model (JSON), its predictions of task masks (HDF5) and their table of samples (CSV); writes a
figure as PNG and SVG. Shown is the sample with the median error.
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from foci3d import job, nets
from foci3d.plots import architecture, choice, style
from foci3d.plots.stacks import Stack
from foci3d.predictions import Predictions


def main(
    model: dict[str, Any],
    predictions: Predictions,
    samples: pd.DataFrame,
    pixel_pitch_um: float,
    figure: tuple[str, str],
) -> None:
    style.use_style()
    network = nets.build(model["architecture"], model["inputs"], model["outputs"], model["pixels"])
    blocks = architecture.find_blocks(network, model["inputs"], model["pixels"])
    title = f"{model['net']}: {nets.count_parameters(network) / 1e6:.1f} million weights"
    stack = Stack.of(predictions.arrays, choice.median_case(samples))
    style.save(architecture.architecture(blocks, title, stack, pixel_pitch_um), *figure)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            json.loads(Path(snakemake.input.model).read_text()),
            Predictions.load(snakemake.input.predictions),
            pd.read_csv(snakemake.input.samples),
            snakemake.params.pixel_pitch_um,
            (snakemake.output.figS3, snakemake.output.figS3_svg),
        )
