"""The measures, against scikit-learn, scikit-image, SciPy and torchmetrics."""

import numpy as np
import pytest
import scipy.stats
import skimage.metrics
import sklearn.metrics
import torch
import torchmetrics.functional as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from foci3d import measures
from foci3d.measures import Confusion

RNG = np.random.default_rng(7)
PICTURES = (RNG.lognormal(size=(6, 21, 21)), RNG.lognormal(size=(6, 21, 21)))
TRUTH = RNG.random((5, 3, 20, 20)) < 0.3
PROBABILITIES = np.clip(TRUTH * 0.3 + RNG.random(TRUTH.shape) * 0.7, 0, 1)

masks = hnp.arrays(bool, (4, 6))


@pytest.fixture
def confusion() -> Confusion:
    return Confusion.of(PROBABILITIES > 0.5, TRUTH)


@pytest.mark.parametrize(
    ("measure", "other"),
    [
        ("error", sklearn.metrics.zero_one_loss),
        ("sensitivity", sklearn.metrics.recall_score),
        ("specificity", lambda truth, called: sklearn.metrics.recall_score(~truth, ~called)),
        ("false_positive_rate", lambda truth, called: 1 - sklearn.metrics.recall_score(~truth, ~called)),
        ("balanced_accuracy", sklearn.metrics.balanced_accuracy_score),
        ("dice", sklearn.metrics.f1_score),
        ("coverage", lambda truth, called: sklearn.metrics.zero_one_loss(truth, np.zeros_like(truth))),
    ],
)
def test_ratios_equal_those_of_scikit_learn(confusion, measure, other):
    for place in np.ndindex(5, 3):
        expected = other(TRUTH[place].ravel(), (PROBABILITIES[place] > 0.5).ravel())
        assert getattr(confusion, measure)[place] == pytest.approx(expected)


def test_ratios_equal_those_of_torchmetrics(confusion):
    called, truth = torch.tensor(PROBABILITIES[0, 0]).flatten(), torch.tensor(TRUTH[0, 0]).flatten().int()
    assert confusion.specificity[0, 0] == pytest.approx(
        reference.specificity(called, truth, task="binary").item(), abs=1e-6
    )
    assert confusion.dice[0, 0] == pytest.approx(reference.f1_score(called, truth, task="binary").item(), abs=1e-6)


def test_confusion_of_some_pixels_counts_only_them():
    where = RNG.random((5, 1, 20, 20)) < 0.2
    part = Confusion.of(PROBABILITIES > 0.5, TRUTH, where)
    inside = where[2, 0]
    expected = sklearn.metrics.confusion_matrix(TRUTH[2, 1][inside], PROBABILITIES[2, 1][inside] > 0.5)
    (true_negatives, false_positives), (false_negatives, true_positives) = expected
    assert part.counts[2, 1].tolist() == [true_positives, false_positives, true_negatives, false_negatives]


def test_confusion_survives_the_round_trip(confusion):
    again = Confusion.from_counts(confusion.counts)
    np.testing.assert_array_equal(again.false_negatives, confusion.false_negatives)


@settings(deadline=None)
@given(called=masks, truth=masks)
def test_confusion_counts_every_pixel_once_and_keeps_its_bounds(called, truth):
    confusion = Confusion.of(called, truth)
    assert confusion.counts.sum() == truth.size
    assert 0 <= confusion.error <= 1
    assert np.isnan(confusion.sensitivity) == (not truth.any())
    assert np.isnan(confusion.specificity) == truth.all()
    assert measures.majority_error(confusion.coverage) <= min(0.5, confusion.coverage)


@settings(deadline=None)
@given(called=masks, truth=masks)
def test_confusion_is_symmetric_under_exchange_of_cell_and_empty(called, truth):
    one, other = Confusion.of(called, truth), Confusion.of(~called, ~truth)
    assert one.error == other.error
    np.testing.assert_equal(one.sensitivity, other.specificity)


