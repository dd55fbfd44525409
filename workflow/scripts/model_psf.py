"""Compute the point-spread function from the optics of the imager as designed.

Writes kernels (depth, y, x) for every depth [um] to HDF5.
"""

from dataclasses import asdict
from pathlib import Path

from foci3d.optics.acceptance import AngularAcceptance, acceptance_kernels
from foci3d.optics.psf import PSF, depth_grid
from foci3d.workflow.job import run_job


def main(
    optics: AngularAcceptance,
    depth_range_um: tuple[float, float],
    depth_step_um: float,
    n_pixels: int,
    pixel_pitch_um: float,
    psf: Path,
) -> None:
    depths_um = depth_grid(depth_range_um, depth_step_um)
    kernels = acceptance_kernels(optics, depths_um, n_pixels, pixel_pitch_um)
    attributes = {"source": "optics", **asdict(optics)}
    PSF(kernels.float(), depths_um.float(), pixel_pitch_um, attributes).save(psf)


if __name__ == "__main__":
    run_job(main)
