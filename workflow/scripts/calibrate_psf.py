"""Calibrate the point-spread function with a bead scan.

Reads a TIFF stack of raw readings (depth, y, x) and a CSV file with the depth of each frame [um]; writes kernels
(depth, y, x) with the fitted acceptance to HDF5, and measured profiles and widths to CSV.
"""

from pathlib import Path

from foci3d.calibration.empirical_psf import KernelModel
from foci3d.calibration.scan import calibrate_scan
from foci3d.workflow.job import run_job


def main(
    stack: Path,
    depths: Path,
    scan_pitch_um: float,
    saturation: float,
    linear_fill_factor: float,
    kernel_model: KernelModel,
    depth_range_um: tuple[float, float],
    depth_step_um: float,
    n_pixels: int,
    pixel_pitch_um: float,
    psf: Path,
    profiles: Path,
    widths: Path,
) -> None:
    calibration = calibrate_scan(
        stack,
        depths,
        scan_pitch_um=scan_pitch_um,
        saturation=saturation,
        linear_fill_factor=linear_fill_factor,
        kernel_model=kernel_model,
        depth_range_um=depth_range_um,
        depth_step_um=depth_step_um,
        n_pixels=n_pixels,
        pixel_pitch_um=pixel_pitch_um,
    )
    calibration.save(psf, profiles, widths)


if __name__ == "__main__":
    run_job(main)