def test_rank_auc_equals_that_of_scikit_learn_with_ties():
    coarse = np.round(PROBABILITIES, 1)
    area = measures.rank_auc(coarse, TRUTH)
    for place in np.ndindex(5, 3):
        assert area[place] == pytest.approx(sklearn.metrics.roc_auc_score(TRUTH[place].ravel(), coarse[place].ravel()))


@settings(deadline=None)
@given(
    probabilities=hnp.arrays(float, (3, 4), elements=st.sampled_from([0, 0.1, 0.5, 0.5001, 0.9, 1])),
    truth=hnp.arrays(bool, (3, 4)),
)
def test_rank_auc_is_undefined_or_turns_around_with_the_order(probabilities, truth):
    area = measures.rank_auc(probabilities, truth)
    if truth.all() or not truth.any():
        assert np.isnan(area)
    else:
        assert measures.rank_auc(1 - probabilities, truth) == pytest.approx(1 - area)


def test_pooled_roc_equals_that_of_scikit_learn():
    counts = measures.histograms(PROBABILITIES, TRUTH).sum((0, 1))
    thresholds, false_positives, true_positives = measures.roc(counts)
    truth, probabilities = TRUTH.ravel(), PROBABILITIES.ravel()
    for k in (0, 100, 499, 500, 700, 999):
        called = probabilities > thresholds[k]
        assert false_positives[k] == pytest.approx((called & ~truth).sum() / (~truth).sum())
        assert true_positives[k] == pytest.approx((called & truth).sum() / truth.sum())
    assert false_positives[-1] == true_positives[-1] == 1
    exact = sklearn.metrics.roc_auc_score(truth, probabilities)
    assert measures.histogram_auc(counts) == pytest.approx(exact, abs=1e-4)
    binned = np.ceil(probabilities * measures.PROBABILITY_BINS)
    assert measures.histogram_auc(counts) == pytest.approx(sklearn.metrics.roc_auc_score(truth, binned), abs=1e-12)


def test_histograms_hold_every_pixel_and_the_ends_of_the_range():
    probabilities = np.array([0, 0.5, 1], np.float32).reshape(1, 1, 1, 3)
    truth = np.array([False, True, True]).reshape(1, 1, 1, 3)
    counts = measures.histograms(probabilities, truth)
    assert counts.shape == (1, 1, 2, measures.PROBABILITY_BINS)
    assert np.argwhere(counts[0, 0]).tolist() == [[0, 0], [1, 499], [1, 999]]


def test_roc_of_a_layer_without_cells_is_undefined():
    counts = measures.histograms(PROBABILITIES, np.zeros_like(TRUTH)).sum(0)
    assert np.isnan(measures.histogram_auc(counts)).all()


def test_picture_errors_equal_their_references():
    output, truth = PICTURES
    spreads = np.ptp(truth, (1, 2))
    error = measures.normalised_error(output, truth)
    squares = measures.least_square_error(output, truth)
    signal, similarity = measures.psnr_db(output, truth), measures.ssim(output, truth)
    for n, spread in enumerate(spreads):
        expected = skimage.metrics.normalized_root_mse(truth[n], output[n], normalization="euclidean") ** 2
        assert squares[n] == pytest.approx(expected)
        assert error[n] == pytest.approx(
            sklearn.metrics.mean_absolute_error(truth[n].ravel(), output[n].ravel()) / spread
        )
        expected = skimage.metrics.peak_signal_noise_ratio(truth[n], output[n], data_range=spread)
        assert signal[n] == pytest.approx(expected)
        expected = skimage.metrics.structural_similarity(truth[n], output[n], data_range=spread)
        assert similarity[n] == pytest.approx(expected)


def test_psnr_equals_that_of_torchmetrics():
    output, truth = (torch.tensor(pictures[0]) for pictures in PICTURES)
    expected = reference.image.peak_signal_noise_ratio(output, truth, data_range=float(truth.max() - truth.min()))
    assert measures.psnr_db(*(pictures[:1] for pictures in PICTURES))[0] == pytest.approx(expected.item())


