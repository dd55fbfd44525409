"""Metrics, compared with scikit-learn, scikit-image and torchmetrics."""

import numpy as np
import pytest
import skimage.metrics
import sklearn.metrics
import torch
import torchmetrics.functional as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from foci3d.evaluation import metrics
from foci3d.evaluation.metrics import Confusion

RNG = np.random.default_rng(7)
IMAGES = (RNG.lognormal(size=(6, 21, 21)), RNG.lognormal(size=(6, 21, 21)))
TARGET = RNG.random((5, 3, 20, 20)) < 0.3
PROBABILITIES = np.clip(TARGET * 0.3 + RNG.random(TARGET.shape) * 0.7, 0, 1)

masks = hnp.arrays(bool, (4, 6))


@pytest.fixture
def confusion() -> Confusion:
    return Confusion.from_masks(PROBABILITIES > 0.5, TARGET)


@pytest.mark.parametrize(
    ("metric", "other"),
    [
        ("error", sklearn.metrics.zero_one_loss),
        ("sensitivity", sklearn.metrics.recall_score),
        ("specificity", lambda target, predicted: sklearn.metrics.recall_score(~target, ~predicted)),
        ("false_positive_rate", lambda target, predicted: 1 - sklearn.metrics.recall_score(~target, ~predicted)),
        ("balanced_accuracy", sklearn.metrics.balanced_accuracy_score),
        ("dice", sklearn.metrics.f1_score),
        ("coverage", lambda target, predicted: sklearn.metrics.zero_one_loss(target, np.zeros_like(target))),
    ],
)
def test_ratios_equal_those_of_scikit_learn(confusion, metric, other):
    for index in np.ndindex(5, 3):
        expected = other(TARGET[index].ravel(), (PROBABILITIES[index] > 0.5).ravel())
        assert getattr(confusion, metric)[index] == pytest.approx(expected)


def test_ratios_equal_those_of_torchmetrics(confusion):
    predicted, target = torch.tensor(PROBABILITIES[0, 0]).flatten(), torch.tensor(TARGET[0, 0]).flatten().int()
    assert confusion.specificity[0, 0] == pytest.approx(
        reference.specificity(predicted, target, task="binary").item(), abs=1e-6
    )
    assert confusion.dice[0, 0] == pytest.approx(reference.f1_score(predicted, target, task="binary").item(), abs=1e-6)


def test_confusion_counts_only_the_selected_pixels():
    where = RNG.random((5, 1, 20, 20)) < 0.2
    part = Confusion.from_masks(PROBABILITIES > 0.5, TARGET, where)
    inside = where[2, 0]
    expected = sklearn.metrics.confusion_matrix(TARGET[2, 1][inside], PROBABILITIES[2, 1][inside] > 0.5)
    (true_negatives, false_positives), (false_negatives, true_positives) = expected
    assert part.counts[2, 1].tolist() == [true_positives, false_positives, true_negatives, false_negatives]


def test_confusion_is_rebuilt_from_its_counts(confusion):
    again = Confusion.from_counts(confusion.counts)
    np.testing.assert_array_equal(again.false_negatives, confusion.false_negatives)


@settings(deadline=None)
@given(predicted=masks, target=masks)
def test_confusion_counts_every_pixel_once_and_its_ratios_are_bounded(predicted, target):
    confusion = Confusion.from_masks(predicted, target)
    assert confusion.counts.sum() == target.size
    assert 0 <= confusion.error <= 1
    assert np.isnan(confusion.sensitivity) == (not target.any())
    assert np.isnan(confusion.specificity) == target.all()
    assert metrics.majority_error(confusion.coverage) <= min(0.5, confusion.coverage)


@settings(deadline=None)
@given(predicted=masks, target=masks)
def test_confusion_is_symmetric_under_exchange_of_cell_and_empty(predicted, target):
    one, other = Confusion.from_masks(predicted, target), Confusion.from_masks(~predicted, ~target)
    assert one.error == other.error
    np.testing.assert_equal(one.sensitivity, other.specificity)


def test_rank_auc_equals_that_of_scikit_learn_with_ties():
    coarse = np.round(PROBABILITIES, 1)
    area = metrics.rank_auc(coarse, TARGET)
    for index in np.ndindex(5, 3):
        assert area[index] == pytest.approx(sklearn.metrics.roc_auc_score(TARGET[index].ravel(), coarse[index].ravel()))


@settings(deadline=None)
@given(
    probabilities=hnp.arrays(float, (3, 4), elements=st.sampled_from([0, 0.1, 0.5, 0.5001, 0.9, 1])),
    target=hnp.arrays(bool, (3, 4)),
)
def test_rank_auc_is_undefined_or_inverted_with_the_order(probabilities, target):
    area = metrics.rank_auc(probabilities, target)
    if target.all() or not target.any():
        assert np.isnan(area)
    else:
        assert metrics.rank_auc(1 - probabilities, target) == pytest.approx(1 - area)


