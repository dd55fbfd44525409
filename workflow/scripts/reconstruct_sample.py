"""Reconstruct one acquisition in 3D with a trained network.

Reads the images that a row of the table of samples names (y, x) and a model; writes the probability of a cell as
OME-TIFF (layer, y, x), the foci as CSV [um], an overview as PNG and an interactive 3-D view as HTML.
"""

from pathlib import Path

from foci3d.config.samples import Acquisition
from foci3d.errors import InputError
from foci3d.io.images import read_acquisition
from foci3d.learning.inference import load_model
from foci3d.optics.psf import PSF
from foci3d.plots.reconstruction_files import write_reconstruction
from foci3d.reconstruction.volume import reconstruct
from foci3d.workflow.job import run_job


def main(
    model: Path,
    weights: Path,
    psf: Path,
    acquisition: Acquisition,
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
    frames = read_acquisition(acquisition, trained.description.n_pixels).values
    if len(frames) > 1:
        raise InputError(
            f"{acquisition.sensor_a}: found {len(frames)} frames; expected one. Reconstruct a time series with the "
            "command foci3d reconstruct."
        )
    measurement = frames[0]
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
