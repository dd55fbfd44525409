r"""Localization of single cells as points of light: position, depth and brightness of each, with standard errors.

A measurement is the light of points, a random smooth background and noise. Points are added where a matched filter of
the residual, over a grid of depths, gains most; then all are fitted together by Levenberg-Marquardt steps with analytic
derivatives. A point stays if it lowers the Bayesian information criterion, which also merges duplicates. This is the
alternating descent conditional gradient method (Boyd, Schiebinger and Recht, SIAM J. Optim. 27, 616 (2017)) with a rule
for when to stop. Standard errors are the Cramer-Rao bounds at the solution.
"""

import logging
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from skimage.feature import peak_local_max

from foci3d.classical.background import Background, InnerProduct, constant_background, most_probable, tissue_background
from foci3d.optics.noise_model import NoiseModel, estimate_noise
from foci3d.optics.points import BRIGHTNESS, DEPTH, VARIANCE, PointOptics, X, Y

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]

GRID_STEP_UM = 30.0
"""Step of the depths at which points are searched [um]."""

MARGIN_PX = 4
"""Pixels beyond the edges in which points are searched, too; points may move as far again."""

MODEL_RELATIVE_SD = 0.005
"""Error of the point-spread function, relative to the light of the points in a pixel."""

TISSUE_RELATIVE_SD = 0.01
"""Error of point-spread function and components of tissue, relative to all light in a pixel."""

MAX_ROUNDS = 60
"""Searches for further points."""

MIN_STRENGTH = 16.0
"""Squared brightness of a point in units of its variance, at least."""

MANY_POINTS = 24
"""Points from which a search ends that improves a fit of large misfit only slowly."""

TYPICAL_MISFIT = 1.5
"""Misfit above which there is more than noise, so that tissue is looked for."""

MAX_VARIANCE_PX2 = 2.0
"""Largest variance of the size of a cell, that of a disc with a radius of 2.8 pixels [pixels^2]."""

STEP_LIMITS = np.array([1.5, 1.5, 80.0, 0.5, np.inf])
"""Largest step of each parameter of a point."""


@dataclass(frozen=True)
class PointFit:
    """Points that explain a measurement.

    Parameters
    ----------
    points : ndarray (N, 5)
        y and x [pixels], depth [um], variance of the size [pixels^2] and brightness [a.u.], see
        `foci3d.optics.points.PointOptics`.
    standard_errors : ndarray (N, 5)
        Their standard errors; 0 for a size that the image does not tell from that of a point.
    background : ndarray (S, P, P)
        Light that is not of points [a.u.].
    has_tissue : bool
        Whether the background is that of diffuse tissue, not a constant of each sensor.
    misfit : float
        Mean squared residual in units of the variance of the noise: about 1 where all is explained.
    bic : float
        Bayesian information criterion, of which a lower value is better.
    """

    points: Floats
    standard_errors: Floats
    background: Floats
    has_tissue: bool
    misfit: float
    bic: float


