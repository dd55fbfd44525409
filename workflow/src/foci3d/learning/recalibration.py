"""Recalibration of a network: probabilities, standard deviations of depths, and what is normal on validation samples.

A probability is calibrated if, of the pixels that are given a probability p, a share p holds cells; the standard
deviation of a depth, if its intervals hold the shares of a normal distribution. A network's outputs are recalibrated by
what is fitted to validation samples and kept in a JSON file beside the model.
"""

import math
from pathlib import Path
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError
from scipy.special import expit, log_softmax, logit, softmax

from foci3d.config.fields import Section
from foci3d.errors import InputError
from foci3d.evaluation.metrics import DEPTH_INTERVALS, BoolArray, FloatArray
from foci3d.io.atomic import atomic_path

SUFFIX = ".recalibration.json"
"""Ending of the file, in place of the ``.json`` of the model."""

MIN_PROBABILITY = 1e-6
"""Probabilities are kept this far from 0 and 1, where their logits are infinite."""

UNUSUAL = 2.0
"""Error of a reconstruction, relative to the usual one, from which a measurement should be flagged."""

COUNT_PENALTY = 1e-3
"""Weight of the squared shifts of the numbers of layers beside the mean logarithm of their likelihood."""


class ProbabilityRecalibration(Section):
    r"""Calibrated probabilities from those of a network, with two parameters for each layer.

    :math:`\operatorname{logit} p' = a_l \operatorname{logit} p + b_l` with L `scales` and `shifts` (Platt, Advances in
    Large Margin Classifiers, 1999). A scale is the inverse of a temperature. A shift is needed where probabilities are
    averaged over symmetries, which moves them away from 0 and 1 by unequal amounts.

    Examples
    --------
    >>> recalibrate = ProbabilityRecalibration(scales=(0.5,), shifts=(0.0,))
    >>> recalibrate(np.full((1, 1, 1, 1), 0.9)).item()
    0.75
    """

    scales: tuple[float, ...]
    shifts: tuple[float, ...]

    @classmethod
    def fit(cls, probabilities: FloatArray, target: BoolArray) -> Self:
        """Fit to `probabilities (N, L, Y, X)` of cells and `target (N, L, Y, X)`, by maximum likelihood.

        Scale and shift are 1 and 0 for a layer whose pixels are all empty or all cells.
        """
        from sklearn.linear_model import LogisticRegression  # slow to import, and whoever applies a model needs it not

        parameters = [(1.0, 0.0)] * target.shape[1]
        for layer, logits in enumerate(np.moveaxis(_logits(probabilities), 1, 0)):
            cells = target[:, layer].ravel()
            if cells.any() and not cells.all():
                # C is the inverse of the penalty's weight: infinity is plain maximum likelihood.
                model = LogisticRegression(C=np.inf).fit(logits.reshape(-1, 1), cells)
                parameters[layer] = float(model.coef_[0, 0]), float(model.intercept_[0])
        scales, shifts = zip(*parameters, strict=True)
        return cls(scales=scales, shifts=shifts)

    def __call__(self, probabilities: FloatArray) -> npt.NDArray[np.float32]:
        """Calibrated probabilities `(..., L, Y, X)` of `probabilities (..., L, Y, X)`."""
        calibrated = np.empty(probabilities.shape, np.float32)
        for layer, (scale, shift) in enumerate(zip(self.scales, self.shifts, strict=True)):  # one by one, for memory
            calibrated[..., layer, :, :] = expit(scale * _logits(probabilities[..., layer, :, :]) + shift)
        return calibrated

    def of(self, layers: slice) -> Self:
        """That of some of the layers."""
        return self.model_copy(update={"scales": self.scales[layers], "shifts": self.shifts[layers]})


def _logits(probabilities: FloatArray) -> FloatArray:
    return np.asarray(logit(np.clip(probabilities.astype(float), MIN_PROBABILITY, 1 - MIN_PROBABILITY)))


