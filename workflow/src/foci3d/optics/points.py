r"""Images of points of light, such as single cells, and their derivatives, for any number of sensors.

A kernel is a sum of a few separable terms (`foci3d.optics.forward.separable_terms`), so that the image of a point is a
sum of products of profiles along y and along x. Profiles are held as Fourier series, in which a shift by y is the
factor :math:`e^{-2\pi i f y}`, and a Gaussian size of variance v is :math:`e^{-2\pi^2 f^2 v}`; between the depths of
the point-spread function they are cubic splines. All derivatives are therefore analytic.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from scipy.interpolate import CubicSpline

from foci3d.errors import InputError
from foci3d.optics.acceptance import AngularAcceptance, pixel_response
from foci3d.optics.forward import separable_terms
from foci3d.optics.psf import PSF

Floats = npt.NDArray[np.float64]
Spectra = npt.NDArray[np.complex128]

Y, X, DEPTH, VARIANCE, BRIGHTNESS = range(5)
"""Columns of an array of points: y and x [pixels, 0 is the middle of the first], depth [um], variance of its Gaussian
size along y or x [pixels^2], and its light on each sensor [a.u.]."""

N_TERMS = 3
"""Separable terms of a kernel; they reproduce those of an angular acceptance to 1e-4 of their peak."""

NEAR_UM = 250.0
"""Distance below which kernels are narrower than what pixels sample well [um]."""

OVERSAMPLING = 5
"""Samples per pixel of the profiles of near points."""

NEAR_REACH_PX = 16
"""Extent of the profiles of near points on either side [pixels]."""

NODE_SPACING_UM = 20.0
"""Least distance of the nodes of the splines of far profiles [um]."""


class _Profiles:
    """Separable terms of kernels along y and x as splines in depth, sampled some times per pixel.

    Parameters
    ----------
    depths_um : ndarray (D,)
        Nodes [um].
    factors : ndarray (D, 2, T, K)
        Centred terms along y and x.
    oversampling : int
        Samples per pixel.
    n_pixels : int
        Pixels P of an image. Points up to half a field beyond each edge do not wrap around.
    """

    def __init__(self, depths_um: Floats, factors: Floats, oversampling: int, n_pixels: int) -> None:
        n_samples = 5 * n_pixels // 2
        self.frequencies = np.arange(oversampling * n_samples // 2 + 1) / n_samples  # [1/pixel]
        centred = np.zeros((*factors.shape[:-1], oversampling * n_samples))
        centred[..., : factors.shape[-1]] = factors
        centred = np.roll(centred, -(factors.shape[-1] // 2), -1)
        self._spectra = CubicSpline(depths_um, np.fft.rfft(centred) / (oversampling * n_samples))
        angles = 2 * np.pi * np.outer(self.frequencies, np.arange(n_pixels))
        weights = np.where(self.frequencies == 0, 1, 2)[:, None]
        self._to_pixels = np.stack([weights * np.cos(angles), -weights * np.sin(angles)], 1).reshape(-1, n_pixels)

    def at(self, points: Floats, offsets_um: Floats, with_derivatives: bool) -> Floats:
        """Profiles `(1, N, 2, T, P)` of points at `offsets_um (N,)` from a sensor.

        With derivatives, `(4, N, 2, T, P)`: also those by place, by depth and by variance.
        """
        exponents = -2j * np.pi * points[:, [Y, X], None] * self.frequencies
        exponents -= 2 * np.pi**2 * points[:, VARIANCE, None, None] * self.frequencies**2
        shift = np.exp(exponents)[:, :, None]
        spectra = self._spectra(abs(offsets_um))
        stacked = [spectra * shift]
        if with_derivatives:
            slopes = self._spectra(abs(offsets_um), 1) * np.sign(offsets_um)[:, None, None, None] * shift
            along, spread = -2j * np.pi * self.frequencies, -2 * np.pi**2 * self.frequencies**2
            stacked += [along * stacked[0], slopes, spread * stacked[0]]
        return np.stack(stacked).view(np.float64) @ self._to_pixels


class PointOptics:
    """The imager as seen by points of light.

    Parameters
    ----------
    psf : PSF
        Point-spread function with kernels of ``2 * P - 1`` pixels. Closer than 250 um to a sensor, its attributes
        `fwhm_deg`, `standoff_um` and `linear_fill_factor` give what kernels at the pitch of the pixels leave out.
    sensor_depths_um : sequence of S float
        Depth of each sensor; that of a sensor which faces sensor A is its distance [um].

    Raises
    ------
    InputError
        If the point-spread function does not cover the depths between the sensors.

    Examples
    --------
    >>> from foci3d.optics.psf import depth_grid
    >>> from foci3d.optics.acceptance import acceptance_kernels
    >>> depths_um = depth_grid((0.0, 1000.0), 20.0)
    >>> kernels = acceptance_kernels(AngularAcceptance(36.0, 20.0, 1.0), depths_um, 15, 55.0)
    >>> optics = PointOptics(PSF(kernels, depths_um, 55.0), [0.0, 1000.0])
    >>> image = optics.images(np.array([[7.0, 7.0, 100.0, 0.0, 1.0]]))
    >>> image.shape, f"{image[0, 0].sum():.2f}"
    ((1, 2, 15, 15), '1.00')
    """

    def __init__(self, psf: PSF, sensor_depths_um: Sequence[float] = (0.0,)) -> None:
        self.sensor_depths_um = np.array(sensor_depths_um, float)
        self.n_pixels = (psf.kernels.shape[-1] + 1) // 2
        self.pixel_pitch_um = psf.pixel_pitch_um
        self.depth_range_um = _common_depths(psf, self.sensor_depths_um)
        depths_um, kernels = psf.depths_um.double().numpy(), psf.kernels.double()
        far = _nodes(depths_um)
        factors = torch.stack(separable_terms(kernels[far], N_TERMS), 1).mT.numpy()
        self._tables = [_Profiles(depths_um[far], factors, 1, self.n_pixels)]
        near = _nodes(depths_um[depths_um < NEAR_UM + 2 * NODE_SPACING_UM], 0.1)
        acceptance = _acceptance(psf)
        if acceptance and near.size > 2:
            fine = _oversample(kernels[near], acceptance, depths_um[near], psf.pixel_pitch_um)
            self._tables.append(_Profiles(depths_um[near], fine, OVERSAMPLING, self.n_pixels))

    def images(self, points: Floats) -> Floats:
        """Images `(N, S, P, P)` of `points (N, 5)`, see `BRIGHTNESS`."""
        rows, columns = self.profiles(points)
        return points[:, BRIGHTNESS, None, None, None] * (rows.swapaxes(-2, -1) @ columns)

    def profiles(self, points: Floats) -> tuple[Floats, Floats]:
        """Separable terms `(N, S, T, P)` along y and along x of the images of points of brightness 1."""
        return tuple(np.moveaxis(self._profiles(points, with_derivatives=False)[0], 2, 0))

    def derivatives(self, points: Floats) -> Floats:
        """Derivatives `(N, 5, S, P, P)` of the images of `points (N, 5)` by each of their columns."""
        profiles = self._profiles(points, with_derivatives=True)
        (y, x), (dy, dx), (y_z, x_z), (y_v, x_v) = np.moveaxis(profiles, 3, 1)
        pairs = {Y: [(dy, x)], X: [(y, dx)], DEPTH: [(y_z, x), (y, x_z)], VARIANCE: [(y_v, x), (y, x_v)]}
        result = np.empty((len(points), 5, len(self.sensor_depths_um), self.n_pixels, self.n_pixels))
        result[:, BRIGHTNESS] = y.swapaxes(-2, -1) @ x
        for column, products in pairs.items():
            rows, columns = (np.concatenate(factors, -2) for factors in zip(*products, strict=True))
            scaled = points[:, BRIGHTNESS, None, None, None] * rows
            np.matmul(scaled.swapaxes(-2, -1), columns, out=result[:, column])
        return result

    def _profiles(self, points: Floats, with_derivatives: bool) -> Floats:
        """Profiles `(1 or 4, N, S, 2, T, P)`, see `_Profiles.at`."""
        n_sensors = len(self.sensor_depths_um)
        offsets_um = (points[:, DEPTH, None] - self.sensor_depths_um).ravel()
        repeated = np.repeat(points, n_sensors, 0)
        result = np.empty((4 if with_derivatives else 1, len(repeated), 2, N_TERMS, self.n_pixels))
        table = (abs(offsets_um) < NEAR_UM) & (len(self._tables) > 1)
        for index, profiles in enumerate(self._tables):
            chosen = table == index
            result[:, chosen] = profiles.at(repeated[chosen], offsets_um[chosen], with_derivatives)
        return result.reshape(len(result), len(points), n_sensors, *result.shape[2:])


def _common_depths(psf: PSF, sensor_depths_um: Floats) -> tuple[float, float]:
    """Depths [um] that points may have: between the sensors, or all of the PSF for a single sensor."""
    low, high = float(psf.depths_um[0]), float(psf.depths_um[-1])
    if len(sensor_depths_um) == 1:
        return sensor_depths_um[0] + low, sensor_depths_um[0] + high
    first, last = float(sensor_depths_um.min()), float(sensor_depths_um.max())
    if last - first - low > high:
        raise InputError(
            f"point-spread function: its depths end at {high:g} um; expected at least {last - first - low:g} um, the "
            "distance between the sensors. Compute it for more depths (psf.depth_range_um)."
        )
    return first + low, last - low


def _nodes(depths_um: Floats, relative_spacing: float = 1.0) -> npt.NDArray[np.int64]:
    """Indices of depths `NODE_SPACING_UM` apart, or closer in proportion to their depth, with the first and last."""
    chosen = [0]
    for index, depth_um in enumerate(depths_um[:-1]):
        if depth_um - depths_um[chosen[-1]] >= 0.99 * min(NODE_SPACING_UM, relative_spacing * depth_um):
            chosen.append(index)
    return np.unique([*chosen, len(depths_um) - 1])


def _acceptance(psf: PSF) -> AngularAcceptance | None:
    """Angular acceptance that the attributes of a point-spread function state, if they do."""
    values = [psf.attributes.get(name) for name in ("fwhm_deg", "standoff_um", "linear_fill_factor")]
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    return AngularAcceptance(*numbers) if len(numbers) == len(values) else None


def _oversample(
    kernels: torch.Tensor, acceptance: AngularAcceptance, depths_um: Floats, pixel_pitch_um: float
) -> Floats:
    """Separable terms `(D, 2, T, K')` of near `kernels (D, K, K)` at several samples per pixel.

    The acceptance gives a kernel at fine steps along one axis, to which the difference between it and the kernel is
    added, interpolated. The terms along the other axis turn it into fine terms by least squares.
    """
    middle = len(kernels[0]) // 2
    reach = min(NEAR_REACH_PX, middle)
    kernels = kernels[:, middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
    coarse = np.arange(-reach, reach + 1)
    fine = np.arange(-reach * OVERSAMPLING, reach * OVERSAMPLING + 1) / OVERSAMPLING
    fine_um, coarse_um = (torch.from_numpy(each[each >= 0] * pixel_pitch_um) for each in (fine, coarse))
    result = []
    for kernel, depth_um, *terms in zip(kernels.numpy(), depths_um, *separable_terms(kernels, N_TERMS), strict=True):
        quarter = pixel_response(acceptance, depth_um, fine_um, coarse_um, pixel_pitch_um).numpy()
        response = np.pad(quarter, ((reach * OVERSAMPLING, 0), (reach, 0)), mode="reflect")  # (K', K)
        response *= kernel.sum() / response[::OVERSAMPLING].sum()
        for difference, other in ((kernel, terms[1]), (kernel.T, terms[0])):
            rest = CubicSpline(coarse, difference - response[::OVERSAMPLING])(fine)
            result.append(np.linalg.lstsq(other.numpy(), (response + rest).T, rcond=None)[0])
    return np.reshape(result, (len(kernels), 2, N_TERMS, -1))
