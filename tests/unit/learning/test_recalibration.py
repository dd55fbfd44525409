"""Recalibration of probabilities and of the standard deviations of depths."""

import numpy as np
import pytest
from scipy.special import expit, logit

from foci3d.evaluation.metrics import DEPTH_INTERVALS
from foci3d.learning.recalibration import (
    UNUSUAL,
    CountRecalibration,
    DepthRecalibration,
    ErrorReference,
    ProbabilityRecalibration,
)


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
    fitted = ProbabilityRecalibration.fit(distort(probabilities, scales, shifts), target)
    assert fitted.scales == pytest.approx(scales, rel=0.04)
    assert fitted.shifts == pytest.approx(shifts, abs=0.04)
    restored = fitted(distort(probabilities, scales, shifts))
    assert np.abs(restored - probabilities).max() < 0.02


def test_layer_of_one_class_keeps_its_probabilities(sampled):
    probabilities, target = sampled
    target = target.copy()
    target[:, 1] = False
    fitted = ProbabilityRecalibration.fit(probabilities, target)
    assert (fitted.scales[1], fitted.shifts[1]) == (1, 0)
    assert np.allclose(fitted(probabilities)[:, 1], probabilities[:, 1], atol=1e-6)


def test_certain_probabilities_stay_finite():
    certain = np.array([0.0, 1.0]).reshape(1, 1, 1, 2)
    assert ProbabilityRecalibration(scales=(1.1,), shifts=(0.0,))(certain) == pytest.approx(certain, abs=1e-5)


def test_calibrated_depth_intervals_hold_their_shares_of_new_samples():
    rng = np.random.default_rng(3)
    sds_um = rng.uniform(5, 50, (4000, 2))
    errors_um = sds_um * [0.5, 3.0] * rng.standard_normal(sds_um.shape)
    errors_um[::7, 0] = np.nan
    fitted = DepthRecalibration.fit(errors_um[:2000], sds_um[:2000])
    assert fitted.scales == pytest.approx((0.5, 3.0), rel=0.05)
    calibrated = fitted(sds_um[2000:])
    within = [np.abs(errors_um[2000:]) <= half_width * calibrated for half_width in DEPTH_INTERVALS.values()]
    share = [values.sum(0) / (~np.isnan(errors_um[2000:])).sum(0) for values in within]
    assert share[0] == pytest.approx([0.68, 0.68], abs=0.03)
    assert share[1] == pytest.approx([0.95, 0.95], abs=0.015)


def test_the_floor_makes_the_95_percent_interval_hold_for_each_generator() -> None:
    """One of two generators has textures by which depths err by 40 um more, however sure the network is."""
    rng = np.random.default_rng(4)
    sds_um = rng.uniform(5, 50, (4000, 2))
    generators = np.arange(4000) % 2
    errors_um = np.hypot(sds_um, 40.0 * generators[:, None]) * rng.standard_normal(sds_um.shape)
    errors_um[::7, 0] = np.nan
    rows = np.arange(4000) < 2000
    scaled = DepthRecalibration(scales=(1.0, 1.0))
    fitted = scaled.fit_floor(errors_um[rows], sds_um[rows], generators[rows])
    assert fitted.floor_um == pytest.approx(40, rel=0.1)
    first = rows & (generators == 0)
    assert scaled.fit_floor(errors_um[first], sds_um[first], generators[first]).floor_um < 12
    calibrated = fitted(sds_um)
    for number, least in ((0, 0.95), (1, 0.93)):
        new = ~rows & (generators == number)
        within = (np.abs(errors_um) <= 1.96 * calibrated)[new & ~np.isnan(errors_um[:, 0])]
        assert least <= within.mean()
    assert np.array_equal(scaled(sds_um), sds_um)


def test_errors_that_are_expected_are_flagged_by_those_that_are_usual() -> None:
    rng = np.random.default_rng(5)
    expected = rng.uniform(0.02, 0.3, 2000)
    errors = expected * rng.uniform(0.8, 1.2, 2000)
    errors[:10] = np.nan
    reference = ErrorReference.fit(errors, expected, 0.05)
    assert reference is not None
    assert reference.usual == pytest.approx(0.16, rel=0.05)
    usual = errors <= UNUSUAL * reference.usual
    assert np.mean(expected[usual] > reference.threshold) == pytest.approx(0.05, abs=0.005)
    assert np.mean(expected[errors > UNUSUAL * reference.usual] > reference.threshold) > 0.7


def test_without_a_defined_error_there_is_no_reference() -> None:
    """Where the number of layers is wrong in each sample, the errors of depths are not defined in any."""
    errors, expected = np.full((2, 5), np.nan)
    assert ErrorReference.fit(errors, expected, 0.05) is None
    assert ErrorReference.fit(errors, np.ones(5), 0.05) is None


def test_depth_calibration_of_an_empty_layer_changes_nothing():
    fitted = DepthRecalibration.fit(np.array([[np.nan, 4.0], [np.nan, -2.0]]), np.array([10.0, 2.0]))
    assert fitted.scales == (1.0, pytest.approx(2 / 0.9945))


def test_depth_calibration_takes_maps_of_a_field():
    maps = np.ones((2, 5, 6), np.float32)
    assert DepthRecalibration(scales=(2.0, 3.0))(maps)[:, 0, 0] == pytest.approx([2, 3])


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_calibration_of_the_numbers_of_layers_is_found(scale: float) -> None:
    """Numbers are drawn with probabilities that are those of the network with another scale and other shifts."""
    rng = np.random.default_rng(0)
    predicted = rng.dirichlet(np.ones(4), 4000)
    true = CountRecalibration(scale=scale, shifts=(0.0, 1.0, -1.0, 0.0))(predicted)
    n_layers = (true.cumsum(1) < rng.random((4000, 1))).sum(1)
    fitted = CountRecalibration.fit(predicted, n_layers)
    assert fitted.scale == pytest.approx(scale, rel=0.1)
    np.testing.assert_allclose(np.array(fitted.shifts) - fitted.shifts[0], [0, 1, -1, 0], atol=0.2)
    np.testing.assert_allclose(fitted(predicted[:, :, None, None])[..., 0, 0], fitted(predicted), rtol=1e-6)
