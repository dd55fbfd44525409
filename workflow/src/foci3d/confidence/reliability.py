"""Reliability of predicted probabilities, and what remains wrong where uncertain pixels are left out.

Sums over pixels are kept for each sample, so that the bootstrap of `foci3d.evaluation.uncertainty` gives the interval
of whatever is computed from them.
"""

import numpy as np
import pandas as pd

from foci3d.evaluation.metrics import CELL_THRESHOLD, BoolArray, FloatArray, ratio

N_BINS = 15
"""Equal bins of the probability behind the calibration error, the usual number (Guo et al., ICML 2017)."""

CONFIDENCE_BINS = 1000
"""Equal bins of the confidence, from 0.5 to 1, behind risk-coverage curves."""


def reliability_sums(probabilities: FloatArray, target: BoolArray, n_bins: int = N_BINS) -> FloatArray:
    """Sums `(N, L, 3, B)` behind reliability diagrams, of `probabilities (N, L, Y, X)` of the cells in `target`.

    Number of pixels, sum of their probabilities, and number of cells, in each of B equal bins of the probability.
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
    """Reliability diagram of each layer, from the sums `(L, 3, B)` of `reliability_sums` over samples.

    One row per layer and bin that is not empty: layer (from 1), predicted (mean probability), observed (share of cells)
    and share (of the layer's pixels).
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


def expected_error(probabilities: FloatArray) -> float:
    """Share of pixels that are misclassified if the `probabilities (L, Y, X)` are right; 0 without layers.

    >>> expected_error(np.array([[[0.9, 0.2]]])).__round__(2)
    0.15
    """
    return float(np.mean(1 - confidence(probabilities))) if probabilities.size else 0.0


def confidence_threshold(probabilities: FloatArray, coverage: float) -> float:
    """Confidence that a share `coverage` of the pixels reaches, 0.5 without any; a map abstains from the others."""
    return 0.5 if not probabilities.size else float(np.quantile(confidence(probabilities), 1 - coverage))


def selection_sums(probabilities: FloatArray, target: BoolArray, threshold: float) -> FloatArray:
    """Sums `(N, 3)` over the pixels of each sample: all, those of at least a confidence, and the wrong among these."""
    selected = confidence(probabilities) >= threshold
    wrong = selected & ((probabilities > CELL_THRESHOLD) != target)
    axes = tuple(range(1, target.ndim))
    return np.stack([np.ones(target.shape).sum(axes), selected.sum(axes), wrong.sum(axes)], -1)


def risk_coverage(probabilities: FloatArray, target: BoolArray) -> pd.DataFrame:
    """Error among the pixels with the highest confidence, by the share of pixels that these are, pooled over layers.

    Columns threshold (confidence, decreasing), coverage (share of pixels), risk (share of wrong pixels among them) and
    ideal_risk (if all wrong pixels had the lowest confidence), of `probabilities` of the cells in `target`.
    """
    wrong = ((probabilities > CELL_THRESHOLD) != target).ravel()
    bins = np.minimum((confidence(probabilities).ravel() - 0.5) * 2 * CONFIDENCE_BINS, CONFIDENCE_BINS - 1).astype(int)
    counts, errors = (np.bincount(bins, weight, CONFIDENCE_BINS)[::-1].cumsum() for weight in (None, wrong))
    coverage = counts / len(wrong)
    columns = {
        "threshold": 1 - np.arange(1, CONFIDENCE_BINS + 1) / (2 * CONFIDENCE_BINS),
        "coverage": coverage,
        "risk": ratio(errors, counts),
        "ideal_risk": ratio(np.maximum(coverage - (1 - wrong.mean()), 0), coverage),
    }
    return pd.DataFrame(columns)[coverage > 0].reset_index(drop=True)