class DepthRecalibration(Section):
    r"""Calibrated standard deviations of depths from those of a network: :math:`\sigma'^2 = (a_l \sigma)^2 + f^2`.

    The `scales` of the L layers make the 68 % interval hold that share of the validation samples. They are quantiles,
    as the few depths that are far off would widen all intervals if they were root mean squares. These few are depths of
    which the network is surest: textures that it takes for another distance. So `floor_um` makes the 95 % interval hold
    its share, of the samples of each scene generator. Both have the correction for a finite sample of split conformal
    prediction (Lei et al., J. Am. Stat. Assoc. 113, 2018).
    """

    scales: tuple[float, ...]
    floor_um: float = 0.0

    @classmethod
    def fit(cls, errors_um: FloatArray, sds_um: FloatArray, minimum_scale: float = 0.0) -> Self:
        """Fit the scales, each at least a minimum.

        To `errors_um (N, L)`, predicted minus true depths, and their predicted `sds_um (N, L)` [um]. Errors are NaN
        where a layer is empty; the factor of a layer that is always empty is 1.
        """
        deviations = np.abs(errors_um / sds_um).T / DEPTH_INTERVALS[68]
        scales = [conformal_quantile(each[~np.isnan(each)], 0.68, default=1.0) for each in deviations]
        return cls(scales=tuple(max(minimum_scale, scale) for scale in scales))

    def fit_floor(self, errors_um: FloatArray, sds_um: FloatArray, generators: npt.NDArray[np.int64]) -> Self:
        """The same with the floor, from arrays as for `fit` and the number of the `generators (N,)` of the samples."""
        needed_um2 = (errors_um / DEPTH_INTERVALS[95]) ** 2 - self(sds_um).astype(float) ** 2
        of_generators = (needed_um2[generators == number] for number in np.unique(generators))
        floors_um2 = [conformal_quantile(part[~np.isnan(part)], 0.95, default=0.0) for part in of_generators]
        return self.model_copy(update={"floor_um": math.sqrt(max(0.0, *floors_um2))})

    def of(self, layers: slice) -> Self:
        """That of some of the layers."""
        return self.model_copy(update={"scales": self.scales[layers]})

    def __call__(self, sds_um: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """Calibrated standard deviations [um] of `sds_um (..., L)`, or of maps `(..., L, Y, X)` of a field."""
        scales = np.array(self.scales, sds_um.dtype)
        scaled = sds_um * (scales[:, None, None] if sds_um.ndim > 2 else scales)
        return np.hypot(scaled, np.asarray(self.floor_um, sds_um.dtype))


def conformal_quantile(values: FloatArray, share: float, default: float) -> float:
    """The value that a further one does not exceed with the probability `share`; a default for no values.

    >>> conformal_quantile(np.arange(1.0, 101.0), 0.95, 0.0)
    96.0
    """
    rank = min(math.ceil((len(values) + 1) * share), len(values))
    return float(np.partition(values, rank - 1)[rank - 1]) if rank else default


class ErrorReference(Section):
    """How the expected error of a reconstruction is judged: the mean error of its masks, or that of its depths.

    Parameters
    ----------
    usual : float
        Median error of the validation samples.
    threshold : float
        Expected error that is flagged. Of the validation samples whose error is less than `UNUSUAL` times the usual
        one, a share ``trust.false_alarm_rate`` exceeds it.
    """

    usual: float
    threshold: float

    @classmethod
    def fit(cls, errors: FloatArray, expected: FloatArray, false_alarm_rate: float) -> Self | None:
        """Fit to the errors and expected errors `(N,)` of samples; those that are NaN are left out.

        None where no sample has both.
        """
        if np.isnan(errors + expected).all():
            return None
        usual = float(np.nanmedian(errors))
        return cls(
            usual=usual,
            threshold=float(np.nanquantile(expected[errors <= UNUSUAL * usual], 1 - false_alarm_rate)),
        )


class CountRecalibration(Section):
    r"""Calibrated probabilities of the numbers of layers from those of a network.

    :math:`p'_n \propto p_n^a e^{b_n}` with the `scale` a, an inverse temperature, and a shift b for each of L + 1
    numbers, or none (Alexandari et al., ICML 2020).

    Examples
    --------
    >>> CountRecalibration(scale=2.0)(np.array([[0.2, 0.4, 0.4]])).round(2).tolist()
    [[0.11, 0.44, 0.44]]
    """

    scale: float = 1.0
    shifts: tuple[float, ...] = ()

    @classmethod
    def fit(cls, probabilities: FloatArray, n_layers: npt.NDArray[np.int64]) -> Self:
        """Fit to `probabilities (N, L + 1)` and the true numbers `n_layers (N,)`, by maximum likelihood.

        A small penalty holds the shifts of numbers that are never true.
        """
        from scipy.optimize import minimize  # slow to import, and whoever applies a model needs it not

        logits = _log(probabilities)

        def loss(parameters: FloatArray) -> float:
            calibrated = log_softmax(parameters[0] * logits + parameters[1:], axis=1)
            penalty = COUNT_PENALTY * float((parameters[1:] ** 2).sum())
            return penalty - float(calibrated[np.arange(len(n_layers)), n_layers].mean())

        scale, *shifts = minimize(loss, np.eye(1, probabilities.shape[1] + 1)[0]).x.tolist()
        return cls(scale=scale, shifts=tuple(shifts))

    def __call__(self, probabilities: FloatArray) -> FloatArray:
        """Calibrated probabilities of `probabilities (..., L + 1)`, or of maps `(..., L + 1, Y, X)` of a field."""
        axis = -3 if probabilities.ndim > 2 else -1
        logits = np.moveaxis(self.scale * _log(probabilities), axis, -1) + (np.array(self.shifts) if self.shifts else 0)
        return np.asarray(np.moveaxis(softmax(logits, axis=-1), -1, axis), probabilities.dtype)


def _log(probabilities: FloatArray) -> FloatArray:
    return np.asarray(np.log(np.clip(probabilities.astype(float), MIN_PROBABILITY, 1)))


class ConsistencyReference(Section):
    """Distribution of the statistics of `foci3d.confidence.consistency` on validation samples.

    Means of the width errors and of the residual bands, with the inverse of the covariance of these; means and standard
    deviations of the deviations of width, entropy and residual; and the score above which a sample is flagged. Where
    `only_excess` is set, a residual that is smaller than usual is no deviation.
    """

    width_mean: float
    band_means: tuple[float, ...]
    band_precision: tuple[tuple[float, ...], ...]
    means: tuple[float, float, float]
    sds: tuple[float, float, float]
    threshold: float
    only_excess: bool = False


class Recalibration(Section):
    """The recalibration file of a network, fitted by `foci3d.confidence.recalibration` to validation samples.

    `weights` and `psf` are digests of the network's weights and of the point-spread function; `average_symmetries` says
    how its probabilities were predicted, which changes their recalibration; `coverage` is the share of the pixels whose
    confidence reaches `confidence_threshold`; `reference` is that of probabilities as predicted, by which the
    `false_alarm_rate` is flagged, and `tile_reference` the same for measurements with light from beyond their edges, as
    the tiles of a field have it; `mask_errors` and `depth_errors_um` are those of the recalibrated predictions. Files
    of earlier versions lack these three. `typical_residual` is the median of
    `foci3d.confidence.consistency.relative_residual`. Of a network that predicts the number of layers, layers are those
    of the heads for all numbers, see `foci3d.learning.layer_counts`.
    """

    kind: Literal["foci3d-recalibration"] = "foci3d-recalibration"
    version: Literal[1] = 1
    network: str
    weights: str
    psf: str
    average_symmetries: bool
    n_samples: int
    probabilities: ProbabilityRecalibration
    depth_sds: DepthRecalibration
    counts: CountRecalibration = CountRecalibration()
    coverage: float
    confidence_threshold: float
    reference: ConsistencyReference
    tile_reference: ConsistencyReference | None = None
    false_alarm_rate: float = 0.05
    mask_errors: ErrorReference | None = None
    depth_errors_um: ErrorReference | None = None
    typical_residual: float

    def reference_of(self, *, tiles: bool) -> ConsistencyReference:
        """The reference of the tiles of a larger field, or of a measurement."""
        return self.tile_reference if self.tile_reference and tiles else self.reference

    @property
    def n_layers(self) -> tuple[int, ...]:
        """Numbers of layers that its parts are for: one, or it is damaged."""
        parts = (self.probabilities.scales, self.probabilities.shifts, self.depth_sds.scales)
        return tuple(sorted({len(part) for part in parts}))

    def save(self, path: str | Path) -> None:
        """Write as JSON."""
        with atomic_path(path) as temporary:
            temporary.write_text(self.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, path: str | Path, weights: str) -> Self:
        """Read what `save` wrote for the network whose weights have the digest `weights`.

        Raises
        ------
        InputError
            If the file is missing, damaged, of another kind, or belongs to other weights.
        """
        try:
            recalibration = cls.model_validate_json(Path(path).read_text())
        except (OSError, UnicodeDecodeError, ValidationError) as error:
            raise InputError(
                f"{path}: cannot be read as the recalibration of a network; expected the JSON file that rule "
                "recalibrate_network writes, run it again."
            ) from error
        if recalibration.weights != weights:
            raise InputError(
                f"{path}: belongs to weights {recalibration.weights}; expected {weights}, those of the model. "
                "Recalibrate the model again."
            )
        return recalibration


def find_recalibration(description_path: str | Path, weights: str) -> Recalibration | None:
    """Read the recalibration beside the JSON file of a model whose weights have the digest `weights`, if there is one.

    Raises
    ------
    InputError
        If it is damaged, of another kind, or belongs to other weights.
    """
    path = Path(description_path).with_suffix(SUFFIX)
    return Recalibration.load(path, weights) if path.exists() else None
