"""The forward operator, compared with SciPy's convolution, and its adjoint."""

import numpy as np
import pytest
import torch
from scipy import signal

from foci3d.config.imager import SpecimenConfig
from foci3d.errors import InputError
from foci3d.optics.acceptance import AngularAcceptance, acceptance_kernels
from foci3d.optics.forward import ForwardModel, FourierOperator, TransformedModel, periodic_transfer, separable_terms
from foci3d.optics.psf import PSF, depth_grid
from foci3d.optics.specimen import apply_specimen

ACCEPTANCE = AngularAcceptance(36.0, 20.0, 1.0)
SMALL, SEPARATION_UM = 8, 900.0
GRID_UM = [[100.0, 300.0, 800.0], [0.0, 500.0, 900.0]]
OFF_GRID_UM = [[113.0, 333.3, 801.0], [4.0, 555.5, 871.0]]


@pytest.fixture(scope="module")
def fine_psf(make_psf):
    """The paper's PSF."""
    return make_psf(51, (0.0, 2000.0), 10.0)


@pytest.fixture(scope="module")
def asymmetric_psf():
    """A small PSF without any symmetry."""
    rng = np.random.default_rng(0)
    kernels = acceptance_kernels(ACCEPTANCE, depth_grid([0, 900], 100), SMALL, 55.0).numpy()
    kernels *= rng.uniform(0.5, 1.5, kernels.shape)
    kernels /= kernels.sum((1, 2), keepdims=True)
    return PSF(torch.from_numpy(kernels).float(), depth_grid([0, 900], 100).float(), 55.0)


def random_images(*shape, seed=0, dtype=np.float32):
    return torch.from_numpy(np.random.default_rng(seed).lognormal(0, 0.7, shape).astype(dtype))


def random_depths_um(*shape, low=0.0, high=1000.0):
    return torch.from_numpy(np.random.default_rng(0).uniform(low, high, shape).astype(np.float32))


def convolve(images, kernels):
    """Zero-padded convolution by SciPy, cropped to the images."""
    n_pixels = images.shape[-1]
    field = slice(n_pixels - 1, 2 * n_pixels - 1)
    return torch.from_numpy(signal.fftconvolve(images.numpy(), kernels.numpy(), axes=(-2, -1)))[..., field, field]


def expected_measurements(psf, layers, depths_um, n_sensors, sensor_separation_um):
    distances_um = [depths_um, sensor_separation_um - depths_um][:n_sensors]
    return torch.stack([convolve(layers, psf.interpolate(distance_um)).sum(1) for distance_um in distances_um], 1)


def relative_deviation(actual, expected):
    """Largest deviation of each image over its peak."""
    return ((actual - expected).abs().amax((-2, -1)) / expected.amax((-2, -1))).max().item()


@pytest.mark.parametrize(("low", "high"), [(0, 60), (60, 250), (250, 1000), (1000, 2000)])
def test_measurements_have_the_documented_accuracy(fine_psf, low, high):
    forward = ForwardModel(fine_psf, 51, n_sensors=1, sensor_separation_um=0.0)
    layers, depths_um = random_images(32, 1, 51, 51), random_depths_um(32, 1, low=low, high=high)
    expected = expected_measurements(fine_psf, layers, depths_um, 1, 0.0)
    assert relative_deviation(forward(layers, depths_um), expected) < 1.5e-3
    assert relative_deviation(forward.at(depths_um).forward(layers), expected) < 1e-5


