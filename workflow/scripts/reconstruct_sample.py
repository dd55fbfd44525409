"""Reconstruct one acquisition, an image or a time series, in 3D.

Reads images (y, x), a model and its recalibration (JSON); writes volume (OME-TIFF: TCZYX), foci [um] and figures.
"""

from pathlib import Path
from typing import Any

from foci3d.config.fields import Specimen, UnusableFrames
from foci3d.config.models import ConditioningConfig, TrackingConfig
from foci3d.config.samples import Acquisition
from foci3d.io.unmixing import find_sources
from foci3d.plots.reconstruction import write_reconstruction
from foci3d.reconstruction.acquisition import RESUME_FOLDER, forget_frames, reconstruct_acquisition
from foci3d.reconstruction.imager_correction import ImagerCorrection, load_corrected_model
from foci3d.workflow.job import run_job


def main(
    model: Path,
    recalibration: list[Path],
    psf: Path,
    imager: list[Path],
    name: str,
    acquisitions: list[Acquisition],
    unmixing: list[Path],
    specimen: Specimen,
    n_layers: int | None,
    threshold: float,
    conditioning: ConditioningConfig,
    tracking: TrackingConfig,
    unusable_frames: UnusableFrames,
    inference: dict[str, Any],
    volume: Path,
    tracks: Path,
) -> None:
    correction = ImagerCorrection.load(imager[0]) if imager else None
    fitted = recalibration[0] if recalibration else None
    trained = load_corrected_model(model, correction, psf=psf, recalibration=fitted, **inference)
    result = reconstruct_acquisition(
        find_sources(acquisitions, *unmixing)[name],
        trained,
        specimen=specimen,
        threshold=threshold,
        n_layers=n_layers,
        imager=correction,
        conditioning=conditioning,
        tracking=tracking,
        unusable_frames=unusable_frames,
        resume_folder=volume.parent / RESUME_FOLDER,
    )
    write_reconstruction(result, volume.parent)
    forget_frames(volume.parent)
    tracks.mkdir(exist_ok=True)  # Snakemake expects the folder for one frame, too


if __name__ == "__main__":
    run_job(main)
