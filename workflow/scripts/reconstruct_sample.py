"""Reconstruct one acquisition, an image or a time series, in 3D with a trained network.

Reads the images that a row of the table of samples names (y, x), a model and its recalibration (JSON), if it has one.
Writes probability, mask and uncertainty as OME-TIFF (time, channel, layer, y, x), the foci [um] and the quality as CSV,
an overview as PNG, an interactive 3-D view as HTML, and a folder with the tracks of a time series.
"""

from pathlib import Path

from foci3d.config.models import TrackingConfig
from foci3d.config.samples import Acquisition
from foci3d.io.images import read_acquisition
from foci3d.learning.inference import load_model
from foci3d.learning.recalibration import Recalibration
from foci3d.optics.psf import PSF
from foci3d.plots.reconstruction_files import ReconstructionFiles, write_reconstruction
from foci3d.reconstruction.volume import reconstruct_series
from foci3d.workflow.job import run_job


def main(
    model: Path,
    weights: Path,
    recalibration: list[Path],
    psf: Path,
    acquisition: Acquisition,
    pixel_pitch_um: float,
    threshold: float,
    tracking: TrackingConfig,
    device: str,
    average_symmetries: bool,
    volume: Path,
    foci: Path,
    quality: Path,
    overview: Path,
    view: Path,
    tracks: Path,
) -> None:
    trained = load_model(model, weights, PSF.load(psf))
    fitted = [Recalibration.load(path, trained.description.digests.weights) for path in recalibration]
    measurements = read_acquisition(acquisition, trained.description.n_pixels)
    results = reconstruct_series(
        measurements.values,
        trained,
        threshold=threshold,
        recalibration=fitted[0] if fitted else None,
        pixel_pitch_um=pixel_pitch_um,
        device=device,
        average_symmetries=average_symmetries,
    )
    files = ReconstructionFiles(volume, foci, quality, overview, view, tracks)
    write_reconstruction(results, files, measurements.frame_interval_s, tracking)
    tracks.mkdir(exist_ok=True)  # Snakemake expects the folder for one frame, too


if __name__ == "__main__":
    run_job(main, snakemake)
