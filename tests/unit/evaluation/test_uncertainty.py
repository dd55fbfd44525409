"""Bootstrap intervals, compared with SciPy."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from foci3d.evaluation import uncertainty

RNG = np.random.default_rng(7)


def test_interval_of_a_mean_equals_that_of_scipy():
    values = RNG.gamma(2, size=300)
    weights = uncertainty.resampling_weights(np.arange(300), 4000, seed=1)
    estimate = uncertainty.estimate_mean(values, weights)
    expected = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.low == pytest.approx(expected.low, abs=0.01)
    assert estimate.high == pytest.approx(expected.high, abs=0.01)


def test_interval_of_a_pooled_ratio_equals_that_of_scipy():
    cells = RNG.integers(1, 500, 200)
    detected = RNG.binomial(cells, RNG.uniform(0.4, 0.9, 200))
    sums = np.stack([detected, cells], -1).astype(float)
    weights = uncertainty.resampling_weights(np.arange(200), 4000, seed=1)
    estimate = uncertainty.bootstrap_estimate(sums, lambda total: total[..., 0] / total[..., 1], weights)
    expected = scipy.stats.bootstrap(
        (detected, cells),
        lambda above, below, axis: above.sum(axis) / below.sum(axis),
        paired=True,
        n_resamples=4000,
        method="percentile",
        rng=np.random.default_rng(2),
    ).confidence_interval
    assert estimate.value == pytest.approx(detected.sum() / cells.sum())
    assert estimate.low == pytest.approx(expected.low, abs=0.003)
    assert estimate.high == pytest.approx(expected.high, abs=0.003)


def test_undefined_values_are_left_out_of_a_mean_and_its_interval():
    values = RNG.random((50, 2))
    values[10:, 1] = np.nan
    estimate = uncertainty.estimate_mean(values, uncertainty.resampling_weights(np.arange(50), 500, seed=0))
    assert estimate.value == pytest.approx([values[:, 0].mean(), values[:10, 1].mean()])
    assert estimate.low[1] < estimate.value[1] < estimate.high[1]


def test_undefined_value_has_no_interval():
    estimate = uncertainty.estimate_mean(np.full(5, np.nan), uncertainty.resampling_weights(np.arange(5), 20, seed=0))
    assert np.isnan([estimate.value, estimate.low, estimate.high]).all()


def test_all_samples_of_a_group_are_drawn_together():
    groups = np.array([5, 5, 2, 2, 2, 9])
    weights = uncertainty.resampling_weights(groups, 200, seed=3)
    assert weights.shape == (200, 6)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, [0, 2, 5]].sum(1) == 3).all()
    assert not (weights[:, 0] == weights[:, 2]).all()


def test_resampling_follows_its_seed():
    one, again, other = (uncertainty.resampling_weights(np.arange(9), 10, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_interval_of_a_relative_reduction_equals_that_of_the_bootstrap():
    rng = np.random.default_rng(3)
    before, after = rng.beta(8, 12, 400), rng.beta(8, 36, 400)
    tests = []
    for values in (before, after):
        means = rng.choice(values, (4000, 400)).mean(1)
        low, high = np.quantile(means, [0.025, 0.975])
        tests.append(pd.DataFrame({"value": [values.mean()], "ci_low": low, "ci_high": high}))
    reduction = uncertainty.relative_error_reduction(*tests).iloc[0]
    expected = scipy.stats.bootstrap(
        (before, after),
        lambda one, two, axis: 1 - two.mean(axis) / one.mean(axis),
        n_resamples=4000,
        method="percentile",
        rng=rng,
    ).confidence_interval
    assert reduction["value"] == pytest.approx(1 - after.mean() / before.mean())
    assert reduction["ci_low"] == pytest.approx(expected.low, abs=0.003)
    assert reduction["ci_high"] == pytest.approx(expected.high, abs=0.003)
