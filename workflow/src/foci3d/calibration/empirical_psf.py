"""Kernels for every depth from a bead scan: those of the fitted acceptance, and their measured residuals.

A measured kernel is the fitted kernel plus a residual. So the aperture of the pixels and the change with depth remain
exact, and only what the model does not explain is subject to noise and interpolation. The residual is a radial profile
or an image.
"""

import math
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import pandas as pd
import torch
from scipy import ndimage

from foci3d.calibration.acceptance_fit import AcceptanceFit, FittedFrame
from foci3d.calibration.frame_model import Floats
from foci3d.errors import InputError
from foci3d.io.hdf5 import LabelledArray
from foci3d.optics.acceptance import AngularAcceptance, acceptance_kernels, height_um, pixel_response
from foci3d.optics.psf import PSF

MAX_SLOPE = math.tan(math.radians(80))
"""Largest slope of rays that carry light into a pixel."""

TINY = np.finfo(np.float64).tiny

KernelModel = Literal["parametric", "radial", "empirical"]


@dataclass(frozen=True)
class KernelResiduals:
    """Fitted kernels and measured residuals at the depths and the pitch of a scan, as shares of the light per pixel.

    Parameters
    ----------
    depths_um : ndarray (D,)
        Depths [um].
    pixel_pitch_um : float
        Pitch [um].
    radii_um : ndarray (R,)
        Radii of the profiles [um].
    fitted_profile : ndarray (D, R)
        Profiles of the fitted acceptance, along x.
    profile, profile_se : ndarray (D, R)
        Measured minus fitted profiles, and their standard errors at given amplitudes and background; 0 at radii that no
        light reaches.
    parametric : ndarray (D, K, K)
        Kernels of the fitted acceptance.
    radial : ndarray (D, K, K)
        Residuals of these kernels from the measured profiles.
    empirical : ndarray (D, K, K)
        Residuals of these kernels from the measured images, averaged over the beads.
    """

    depths_um: Floats
    pixel_pitch_um: float
    radii_um: Floats
    fitted_profile: Floats
    profile: Floats
    profile_se: Floats
    parametric: Floats
    radial: Floats
    empirical: Floats


