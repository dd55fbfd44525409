"""Bring a user's own kernel stack to the project's conventions.

Reads an HDF5 file with arrays kernels (depth, y, x) and depths_um (depth) and the attribute pixel_pitch_um; writes
kernels (depth, y, x) for every depth [um] to HDF5.
"""

from collections.abc import Sequence

from foci3d import job
from foci3d.kernel_stack import read_kernel_stack, resample
from foci3d.optics import depth_grid


def main(
    kernels: str, depth_range_um: Sequence[float], depth_step_um: float, pixels: int, pixel_pitch_um: float, psf: str
) -> None:
    stack = read_kernel_stack(kernels, pixels, pixel_pitch_um)
    resample(kernels, stack, depth_grid(depth_range_um, depth_step_um)).save(psf)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.input.kernels,
            snakemake.params.depth_range_um,
            snakemake.params.depth_step_um,
            snakemake.params.imager["pixels"],
            snakemake.params.imager["pixel_pitch_um"],
            snakemake.output.psf,
        )
