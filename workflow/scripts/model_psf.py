"""Compute the point-spread function from the imager's optics on paper.

Writes kernels (depth, y, x) for every depth [um] to HDF5.
"""

from collections.abc import Sequence
from dataclasses import asdict

from foci3d import job
from foci3d.optics import Acceptance, Psf, acceptance_kernels, depth_grid


def main(
    acceptance: Acceptance,
    depth_range_um: Sequence[float],
    depth_step_um: float,
    pixels: int,
    pixel_pitch_um: float,
    psf: str,
) -> None:
    depths_um = depth_grid(depth_range_um, depth_step_um)
    kernels = acceptance_kernels(acceptance, depths_um, pixels, pixel_pitch_um)
    attributes = {"source": "optics", **asdict(acceptance)}
    Psf(kernels.float(), depths_um.float(), pixel_pitch_um, attributes).save(psf)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            Acceptance(**snakemake.params.optics),
            snakemake.params.depth_range_um,
            snakemake.params.depth_step_um,
            snakemake.params.imager["pixels"],
            snakemake.params.imager["pixel_pitch_um"],
            snakemake.output.psf,
        )