def test_pooled_roc_equals_that_of_scikit_learn():
    counts = metrics.probability_histograms(PROBABILITIES, TARGET).sum((0, 1))
    thresholds, false_positives, true_positives = metrics.roc(counts)
    target, probabilities = TARGET.ravel(), PROBABILITIES.ravel()
    for k in (0, 100, 499, 500, 700, 999):
        predicted = probabilities > thresholds[k]
        assert false_positives[k] == pytest.approx((predicted & ~target).sum() / (~target).sum())
        assert true_positives[k] == pytest.approx((predicted & target).sum() / target.sum())
    assert false_positives[-1] == true_positives[-1] == 1
    exact = sklearn.metrics.roc_auc_score(target, probabilities)
    assert metrics.histogram_auc(counts) == pytest.approx(exact, abs=1e-4)
    binned = np.ceil(probabilities * metrics.PROBABILITY_BINS)
    assert metrics.histogram_auc(counts) == pytest.approx(sklearn.metrics.roc_auc_score(target, binned), abs=1e-12)


def test_probability_histograms_hold_every_pixel_and_the_ends_of_the_range():
    probabilities = np.array([0, 0.5, 1], np.float32).reshape(1, 1, 1, 3)
    target = np.array([False, True, True]).reshape(1, 1, 1, 3)
    counts = metrics.probability_histograms(probabilities, target)
    assert counts.shape == (1, 1, 2, metrics.PROBABILITY_BINS)
    assert np.argwhere(counts[0, 0]).tolist() == [[0, 0], [1, 499], [1, 999]]


def test_roc_of_a_layer_without_cells_is_undefined():
    counts = metrics.probability_histograms(PROBABILITIES, np.zeros_like(TARGET)).sum(0)
    assert np.isnan(metrics.histogram_auc(counts)).all()


def test_image_metrics_equal_their_references():
    output, target = IMAGES
    ranges = np.ptp(target, (1, 2))
    error = metrics.normalized_error(output, target)
    squares = metrics.least_square_error(output, target)
    signal, similarity = metrics.psnr_db(output, target), metrics.ssim(output, target)
    for n, value_range in enumerate(ranges):
        expected = skimage.metrics.normalized_root_mse(target[n], output[n], normalization="euclidean") ** 2
        assert squares[n] == pytest.approx(expected)
        assert error[n] == pytest.approx(
            sklearn.metrics.mean_absolute_error(target[n].ravel(), output[n].ravel()) / value_range
        )
        expected = skimage.metrics.peak_signal_noise_ratio(target[n], output[n], data_range=value_range)
        assert signal[n] == pytest.approx(expected)
        expected = skimage.metrics.structural_similarity(target[n], output[n], data_range=value_range)
        assert similarity[n] == pytest.approx(expected)


def test_psnr_equals_that_of_torchmetrics():
    output, target = (torch.tensor(images[0]) for images in IMAGES)
    expected = reference.image.peak_signal_noise_ratio(output, target, data_range=float(target.max() - target.min()))
    assert metrics.psnr_db(*(images[:1] for images in IMAGES))[0] == pytest.approx(expected.item())


@settings(max_examples=30, deadline=None)
@given(gain=st.floats(0.1, 10), offset=st.floats(-5, 5))
def test_normalized_metrics_do_not_depend_on_the_unit(gain, offset):
    output, target = (images[:1] for images in IMAGES)
    for metric in (metrics.normalized_error, metrics.psnr_db):
        assert metric(gain * output + offset, gain * target + offset) == pytest.approx(metric(output, target))
    assert metrics.ssim(gain * output, gain * target) == pytest.approx(metrics.ssim(output, target))


def test_flat_target_has_no_normalized_error():
    constant, output = np.ones((1, 9, 9)), np.zeros((1, 9, 9))
    for metric in (metrics.normalized_error, metrics.psnr_db, metrics.ssim):
        assert np.isnan(metric(output, constant)).all()
    assert metrics.least_square_error(output, constant) == 1
    assert np.isnan(metrics.least_square_error(constant, output)).all()


def test_exact_image_is_perfect():
    target = IMAGES[1]
    assert metrics.normalized_error(target, target).tolist() == [0] * 6
    assert metrics.psnr_db(target, target).tolist() == [np.inf] * 6
    assert metrics.ssim(target, target) == pytest.approx(np.ones(6))


def test_mean_of_defined_values():
    assert metrics.mean_defined([[1, np.nan, 3], [np.nan] * 3]).tolist() == pytest.approx([2, np.nan], nan_ok=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_normalized_error_is_the_same_for_arrays_and_tensors(dtype):
    output, target = (torch.tensor(images[:, None], dtype=dtype) for images in IMAGES)
    error = metrics.normalized_error(output, target)
    np.testing.assert_allclose(error.numpy(), metrics.normalized_error(output.numpy(), target.numpy()), rtol=1e-6)
    assert error.dtype == dtype
    assert error.shape == (6, 1)


def test_normalized_error_has_the_gradient_of_a_mean_absolute_error():
    output, target = (torch.tensor(images[:1]) for images in IMAGES)
    output.requires_grad_()
    metrics.normalized_error(output, target).sum().backward()
    expected = torch.sign(output.detach() - target) / target.numel() / (target.max() - target.min())
    torch.testing.assert_close(output.grad, expected)
    assert metrics.normalized_error(output, torch.ones_like(target)).isnan().all()