def measure_kernel_residuals(fit: AcceptanceFit, half_width: int) -> KernelResiduals:
    """Measure how the kernels differ from those of the fitted acceptance.

    The residuals of a frame are explained first by a radial profile, common to all beads and linear between radii, then
    by an image, averaged over the beads. The first step attributes the residual of overlapping beads correctly; in the
    second, residuals that are not radial remain spread over them.

    Kernels are clipped at zero, which would turn noise into light. So a profile contributes to `radial` only by what
    exceeds three standard errors, and an image to `empirical` only as far as the kernel exceeds its noise (a Wiener
    weight).

    Parameters
    ----------
    fit : AcceptanceFit
        The acceptance fitted to a scan.
    half_width : int
        Pixels of the kernels on either side of the centre.

    Returns
    -------
    KernelResiduals
        At the depths and the pitch of the scan.
    """
    first = fit.frames[0].frame
    radii = _radii(min(half_width, *(size // 2 for size in first.readings.shape)))
    columns = zip(*(_measure_frame(fit.acceptance, frame, radii, half_width) for frame in fit.frames), strict=True)
    depths_um = np.array([frame.frame.depth_um for frame in fit.frames])
    return KernelResiduals(
        depths_um, first.pixel_pitch_um, radii * first.pixel_pitch_um, *(np.stack(column) for column in columns)
    )


def _measure_frame(
    acceptance: AngularAcceptance, fitted: FittedFrame, radii: Floats, half_width: int
) -> tuple[Floats, ...]:
    """The arrays of `KernelResiduals` from its profiles on, for one frame."""
    frame, pitch_um = fitted.frame, fitted.frame.pixel_pitch_um
    offsets = np.arange(-half_width, half_width + 1, dtype=np.float64)
    offsets_um, radii_um = (torch.from_numpy(values * pitch_um) for values in (offsets, radii))
    grid = np.indices(frame.readings.shape)
    distances = np.stack([np.hypot(*(grid - centre[:, None, None])) for centre in fitted.centres])
    light = pixel_response(acceptance, frame.depth_um, offsets_um, offsets_um, pitch_um).numpy()
    along = pixel_response(acceptance, frame.depth_um, torch.zeros(1).double(), radii_um, pitch_um)[0].numpy()
    beads, variance = fitted.amplitudes * light.sum(), fitted.variance
    reach_um = MAX_SLOPE * height_um(acceptance, frame.depth_um, pitch_um)
    rings = 1 + int(np.searchsorted(radii[1:-1] * pitch_um, reach_um))
    profile, profile_se = _fit_profile(fitted.residual, variance, beads, distances, radii, rings)
    significant = profile * (1 - (3 * profile_se) ** 2 / np.maximum(profile**2, TINY)).clip(0)
    radial = np.interp(np.hypot(offsets[:, None], offsets), radii, significant)
    remainder = fitted.residual - np.tensordot(beads, np.interp(distances, radii, significant), 1)
    image, noise = _average_image(remainder, variance, beads, fitted.centres, offsets)
    parametric = light / light.sum()
    power = np.maximum((parametric + radial) ** 2, TINY)
    empirical = radial + image * power / (power + noise)
    return along / light.sum(), profile, profile_se, parametric, radial, empirical


def _radii(n_pixels: int) -> Floats:
    """Radii [pixels] with a spacing that grows with them, so that the light of each ring exceeds its noise."""
    radii = [0]
    while radii[-1] < n_pixels:
        radii.append(radii[-1] + max(1, radii[-1] // 4))
    return np.array(radii, dtype=np.float64)


def _fit_profile(
    residual: Floats, variance: Floats, beads: Floats, distances: Floats, radii: Floats, rings: int
) -> tuple[Floats, Floats]:
    """Weighted least-squares profile of the residual around all beads, 0 beyond the first `rings` radii."""
    units = np.eye(len(radii))[:rings]
    deviation = np.sqrt(variance).ravel()
    shapes = [np.tensordot(beads, np.interp(distances, radii, unit), 1).ravel() / deviation for unit in units]
    design = np.stack(shapes, 1)
    covariance = np.linalg.inv(design.T @ design)
    profile = covariance @ (design.T @ (residual.ravel() / deviation))
    return profile @ units, np.sqrt(np.diag(covariance)) @ units


def _average_image(
    remainder: Floats, variance: Floats, beads: Floats, centres: Floats, offsets: Floats
) -> tuple[Floats, Floats]:
    """Average over the beads of the surroundings of their centres, per unit of their light, and its variance."""
    total, noise, weight = np.zeros((3, len(offsets), len(offsets)))
    for light, centre in zip(beads, centres, strict=True):
        places = np.stack(np.meshgrid(centre[0] + offsets, centre[1] + offsets, indexing="ij"))
        total += light * ndimage.map_coordinates(remainder, places, order=1)
        noise += light**2 * ndimage.map_coordinates(variance, places, order=1)
        weight += light**2 * ndimage.map_coordinates(np.ones_like(remainder), places, order=1)
    weight = np.maximum(weight, 1e-6 * beads.max() ** 2)
    return total / weight, noise / weight**2


def profile_table(residuals: KernelResiduals) -> pd.DataFrame:
    """Radial profiles, one row per depth and radius.

    Returns
    -------
    DataFrame
        Columns ``depth_um``, ``radius_um``, ``measured``, ``measured_se``, ``fitted`` and ``residual``, the last four
        as shares of the light of a kernel per pixel.
    """
    table = pd.DataFrame(
        {
            "depth_um": np.repeat(residuals.depths_um, len(residuals.radii_um)),
            "radius_um": np.tile(residuals.radii_um, len(residuals.depths_um)),
            "measured": (residuals.fitted_profile + residuals.profile).ravel(),
            "measured_se": residuals.profile_se.ravel(),
            "fitted": residuals.fitted_profile.ravel(),
            "residual": residuals.profile.ravel(),
        }
    )
    return table[table["measured_se"] > 0]


def calibrated_psf(
    fit: AcceptanceFit,
    residuals: KernelResiduals,
    kernel_model: KernelModel,
    depths_um: torch.Tensor,
    n_pixels: int,
    pixel_pitch_um: float,
) -> PSF:
    """Point-spread function of an imager from a scan.

    Parameters
    ----------
    fit : AcceptanceFit
        The acceptance fitted to the scan.
    residuals : KernelResiduals
        How the measured kernels differ.
    kernel_model : {"parametric", "radial", "empirical"}
        Kernels of the fitted acceptance at any depth, or with measured profiles or images at depths within the scan.
    depths_um : Tensor (Z,)
        Depths of the kernels [um].
    n_pixels : int
        Pixels of a measurement in y and in x.
    pixel_pitch_um : float
        Pitch of the imager [um].

    Returns
    -------
    PSF
        Kernels, with the fit in its attributes.

    Raises
    ------
    InputError
        If measured kernels are requested at depths outside the scan.
    """
    if kernel_model == "parametric":
        kernels = acceptance_kernels(fit.acceptance, depths_um, n_pixels, pixel_pitch_um)
    else:
        images = residuals.radial if kernel_model == "radial" else residuals.empirical
        kernels = _measured_kernels(fit.acceptance, residuals, images, depths_um, n_pixels, pixel_pitch_um)
    attributes = {
        "source": "scan",
        "kernel_model": kernel_model,
        **asdict(fit.acceptance),
        "fwhm_se_deg": fit.fwhm_se_deg,
        "standoff_se_um": fit.standoff_se_um,
        "n_beads": len(fit.frames[0].centres),
        "scan_pitch_um": residuals.pixel_pitch_um,
    }
    return PSF(kernels.float(), depths_um.float(), pixel_pitch_um, attributes)


def _measured_kernels(
    acceptance: AngularAcceptance,
    residuals: KernelResiduals,
    images: Floats,
    depths_um: torch.Tensor,
    n_pixels: int,
    pixel_pitch_um: float,
) -> torch.Tensor:
    """Kernels of an acceptance plus residuals `images (D, K, K)`, at depths between those of a scan.

    A residual belongs to an angle: it is scaled with the height above the pixels, then interpolated linearly between
    two frames.
    """
    scanned_um, scan_pitch_um = residuals.depths_um, residuals.pixel_pitch_um
    low, high = scanned_um[0], scanned_um[-1]
    if depths_um.min() < low or depths_um.max() > high:
        raise InputError(
            f"psf.depth_range_um: {depths_um.min():g} to {depths_um.max():g} um is not within the depths of the scan, "
            f"{low:g} to {high:g} um; scan more depths, narrow the range or set psf.kernel_model to parametric."
        )
    offsets_um = np.arange(1 - n_pixels, n_pixels) * pixel_pitch_um
    kernels = acceptance_kernels(acceptance, depths_um, n_pixels, pixel_pitch_um).numpy()
    for kernel, depth_um in zip(kernels, depths_um.tolist(), strict=True):
        above = int(np.clip(np.searchsorted(scanned_um, depth_um), 1, len(scanned_um) - 1))
        near_um, far_um = scanned_um[above - 1 : above + 1]
        high_um = height_um(acceptance, depth_um, pixel_pitch_um)
        for index, weight in ((above - 1, far_um - depth_um), (above, depth_um - near_um)):
            scale = height_um(acceptance, scanned_um[index], pixel_pitch_um) / high_um / scan_pitch_um
            places = offsets_um * scale + images.shape[-1] // 2
            grid = np.stack(np.meshgrid(places, places, indexing="ij"))
            share = weight / (far_um - near_um) * (scale * pixel_pitch_um) ** 2
            kernel += share * ndimage.map_coordinates(images[index], grid, order=1)
    kernels = kernels.clip(0)
    return torch.from_numpy(kernels / kernels.sum((1, 2), keepdims=True))


def measurement_arrays(residuals: KernelResiduals) -> dict[str, LabelledArray]:
    """Arrays of the measurement for the file of the PSF, at the depths and the pitch of the scan."""
    return {
        "measured_depths_um": LabelledArray(residuals.depths_um, "depth", "um"),
        "measured_kernels": LabelledArray(residuals.parametric + residuals.empirical, "depth y x"),
        "profile_radii_um": LabelledArray(residuals.radii_um, "radius", "um"),
        "profiles": LabelledArray(residuals.fitted_profile + residuals.profile, "depth radius"),
        "profiles_se": LabelledArray(residuals.profile_se, "depth radius"),
    }
