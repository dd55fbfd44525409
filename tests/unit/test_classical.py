"""The classical methods, against SciPy, dense linear algebra and scikit-image."""

import numpy as np
import pytest
import scipy.optimize
import scipy.signal
import torch
from skimage import restoration

from foci3d import classical
from foci3d.blur import Blur
from foci3d.classical import StackModel, Stacks
from foci3d.optics import Acceptance, Psf, acceptance_kernels, depth_grid

PIXELS = 15
SEPARATION_UM = 1000.0


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def psf() -> Psf:
    depths_um = depth_grid((0, 1000), 20)
    kernels = acceptance_kernels(Acceptance(36.0, 20.0, 1.0), depths_um, PIXELS, 55.0)
    return Psf(kernels.float(), depths_um.float(), 55.0)


def random_kernels(samples: int, sensors: int, layers: int, pixels: int) -> torch.Tensor:
    """Kernels without any symmetry."""
    shape = (samples, sensors, layers, 2 * pixels - 1, 2 * pixels - 1)
    kernels = torch.rand(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return kernels / kernels.sum((-2, -1), keepdim=True)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def dense(kernels: torch.Tensor, pixels: int) -> np.ndarray:
    """The forward model of one sample as a matrix, from the pictures of single bright pixels."""
    layers = kernels.shape[2]
    units = torch.eye(layers * pixels**2, dtype=torch.float64).view(-1, layers, pixels, pixels)
    return np.stack([StackModel(kernels).forward(unit[None]).numpy().ravel() for unit in units], 1)


def stacks(psf: Psf, samples: int, layers: int, sensors: int) -> tuple[Stacks, np.ndarray, np.ndarray]:
    """Bright squares on a dark ground: stacks, layers and masks."""
    rng = np.random.default_rng(3)
    masks = np.zeros((samples, layers, PIXELS, PIXELS), np.uint8)
    for place in np.ndindex(samples, layers):
        y, x = rng.integers(0, PIXELS - 6, 2)
        masks[(*place, slice(y, y + 6), slice(x, x + 6))] = 1
    scene = (0.25 + masks * rng.uniform(1, 3, (samples, layers, 1, 1))).astype(np.float32)
    depths_um = np.linspace(60, 940, layers) + rng.uniform(-50, 50, (samples, layers))
    kernels = classical.stack_kernels(psf, torch.from_numpy(depths_um), sensors, SEPARATION_UM)
    pictures = StackModel(kernels).forward(torch.from_numpy(scene)).numpy()
    return Stacks(psf, SEPARATION_UM, pictures, depths_um.astype(np.float32)), scene, masks


@pytest.mark.parametrize(("sensors", "layers"), [(1, 1), (1, 3), (2, 4)])
def test_model_is_the_sum_of_zero_padded_convolutions(sensors, layers):
    kernels, scene = random_kernels(2, sensors, layers, PIXELS), noise(2, layers, PIXELS, PIXELS)
    pictures = StackModel(kernels).forward(scene)
    window = slice(PIXELS - 1, 2 * PIXELS - 1)
    for n, s in np.ndindex(2, sensors):
        full = sum(scipy.signal.convolve2d(scene[n, layer], kernels[n, s, layer]) for layer in range(layers))
        np.testing.assert_allclose(pictures[n, s], full[window, window], atol=1e-12)


def test_model_sees_what_the_rendering_blur_sees(psf):
    depths_um = torch.tensor([[100.0, 400.0, 800.0]])
    scene = noise(1, 3, PIXELS, PIXELS).float()
    blur = Blur(psf, PIXELS, terms=PIXELS)
    pictures = StackModel(classical.stack_kernels(psf, depths_um, 2, SEPARATION_UM)).forward(scene)
    for sensor, distances_um in enumerate([depths_um, SEPARATION_UM - depths_um]):
        torch.testing.assert_close(pictures[:, sensor], blur(scene, distances_um).sum(1), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("sensors", "layers"), [(1, 1), (1, 4), (2, 3)])
def test_adjoint_is_the_transpose(sensors, layers):
    model = StackModel(random_kernels(2, sensors, layers, PIXELS))
    scene, pictures = noise(2, layers, PIXELS, PIXELS), noise(2, sensors, PIXELS, PIXELS, seed=1)
    there, back = (model.forward(scene) * pictures).sum(), (scene * model.adjoint(pictures)).sum()
    assert there.item() == pytest.approx(back.item())
    torch.testing.assert_close(
        classical.back_projection(pictures, random_kernels(2, sensors, layers, PIXELS)), model.adjoint(pictures)
    )


def test_layered_wiener_solves_the_normal_equations_at_each_frequency(psf):
    kernels, pictures = random_kernels(1, 2, 3, PIXELS), noise(1, 2, PIXELS, PIXELS)
    model = StackModel(kernels)
    system, seen = model.transfer[0].numpy(), model.spectra(pictures)[0].numpy()
    expected = np.empty(system.shape[1:], complex)
    for y, x in np.ndindex(expected.shape[1:]):
        h = system[:, :, y, x]
        expected[:, y, x] = np.linalg.solve(h.conj().T @ h + 0.05 * np.eye(3), h.conj().T @ seen[:, y, x])
    expected = np.fft.irfft2(expected, model.size)[:, :PIXELS, :PIXELS]
    np.testing.assert_allclose(classical.layered_wiener(pictures, kernels, 0.05)[0], expected, atol=1e-10)


def test_nonnegative_least_squares_converges_to_that_of_scipy():
    kernels = random_kernels(1, 2, 2, 4)
    kernels[:, :, :, 3, 3] += 1
    kernels /= kernels.sum((-2, -1), keepdim=True)
    pictures = noise(1, 2, 4, 4) - 0.2
    expected, residual = scipy.optimize.nnls(dense(kernels, 4), pictures.numpy().ravel())
    found = classical.nonnegative_least_squares(pictures, kernels, 8000)
    np.testing.assert_allclose(found.ravel(), expected, atol=1e-3)
    left = (StackModel(kernels).forward(found) - pictures).norm().item()
    assert left == pytest.approx(residual, rel=1e-4)


def test_nonnegative_least_squares_explains_more_with_each_iteration(psf):
    test, _, _ = stacks(psf, 2, 4, 2)
    kernels = classical.stack_kernels(psf, torch.from_numpy(test.depths_um), 2, SEPARATION_UM)
    pictures = torch.from_numpy(test.sensors)
    left = []
    for iterations in (1, 5, 25):
        layers = classical.nonnegative_least_squares(pictures, kernels, iterations)
        assert layers.min() >= 0
        left.append((StackModel(kernels).forward(layers) - pictures).norm().item())
    assert left[0] > 2 * left[1] > 4 * left[2]


@pytest.mark.parametrize(
    ("method", "parameters", "reference"),
    [
        ("wiener", {"balance": 0.02}, lambda y, h: restoration.wiener(y, h, 0.02, clip=False)),
        ("richardson_lucy", {"iterations": 4}, lambda y, h: restoration.richardson_lucy(y, h, 4, clip=False)),
    ],
)
def test_methods_of_scikit_image_see_the_picture_continued(psf, method, parameters, reference):
    test, _, _ = stacks(psf, 3, 1, 1)
    found = test.reconstruct(method, parameters)
    margin = PIXELS // 2
    framed = np.pad(test.sensors[1, 0], margin, mode="edge")
    kernel = psf.at(torch.from_numpy(test.depths_um))[1, 0].numpy()
    expected = reference(framed, kernel)[margin : margin + PIXELS, margin : margin + PIXELS]
    assert found.shape == (3, 1, PIXELS, PIXELS)
    np.testing.assert_allclose(found[1, 0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("wiener", {"balance": 0.001}),
        ("richardson_lucy", {"iterations": 30}),
        ("nonnegative_least_squares", {"iterations": 100}),
    ],
)
def test_deconvolution_comes_closer_to_the_scene_than_the_picture(psf, method, parameters):
    test, scene, _ = stacks(psf, 4, 1, 1)
    test = Stacks(psf, SEPARATION_UM, test.sensors, np.full((4, 1), 60, np.float32))
    kernels = classical.stack_kernels(psf, torch.from_numpy(test.depths_um), 1, SEPARATION_UM)
    test.sensors[...] = StackModel(kernels).forward(torch.from_numpy(scene)).numpy()
    inside = (..., slice(3, -3), slice(3, -3))
    left = np.abs(test.reconstruct(method, parameters) - scene)[inside].mean()
    assert left < 0.7 * np.abs(test.sensors - scene)[inside].mean()


def test_identity_shows_the_picture_in_every_layer(psf):
    test, _, _ = stacks(psf, 2, 3, 2)
    found = test.reconstruct("identity", {})
    for layer in range(3):
        np.testing.assert_array_equal(found[:, layer], test.sensors[:, 0])


def test_reconstruction_does_not_depend_on_the_batch(psf, monkeypatch):
    test, _, _ = stacks(psf, 5, 4, 2)
    whole = test.reconstruct("layered_wiener", {"noise_to_signal": 0.1})
    monkeypatch.setattr(classical, "BATCH", 2)
    np.testing.assert_allclose(test.reconstruct("layered_wiener", {"noise_to_signal": 0.1}), whole, atol=1e-6)


def test_sensor_b_sees_the_layers_from_the_other_side(psf):
    depths_um = torch.tensor([[100.0, 700.0]])
    kernels = classical.stack_kernels(psf, depths_um, 2, SEPARATION_UM)
    torch.testing.assert_close(kernels[:, 1], psf.at(torch.tensor([[900.0, 300.0]])))
    assert classical.stack_kernels(psf, depths_um, 1, SEPARATION_UM).shape == (1, 1, 2, 29, 29)


def test_calibration_gives_the_share_of_cells_whatever_the_gain():
    rng = np.random.default_rng(1)
    masks = (rng.random((40, 2, 20, 20)) < [[[0.3]], [[0.6]]]).astype(np.uint8)
    layers = (masks + rng.normal(0, 0.8, masks.shape)).astype(np.float32)
    gains = rng.uniform(0.2, 5, (40, 2, 1, 1)).astype(np.float32)
    chances = classical.Calibration(gains * layers, masks)(layers)
    assert chances.min() >= 0
    assert chances.max() <= 1
    for low in (0.1, 0.4, 0.7):
        chosen = (chances > low) & (chances < low + 0.2)
        assert masks[chosen].mean() == pytest.approx(low + 0.1, abs=0.06)
    order = np.argsort(layers[3, 0].ravel())
    assert (np.diff(chances[3, 0].ravel()[order]) >= 0).all()


def test_calibration_of_an_empty_reconstruction_is_the_coverage():
    masks = np.zeros((4, 1, 5, 5), np.uint8)
    masks[:, :, :2] = 1
    empty = np.zeros(masks.shape, np.float32)
    np.testing.assert_allclose(classical.Calibration(empty, masks)(empty), 0.4, atol=1e-6)


def test_choice_is_the_candidate_with_the_least_error(psf, caplog):
    caplog.set_level("INFO", "foci3d")
    test, scene, _ = stacks(psf, 6, 1, 1)
    candidates = {"balance": [1e-4, 1e-2, 10.0]}
    chosen = classical.choose(test, scene, "image", "wiener", candidates, [0, 2])
    errors = [
        classical.choose(test, scene, "image", "wiener", {"balance": [balance]}, [smoothing]).error
        for balance in candidates["balance"]
        for smoothing in (0, 2)
    ]
    assert chosen.error == min(errors) < max(errors)
    found = chosen(test)
    spread = np.ptp(scene, (-2, -1))
    assert chosen.error == pytest.approx((np.abs(found - scene).mean((-2, -1)) / spread).mean(), rel=1e-5)
    assert "wiener {'balance': 10.0}, smoothing 2 px: error" in caplog.text


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("back_projection", {}),
        ("layered_wiener", {"noise_to_signal": [0.001, 0.1]}),
        ("nonnegative_least_squares", {"iterations": [10, 50]}),
    ],
)
def test_stacks_are_told_apart_better_than_by_chance(psf, method, parameters):
    test, _, masks = stacks(psf, 12, 4, 2)
    chosen = classical.choose(test, masks, "masks", method, parameters, [0])
    chances = chosen(test)
    assert chances.shape == masks.shape
    assert chosen.error == pytest.approx(((chances > 0.5) != masks).mean())
    assert chosen.error < 0.9 * masks.mean()


def test_smoothing_acts_within_layers():
    layers = np.zeros((2, 2, 9, 9), np.float32)
    layers[0, 0, 4, 4] = 1
    found = classical.smoothed(layers, 1)
    assert found[0, 0].sum() == pytest.approx(1, abs=1e-3)
    assert found[0, 0, 4, 4] == pytest.approx(1 / (2 * np.pi), rel=0.03)
    assert not found[1].any()
    assert not found[0, 1].any()
    np.testing.assert_array_equal(classical.smoothed(layers, 0), layers)
