"""95 % confidence intervals by the percentile bootstrap over test samples.

Every summary of a test is a function of sums over samples, whether a mean of errors or a ratio of pixel counts, so one
set of resampling weights gives the intervals of all of them.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from foci3d.evaluation.metrics import FloatArray, mean_defined, ratio
from foci3d.io.samples import NumpySamples

QUANTILES = (0.025, 0.975)


def resampling_groups(samples: NumpySamples) -> npt.NDArray[np.int64]:
    """Group `(N,)` of each sample: its sequence, as the steps of one are not independent, or the sample alone."""
    return np.arange(len(samples)) if samples.sequence is None else samples.sequence


def resampling_weights(groups: npt.NDArray[Any], n_bootstrap: int, seed: int) -> FloatArray:
    """Number of times that each sample is drawn in each bootstrap resample of a test.

    Parameters
    ----------
    groups : ndarray (N,)
        Group of each sample. Groups are drawn with replacement, each with all of its samples.
    n_bootstrap : int
        Number B of resamples.
    seed : int
        Seed of the draws.

    Returns
    -------
    ndarray (B, N)
        Whole numbers; each row draws as many groups as there are.
    """
    names, group_of_sample = np.unique(groups, return_inverse=True)
    probabilities = np.full(len(names), 1 / len(names))
    draws = np.random.default_rng(seed).multinomial(len(names), probabilities, size=n_bootstrap)
    return draws[:, group_of_sample].astype(float)


@dataclass(frozen=True)
class Estimate:
    """Values with their 95 % intervals; the three arrays share one shape."""

    value: FloatArray
    low: FloatArray
    high: FloatArray


def bootstrap_estimate(
    sums: FloatArray, statistic: Callable[[FloatArray], FloatArray], weights: FloatArray
) -> Estimate:
    """Evaluate a statistic of a test with its percentile bootstrap interval.

    Parameters
    ----------
    sums : ndarray (N, ...)
        Contribution of each sample to the sums that the statistic depends on.
    statistic : callable
        Maps sums `(..., *sums.shape[1:])` to values `(..., *shape)`.
    weights : ndarray (B, N)
        From `resampling_weights`.

    Returns
    -------
    Estimate
        Value and interval. Resamples in which the statistic is undefined are left out.
    """
    resampled = statistic((weights @ sums.reshape(len(sums), -1)).reshape(len(weights), *sums.shape[1:]))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        low, high = np.nanquantile(resampled, QUANTILES, axis=0)
    return Estimate(statistic(sums.sum(0)), low, high)


def append_mean(values: FloatArray) -> FloatArray:
    """Values `(..., L)` of the layers, followed by the mean of those that are defined, `(..., L + 1)`.

    >>> append_mean(np.array([1.0, np.nan, 2.0])).tolist()
    [1.0, nan, 2.0, 1.5]
    """
    return np.concatenate([values, mean_defined(values)[..., None]], -1)


def estimate_mean(values: FloatArray, weights: FloatArray) -> Estimate:
    """Mean over the samples of `values (N, ...)` where they are defined, with its interval."""
    defined = ~np.isnan(values)
    sums = np.stack([np.where(defined, values, 0), defined], -1)
    return bootstrap_estimate(sums, lambda total: ratio(total[..., 0], total[..., 1]), weights)


def relative_error_reduction(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Relative reduction of errors from one test to an independent one, with its 95 % interval.

    The variance of the logarithm of a ratio of independent errors is the sum of the variances of their logarithms, so
    the half-widths of the logarithmic intervals add in quadrature.

    Parameters
    ----------
    before, after : DataFrame
        Columns value, ci_low and ci_high, on one index.

    Returns
    -------
    DataFrame
        The same columns, as a share of the error before.
    """
    half_widths = [np.log(test["ci_high"] / test["ci_low"]) / 2 for test in (before, after)]
    factor = np.exp(np.hypot(*half_widths))
    remaining = after["value"] / before["value"]
    return pd.DataFrame({"value": 1 - remaining, "ci_low": 1 - remaining * factor, "ci_high": 1 - remaining / factor})