@pytest.mark.parametrize("n_sensors", [1, 2])
def test_with_all_terms_band_matrices_are_exact_on_the_depth_grid(asymmetric_psf, n_sensors):
    forward = ForwardModel(asymmetric_psf, SMALL, n_sensors, SEPARATION_UM, n_terms=2 * SMALL - 1)
    layers, depths_um = random_images(2, 3, SMALL, SMALL), torch.tensor(GRID_UM)
    expected = expected_measurements(asymmetric_psf, layers, depths_um, n_sensors, SEPARATION_UM)
    torch.testing.assert_close(forward(layers, depths_um).double(), expected.double(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(forward.at(depths_um).forward(layers).double(), expected.double(), rtol=1e-4, atol=1e-5)


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return getattr(torch, request.param)


@pytest.fixture(params=[1, 2], ids=["one sensor", "two sensors"])
def n_sensors(request):
    return request.param


@pytest.fixture(params=[0, 3], ids=["no margin", "margin"])
def operator(request, asymmetric_psf, n_sensors, dtype):
    """Each variant of the forward operator, without and with a margin around the measurements."""
    extent = SMALL + 2 * request.param
    psf = apply_specimen(asymmetric_psf, SpecimenConfig(margin_pixels=request.param))
    return ForwardModel(psf, extent, n_sensors, SEPARATION_UM).to(dtype)


def test_gradient_is_the_adjoint(operator, n_sensors, dtype):
    depths_um, extent = torch.tensor(OFF_GRID_UM, dtype=dtype), operator.n_pixels
    layers = random_images(2, 3, extent, extent).to(dtype).requires_grad_()
    measurements = random_images(2, n_sensors, extent, extent, seed=1).to(dtype)
    (operator(layers, depths_um) * measurements).sum().backward()
    torch.testing.assert_close(layers.grad, operator.adjoint(measurements, depths_um))


@pytest.mark.parametrize(("n_sensors", "n_layers"), [(1, 1), (1, 3), (2, 4)])
def test_fourier_operator_is_the_sum_of_zero_padded_convolutions(n_sensors, n_layers):
    kernels = torch.rand(2, n_sensors, n_layers, 29, 29, dtype=torch.float64)
    layers = random_images(2, n_layers, 15, 15, dtype=np.float64)
    expected = torch.stack([convolve(layers, kernels[:, sensor]).sum(1) for sensor in range(n_sensors)], 1)
    torch.testing.assert_close(FourierOperator.from_kernels(kernels).forward(layers), expected, rtol=1e-12, atol=1e-12)


def test_depths_beyond_those_of_the_psf_are_refused_or_clamped(asymmetric_psf):
    forward = ForwardModel(asymmetric_psf, SMALL, 2, SEPARATION_UM)
    depths_um = torch.tensor([[-50.0, 450.0, 1000.0]])
    with pytest.raises(InputError, match="found a distance of -50 um"):
        forward.at(depths_um)
    kernels = forward.kernels_at(depths_um, clamp=True)[0]
    expected = [asymmetric_psf.interpolate(torch.tensor(each)) for each in ([0.0, 450.0, 900.0], [900.0, 450.0, 0.0])]
    torch.testing.assert_close(kernels, torch.stack(expected))
    torch.testing.assert_close(forward.at(depths_um, clamp=True).kernels[0], kernels)


@pytest.mark.parametrize("margin", [0, 6, 14])
def test_margin_holds_the_light_beyond_the_layers(margin):
    kernels = torch.rand(2, 2, 3, 29, 29, dtype=torch.float64)
    operator, layers = FourierOperator.from_kernels(kernels, margin), random_images(2, 3, 15, 15, dtype=np.float64)
    inside = slice(14 - margin, 29 + margin)
    for sensor, rendered in enumerate(operator.project_each(layers).unbind(2)):
        expected = signal.fftconvolve(layers.numpy(), kernels[:, sensor].numpy(), axes=(-2, -1))
        torch.testing.assert_close(rendered, torch.from_numpy(expected)[..., inside, inside], rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(operator.project_each(layers).sum(1), operator.forward(layers))
    measurements = random_images(*operator.forward(layers).shape, seed=1, dtype=np.float64)
    forth, back = operator.forward(layers) * measurements, layers * operator.adjoint(measurements)
    assert forth.sum().item() == pytest.approx(back.sum().item())


@pytest.mark.parametrize("margin", [1, SMALL - 1])
def test_layers_may_extend_beyond_the_measurement(asymmetric_psf, margin):
    forward = ForwardModel(asymmetric_psf, SMALL, 2, SEPARATION_UM, n_terms=2 * SMALL - 1)
    layers, depths_um = random_images(2, 3, SMALL + 2 * margin, SMALL + 2 * margin), torch.tensor(GRID_UM)
    # The kernels of the point-spread function end where those of all the layers do not.
    inside = slice(SMALL - 1 + margin, 2 * SMALL - 1 + margin)
    expected = [
        signal.fftconvolve(layers.numpy(), asymmetric_psf.interpolate(distance_um).numpy(), axes=(-2, -1)).sum(1)
        for distance_um in (depths_um, SEPARATION_UM - depths_um)
    ]
    expected = torch.from_numpy(np.stack(expected, 1))[..., inside, inside].float()
    assert relative_deviation(forward(layers, depths_um), expected) < 1e-5


def test_layers_alone_add_up_and_distances_are_clamped(asymmetric_psf):
    forward = ForwardModel(asymmetric_psf, SMALL, 2, SEPARATION_UM)
    layers, distances_um = random_images(4, 3, SMALL, SMALL), random_depths_um(4, 2, 3, high=900)
    alone = forward.project_each(layers, distances_um)
    torch.testing.assert_close(alone.sum(1), forward.project(layers, distances_um))
    torch.testing.assert_close(
        forward.project_each(layers, distances_um + 5000), forward.project_each(layers, torch.full((4, 2, 3), 900.0))
    )


def test_a_transform_of_what_the_sensors_see(asymmetric_psf):
    forward = ForwardModel(asymmetric_psf, SMALL, 2, SEPARATION_UM)
    layers, distances_um = random_images(4, 3, SMALL, SMALL), random_depths_um(4, 2, 3, high=1000) - 50
    transform = random_images(5, SMALL)
    found = TransformedModel(forward, transform).project_each(layers, distances_um)
    for transformed, source in zip(found, (layers, torch.ones_like(layers)), strict=True):
        expected = transform @ forward.project_each(source, distances_um) @ transform.mT
        torch.testing.assert_close(transformed, expected, rtol=1e-5, atol=1e-5 * expected.max().item())


@pytest.mark.parametrize("extents", [(8, 8), (19, 35)])
def test_a_field_has_no_seams(asymmetric_psf, extents):
    forward = ForwardModel(asymmetric_psf, SMALL, 2, SEPARATION_UM)
    layers, depths_um = random_images(2, 3, *extents), torch.tensor([100.0, 300.0, 800.0])
    rendered = forward.project_field(layers, depths_um[:, None, None].expand(3, *extents))
    torch.testing.assert_close(rendered, forward.project_field(layers, depths_um))
    for sensor, distances_um in enumerate((depths_um, SEPARATION_UM - depths_um)):
        kernels = asymmetric_psf.interpolate(distances_um).expand(2, -1, -1, -1).numpy()
        expected = signal.fftconvolve(layers.numpy(), kernels, "full", axes=(-2, -1))
        expected = expected[..., SMALL - 1 : SMALL - 1 + extents[0], SMALL - 1 : SMALL - 1 + extents[1]]
        np.testing.assert_allclose(rendered[:, :, sensor], expected, rtol=1e-4, atol=1e-5)


def test_each_block_of_a_field_has_its_depth(asymmetric_psf):
    forward = ForwardModel(asymmetric_psf, SMALL, 1, SEPARATION_UM)
    layer = torch.zeros(1, 1, SMALL, 3 * SMALL)
    layer[..., 0, [0, 2 * SMALL]] = 1
    depths_um = torch.tensor([200.0, 500.0, 800.0]).repeat_interleave(SMALL).expand(1, SMALL, -1)
    rendered = forward.project_field(layer, depths_um)[0, 0, 0]
    right_half = asymmetric_psf.interpolate(torch.tensor([200.0, 800.0]))[:, SMALL - 1 :, SMALL - 1 :]
    torch.testing.assert_close(rendered[:, :SMALL], right_half[0], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(rendered[:, 2 * SMALL :], right_half[1], rtol=1e-4, atol=1e-6)


def test_distances_may_differ_from_those_of_the_geometry(asymmetric_psf):
    forward = ForwardModel(asymmetric_psf, SMALL, 2, SEPARATION_UM)
    layers, distances_um = random_images(4, 3, SMALL, SMALL), random_depths_um(4, 2, 3, high=900)
    one = ForwardModel(asymmetric_psf, SMALL, 1, SEPARATION_UM)
    expected = torch.cat([one(layers, distances_um[:, sensor]) for sensor in range(2)], 1)
    torch.testing.assert_close(forward.project(layers, distances_um), expected)


def test_transfer_function_is_that_of_a_periodic_convolution(asymmetric_psf):
    depths_um = torch.tensor([[400.0, 750.0]])
    transfer = ForwardModel(asymmetric_psf, SMALL, 2, SEPARATION_UM).transfer_function(depths_um)
    assert transfer.shape == (1, 2, 2, SMALL, SMALL)
    image = random_images(SMALL, SMALL, dtype=np.float64)
    for sensor, distance_um in enumerate([750.0, 150.0]):
        kernel = asymmetric_psf.interpolate(torch.tensor(distance_um)).double()
        expected = torch.zeros_like(image)
        for (row, column), weight in np.ndenumerate(kernel.numpy()):
            expected += weight * image.roll((row - SMALL + 1, column - SMALL + 1), (0, 1))
        filtered = torch.fft.ifft2(torch.fft.fft2(image) * transfer[0, sensor, 1]).real
        torch.testing.assert_close(filtered, expected)
    torch.testing.assert_close(transfer[..., 0, 0].abs(), torch.ones(1, 2, 2).double(), rtol=1e-6, atol=0)


@pytest.mark.parametrize("margin", [0, 3, 20])
def test_transfer_function_does_not_depend_on_empty_margins(asymmetric_psf, margin):
    kernels = torch.nn.functional.pad(asymmetric_psf.kernels, (margin,) * 4)
    expected = periodic_transfer(asymmetric_psf.kernels, SMALL)
    torch.testing.assert_close(periodic_transfer(kernels, SMALL), expected)


def test_terms_are_the_best_of_their_number(asymmetric_psf):
    rows, columns = separable_terms(asymmetric_psf.kernels, 3)
    error = torch.linalg.matrix_norm(asymmetric_psf.kernels.double() - rows @ columns.mT)
    truncated = torch.linalg.svdvals(asymmetric_psf.kernels.double())[:, 3:].norm(dim=1)
    torch.testing.assert_close(error, truncated)


def test_factors_change_smoothly_with_depth(fine_psf):
    """Neither a sign nor the order of terms flips between neighbouring depths."""
    for factors in separable_terms(fine_psf.kernels, 3):
        steps = (factors[1:] - factors[:-1]).abs().amax(1)
        assert (steps < 0.2 * factors[:-1].abs().amax((1, 2))[:, None]).all()


def test_terms_that_change_order_with_depth_are_interpolated_together():
    """The stronger of two separable terms becomes the weaker one between 100 and 200 um."""
    wide, narrow = torch.full((15,), 1 / 15), torch.eye(15)[7]
    first, second = wide.outer(narrow), narrow.outer(wide)
    kernels = torch.stack([share * first + (1 - share) * second for share in (0.8, 0.55, 0.45, 0.2)])
    psf = PSF(kernels, torch.tensor([0.0, 100.0, 200.0, 300.0]), 55.0)
    layers, depths_um = random_images(3, 1, 8, 8), torch.tensor([[50.0], [150.0], [250.0]])
    measurements = ForwardModel(psf, 8, 1, 0.0, n_terms=2)(layers, depths_um)
    expected = expected_measurements(psf, layers, depths_um, 1, 0.0)
    torch.testing.assert_close(measurements, expected, rtol=0.02, atol=0)


def test_a_sample_does_not_depend_on_the_others(fine_psf):
    forward = ForwardModel(fine_psf, 51, 2, 1000.0)
    layers, depths_um = random_images(16, 4, 51, 51), random_depths_um(16, 4)
    others, other_depths_um = layers.flip(0).clone(), depths_um.flip(0).clone()
    others[3], other_depths_um[3] = layers[3], depths_um[3]
    assert torch.equal(forward(layers, depths_um)[3], forward(others, other_depths_um)[3])


def test_mixed_precision_does_not_reach_the_forward_operator(asymmetric_psf):
    forward = ForwardModel(asymmetric_psf, SMALL, 1, 0.0)
    layers, depths_um = random_images(2, 1, SMALL, SMALL).requires_grad_(), torch.tensor([[100.0], [500.0]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = forward(layers, depths_um)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, forward(layers, depths_um))


def test_measurements_of_another_size_are_refused(asymmetric_psf):
    with pytest.raises(InputError, match="kernels have 15 pixels; expected 19 for measurements of 10 pixels"):
        ForwardModel(asymmetric_psf, 10, 1, 0.0)


@pytest.mark.parametrize("depth_um", [-1.0, 901.0, float("nan")])
def test_depths_beyond_the_psf_are_refused(asymmetric_psf, depth_um):
    with pytest.raises(InputError, match="expected 0 to 900 um"):
        ForwardModel(asymmetric_psf, SMALL, 1, 0.0)(torch.ones(1, 1, SMALL, SMALL), torch.tensor([[depth_um]]))
