"""Reconstruct one acquisition in 3D with a trained network.

Reads the images of the sensors (y, x) and a model; writes the probability of a cell as OME-TIFF (layer, y, x), the foci
as CSV [um], an overview as PNG and an interactive 3-D view as HTML.
"""

from pathlib import Path

import numpy as np

from foci3d.io.images import read_image
from foci3d.learning.inference import load_model
from foci3d.optics.psf import PSF
from foci3d.plots.reconstruction_files import write_reconstruction
from foci3d.reconstruction.volume import reconstruct
from foci3d.workflow.job import run_job


def main(
    images: list[Path],
    model: Path,
    weights: Path,
    psf: Path,
    pixel_pitch_um: float,
    threshold: float,
    device: str,
    average_symmetries: bool,
    probability: Path,
    foci: Path,
    overview: Path,
    view: Path,
) -> None:
    trained = load_model(model, weights, PSF.load(psf))
    measurement = np.stack([read_image(path, trained.description.n_pixels) for path in images])
    result = reconstruct(
        measurement,
        trained,
        threshold=threshold,
        pixel_pitch_um=pixel_pitch_um,
        device=device,
        average_symmetries=average_symmetries,
    )
    write_reconstruction(result, probability, foci, overview, view)


if __name__ == "__main__":
    run_job(main, snakemake)