class PointLocalizer:
    """Localizer of single cells, for one imager.

    Parameters
    ----------
    optics : PointOptics
        The imager, with any number of sensors.
    max_points : int
        Points in a field, at most.

    Examples
    --------
    >>> from foci3d.optics.acceptance import AngularAcceptance, acceptance_kernels
    >>> from foci3d.optics.psf import PSF, depth_grid
    >>> depths_um = depth_grid((0.0, 1000.0), 20.0)
    >>> kernels = acceptance_kernels(AngularAcceptance(36.0, 20.0, 1.0), depths_um, 25, 55.0)
    >>> optics = PointOptics(PSF(kernels, depths_um, 55.0), [0.0, 1000.0])
    >>> light = optics.images(np.array([[12.3, 9.0, 350.0, 0.0, 1e5]]))[0]
    >>> measurement = np.random.default_rng(0).poisson(light + 10.0)
    >>> PointLocalizer(optics).localize(measurement).points[:, :3].round(0)
    array([[ 12.,   9., 350.]])
    """

    def __init__(self, optics: PointOptics, max_points: int = 200) -> None:
        self.optics, self.max_points = optics, max_points
        self.search = MatchedFilter(optics)
        self.constant = constant_background(len(optics.sensor_depths_um), optics.n_pixels**2)

    @cached_property
    def tissue(self) -> Background:
        """Light of diffuse tissue and a constant of each sensor."""
        return tissue_background(self.optics).with_constant(len(self.optics.sensor_depths_um))

    def localize(
        self, measurement: npt.NDArray[np.number], noise: NoiseModel | None = None, known: Floats | float = 0.0
    ) -> PointFit:
        """Localize the cells in one measurement.

        Parameters
        ----------
        measurement : ndarray (S, P, P)
            Images of the sensors, linear in light [a.u.].
        noise : NoiseModel, optional
            Noise of the sensors, by default estimated from the measurement.
        known : ndarray (S, P, P), optional
            Light in the measurement that is known, such as that of cells outside the field [a.u.].

        Returns
        -------
        PointFit
            The points. Diffuse tissue is looked for if points alone do not explain the measurement, and is kept if the
            Bayesian information criterion is lower with it.
        """
        readings = np.asarray(measurement, np.float64)
        alone = _Fit(self, readings, noise, known, tissue=None).run()
        if alone.misfit < TYPICAL_MISFIT:
            return alone
        return min(alone, _Fit(self, readings, noise, known, self.tissue).run(), key=lambda fit: fit.bic)


class MatchedFilter:
    """Products of images with those of points on a grid of positions: every pixel, and depths `GRID_STEP_UM` apart."""

    def __init__(self, optics: PointOptics) -> None:
        low, high = optics.depth_range_um
        self.depths_um = np.linspace(low, high, int(np.ceil((high - low) / GRID_STEP_UM)) + 1)
        self.places = np.arange(-MARGIN_PX, optics.n_pixels + MARGIN_PX, dtype=float)
        grid = np.zeros((len(self.depths_um), len(self.places), 5))
        grid[..., Y], grid[..., X], grid[..., DEPTH] = self.places, self.places, self.depths_um[:, None]
        terms = (terms.reshape(*grid.shape[:2], *terms.shape[1:]) for terms in optics.profiles(grid.reshape(-1, 5)))
        self._rows, self._columns = (np.ascontiguousarray(np.moveaxis(each, 1, 3)) for each in terms)  # (D, S, T, ., P)

    def correlate(self, images: Floats) -> Floats:
        """Sums over the pixels of `images (S, P, P)` times the image of each point, `(depth, y, x)`."""
        return (self._rows @ images[:, None] @ self._columns.swapaxes(-2, -1)).sum((1, 2))

    def energies(self, weights: Floats) -> Floats:
        """Sums over the pixels of `weights (S, P, P)` times the squared image of each point, `(depth, y, x)`."""
        n_terms, total = self._rows.shape[2], 0.0
        for first, second in zip(*np.triu_indices(n_terms), strict=True):
            rows, columns = (each[:, :, first] * each[:, :, second] for each in (self._rows, self._columns))
            total = total + (1 + (first < second)) * (rows @ weights @ columns.swapaxes(-2, -1)).sum(1)
        return np.asarray(total)