@settings(max_examples=30, deadline=None)
@given(gain=st.floats(0.1, 10), offset=st.floats(-5, 5))
def test_normalised_picture_measures_do_not_depend_on_the_unit(gain, offset):
    output, truth = (pictures[:1] for pictures in PICTURES)
    for measure in (measures.normalised_error, measures.psnr_db):
        assert measure(gain * output + offset, gain * truth + offset) == pytest.approx(measure(output, truth))
    assert measures.ssim(gain * output, gain * truth) == pytest.approx(measures.ssim(output, truth))


def test_flat_truth_has_no_normalised_error():
    flat, output = np.ones((1, 9, 9)), np.zeros((1, 9, 9))
    for measure in (measures.normalised_error, measures.psnr_db, measures.ssim):
        assert np.isnan(measure(output, flat)).all()
    assert measures.least_square_error(output, flat) == 1
    assert np.isnan(measures.least_square_error(flat, output)).all()


def test_exact_picture_is_perfect():
    truth = PICTURES[1]
    assert measures.normalised_error(truth, truth).tolist() == [0] * 6
    assert measures.psnr_db(truth, truth).tolist() == [np.inf] * 6
    assert measures.ssim(truth, truth) == pytest.approx(np.ones(6))


def test_mean_of_defined_values():
    assert measures.mean_defined([[1, np.nan, 3], [np.nan] * 3]).tolist() == pytest.approx([2, np.nan], nan_ok=True)


def test_interval_of_a_mean_equals_that_of_scipy():
    values = RNG.gamma(2, size=300)
    weights = measures.resampling_weights(np.arange(300), 4000, seed=1)
    found = measures.estimate_mean(values, weights)
    expected = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(expected.low, abs=0.01)
    assert found.high == pytest.approx(expected.high, abs=0.01)


def test_interval_of_a_pooled_ratio_equals_that_of_scipy():
    cells = RNG.integers(1, 500, 200)
    found_cells = RNG.binomial(cells, RNG.uniform(0.4, 0.9, 200))
    sums = np.stack([found_cells, cells], -1).astype(float)
    weights = measures.resampling_weights(np.arange(200), 4000, seed=1)
    estimate = measures.estimate(sums, lambda total: total[..., 0] / total[..., 1], weights)
    expected = scipy.stats.bootstrap(
        (found_cells, cells),
        lambda above, below, axis: above.sum(axis) / below.sum(axis),
        paired=True,
        n_resamples=4000,
        method="percentile",
        rng=np.random.default_rng(2),
    ).confidence_interval
    assert estimate.value == pytest.approx(found_cells.sum() / cells.sum())
    assert estimate.low == pytest.approx(expected.low, abs=0.003)
    assert estimate.high == pytest.approx(expected.high, abs=0.003)


def test_undefined_values_are_left_out_of_a_mean_and_its_interval():
    values = RNG.random((50, 2))
    values[10:, 1] = np.nan
    found = measures.estimate_mean(values, measures.resampling_weights(np.arange(50), 500, seed=0))
    assert found.value == pytest.approx([values[:, 0].mean(), values[:10, 1].mean()])
    assert found.low[1] < found.value[1] < found.high[1]


def test_value_that_is_never_defined_has_no_interval():
    found = measures.estimate_mean(np.full(5, np.nan), measures.resampling_weights(np.arange(5), 20, seed=0))
    assert np.isnan([found.value, found.low, found.high]).all()


def test_groups_are_drawn_whole():
    groups = np.array([5, 5, 2, 2, 2, 9])
    weights = measures.resampling_weights(groups, 200, seed=3)
    assert weights.shape == (200, 6)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, [0, 2, 5]].sum(1) == 3).all()
    assert not (weights[:, 0] == weights[:, 2]).all()


def test_resampling_follows_its_seed():
    one, again, other = (measures.resampling_weights(np.arange(9), 10, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
