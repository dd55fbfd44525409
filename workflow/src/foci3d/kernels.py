"""Kernels for every depth from a bead scan: those of the fitted acceptance, and what the measurement adds to them.

A measured kernel is the fitted one plus a deviation. So the pixels' aperture and the change with depth stay exact, and
only what the model misses is subject to noise and interpolation. The deviation is a radial profile or a picture.
"""

import math
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
import torch
from scipy import ndimage

from foci3d.calibration import Fit
from foci3d.errors import InputError
from foci3d.optics import Psf, acceptance_kernels, height_um, spot
from foci3d.scan import Floats, Scan
from foci3d.store import Array

MAXIMUM_SLOPE = math.tan(math.radians(80))  # of rays that carry light into a pixel
TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True)
class Deviations:
    """What a scan shows of the kernels at its own depths and pitch, in shares of a kernel's light per pixel.

    Parameters
    ----------
    radii_um : ndarray (R,)
        Radii of the profiles [um].
    fitted : ndarray (D, R)
        Profiles of the fitted acceptance, along x.
    profile, profile_se : ndarray (D, R)
        Measured less fitted profiles, and their standard errors for given amplitudes and background; 0 where no light
        can be.
    model : ndarray (D, K, K)
        Kernels of the fitted acceptance.
    radial : ndarray (D, K, K)
        What the measured profiles add to them.
    free : ndarray (D, K, K)
        What the measured pictures add to them, averaged over the beads.
    """

    radii_um: Floats
    fitted: Floats
    profile: Floats
    profile_se: Floats
    model: Floats
    radial: Floats
    free: Floats


