"""Import a user's own stack of kernels as the point-spread function.

Reads an HDF5 file with the arrays kernels (depth, y, x) and depths_um (depth) and the attribute pixel_pitch_um; writes
kernels (depth, y, x) for every depth [um] to HDF5.
"""

from pathlib import Path

from foci3d.calibration.kernel_file import read_kernel_stack, resample
from foci3d.optics.psf import depth_grid
from foci3d.workflow.job import run_job


def main(
    kernels: Path,
    depth_range_um: tuple[float, float],
    depth_step_um: float,
    n_pixels: int,
    pixel_pitch_um: float,
    psf: Path,
) -> None:
    stack = read_kernel_stack(kernels, n_pixels, pixel_pitch_um)
    resample(kernels, stack, depth_grid(depth_range_um, depth_step_um)).save(psf)


if __name__ == "__main__":
    run_job(main)
