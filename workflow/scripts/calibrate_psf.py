"""Calibrate the point-spread function with a bead scan.

Reads a TIFF stack of raw readings (depth, y, x) and a CSV file with the depth of each frame [um]; writes kernels
(depth, y, x) with the fitted acceptance to HDF5, and measured profiles and widths to CSV.
"""

import math
from pathlib import Path

from foci3d.calibration import acceptance_fit, empirical_psf
from foci3d.calibration.bead_scan import read_scan
from foci3d.io.atomic import atomic_path
from foci3d.optics.psf import depth_grid
from foci3d.workflow.job import run_job


def main(
    stack: Path,
    depths: Path,
    scan_pitch_um: float,
    saturation: float,
    linear_fill_factor: float,
    kernel_model: empirical_psf.KernelModel,
    depth_range_um: tuple[float, float],
    depth_step_um: float,
    n_pixels: int,
    pixel_pitch_um: float,
    psf: Path,
    profiles: Path,
    widths: Path,
) -> None:
    frames = read_scan(stack, depths, scan_pitch_um, saturation)
    fit = acceptance_fit.fit_acceptance(frames, linear_fill_factor)
    half_width = math.ceil((n_pixels - 1) * pixel_pitch_um / scan_pitch_um)
    residuals = empirical_psf.measure_kernel_residuals(fit, half_width)
    grid_um = depth_grid(depth_range_um, depth_step_um)
    calibrated = empirical_psf.calibrated_psf(fit, residuals, kernel_model, grid_um, n_pixels, pixel_pitch_um)
    calibrated.save(psf, empirical_psf.measurement_arrays(residuals))
    with atomic_path(profiles) as path:
        empirical_psf.profile_table(residuals).to_csv(path, index=False, float_format="%.6g")
    with atomic_path(widths) as path:
        acceptance_fit.width_table(fit).to_csv(path, index=False, float_format="%.6g")


if __name__ == "__main__":
    run_job(main)