def measure_deviations(scan: Scan, fit: Fit, half_width: int) -> Deviations:
    """Measure how the kernels differ from those of the fitted acceptance.

    The residuals of a frame are explained by one radial profile, common to all beads and linear between radii, then
    what is left by one picture, averaged over the beads. Overlapping spots share a residual rightly in the first step;
    in the second, what is not radial stays spread over them.

    As negative values are removed from kernels, noise would become light. So a profile enters `radial` only with what
    exceeds three standard errors, and a picture enters `free` only as far as the kernel exceeds its noise.

    Parameters
    ----------
    scan : Scan
        The scan.
    fit : Fit
        Its fit.
    half_width : int
        Pixels of the kernels to either side of the centre.

    Returns
    -------
    Deviations
        The deviations.
    """
    offsets = np.arange(-half_width, half_width + 1, dtype=np.float64)
    radii = _radii(min(half_width, *(size // 2 for size in scan.frames.shape[1:])))
    offsets_um, radii_um = (torch.from_numpy(values * scan.pixel_pitch_um) for values in (offsets, radii))
    grid = np.indices(scan.frames.shape[1:])
    distances = np.stack([np.hypot(*(grid - centre[:, None, None])) for centre in fit.centres])

    def measure(index: int) -> tuple[Floats, ...]:
        optics = fit.acceptance, scan.depths_um[index]
        light = spot(*optics, offsets_um, offsets_um, scan.pixel_pitch_um).numpy()
        along = spot(*optics, torch.zeros(1).double(), radii_um, scan.pixel_pitch_um)[0].numpy()
        beads, residual, variance = fit.amplitudes[index] * light.sum(), fit.residuals[index], fit.variance[index]
        reach_um = MAXIMUM_SLOPE * height_um(*optics, scan.pixel_pitch_um)
        rings = 1 + int(np.searchsorted(radii[1:-1] * scan.pixel_pitch_um, reach_um))
        profile, profile_se = _fit_profile(residual, variance, beads, distances, radii, rings)
        certain = profile * (1 - (3 * profile_se) ** 2 / np.maximum(profile**2, TINY)).clip(0)
        radial = np.interp(np.hypot(offsets[:, None], offsets), radii, certain)
        rest = residual - np.tensordot(beads, np.interp(distances, radii, certain), 1)
        picture, noise = _average_picture(rest, variance, beads, fit.centres, offsets)
        model = light / light.sum()
        power = np.maximum((model + radial) ** 2, TINY)
        return along / light.sum(), profile, profile_se, model, radial, radial + picture * power / (power + noise)

    columns = zip(*map(measure, range(len(scan.frames))), strict=True)
    return Deviations(radii_um.numpy(), *(np.stack(column) for column in columns))


def _radii(pixels: int) -> Floats:
    """Radii [pixels] whose spacing grows with them, so that the light of each ring stands out from its noise."""
    radii = [0]
    while radii[-1] < pixels:
        radii.append(radii[-1] + max(1, radii[-1] // 4))
    return np.array(radii, dtype=np.float64)


def _fit_profile(
    residual: Floats, variance: Floats, beads: Floats, distances: Floats, radii: Floats, rings: int
) -> tuple[Floats, Floats]:
    """Weighted least-squares profile, zero beyond some rings, that explains the residual of all beads at once."""
    units = np.eye(len(radii))[:rings]
    deviation = np.sqrt(variance).ravel()
    shapes = [np.tensordot(beads, np.interp(distances, radii, unit), 1).ravel() / deviation for unit in units]
    design = np.stack(shapes, 1)
    covariance = np.linalg.inv(design.T @ design)
    profile = covariance @ (design.T @ (residual.ravel() / deviation))
    return profile @ units, np.sqrt(np.diag(covariance)) @ units


def _average_picture(
    rest: Floats, variance: Floats, beads: Floats, centres: Floats, offsets: Floats
) -> tuple[Floats, Floats]:
    """Average over the beads of what surrounds their centres, per unit of their light, and its variance."""
    total, noise, weight = np.zeros((3, len(offsets), len(offsets)))
    for light, centre in zip(beads, centres, strict=True):
        places = np.stack(np.meshgrid(centre[0] + offsets, centre[1] + offsets, indexing="ij"))
        total += light * ndimage.map_coordinates(rest, places, order=1)
        noise += light**2 * ndimage.map_coordinates(variance, places, order=1)
        weight += light**2 * ndimage.map_coordinates(np.ones_like(rest), places, order=1)
    weight = np.maximum(weight, 1e-6 * beads.max() ** 2)
    return total / weight, noise / weight**2


def profile_table(scan: Scan, measured: Deviations) -> pd.DataFrame:
    """Radial profiles, a row a depth and radius.

    Returns
    -------
    DataFrame
        Columns ``depth_um``, ``radius_um``, ``measured``, ``measured_se``, ``fitted`` and ``residual``, the last four
        in shares of a kernel's light per pixel.
    """
    table = pd.DataFrame(
        {
            "depth_um": np.repeat(scan.depths_um, len(measured.radii_um)),
            "radius_um": np.tile(measured.radii_um, len(scan.depths_um)),
            "measured": (measured.fitted + measured.profile).ravel(),
            "measured_se": measured.profile_se.ravel(),
            "fitted": measured.fitted.ravel(),
            "residual": measured.profile.ravel(),
        }
    )
    return table[table["measured_se"] > 0]


def kernels_at(
    scan: Scan, fit: Fit, deviations: Floats, depths_um: torch.Tensor, pixels: int, pixel_pitch_um: float
) -> torch.Tensor:
    """Kernels of the fitted acceptance plus measured deviations, between the depths of a scan.

    A deviation belongs to an angle: between two frames it is scaled with the height above the pixels, then
    interpolated linearly.

    Parameters
    ----------
    scan : Scan
        The scan.
    fit : Fit
        Its fit.
    deviations : ndarray (D, K, K)
        Deviations at the scan's depths and pitch.
    depths_um : Tensor (Z,)
        Depths within those of the scan [um].
    pixels : int
        Pixels of the imager's pictures; kernels have twice as many less one.
    pixel_pitch_um : float
        Pitch of the imager, which may differ from that of the scan [um].

    Returns
    -------
    Tensor (Z, 2 * pixels - 1, 2 * pixels - 1), float64
        Kernels without negative values, each with sum 1.

    Raises
    ------
    InputError
        If a depth lies outside the scan.
    """
    low, high = scan.depths_um[0], scan.depths_um[-1]
    if depths_um.min() < low or depths_um.max() > high:
        raise InputError(
            f"psf.depth_range_um: {depths_um.min():g} to {depths_um.max():g} um is not within the scan's {low:g} to "
            f"{high:g} um; scan more depths, narrow the range or set psf.kernel to model."
        )
    offsets_um = np.arange(1 - pixels, pixels) * pixel_pitch_um
    kernels = acceptance_kernels(fit.acceptance, depths_um, pixels, pixel_pitch_um).numpy()
    for kernel, depth_um in zip(kernels, depths_um.tolist(), strict=True):
        above = int(np.clip(np.searchsorted(scan.depths_um, depth_um), 1, len(scan.depths_um) - 1))
        near_um, far_um = scan.depths_um[above - 1 : above + 1]
        high_um = height_um(fit.acceptance, depth_um, pixel_pitch_um)
        for index, weight in ((above - 1, far_um - depth_um), (above, depth_um - near_um)):
            scale = height_um(fit.acceptance, scan.depths_um[index], pixel_pitch_um) / high_um / scan.pixel_pitch_um
            places = offsets_um * scale + deviations.shape[-1] // 2
            grid = np.stack(np.meshgrid(places, places, indexing="ij"))
            share = weight / (far_um - near_um) * (scale * pixel_pitch_um) ** 2
            kernel += share * ndimage.map_coordinates(deviations[index], grid, order=1)
    kernels = kernels.clip(0)
    return torch.from_numpy(kernels / kernels.sum((1, 2), keepdims=True))


def calibrated_psf(
    scan: Scan,
    fit: Fit,
    measured: Deviations,
    kernel: str,
    depths_um: torch.Tensor,
    pixels: int,
    pixel_pitch_um: float,
) -> Psf:
    """Point-spread function of an imager from its scan.

    Parameters
    ----------
    scan, fit, measured : Scan, Fit, Deviations
        The scan and what was found in it.
    kernel : {"model", "radial", "free"}
        Kernels of the fitted acceptance at any depth, or those with the measured profiles or pictures within the scan.
    depths_um : Tensor (Z,)
        Depths of the kernels [um].
    pixels : int
        Pixels of the imager's pictures.
    pixel_pitch_um : float
        Pitch of the imager [um].

    Returns
    -------
    Psf
        Kernels with the fit in its attributes.

    Raises
    ------
    InputError
        If measured kernels are asked for outside the scan.
    """
    if kernel == "model":
        kernels = acceptance_kernels(fit.acceptance, depths_um, pixels, pixel_pitch_um)
    else:
        kernels = kernels_at(scan, fit, getattr(measured, kernel), depths_um, pixels, pixel_pitch_um)
    attributes = {
        "source": "scan",
        "kernel": kernel,
        **asdict(fit.acceptance),
        "fwhm_se_deg": fit.fwhm_se_deg,
        "standoff_se_um": fit.standoff_se_um,
        "beads": len(fit.centres),
        "scan_pitch_um": scan.pixel_pitch_um,
    }
    return Psf(kernels.float(), depths_um.float(), pixel_pitch_um, attributes)


def record(scan: Scan, measured: Deviations) -> dict[str, Array]:
    """Arrays of the measurement, at the scan's depths and pitch, to be kept in the PSF's file."""
    return {
        "measured_depths_um": Array(scan.depths_um, "depth", "um"),
        "measured_kernels": Array(measured.model + measured.free, "depth y x"),
        "profile_radii_um": Array(measured.radii_um, "radius", "um"),
        "profiles": Array(measured.fitted + measured.profile, "depth radius"),
        "profiles_se": Array(measured.profile_se, "depth radius"),
    }
