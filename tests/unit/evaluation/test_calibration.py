"""Calibration of probabilities against torchmetrics, scikit-learn and closed forms."""

import numpy as np
import pytest
import torch
from scipy.special import expit, logit
from sklearn.calibration import calibration_curve
from torchmetrics.functional.classification import binary_calibration_error

from foci3d.evaluation import calibration
from foci3d.evaluation.calibration import DepthCalibration, LogitCalibration
from foci3d.evaluation.metrics import DEPTH_INTERVALS


@pytest.fixture
def sampled() -> tuple[np.ndarray, np.ndarray]:
    """Probabilities `(N, L, Y, X)` and masks that are drawn with them."""
    rng = np.random.default_rng(1)
    probabilities = expit(2 * rng.standard_normal((20, 2, 40, 40)))
    return probabilities, rng.random(probabilities.shape) < probabilities


def distort(probabilities: np.ndarray, scales: list[float], shifts: list[float]) -> np.ndarray:
    return expit((logit(probabilities) - np.array(shifts)[:, None, None]) / np.array(scales)[:, None, None])


def test_fit_undoes_a_known_distortion_of_each_layer(sampled):
    probabilities, target = sampled
    scales, shifts = [1.5, 0.7], [0.3, -0.2]
    fitted = LogitCalibration.fit(distort(probabilities, scales, shifts), target)
    assert fitted.scales == pytest.approx(scales, rel=0.04)
    assert fitted.shifts == pytest.approx(shifts, abs=0.04)
    restored = fitted(distort(probabilities, scales, shifts))
    assert np.abs(restored - probabilities).max() < 0.02


def test_layer_of_one_class_keeps_its_probabilities(sampled):
    probabilities, target = sampled
    target = target.copy()
    target[:, 1] = False
    fitted = LogitCalibration.fit(probabilities, target)
    assert (fitted.scales[1], fitted.shifts[1]) == (1, 0)
    assert np.allclose(fitted(probabilities)[:, 1], probabilities[:, 1], atol=1e-6)


def test_certain_probabilities_stay_finite():
    certain = np.array([0.0, 1.0]).reshape(1, 1, 1, 2)
    assert LogitCalibration((1.1,), (0.0,))(certain) == pytest.approx(certain, abs=1e-5)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_calibration_error_equals_that_of_torchmetrics(sampled, scale):
    probabilities, target = sampled
    probabilities = distort(probabilities, [1 / scale] * 2, [0.0, 0.4])
    sums = calibration.reliability_sums(probabilities, target)
    for layer, error in enumerate(calibration.expected_calibration_error(sums.sum(0))):
        pixels = (torch.from_numpy(values[:, layer].ravel()) for values in (probabilities, target.astype(int)))
        expected = binary_calibration_error(*pixels, n_bins=calibration.N_BINS, norm="l1")
        assert error == pytest.approx(float(expected), abs=1e-6)


def test_reliability_table_equals_that_of_scikit_learn(sampled):
    probabilities, target = sampled
    table = calibration.reliability_table(calibration.reliability_sums(probabilities, target).sum(0))
    for layer, rows in table.groupby("layer"):
        observed, predicted = calibration_curve(
            target[:, layer - 1].ravel(), probabilities[:, layer - 1].ravel(), n_bins=calibration.N_BINS
        )
        assert rows["observed"].to_numpy() == pytest.approx(observed)
        assert rows["predicted"].to_numpy() == pytest.approx(predicted)
        assert rows["share"].sum() == pytest.approx(1)


def test_risk_rises_with_coverage_to_the_error_rate(sampled):
    probabilities, target = sampled
    curve = calibration.risk_coverage(probabilities, target)
    error = ((probabilities > 0.5) != target).mean()
    assert curve[["coverage", "risk"]].to_numpy()[-1] == pytest.approx([1, error])
    assert (curve["ideal_risk"] <= curve["risk"] + 1e-12).all()
    # The expected error among calibrated pixels is the mean of 1 - confidence.
    confidence = calibration.confidence(probabilities)
    chosen = curve.iloc[(curve["coverage"] - 0.6).abs().argmin()]
    expected = 1 - confidence[confidence >= chosen["threshold"]].mean()
    assert chosen["risk"] == pytest.approx(expected, abs=0.005)


def test_threshold_leaves_the_share_that_was_asked_for(sampled):
    probabilities, target = sampled
    threshold = calibration.confidence_threshold(probabilities, 0.9)
    total, selected, wrong = calibration.selection_sums(probabilities, target, threshold).sum(0)
    assert selected / total == pytest.approx(0.9, abs=1e-4)
    assert wrong / selected < ((probabilities > 0.5) != target).mean()


def test_calibrated_depth_intervals_hold_their_shares_of_new_samples():
    rng = np.random.default_rng(3)
    sds_um = rng.uniform(5, 50, (4000, 2))
    errors_um = sds_um * [0.5, 3.0] * rng.standard_normal(sds_um.shape)
    errors_um[::7, 0] = np.nan
    fitted = DepthCalibration.fit(errors_um[:2000], sds_um[:2000])
    assert fitted.scales == pytest.approx((0.5, 3.0), rel=0.05)
    calibrated = fitted(sds_um[2000:])
    within = [np.abs(errors_um[2000:]) <= half_width * calibrated for half_width in DEPTH_INTERVALS.values()]
    share = [values.sum(0) / (~np.isnan(errors_um[2000:])).sum(0) for values in within]
    assert share[0] == pytest.approx([0.68, 0.68], abs=0.03)
    assert share[1] == pytest.approx([0.95, 0.95], abs=0.015)


def test_depth_calibration_of_an_empty_layer_changes_nothing():
    fitted = DepthCalibration.fit(np.array([[np.nan, 4.0], [np.nan, -2.0]]), np.array([10.0, 2.0]))
    assert fitted.scales == (1.0, pytest.approx(2 / 0.9945))


def test_depth_calibration_takes_maps_of_a_field():
    maps = np.ones((2, 5, 6), np.float32)
    assert DepthCalibration((2.0, 3.0))(maps)[:, 0, 0] == pytest.approx([2, 3])
