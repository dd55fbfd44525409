"""The classical methods, compared with SciPy, dense linear algebra and scikit-image."""

from functools import partial
from typing import Literal

import numpy as np
import pytest
import scipy.optimize
import torch
from skimage import restoration
from squares import draw_squares

from foci3d.classical import methods, tuning
from foci3d.config.classical_methods import (
    CLASSICAL_METHODS,
    BackProjectionConfig,
    ClassicalMethod,
    LayeredWienerConfig,
    NonnegativeLeastSquaresConfig,
    WienerConfig,
)
from foci3d.config.fields import Positive, Some
from foci3d.config.tasks import DEBLURRING, MASKS, TASKS
from foci3d.optics.forward import FourierOperator

N_PIXELS = 15


@pytest.fixture(scope="module")
def psf(make_psf):
    return make_psf(N_PIXELS, (0.0, 1000.0), 20.0)


def random_operator(n_sensors, n_layers, n_pixels, peak=0.0):
    """The operator of one sample with kernels without any symmetry, float64."""
    shape = (1, n_sensors, n_layers, 2 * n_pixels - 1, 2 * n_pixels - 1)
    kernels = torch.rand(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    kernels[..., n_pixels - 1, n_pixels - 1] += peak
    return FourierOperator.from_kernels(kernels / kernels.sum((-2, -1), keepdim=True))


def noise(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def dense_matrix(operator, n_layers):
    """The operator of one sample as a matrix, from the measurements of single bright pixels."""
    units = torch.eye(n_layers * operator.n_pixels**2, dtype=torch.float64)
    units = units.view(-1, n_layers, operator.n_pixels, operator.n_pixels)
    return np.stack([operator.forward(unit[None]).numpy().ravel() for unit in units], 1)


@pytest.fixture(scope="module")
def squares(psf):
    return partial(draw_squares, psf)


def reconstruct(forward, samples, method, parameters):
    return methods.reconstruct(forward, samples.measurements, samples.depths_um, method, parameters)


def test_back_projection_is_the_adjoint():
    operator, measurements = random_operator(2, 3, N_PIXELS), noise(1, 2, N_PIXELS, N_PIXELS)
    expected = dense_matrix(operator, 3).T @ measurements.numpy().ravel()
    np.testing.assert_allclose(methods.back_projection(measurements, operator).ravel(), expected, atol=1e-12)


def test_layered_wiener_solves_the_normal_equations_at_each_frequency():
    operator, measurements = random_operator(2, 3, N_PIXELS), noise(1, 2, N_PIXELS, N_PIXELS)
    system, spectra = operator.transfer[0].numpy(), operator.spectra(measurements)[0].numpy()
    expected = np.empty(system.shape[1:], complex)
    for y, x in np.ndindex(expected.shape[1:]):
        h = system[:, :, y, x]
        expected[:, y, x] = np.linalg.solve(h.conj().T @ h + 0.05 * np.eye(3), h.conj().T @ spectra[:, y, x])
    expected = np.fft.irfft2(expected, operator.size)[:, :N_PIXELS, :N_PIXELS]
    np.testing.assert_allclose(methods.layered_wiener(measurements, operator, 0.05)[0], expected, atol=1e-10)


def test_nonnegative_least_squares_converges_to_that_of_scipy():
    operator, measurements = random_operator(2, 2, 4, peak=1.0), noise(1, 2, 4, 4) - 0.2
    expected, residual = scipy.optimize.nnls(dense_matrix(operator, 2), measurements.numpy().ravel())
    layers = methods.nonnegative_least_squares(measurements, operator, 8000)
    np.testing.assert_allclose(layers.ravel(), expected, atol=1e-3)
    assert (operator.forward(layers) - measurements).norm().item() == pytest.approx(residual, rel=1e-4)


@pytest.mark.parametrize(
    ("method", "parameters", "reference"),
    [
        ("wiener", {"balance": 0.02}, lambda y, h: restoration.wiener(y, h, 0.02, clip=False)),
        ("richardson_lucy", {"iterations": 4}, lambda y, h: restoration.richardson_lucy(y, h, 4, clip=False)),
    ],
)
def test_methods_of_scikit_image_get_measurements_with_extended_edges(squares, psf, method, parameters, reference):
    forward, samples = squares(3, 1, 1)
    margin = N_PIXELS // 2
    padded = np.pad(samples.measurements[1, 0], margin, mode="edge")
    kernel = psf.interpolate(torch.from_numpy(samples.depths_um))[1, 0].numpy()
    expected = reference(padded, kernel)[margin : margin + N_PIXELS, margin : margin + N_PIXELS]
    layers = reconstruct(forward, samples, method, parameters)
    assert layers.shape == (3, 1, N_PIXELS, N_PIXELS)
    np.testing.assert_allclose(layers[1, 0], expected, rtol=1e-4, atol=1e-5)


def test_identity_repeats_the_measurement_and_batches_do_not_matter(squares, monkeypatch):
    forward, samples = squares(5, 4, 2)
    for layer in reconstruct(forward, samples, "identity", {}).swapaxes(0, 1):
        np.testing.assert_array_equal(layer, samples.measurements[:, 0])
    whole = reconstruct(forward, samples, "layered_wiener", {"noise_to_signal": 0.1})
    monkeypatch.setattr(methods, "BATCH_SIZE", 2)
    parts = reconstruct(forward, samples, "layered_wiener", {"noise_to_signal": 0.1})
    np.testing.assert_allclose(parts, whole, atol=1e-6)


def test_calibrator_gives_the_share_of_cells_whatever_the_gain():
    rng = np.random.default_rng(1)
    masks = (rng.random((40, 2, 20, 20)) < [[[0.3]], [[0.6]]]).astype(np.uint8)
    layers = (masks + rng.normal(0, 0.8, masks.shape)).astype(np.float32)
    gains = rng.uniform(0.2, 5, (40, 2, 1, 1)).astype(np.float32)
    probabilities = tuning.IsotonicCalibrator(gains * layers, masks)(layers)
    assert probabilities.min() >= 0
    assert probabilities.max() <= 1
    for low in (0.1, 0.4, 0.7):
        selected = (probabilities > low) & (probabilities < low + 0.2)
        assert masks[selected].mean() == pytest.approx(low + 0.1, abs=0.06)
    order = np.argsort(layers[3, 0].ravel())
    assert (np.diff(probabilities[3, 0].ravel()[order]) >= 0).all()


def test_calibrator_of_an_empty_reconstruction_gives_the_coverage():
    masks = np.zeros((4, 1, 5, 5), np.uint8)
    masks[:, :, :2] = 1
    empty = np.zeros(masks.shape, np.float32)
    np.testing.assert_allclose(tuning.IsotonicCalibrator(empty, masks)(empty), 0.4, atol=1e-6)


def test_inexact_depths_have_the_standard_deviation_and_stay_in_range():
    depths_um = np.full(10_000, 500, np.float32)
    inexact_um = tuning.inexact_depths(depths_um, 20.0, (0.0, 1000.0), [1])
    assert np.std(inexact_um) == pytest.approx(20, rel=0.05)
    assert np.mean(inexact_um) == pytest.approx(500, abs=1)
    edges_um = tuning.inexact_depths(np.array([0.0, 1000.0] * 10, np.float32), 50.0, (0.0, 1000.0), [1])
    assert (edges_um.min(), edges_um.max()) == (0, 1000)
    np.testing.assert_array_equal(tuning.inexact_depths(depths_um, 0.0, (0.0, 1.0), [1]), depths_um)


def test_smoothing_acts_within_layers():
    layers = np.zeros((2, 2, 9, 9), np.float32)
    layers[0, 0, 4, 4] = 1
    smoothed = tuning.smooth(layers, 1)
    assert smoothed[0, 0].sum() == pytest.approx(1, abs=1e-3)
    assert smoothed[0, 0, 4, 4] == pytest.approx(1 / (2 * np.pi), rel=0.03)
    assert not smoothed[1].any()
    assert not smoothed[0, 1].any()
    np.testing.assert_array_equal(tuning.smooth(layers, 0), layers)


def test_tuning_takes_the_candidate_with_the_least_error(squares, caplog):
    caplog.set_level("INFO", "foci3d")
    forward, samples = squares(6, 1, 1)
    balances, sigmas_px = (1e-4, 1e-2, 10.0), (0.0, 2.0)

    def tune(balances, sigmas_px):
        method = WienerConfig(name="wiener", balance=balances)
        return tuning.tune(method, DEBLURRING, sigmas_px, forward, samples)

    tuned = tune(balances, sigmas_px)
    errors = [tune((balance,), (sigma_px,)).error for balance in balances for sigma_px in sigmas_px]
    assert tuned.error == min(errors) < max(errors)
    output = tuned.predict(forward, samples.measurements, samples.depths_um)
    error = np.abs(output - samples.layers).mean((-2, -1)) / np.ptp(samples.layers, (-2, -1))
    assert tuned.error == pytest.approx(error.mean(), rel=1e-5)
    assert "wiener {'balance': 10.0}, smoothing 2 px: error" in caplog.text


@pytest.mark.parametrize(
    "method",
    [
        BackProjectionConfig(name="back_projection"),
        LayeredWienerConfig(name="layered_wiener", noise_to_signal=(0.001, 0.1)),
        NonnegativeLeastSquaresConfig(name="nonnegative_least_squares", iterations=(10, 50)),
    ],
    ids=lambda method: method.name,
)
def test_masks_of_stacks_are_better_than_no_cells(squares, method):
    forward, samples = squares(12, 4, 2)
    tuned = tuning.tune(method, MASKS, (0.0,), forward, samples)
    probabilities = tuned.predict(forward, samples.measurements, samples.depths_um)
    assert probabilities.shape == samples.masks.shape
    assert tuned.error == pytest.approx(((probabilities > 0.5) != samples.masks).mean())
    assert tuned.error < 0.9 * samples.masks.mean()


def test_every_method_and_task_of_the_configuration_is_implemented():
    assert methods.METHODS.keys() == CLASSICAL_METHODS.classes.keys()
    assert all(spec.kind in tuning.OBJECTIVES for spec in TASKS.values() if spec.classical_target)


@pytest.mark.usefixtures("plugged_in")
def test_a_user_registers_a_method_with_its_settings(squares):
    class DampedConfig(ClassicalMethod):
        name: Literal["damped"]
        damping: Some[Positive]

    @methods.classical_method("damped", DampedConfig)
    def damped(measurements, operator, damping):
        return damping * operator.adjoint(measurements)

    forward, samples = squares(6, 4, 2)
    method = CLASSICAL_METHODS.parse({"name": "damped", "damping": [0.5, 2.0]})
    tuned = tuning.tune(method, MASKS, (0.0,), forward, samples)
    assert tuned.parameters["damping"] in (0.5, 2.0)
    expected = tuning.tune(BackProjectionConfig(name="back_projection"), MASKS, (0.0,), forward, samples)
    assert tuned.error == pytest.approx(expected.error)
