"""Reliability of probabilities against torchmetrics, scikit-learn and closed forms."""

import numpy as np
import pytest
import torch
from scipy.special import expit, logit
from sklearn.calibration import calibration_curve
from torchmetrics.functional.classification import binary_calibration_error

from foci3d.confidence import reliability


@pytest.fixture
def sampled() -> tuple[np.ndarray, np.ndarray]:
    """Probabilities `(N, L, Y, X)` and masks that are drawn with them."""
    rng = np.random.default_rng(1)
    probabilities = expit(2 * rng.standard_normal((20, 2, 40, 40)))
    return probabilities, rng.random(probabilities.shape) < probabilities


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_calibration_error_equals_that_of_torchmetrics(sampled, scale):
    probabilities, target = sampled
    probabilities = expit(scale * (logit(probabilities) - 0.4))
    sums = reliability.reliability_sums(probabilities, target)
    for layer, error in enumerate(reliability.expected_calibration_error(sums.sum(0))):
        pixels = (torch.from_numpy(values[:, layer].ravel()) for values in (probabilities, target.astype(int)))
        expected = binary_calibration_error(*pixels, n_bins=reliability.N_BINS, norm="l1")
        assert error == pytest.approx(float(expected), abs=1e-6)


def test_reliability_table_equals_that_of_scikit_learn(sampled):
    probabilities, target = sampled
    table = reliability.reliability_table(reliability.reliability_sums(probabilities, target).sum(0))
    for layer, rows in table.groupby("layer"):
        observed, predicted = calibration_curve(
            target[:, layer - 1].ravel(), probabilities[:, layer - 1].ravel(), n_bins=reliability.N_BINS
        )
        assert rows["observed"].to_numpy() == pytest.approx(observed)
        assert rows["predicted"].to_numpy() == pytest.approx(predicted)
        assert rows["share"].sum() == pytest.approx(1)


def test_risk_rises_with_coverage_to_the_error_rate(sampled):
    probabilities, target = sampled
    curve = reliability.risk_coverage(probabilities, target)
    error = ((probabilities > 0.5) != target).mean()
    assert curve[["coverage", "risk"]].to_numpy()[-1] == pytest.approx([1, error])
    assert (curve["ideal_risk"] <= curve["risk"] + 1e-12).all()
    # The expected error among calibrated pixels is the mean of 1 - confidence.
    confidence = reliability.confidence(probabilities)
    chosen = curve.iloc[(curve["coverage"] - 0.6).abs().argmin()]
    expected = 1 - confidence[confidence >= chosen["threshold"]].mean()
    assert chosen["risk"] == pytest.approx(expected, abs=0.005)


def test_threshold_leaves_the_share_that_was_asked_for(sampled):
    probabilities, target = sampled
    threshold = reliability.confidence_threshold(probabilities, 0.9)
    total, selected, wrong = reliability.selection_sums(probabilities, target, threshold).sum(0)
    assert selected / total == pytest.approx(0.9, abs=1e-4)
    assert wrong / selected < ((probabilities > 0.5) != target).mean()
