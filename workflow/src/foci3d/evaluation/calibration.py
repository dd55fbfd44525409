"""Calibration of predicted probabilities and depths, and what remains wrong where uncertain pixels are left out.

A probability is calibrated if, of the pixels that are given a probability p, a share p holds cells; the standard
deviation of a depth, if its intervals hold the shares of a normal distribution. `LogitCalibration` and
`DepthCalibration` are fitted on validation samples; the functions are for test samples. Sums over pixels are kept for
each sample, so that the bootstrap of `foci3d.evaluation.uncertainty` gives the interval of whatever is computed from
them.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from foci3d.evaluation.metrics import CELL_THRESHOLD, DEPTH_INTERVALS, BoolArray, FloatArray, ratio

N_BINS = 15
"""Equal bins of the probability behind the calibration error, the usual number (Guo et al., ICML 2017)."""

CONFIDENCE_BINS = 1000
"""Equal bins of the confidence, from 0.5 to 1, behind risk-coverage curves."""

LIMIT = 1e-6
"""Probabilities are kept this far from 0 and 1, where their logits are infinite."""


@dataclass(frozen=True)
class LogitCalibration:
    r"""Calibrated probabilities from those of a network, with two parameters for each layer.

    :math:`\operatorname{logit} p' = a_l \operatorname{logit} p + b_l` (Platt, Advances in Large Margin Classifiers,
    1999). The scale is the inverse of a temperature. The shift is needed where probabilities are averaged over
    symmetries, which moves them away from 0 and 1 by unequal amounts.

    Parameters
    ----------
    scales, shifts : tuple of L floats
        :math:`a_l` and :math:`b_l`.
    """

    scales: tuple[float, ...]
    shifts: tuple[float, ...]

    @classmethod
    def fit(cls, probabilities: FloatArray, target: BoolArray) -> "LogitCalibration":
        """Fit to validation samples by maximum likelihood.

        Parameters
        ----------
        probabilities : ndarray (N, L, Y, X)
            Predicted probabilities of a cell, 0 to 1.
        target : ndarray (N, L, Y, X)
            Whether there is a cell.

        Returns
        -------
        LogitCalibration
            With scale 1 and shift 0 for a layer whose pixels are all empty or all cells.
        """
        parameters = [(1.0, 0.0)] * target.shape[1]
        for layer, logits in enumerate(np.moveaxis(_logits(probabilities), 1, 0)):
            cells = target[:, layer].ravel()
            if cells.any() and not cells.all():
                # C is the inverse of the penalty's weight: infinity is plain maximum likelihood.
                model = LogisticRegression(C=np.inf).fit(logits.reshape(-1, 1), cells)
                parameters[layer] = float(model.coef_[0, 0]), float(model.intercept_[0])
        scales, shifts = zip(*parameters, strict=True)
        return cls(scales, shifts)

    def __call__(self, probabilities: FloatArray) -> npt.NDArray[np.float32]:
        """Calibrated probabilities `(N, L, Y, X)` of `probabilities (N, L, Y, X)`."""
        scales, shifts = (np.array(values)[:, None, None] for values in (self.scales, self.shifts))
        return np.asarray(expit(scales * _logits(probabilities) + shifts), np.float32)


def _logits(probabilities: FloatArray) -> FloatArray:
    return np.asarray(logit(np.clip(probabilities.astype(float), LIMIT, 1 - LIMIT)))


@dataclass(frozen=True)
class DepthCalibration:
    """Calibrated standard deviations of depths from those of a network, with a factor for each layer.

    The factor makes the 68 % interval hold that share of the validation samples, with the correction for a finite
    sample of split conformal prediction (Lei et al., J. Am. Stat. Assoc. 113, 2018). A quantile, as the few depths that
    are far off would widen all intervals if the factor were a root mean square.

    Parameters
    ----------
    scales : tuple of L floats
        The factors.
    """

    scales: tuple[float, ...]

    @classmethod
    def fit(cls, errors_um: FloatArray, sds_um: FloatArray) -> "DepthCalibration":
        """Fit to validation samples.

        Parameters
        ----------
        errors_um : ndarray (N, L)
            Predicted minus true depths [um]; NaN where a layer is empty.
        sds_um : ndarray (N, L) or (L,)
            Their predicted standard deviations [um].

        Returns
        -------
        DepthCalibration
            With factor 1 for a layer that is always empty.
        """
        percent, scales = 68, []
        for deviations in np.abs(errors_um / sds_um).T:
            known = np.sort(deviations[~np.isnan(deviations)])
            rank = min(math.ceil((len(known) + 1) * percent / 100), len(known))
            scales.append(float(known[rank - 1]) / DEPTH_INTERVALS[percent] if rank else 1.0)
        return cls(tuple(scales))

    def __call__(self, sds_um: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """Calibrated standard deviations [um] of `sds_um (..., L)`, or of maps `(L, Y, X)` of a field."""
        scales = np.array(self.scales, sds_um.dtype)
        return sds_um * (scales[:, None, None] if sds_um.ndim == 3 else scales)


def reliability_sums(probabilities: FloatArray, target: BoolArray, n_bins: int = N_BINS) -> FloatArray:
    """Sums behind reliability diagrams.

    Parameters
    ----------
    probabilities : ndarray (N, L, Y, X)
        Predicted probabilities of a cell, 0 to 1.
    target : ndarray (N, L, Y, X)
        Whether there is a cell.
    n_bins : int
        Number B of equal bins of the probability.

    Returns
    -------
    ndarray (N, L, 3, B)
        Number of pixels, sum of their probabilities, and number of cells, in each bin.
    """
    shape = (*target.shape[:2], n_bins)
    images = np.arange(shape[0] * shape[1]).reshape(*shape[:2], 1, 1)
    bins = (images * n_bins + np.minimum((probabilities * n_bins).astype(np.int64), n_bins - 1)).ravel()
    weights = (None, probabilities.ravel(), target.ravel())
    sums = [np.bincount(bins, weight, int(np.prod(shape))).reshape(shape) for weight in weights]
    return np.stack(sums, -2).astype(float)


def expected_calibration_error(sums: FloatArray) -> FloatArray:
    """Expected calibration error `(...)` from the sums `(..., 3, B)` of `reliability_sums`.

    It is the mean over pixels of the deviation, in the bin of a pixel, of the mean probability from the share of cells.
    """
    counts, predicted, observed = np.moveaxis(sums, -2, 0)
    return ratio(np.abs(predicted - observed).sum(-1), counts.sum(-1))


def reliability_table(sums: FloatArray) -> pd.DataFrame:
    """Reliability diagram of each layer.

    Parameters
    ----------
    sums : ndarray (L, 3, B)
        From `reliability_sums`, summed over samples.

    Returns
    -------
    DataFrame
        One row per layer and bin that is not empty: layer (from 1), predicted (mean probability), observed (share of
        cells) and share (of the layer's pixels).
    """
    counts, predicted, observed = np.moveaxis(sums, -2, 0)
    columns = {
        "layer": np.repeat(np.arange(1, len(sums) + 1), sums.shape[-1]),
        "predicted": ratio(predicted, counts).ravel(),
        "observed": ratio(observed, counts).ravel(),
        "share": ratio(counts, counts.sum(-1, keepdims=True)).ravel(),
    }
    return pd.DataFrame(columns).query("share > 0").reset_index(drop=True)


def confidence(probabilities: FloatArray) -> FloatArray:
    """Probability of the more probable class, cell or empty, 0.5 to 1."""
    return np.maximum(probabilities, 1 - probabilities)


def confidence_threshold(probabilities: FloatArray, coverage: float) -> float:
    """Confidence that a share `coverage` of the pixels reaches; a map abstains from the others."""
    return float(np.quantile(confidence(probabilities), 1 - coverage))


def selection_sums(probabilities: FloatArray, target: BoolArray, threshold: float) -> FloatArray:
    """Sums `(N, 3)` over the pixels of each sample: all, those of at least a confidence, and the wrong among these."""
    selected = confidence(probabilities) >= threshold
    wrong = selected & ((probabilities > CELL_THRESHOLD) != target)
    axes = tuple(range(1, target.ndim))
    return np.stack([np.ones(target.shape).sum(axes), selected.sum(axes), wrong.sum(axes)], -1)


def risk_coverage(probabilities: FloatArray, target: BoolArray) -> pd.DataFrame:
    """Error among the pixels with the highest confidence, by the share of pixels that these are.

    Parameters
    ----------
    probabilities : ndarray (N, L, Y, X)
        Predicted probabilities of a cell, 0 to 1.
    target : ndarray (N, L, Y, X)
        Whether there is a cell.

    Returns
    -------
    DataFrame
        Columns threshold (confidence, decreasing), coverage (share of pixels), risk (share of wrong pixels among them)
        and ideal_risk (if all wrong pixels had the lowest confidence); pooled over layers.
    """
    wrong = ((probabilities > CELL_THRESHOLD) != target).ravel()
    bins = np.minimum((confidence(probabilities).ravel() - 0.5) * 2 * CONFIDENCE_BINS, CONFIDENCE_BINS - 1).astype(int)
    counts, errors = (np.bincount(bins, weight, CONFIDENCE_BINS)[::-1].cumsum() for weight in (None, wrong))
    coverage = counts / len(wrong)
    return (
        pd.DataFrame(
            {
                "threshold": 1 - np.arange(1, CONFIDENCE_BINS + 1) / (2 * CONFIDENCE_BINS),
                "coverage": coverage,
                "risk": ratio(errors, counts),
                "ideal_risk": ratio(np.maximum(coverage - (1 - wrong.mean()), 0), coverage),
            }
        )
        .query("coverage > 0", engine="python")
        .reset_index(drop=True)
    )
