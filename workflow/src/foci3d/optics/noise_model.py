"""Noise of measurements: its variance as a function of the light, estimated from an image."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import convolve, uniform_filter
from scipy.optimize import nnls
from scipy.special import ndtr, ndtri

Floats = npt.NDArray[np.float64]

LAPLACIAN = np.array([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]]) / 6
"""Filter without response to smooth images, which keeps the variance of white noise (Immerkaer, 1996)."""

N_BINS = 12
"""Groups of pixels by brightness whose noise is estimated."""

MIN_PIXELS = 30
"""Pixels of a group, at least."""

MIN_CLIPPED = 0.05
"""Share of readings of exactly zero above which they count as clipped there."""

MAD_TO_SD = 1.4826
"""Standard deviation of a Gaussian with a median absolute deviation of 1."""


@dataclass(frozen=True)
class NoiseModel:
    """Shot noise and read noise.

    Parameters
    ----------
    per_light : float
        Variance per light, by shot noise [a.u.].
    constant : float
        Variance in the dark [a.u.^2].
    is_clipped : bool
        Whether readings below zero are zero.
    """

    per_light: float
    constant: float
    is_clipped: bool = False

    def variance(self, light: Floats) -> Floats:
        """Variance of readings at the expected `light (...)` [a.u.^2]."""
        return self.per_light * light.clip(0) + self.constant

    def clipping_bias(self, light: Floats) -> Floats:
        """Mean by which clipping at zero raises readings at the expected `light (...)` [a.u.]."""
        if not self.is_clipped:
            return np.zeros_like(light)
        sd = np.sqrt(self.per_light * light.clip(0) + self.constant)
        return sd * _normal_density(light / sd) - light * ndtr(-light / sd)


def _normal_density(z: Floats) -> Floats:
    return np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)


def _clipped_variance(share_of_zeros: Floats) -> Floats:
    """Variance of a normal variable clipped at zero, relative to that before, by the share that is clipped."""
    z = -ndtri(share_of_zeros)
    density, above = _normal_density(z), ndtr(z)
    mean = z * above + density
    return (z**2 + 1) * above + z * density - mean**2


def estimate_noise(measurement: Floats, expected: Floats | None = None) -> NoiseModel:
    """Estimate the noise from the roughness of an image.

    Parameters
    ----------
    measurement : ndarray (S, Y, X)
        Images of the sensors [a.u.].
    expected : ndarray (S, Y, X), optional
        What is known of their light, whose roughness is not noise.

    Returns
    -------
    NoiseModel
        Its variance is that of the pixels, robustly averaged over those of similar brightness. It is at least 1e-8 of
        the squared largest value.
    """
    light = expected if expected is not None else uniform_filter(measurement, (0, 5, 5))
    rough = convolve(measurement if expected is None else measurement - expected, LAPLACIAN[None])[:, 1:-1, 1:-1]
    light, rough = light[:, 1:-1, 1:-1].ravel().clip(0), rough.ravel()
    floor = 1e-8 * float(np.abs(measurement).max()) ** 2
    dark = np.median(light) + np.sqrt(floor)
    edges = np.geomspace(dark, light.max() + dark, N_BINS)
    groups = [
        group
        for group in np.split(np.argsort(light), np.searchsorted(np.sort(light), edges))
        if len(group) > MIN_PIXELS
    ]
    variances = np.array([(MAD_TO_SD * np.median(abs(rough[group]))) ** 2 for group in groups])
    zeros = (measurement[:, 1:-1, 1:-1] == 0).ravel()
    is_clipped = bool(zeros.mean() > MIN_CLIPPED)
    if is_clipped:
        variances /= _clipped_variance(np.array([zeros[group].mean() for group in groups]).clip(1e-9, 0.6))
    levels = np.array([light[group].mean() for group in groups])
    weights = np.sqrt([len(group) for group in groups]) / (variances + floor)
    (per_light, constant), _ = nnls(np.stack([levels, np.ones(len(groups))], 1) * weights[:, None], variances * weights)
    return NoiseModel(float(per_light), max(float(constant), floor), is_clipped)
