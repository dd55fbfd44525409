"""Calibrate the point-spread function from a bead scan.

Reads a TIFF stack of raw readings (depth, y, x) and a CSV with the depth of each frame [um]; writes kernels
(depth, y, x) with the fitted acceptance to HDF5, and the measured profiles and widths to CSV.
"""

import math

from foci3d import calibration, job, kernels
from foci3d.optics import depth_grid
from foci3d.scan import Scan, read_scan
from foci3d.store import replacing


def main(
    scan: Scan,
    aperture: float,
    kernel: str,
    depth_range_um: list[float],
    depth_step_um: float,
    pixels: int,
    pixel_pitch_um: float,
    psf: str,
    profiles: str,
    widths: str,
) -> None:
    fit = calibration.fit_acceptance(scan, aperture)
    half_width = math.ceil((pixels - 1) * pixel_pitch_um / scan.pixel_pitch_um)
    measured = kernels.measure_deviations(scan, fit, half_width)
    depths_um = depth_grid(depth_range_um, depth_step_um)
    calibrated = kernels.calibrated_psf(scan, fit, measured, kernel, depths_um, pixels, pixel_pitch_um)
    calibrated.save(psf, kernels.record(scan, measured))
    with replacing(profiles) as path:
        kernels.profile_table(scan, measured).to_csv(path, index=False, float_format="%.6g")
    with replacing(widths) as path:
        calibration.width_table(scan, fit).to_csv(path, index=False, float_format="%.6g")


if __name__ == "__main__":
    with job.running(snakemake):
        params, output = snakemake.params, snakemake.output
        main(
            read_scan(snakemake.input.stack, snakemake.input.depths, params.scan_pitch_um, params.saturation),
            params.aperture,
            params.kernel,
            params.depth_range_um,
            params.depth_step_um,
            params.imager["pixels"],
            params.imager["pixel_pitch_um"],
            output.psf,
            output.profiles,
            output.widths,
        )