class _Fit:
    """A fit to one measurement on its way: points, which of them have a size, and the weights of the pixels.

    `objective` is the squared misfit, to which each parameter of a point adds a `penalty`.
    """

    def __init__(
        self,
        localizer: PointLocalizer,
        readings: Floats,
        noise: NoiseModel | None,
        known: Floats | float,
        tissue: Background | None,
    ) -> None:
        self.localizer, self.optics, self.readings = localizer, localizer.optics, readings
        self.given_noise, self.known, self.tissue = noise, known, tissue
        self.points, self.is_sized = np.zeros((0, 5)), np.zeros(0, bool)
        self.penalty = float(np.log(readings.size))
        self.weigh()

    def run(self) -> PointFit:
        """Add points until none improves the fit, they are patches of tissue, or too many for what they explain."""
        has_failed = False
        for _ in range(MAX_ROUNDS):
            before = self.points, self.is_sized, self.objective()
            n_new = self.add(1 if has_failed else max(3, len(self.points) // 3))
            if n_new:
                self.descend(8)
                self.find_sizes()
                self.prune()
            after = self.objective()
            log.debug("%d points, objective %.1f, before %.1f", len(self.points), after, before[2])
            is_improved = n_new > 0 and after < before[2] - self.penalty
            if not is_improved:
                self.points, self.is_sized = before[:2]
            if not n_new or (has_failed and not is_improved):
                break
            has_failed = not is_improved
            self.weigh(self.background())
            if self.tissue is None and len(self.points) >= 12 and self.are_patches():
                break
            is_slow = len(self.points) >= MANY_POINTS and after > before[2] / 1.5
            if is_slow and self.misfit(self.points) > 2 * TYPICAL_MISFIT * self.readings.size:
                break
        self.descend(30)
        return self.result()

    def light(self, points: Floats) -> Floats:
        """Image `(S, P, P)` of points."""
        return self.optics.images(points).sum(0)

    def background(self) -> Floats:
        """Most probable background `(S, P, P)`."""
        return self.product.background(self.measurement - self.light(self.points))

    def weigh(self, background: Floats | None = None) -> None:
        """Set the noise, readings without the bias of clipping, weights and background for the points as they are."""
        light = self.light(self.points)
        expected = None if background is None else light + background + self.known
        self.noise = self.given_noise or estimate_noise(self.readings, expected)
        expected = self.readings if expected is None else expected
        self.measurement = self.readings - self.noise.clipping_bias(expected) - self.known
        inexact = TISSUE_RELATIVE_SD * expected if self.tissue else MODEL_RELATIVE_SD * light
        self.variance = self.noise.variance(expected) + inexact**2
        if self.tissue:
            self.product = most_probable(self.measurement - light, self.variance, self.tissue)
        else:
            self.product = InnerProduct(self.variance, self.localizer.constant)
        self.energies = self.localizer.search.energies(1 / self.variance)

    def misfit(self, points: Floats) -> float:
        """Squared residual in units of its variance, over all backgrounds."""
        return self.product.norm(self.measurement - self.light(points))

    def objective(self) -> float:
        """Misfit with the penalty for all parameters."""
        return self.misfit(self.points) + self.penalty * (4 * len(self.points) + float(self.is_sized.sum()))

    def add(self, count: int) -> int:
        """Add up to `count` points where they explain most of the residual; the number of those added."""
        search = self.localizer.search
        products = search.correlate(self.product.weigh(self.measurement - self.light(self.points)))
        gains = np.where(products > 0, products**2 / self.energies, 0)
        depths, best = gains.argmax(0), np.pad(gains.max(0), 1)
        count = min(count, self.localizer.max_points - len(self.points))
        peaks = peak_local_max(best, min_distance=3, threshold_abs=2 * self.penalty, exclude_border=False)[:count] - 1
        new = np.zeros((len(peaks), 5))
        for point, (y, x) in zip(new, peaks, strict=True):
            index = depths[y, x], y, x
            point[:3] = search.places[y], search.places[x], search.depths_um[index[0]]
            point[BRIGHTNESS] = products[index] / self.energies[index]
        self.points = np.concatenate([self.points, new])
        self.is_sized = np.concatenate([self.is_sized, np.zeros(len(new), bool)])
        return len(new)

    def is_free(self) -> npt.NDArray[np.bool_]:
        """Parameters that are fitted, as an array like the points."""
        free = np.ones(self.points.shape, bool)
        free[:, VARIANCE] = self.is_sized
        return free

    def normal_equations(self) -> tuple[Floats, Floats]:
        """Fisher information of the free parameters, and the gradient."""
        derivatives = self.optics.derivatives(self.points)[self.is_free()]
        return self.product.normal_equations(derivatives, self.measurement - self.light(self.points))

    def descend(self, n_steps: int) -> None:
        """Levenberg-Marquardt steps of all points together."""
        damping, misfit = 1e-3, self.misfit(self.points)
        for _ in range(n_steps if len(self.points) else 0):
            information, gradient = self.normal_equations()
            diagonal = information.diagonal()
            for _ in range(6):
                step = np.zeros(self.points.shape)
                system = information + np.diag(damping * diagonal + 1e-12 * diagonal.max())
                step[self.is_free()] = np.linalg.solve(system, gradient)
                trial = self.confine(self.points + step.clip(-STEP_LIMITS, STEP_LIMITS))
                trial_misfit = self.misfit(trial)
                if trial_misfit < misfit:
                    break
                damping *= 8
            else:
                return
            gain, self.points, misfit, damping = misfit - trial_misfit, trial, trial_misfit, damping / 8
            if gain < 1e-3:
                return

    def confine(self, points: Floats) -> Floats:
        """Points within field, margin and depths, with light and a size that are not negative."""
        low, high = self.optics.depth_range_um
        near, far = -2.0 * MARGIN_PX, self.optics.n_pixels - 1.0 + 2 * MARGIN_PX
        return points.clip([near, near, low, 0, 0], [far, far, high, MAX_VARIANCE_PX2, np.inf])

    def find_sizes(self) -> None:
        """Fit the size of those points whose image tells it; in tissue, and with a single sensor, none does."""
        if len(self.optics.sensor_depths_um) == 1 or self.tissue or not len(self.points):
            return
        before, self.is_sized = self.is_sized, np.ones(len(self.points), bool)
        information, gradient = self.normal_equations()
        covariance = _invert(information)
        variances = self.points[:, VARIANCE] + (covariance @ gradient)[VARIANCE::5]
        gains = np.where(variances > 0, variances**2 / covariance.diagonal()[VARIANCE::5].clip(1e-300), 0)
        self.is_sized = gains > np.where(before, 1, 2) * self.penalty
        self.points = self.points * np.where(np.arange(5) == VARIANCE, self.is_sized[:, None], 1)
        if (before != self.is_sized).any():
            self.descend(8)

    def prune(self) -> None:
        """Remove points, the weakest first, without which the objective is lower after the others have adapted."""
        is_tested, strengths = np.zeros(len(self.points), bool), self.strengths()
        while not is_tested.all():
            weakest = int(np.where(is_tested, np.inf, strengths).argmin())
            if strengths[weakest] > 12 * self.penalty:
                return
            points, is_sized, before = self.points, self.is_sized, self.objective()
            self.points, self.is_sized = np.delete(points, weakest, 0), np.delete(is_sized, weakest)
            self.descend(8)
            if strengths[weakest] < MIN_STRENGTH or self.objective() < before:
                is_tested, strengths = np.delete(is_tested, weakest), self.strengths()
            else:
                self.points, self.is_sized = points, is_sized
                is_tested[weakest] = True

    def are_patches(self) -> bool:
        """Whether most points are larger than cells."""
        return bool((self.points[:, VARIANCE] >= MAX_VARIANCE_PX2).mean() > 0.5)

    def variances(self) -> Floats:
        """Cramer-Rao bounds of the variances of all parameters, 0 for those that are not fitted."""
        variances = np.zeros(self.points.shape)
        if len(self.points):
            variances[self.is_free()] = _invert(self.normal_equations()[0]).diagonal()
        return variances

    def strengths(self) -> Floats:
        """Squared brightness of each point in units of its variance."""
        return self.points[:, BRIGHTNESS] ** 2 / self.variances()[:, BRIGHTNESS].clip(1e-300)

    def result(self) -> PointFit:
        """The fit as it is, with errors that are larger where the light of points is explained less well than noise."""
        light, background = self.light(self.points), self.background()
        squares = (self.measurement - light - background) ** 2 / self.variance
        is_lit = light > np.sqrt(self.variance)
        excess = max(1.0, float(squares[is_lit].mean())) if is_lit.any() else 1.0
        evidence = self.product.log_evidence(self.measurement - light)
        n_parameters = 4 * len(self.points) + int(self.is_sized.sum())
        return PointFit(
            points=self.points,
            standard_errors=np.sqrt(excess * self.variances()),
            background=background,
            has_tissue=self.tissue is not None,
            misfit=float(squares.mean()),
            bic=float(np.log(self.variance).sum()) - 2 * evidence + self.penalty * n_parameters,
        )


def _invert(information: Floats) -> Floats:
    """Covariance of parameters of very different scales."""
    scale = np.sqrt(information.diagonal().clip(1e-300))
    outer = scale * scale[:, None]
    return np.linalg.pinv(information / outer, hermitian=True, rcond=1e-12) / outer
