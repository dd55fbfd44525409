"""Calibration of the point-spread function with the files of a bead scan."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from foci3d.calibration.acceptance_fit import fit_acceptance, width_table
from foci3d.calibration.bead_scan import read_scan
from foci3d.calibration.empirical_psf import (
    KernelModel,
    calibrated_psf,
    measure_kernel_residuals,
    measurement_arrays,
    profile_table,
)
from foci3d.io.atomic import write_csv
from foci3d.io.hdf5 import LabelledArray
from foci3d.optics.psf import PSF, depth_grid


@dataclass(frozen=True)
class ScanCalibration:
    """A calibrated point-spread function with what the scan measured.

    Parameters
    ----------
    psf : PSF
        Kernels; the fitted acceptance and its standard errors are in its attributes.
    profiles, widths : DataFrame
        See `foci3d.calibration.empirical_psf.profile_table` and `foci3d.calibration.acceptance_fit.width_table`.
    measured : dict of str to LabelledArray
        Measured kernels and profiles, for the file of the PSF.
    """

    psf: PSF
    profiles: pd.DataFrame
    widths: pd.DataFrame
    measured: dict[str, LabelledArray]

    def save(self, psf: str | Path, profiles: str | Path, widths: str | Path) -> None:
        """Write the point-spread function (HDF5) and the tables (CSV)."""
        self.psf.save(psf, self.measured)
        write_csv(self.profiles, profiles, "%.6g")
        write_csv(self.widths, widths, "%.6g")

    def __str__(self) -> str:
        """The fit and how well it explains the scan, in words."""
        fit, errors = self.psf.attributes, np.abs(self.profiles["residual"] / self.profiles["measured_se"])
        return (
            f"acceptance {fit['fwhm_deg']:.2f} +- {fit['fwhm_se_deg']:.2f} degrees, stand-off {fit['standoff_um']:.1f} "
            f"+- {fit['standoff_se_um']:.1f} um (standard errors), from {fit['n_beads']} beads at {len(self.widths)} "
            f"depths; {(errors < 1).mean():.0%} of the residuals are within one standard error and "
            f"{(errors < 2).mean():.0%} within two (68 % and 95 % if the model fits)"
        )


def calibrate_scan(
    stack: str | Path,
    depths: str | Path,
    *,
    scan_pitch_um: float,
    saturation: float,
    linear_fill_factor: float,
    kernel_model: KernelModel,
    depth_range_um: tuple[float, float],
    depth_step_um: float,
    n_pixels: int,
    pixel_pitch_um: float,
) -> ScanCalibration:
    """Calibrate the point-spread function with a bead scan.

    Parameters
    ----------
    stack, depths, saturation
        Files and largest reading of the scan, see `foci3d.calibration.bead_scan.read_scan`.
    scan_pitch_um, pixel_pitch_um : float
        Distance between neighbouring pixels of the scan and of the imager [um].
    linear_fill_factor : float
        Light-sensitive width of a pixel in pixel pitches.
    kernel_model : {"parametric", "radial", "empirical"}
        See `foci3d.calibration.empirical_psf.calibrated_psf`.
    depth_range_um : tuple of two floats
        First and last depth of the kernels [um].
    depth_step_um : float
        Distance of the kernels in depth [um].
    n_pixels : int
        Pixels of a measurement in y and in x.

    Returns
    -------
    ScanCalibration
        The point-spread function, and the measurements with the fit.

    Raises
    ------
    InputError
        If the scan cannot be used, see `read_scan` and `calibrated_psf`.
    """
    fit = fit_acceptance(read_scan(stack, depths, scan_pitch_um, saturation), linear_fill_factor)
    residuals = measure_kernel_residuals(fit, math.ceil((n_pixels - 1) * pixel_pitch_um / scan_pitch_um))
    grid_um = depth_grid(depth_range_um, depth_step_um)
    psf = calibrated_psf(fit, residuals, kernel_model, grid_um, n_pixels, pixel_pitch_um)
    return ScanCalibration(psf, profile_table(residuals), width_table(fit), measurement_arrays(residuals))
