"""The measures of a test and their bootstrap intervals, as formulas on arrays.

Two kinds of measure describe a whole test. Errors are means over samples. Sensitivity, specificity, balanced accuracy,
Dice and the area under the ROC are ratios of pixels, pooled over all samples as the paper defines them. Both are
functions of sums over samples, so one resampling of the samples gives the intervals of all.
"""

import warnings
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata
from skimage.metrics import structural_similarity

FloatArray = npt.NDArray[np.floating[Any]]
BoolArray = npt.NDArray[np.bool_]

CELL_THRESHOLD = 0.5
"""Probability above which a pixel is called a cell, as the paper does."""

PROBABILITY_BINS = 1000
"""Bins of the histograms behind pooled ROC curves; the area of a curve is exact to about 1e-4."""

QUANTILES = (0.025, 0.975)


def ratio(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> FloatArray:
    """Divide; NaN, which stands for undefined, where the denominator is 0."""
    above, below = np.broadcast_arrays(np.asarray(numerator, float), np.asarray(denominator, float))
    quotient: FloatArray = np.divide(above, below, out=np.full(above.shape, np.nan), where=below != 0)
    return quotient


def mean_defined(values: npt.ArrayLike, axis: int = -1) -> FloatArray:
    """Mean of the values that are not NaN along an axis; NaN where there are none."""
    array = np.asarray(values, float)
    return ratio(np.nansum(array, axis), (~np.isnan(array)).sum(axis))


@dataclass(frozen=True)
class Confusion:
    """Numbers of pixels by truth and call, with any shape that the four share; a cell counts as positive.

    A measure is NaN where it is undefined: the sensitivity in a layer without cells, for example.
    """

    true_positives: FloatArray
    false_positives: FloatArray
    true_negatives: FloatArray
    false_negatives: FloatArray

    @classmethod
    def of(cls, called: BoolArray, truth: BoolArray, where: BoolArray | bool = True) -> Self:
        """Count the pixels of `called (..., Y, X)` against `truth (..., Y, X)`, of all or only some pixels."""
        cases = (called & truth, called & ~truth, ~called & ~truth, ~called & truth)
        return cls(*(case.sum((-2, -1), dtype=float, where=where) for case in cases))

    @classmethod
    def from_counts(cls, counts: FloatArray) -> Self:
        """Take counts `(..., 4)` apart, as `counts` puts them together."""
        return cls(*np.moveaxis(counts, -1, 0))

    @property
    def counts(self) -> FloatArray:
        """Counts `(..., 4)`: true and false positives, true and false negatives."""
        return np.stack(astuple(self), -1)

    @property
    def error(self) -> FloatArray:
        """Share of pixels on the wrong side of the threshold."""
        return ratio(self.false_positives + self.false_negatives, self.counts.sum(-1))

    @property
    def coverage(self) -> FloatArray:
        """Share of pixels that hold cells: the error of calling no cell anywhere."""
        return ratio(self.true_positives + self.false_negatives, self.counts.sum(-1))

    @property
    def sensitivity(self) -> FloatArray:
        """Share of the cells' pixels that are called cells."""
        return ratio(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def specificity(self) -> FloatArray:
        """Share of the empty pixels that are called empty."""
        return ratio(self.true_negatives, self.true_negatives + self.false_positives)

    @property
    def false_positive_rate(self) -> FloatArray:
        """Share of the empty pixels that are called cells."""
        return ratio(self.false_positives, self.true_negatives + self.false_positives)

    @property
    def balanced_accuracy(self) -> FloatArray:
        """Mean of sensitivity and specificity."""
        return (self.sensitivity + self.specificity) / 2

    @property
    def dice(self) -> FloatArray:
        """Dice coefficient: twice the overlap over the sum of the sizes of calls and cells."""
        overlap = 2 * self.true_positives
        return ratio(overlap, overlap + self.false_positives + self.false_negatives)


def majority_error(coverage: FloatArray) -> FloatArray:
    """Error of calling every pixel what most pixels are."""
    return np.minimum(coverage, 1 - coverage)


def rank_auc(probabilities: FloatArray, truth: BoolArray) -> FloatArray:
    """Area under the ROC of each picture, exactly, as the Mann-Whitney statistic.

    Parameters
    ----------
    probabilities : ndarray (..., Y, X)
        Probability of a cell.
    truth : ndarray (..., Y, X)
        Whether there is a cell.

    Returns
    -------
    ndarray (...)
        Chance that a pixel with a cell has a higher probability than one without, ties counted as half; NaN where
        either kind is absent.
    """
    cells = truth.reshape(*truth.shape[:-2], -1)
    ranks = rankdata(probabilities.reshape(cells.shape), axis=-1)
    positives = cells.sum(-1).astype(float)
    wins = np.where(cells, ranks, 0).sum(-1) - positives * (positives + 1) / 2
    return ratio(wins, positives * (cells.shape[-1] - positives))


def histograms(probabilities: FloatArray, truth: BoolArray) -> FloatArray:
    """Numbers of pixels by truth and probability.

    Parameters
    ----------
    probabilities : ndarray (N, L, Y, X)
        Probability of a cell, 0 to 1.
    truth : ndarray (N, L, Y, X)
        Whether there is a cell.

    Returns
    -------
    ndarray (N, L, 2, PROBABILITY_BINS)
        Counts of empty pixels and of pixels with cells. Bin k counts probabilities above `k / PROBABILITY_BINS` up to
        and including `(k + 1) / PROBABILITY_BINS`, the first one also 0.
    """
    shape = (*truth.shape[:2], 2, PROBABILITY_BINS)
    bins = np.clip(np.ceil(probabilities * PROBABILITY_BINS).astype(np.int64) - 1, 0, PROBABILITY_BINS - 1)
    pictures = np.arange(shape[0] * shape[1]).reshape(*shape[:2], 1, 1)
    places = (2 * pictures + truth) * PROBABILITY_BINS + bins
    return np.bincount(places.ravel(), minlength=int(np.prod(shape))).reshape(shape).astype(float)


def roc(counts: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Receiver operating characteristic.

    Parameters
    ----------
    counts : ndarray (..., 2, PROBABILITY_BINS)
        Numbers of pixels as `histograms` gives them, of one picture or summed over many.

    Returns
    -------
    thresholds : ndarray (PROBABILITY_BINS + 1,)
        From 1 down to 0. A pixel is called a cell above the threshold, and at the last one always.
    false_positive_rate, true_positive_rate : ndarray (..., PROBABILITY_BINS + 1)
        From 0 to 1; NaN where there are no pixels of that kind.
    """
    calls = np.cumsum(counts[..., ::-1], -1)
    calls = np.concatenate([np.zeros_like(calls[..., :1]), calls], -1)
    rates = ratio(calls, calls[..., -1:])
    thresholds = np.linspace(1, 0, PROBABILITY_BINS + 1)
    return thresholds, rates[..., 0, :], rates[..., 1, :]


def histogram_auc(counts: FloatArray) -> FloatArray:
    """Area `(...)` under the ROC of histograms `(..., 2, PROBABILITY_BINS)`; NaN where either kind is absent."""
    _, false_positive_rate, true_positive_rate = roc(counts)
    return np.asarray(np.trapezoid(true_positive_rate, false_positive_rate, axis=-1))


def spread(truth: FloatArray) -> FloatArray:
    """Largest less smallest value `(...)` of each picture `(..., Y, X)`."""
    return np.asarray(truth.max((-2, -1)) - truth.min((-2, -1)), float)


def normalised_error(output: FloatArray, truth: FloatArray) -> FloatArray:
    """Mean absolute error of each picture `(..., Y, X)` over the spread of its truth; NaN where that is flat."""
    return ratio(np.abs(output - truth).mean((-2, -1)), spread(truth))


def least_square_error(output: FloatArray, truth: FloatArray) -> FloatArray:
    """Squared error of each picture `(..., Y, X)`, summed, over the sum of the squared truth; NaN where that is 0."""
    return ratio(np.square(output - truth).sum((-2, -1)), np.square(truth).sum((-2, -1)))


def psnr_db(output: FloatArray, truth: FloatArray) -> FloatArray:
    """Peak signal-to-noise ratio of each picture `(..., Y, X)` [dB], the peak being the spread of its truth.

    It is NaN where the truth is flat and infinite where the output is exact.
    """
    with np.errstate(divide="ignore"):
        return -10 * np.log10(ratio(np.square(output - truth).mean((-2, -1)), spread(truth) ** 2))


def ssim(output: FloatArray, truth: FloatArray) -> FloatArray:
    """Structural similarity of each picture `(N, Y, X)`, as scikit-image defines it with the spread of the truth."""
    return np.array(
        [
            structural_similarity(target, picture, data_range=reach) if reach else np.nan
            for picture, target, reach in zip(output, truth, spread(truth), strict=True)
        ]
    )


def resampling_weights(groups: npt.NDArray[Any], resamplings: int, seed: int) -> FloatArray:
    """How often each sample is drawn in each bootstrap resampling of a test.

    Parameters
    ----------
    groups : ndarray (N,)
        Group of each sample: groups are drawn, with replacement, and all samples of a group with it.
    resamplings : int
        Number B of resamplings.
    seed : int
        Seed of the draws.

    Returns
    -------
    ndarray (B, N)
        Whole numbers; each row draws as many groups as there are.
    """
    names, group_of_sample = np.unique(groups, return_inverse=True)
    chances = np.full(len(names), 1 / len(names))
    draws = np.random.default_rng(seed).multinomial(len(names), chances, size=resamplings)
    return draws[:, group_of_sample].astype(float)


@dataclass(frozen=True)
class Estimate:
    """Values with their 95 % intervals, of any one shape."""

    value: FloatArray
    low: FloatArray
    high: FloatArray


def estimate(sums: FloatArray, statistic: Callable[[FloatArray], FloatArray], weights: FloatArray) -> Estimate:
    """Evaluate a statistic of a test, with its percentile bootstrap interval.

    Parameters
    ----------
    sums : ndarray (N, ...)
        What each sample adds to the sums that the statistic depends on.
    statistic : callable
        Maps sums `(..., *sums.shape[1:])` to values `(..., *shape)`.
    weights : ndarray (B, N)
        From `resampling_weights`.

    Returns
    -------
    Estimate
        Value and interval. Resamplings in which the statistic is undefined are left out.
    """
    resampled = statistic((weights @ sums.reshape(len(sums), -1)).reshape(len(weights), *sums.shape[1:]))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        low, high = np.nanquantile(resampled, QUANTILES, axis=0)
    return Estimate(statistic(sums.sum(0)), low, high)


def estimate_mean(values: FloatArray, weights: FloatArray) -> Estimate:
    """Mean over the samples of `values (N, ...)` where they are defined, with its interval; see `estimate`."""
    defined = ~np.isnan(values)
    sums = np.stack([np.where(defined, values, 0), defined], -1)
    return estimate(sums, lambda total: ratio(total[..., 0], total[..., 1]), weights)
