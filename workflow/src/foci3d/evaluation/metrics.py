"""Metrics of predicted images and masks.

Errors describe single images and are averaged over samples. Sensitivity, specificity, balanced accuracy, Dice and the
area under the ROC are ratios of pixel counts, which are pooled over all samples as in the paper.
"""

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
import numpy.typing as npt
from skimage.metrics import structural_similarity

if TYPE_CHECKING:
    from torch import Tensor

FloatArray = npt.NDArray[np.floating[Any]]
BoolArray = npt.NDArray[np.bool_]
Images = TypeVar("Images", FloatArray, "Tensor")

CELL_THRESHOLD = 0.5
"""Probability above which a pixel is classified as a cell, as in the paper."""

DEPTH_INTERVALS = {68: 0.9945, 95: 1.9600}
"""Half widths, in standard deviations, of the intervals that hold 68 and 95 % of a normal distribution."""

PROBABILITY_BINS = 1000
"""Bins of the histograms behind pooled ROC curves; the area of a curve is exact to about 1e-4."""


def ratio(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> FloatArray:
    """Quotient of two arrays; NaN (undefined) where the denominator is 0."""
    dividend, divisor = np.broadcast_arrays(np.asarray(numerator, float), np.asarray(denominator, float))
    quotient: FloatArray = np.divide(dividend, divisor, out=np.full(dividend.shape, np.nan), where=divisor != 0)
    return quotient


def mean_defined(values: npt.ArrayLike, axis: int = -1) -> FloatArray:
    """Mean of the values that are not NaN along an axis; NaN where there are none."""
    array = np.asarray(values, float)
    return ratio(np.nansum(array, axis), (~np.isnan(array)).sum(axis))


@dataclass(frozen=True)
class Confusion:
    """Confusion matrices of binary masks; cells are the positive class.

    The four counts of pixels share one shape. A ratio is NaN where it is undefined, as the sensitivity in a layer
    without cells.
    """

    true_positives: FloatArray
    false_positives: FloatArray
    true_negatives: FloatArray
    false_negatives: FloatArray

    @classmethod
    def from_masks(cls, predicted: BoolArray, target: BoolArray, where: BoolArray | bool = True) -> Self:
        """Count the pixels of `predicted (..., Y, X)` against `target (..., Y, X)` where `where` is true."""
        cases = (predicted & target, predicted & ~target, ~predicted & ~target, ~predicted & target)
        return cls(*(case.sum((-2, -1), dtype=float, where=where) for case in cases))

    @classmethod
    def from_counts(cls, counts: FloatArray) -> Self:
        """Inverse of the property `counts`."""
        return cls(*np.moveaxis(counts, -1, 0))

    @property
    def counts(self) -> FloatArray:
        """Counts `(..., 4)`: true and false positives, true and false negatives."""
        return np.stack(astuple(self), -1)

    @property
    def error(self) -> FloatArray:
        """Share of misclassified pixels."""
        return ratio(self.false_positives + self.false_negatives, self.counts.sum(-1))

    @property
    def coverage(self) -> FloatArray:
        """Share of pixels that hold cells, which is the error of predicting no cells."""
        return ratio(self.true_positives + self.false_negatives, self.counts.sum(-1))

    @property
    def sensitivity(self) -> FloatArray:
        """Share of cell pixels that are predicted as cells."""
        return ratio(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def specificity(self) -> FloatArray:
        """Share of empty pixels that are predicted as empty."""
        return ratio(self.true_negatives, self.true_negatives + self.false_positives)

    @property
    def false_positive_rate(self) -> FloatArray:
        """Share of empty pixels that are predicted as cells."""
        return ratio(self.false_positives, self.true_negatives + self.false_positives)

    @property
    def balanced_accuracy(self) -> FloatArray:
        """Mean of sensitivity and specificity."""
        return (self.sensitivity + self.specificity) / 2

    @property
    def dice(self) -> FloatArray:
        """Dice coefficient: twice the overlap over the summed areas of prediction and target."""
        overlap = 2 * self.true_positives
        return ratio(overlap, overlap + self.false_positives + self.false_negatives)


def majority_error(coverage: FloatArray) -> FloatArray:
    """Error of predicting the majority class, cell or empty, everywhere; from the share of cell pixels, 0 to 1."""
    return np.minimum(coverage, 1 - coverage)


def rank_auc(probabilities: FloatArray, target: BoolArray) -> FloatArray:
    """Exact area under the ROC of each image, from the Mann-Whitney statistic.

    Parameters
    ----------
    probabilities : ndarray (..., Y, X)
        Probability of a cell.
    target : ndarray (..., Y, X)
        Whether there is a cell.

    Returns
    -------
    ndarray (...)
        Probability that a cell pixel ranks above an empty pixel, ties counted as half; NaN where one class is absent.
    """
    # Imported here: most jobs import this module and need no ranks, and scipy.stats takes as long to import as PyTorch.
    from scipy.stats import rankdata

    cells = target.reshape(*target.shape[:-2], -1)
    ranks = rankdata(probabilities.reshape(cells.shape), axis=-1)
    positives = cells.sum(-1).astype(float)
    wins = np.where(cells, ranks, 0).sum(-1) - positives * (positives + 1) / 2
    return ratio(wins, positives * (cells.shape[-1] - positives))


def probability_histograms(probabilities: FloatArray, target: BoolArray) -> FloatArray:
    """Histograms of the predicted probability, for empty pixels and for cell pixels.

    Parameters
    ----------
    probabilities : ndarray (N, L, Y, X)
        Probability of a cell, 0 to 1.
    target : ndarray (N, L, Y, X)
        Whether there is a cell.

    Returns
    -------
    ndarray (N, L, 2, PROBABILITY_BINS)
        Counts of empty pixels and of cell pixels. Bin k holds probabilities above `k / PROBABILITY_BINS` up to and
        including `(k + 1) / PROBABILITY_BINS`; the first bin also holds 0.
    """
    shape = (*target.shape[:2], 2, PROBABILITY_BINS)
    bins = np.clip(np.ceil(probabilities * PROBABILITY_BINS).astype(np.int64) - 1, 0, PROBABILITY_BINS - 1)
    images = np.arange(shape[0] * shape[1]).reshape(*shape[:2], 1, 1)
    flat_bins = (2 * images + target) * PROBABILITY_BINS + bins
    return np.bincount(flat_bins.ravel(), minlength=int(np.prod(shape))).reshape(shape).astype(float)


def roc(histograms: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Receiver operating characteristic.

    Parameters
    ----------
    histograms : ndarray (..., 2, PROBABILITY_BINS)
        Histograms from `probability_histograms`, of one image or summed over many.

    Returns
    -------
    thresholds : ndarray (PROBABILITY_BINS + 1,)
        From 1 down to 0. Pixels above the threshold are classified as cells; at the last threshold all pixels are.
    false_positive_rate, true_positive_rate : ndarray (..., PROBABILITY_BINS + 1)
        From 0 to 1; NaN where there are no pixels of that class.
    """
    positives = np.cumsum(histograms[..., ::-1], -1)
    positives = np.concatenate([np.zeros_like(positives[..., :1]), positives], -1)
    rates = ratio(positives, positives[..., -1:])
    thresholds = np.linspace(1, 0, PROBABILITY_BINS + 1)
    return thresholds, rates[..., 0, :], rates[..., 1, :]


def histogram_auc(histograms: FloatArray) -> FloatArray:
    """Area `(...)` under the ROC of histograms `(..., 2, PROBABILITY_BINS)`; NaN where one class is absent."""
    _, false_positive_rate, true_positive_rate = roc(histograms)
    return np.asarray(np.trapezoid(true_positive_rate, false_positive_rate, axis=-1))


def value_range(images: Images) -> Images:
    """Largest minus smallest value `(N, ...)` of each image `(N, ..., Y, X)`, an array or a tensor."""
    # Tensors reduce over several axes by amax and amin only.
    high, low = (images.max, images.min) if isinstance(images, np.ndarray) else (images.amax, images.amin)
    return high((-2, -1)) - low((-2, -1))


def normalized_error(output: Images, target: Images) -> Images:
    """Mean absolute error of each image, relative to the value range of its target.

    Parameters
    ----------
    output, target : ndarray or Tensor (N, ..., Y, X)
        Predicted and true images in one unit.

    Returns
    -------
    ndarray or Tensor (N, ...)
        Errors of at least 0; NaN where the target is constant.
    """
    reference = value_range(target)
    reference[reference == 0] = np.nan
    return abs(output - target).mean((-2, -1)) / reference


def least_square_error(output: FloatArray, target: FloatArray) -> FloatArray:
    """Summed squared error of each image `(..., Y, X)` over its summed squared target; NaN where the latter is 0."""
    return ratio(np.square(output - target).sum((-2, -1)), np.square(target).sum((-2, -1)))


def psnr_db(output: FloatArray, target: FloatArray) -> FloatArray:
    """Peak signal-to-noise ratio of each image `(N, ..., Y, X)` [dB], with the value range of the target as peak.

    It is NaN where the target is constant and infinite where the output is exact.
    """
    with np.errstate(divide="ignore"):
        return -10 * np.log10(ratio(np.square(output - target).mean((-2, -1)), value_range(target) ** 2))


def ssim(output: FloatArray, target: FloatArray) -> FloatArray:
    """Structural similarity of images `(N, Y, X)` by scikit-image, with the value range of the target."""
    return np.array(
        [
            structural_similarity(truth, image, data_range=data_range) if data_range else np.nan
            for image, truth, data_range in zip(output, target, value_range(target), strict=True)
        ]
    )
