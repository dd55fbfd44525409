"""Random smooth backgrounds of measurements: a constant of each sensor, and diffuse tissue seen through the optics."""

from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.linalg import cholesky, solve_triangular

from foci3d.optics.points import DEPTH, PointOptics, X, Y

Floats = npt.NDArray[np.float64]

CORRELATION_PX = 4.0
"""Correlation length of diffuse tissue [pixels]."""

SHORTEST_WAVE_PX = 10.0
"""Shortest wavelength of the light of tissue [pixels]."""

N_TISSUE_DEPTHS = 8
"""Layers of tissue."""

TISSUE_MARGIN_PX = 10
"""Extent of tissue beyond the edges of the field [pixels]."""

RELATIVE_SCALES = 10.0 ** np.arange(-4, 0.6, 0.5)
"""Standard deviations of the light of tissue that are compared, relative to the largest residual."""

MIN_POWER = 1e-6
"""Power of the principal components that are kept, relative to the first."""


@dataclass(frozen=True)
class Background:
    """Images with random coefficients.

    Parameters
    ----------
    basis : ndarray (Q, S * P * P)
        Images.
    precision : ndarray (Q,)
        Inverse variance of each coefficient; 0 for one of which nothing is known.
    """

    basis: Floats
    precision: Floats

    def scaled(self, sd: float) -> "Background":
        """The background with coefficients `sd` times as large; those of which nothing is known stay so."""
        return replace(self, precision=self.precision / sd**2)

    def with_constant(self, n_sensors: int) -> "Background":
        """Add a constant of each sensor of which nothing is known."""
        constant = constant_background(n_sensors, self.basis.shape[1] // n_sensors)
        precision = np.concatenate([constant.precision, self.precision])
        return Background(np.concatenate([constant.basis, self.basis]), precision)


def constant_background(n_sensors: int, n_pixels: int) -> Background:
    """A constant of each sensor, of `n_pixels` in all, of which nothing is known."""
    return Background(np.repeat(np.eye(n_sensors), n_pixels, 1), np.zeros(n_sensors))


def most_probable(residual: Floats, variance: Floats, background: Background) -> "InnerProduct":
    """The inner product with the most probable scale of a background, of a residual `(S, P, P)` and its variance."""
    product = InnerProduct(variance, background)
    scales = np.abs(residual).max() * RELATIVE_SCALES
    return max((product.scaled(scale) for scale in scales), key=lambda each: each.log_evidence(residual))


def tissue_background(optics: PointOptics) -> Background:
    """Light of diffuse tissue: smooth random layers at all depths, seen through the optics.

    A layer is a Gaussian random field, held by its cosines: wavelengths down to `SHORTEST_WAVE_PX`, with a power that
    falls with frequency as of a correlation length of `CORRELATION_PX`. The images are the principal components of its
    measurements, which have a variance of 1 per pixel, averaged over the components.
    """
    low, high = optics.depth_range_um
    depths_um = np.linspace(low, high, N_TISSUE_DEPTHS + 2)[1:-1]
    places = np.arange(-TISSUE_MARGIN_PX, optics.n_pixels + TISSUE_MARGIN_PX, dtype=float)
    orders = np.arange(int(2 * len(places) / SHORTEST_WAVE_PX) + 1)
    cosines = np.cos(np.pi * np.outer(orders, np.arange(len(places)) + 0.5) / len(places))
    frequencies = np.hypot(orders[:, None], orders) / (2 * len(places))
    chosen = frequencies <= 1 / SHORTEST_WAVE_PX
    sd = 1 / (1 + (2 * np.pi * CORRELATION_PX * frequencies[chosen]) ** 2)
    images = []
    for depth_um in depths_um:
        points = np.zeros((len(places), 5))
        points[:, Y], points[:, X], points[:, DEPTH] = places, places, depth_um
        rows, columns = (np.einsum("uj,jstp->ustp", cosines, terms) for terms in optics.profiles(points))
        waves = np.einsum("ustp,vstq->uvspq", rows, columns, optimize=True)[chosen]
        images.append((sd[:, None, None, None] * waves).reshape(len(sd), -1))
    stacked = np.concatenate(images)
    values, vectors = np.linalg.eigh(stacked @ stacked.T)
    kept = values > MIN_POWER * values[-1]
    basis = (vectors[:, kept] / np.sqrt(values[kept])).T @ stacked
    return Background(basis * np.sqrt(stacked.shape[1]), values[-1] / values[kept])


class InnerProduct:
    """Inner product of images under independent noise and a random background.

    Parameters
    ----------
    variance : ndarray (S, P, P)
        Variance of the noise.
    background : Background
        The background, over which is averaged.
    """

    def __init__(self, variance: Floats, background: Background) -> None:
        self.random = background
        self._shape, self._root = variance.shape, variance.ravel() ** -0.5
        self._whitened = background.basis * self._root
        self._gram = self._whitened @ self._whitened.T
        self._factorize()

    def _factorize(self) -> None:
        self._factor = cholesky(self._gram + np.diag(self.random.precision), lower=True)

    @cached_property
    def _projector(self) -> Floats:
        return solve_triangular(self._factor, self._whitened, lower=True)

    def scaled(self, sd: float) -> "InnerProduct":
        """The product with another scale of the background."""
        other = copy(self)
        other.__dict__.pop("_projector", None)
        other.random = self.random.scaled(sd)
        other._factorize()
        return other

    def norm(self, image: Floats) -> float:
        """Squared norm of an image `(S, P, P)`."""
        white = image.ravel() * self._root
        return float(white @ white - np.square(self._projector @ white).sum())

    def weigh(self, image: Floats) -> Floats:
        """Image `(S, P, P)` whose plain products with others are its inner products."""
        white = image.ravel() * self._root
        white = white - self._projector.T @ (self._projector @ white)
        return (white * self._root).reshape(self._shape)

    def normal_equations(self, derivatives: Floats, residual: Floats) -> tuple[Floats, Floats]:
        """Products `(N, N)` of `derivatives (N, S, P, P)`, the Fisher information, and with the residual, `(N,)`."""
        white = derivatives.reshape(len(derivatives), -1) * self._root
        rest = residual.ravel() * self._root
        projected = white @ self._projector.T
        return (
            white @ white.T - projected @ projected.T,
            white @ rest - projected @ (self._projector @ rest),
        )

    def background(self, residual: Floats) -> Floats:
        """The most probable background `(S, P, P)` in a residual."""
        white = residual.ravel() * self._root
        coefficients = solve_triangular(self._factor, self._projector @ white, lower=True, trans="T")
        return (coefficients @ self.random.basis).reshape(self._shape)

    def log_evidence(self, residual: Floats) -> float:
        """Logarithm of the probability density of a residual, up to what the noise alone determines."""
        white = residual.ravel() * self._root
        explained = solve_triangular(self._factor, self._whitened @ white, lower=True)
        known = self.random.precision > 0
        log_prior = np.log(self.random.precision[known]).sum()
        misfit = float(white @ white - explained @ explained)
        return 0.5 * (log_prior - misfit) - float(np.log(self._factor.diagonal()).sum())
