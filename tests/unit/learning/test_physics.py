"""Networks that use the PSF: their inverses against a dense matrix, and their dependence on the PSF."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from descriptions import of_four_layers
from torch import nn

from foci3d.config.architectures import PhysicsEncoderConfig, PhysicsUNetConfig
from foci3d.errors import InputError
from foci3d.learning.model import load_model
from foci3d.learning.model_file import save_model
from foci3d.learning.networks import build_network
from foci3d.learning.networks.physics import Bank, Upsampling, WienerBank
from foci3d.optics.forward import ForwardModel
from foci3d.optics.symmetric_filters import padded_size

N_PIXELS = 17
UNET = PhysicsUNetConfig(
    name="physics_unet",
    depth_range_um=(100.0, 900.0),
    n_depths=3,
    channels=(4, 8, 8),
    n_regularizations=2,
    attention=True,
)
ENCODER = PhysicsEncoderConfig(
    name="physics_encoder",
    depth_range_um=(100.0, 900.0),
    n_depths=3,
    n_regularizations=1,
    channels=(4, 8),
    hidden_features=6,
)


@pytest.fixture
def forward(make_psf) -> ForwardModel:
    return ForwardModel(make_psf(N_PIXELS), N_PIXELS, 2, 1000.0)


def build(settings, forward, out_channels=4):
    torch.manual_seed(0)
    network = build_network(settings, 2, out_channels, N_PIXELS).eval()
    network.set_optics(forward)
    return network


def test_bank_solves_the_regularized_least_squares_problem(forward):
    """The minimizer of |h * x - y|^2 + lambda |x|^2 over images x that wrap around, computed as a dense system."""
    bank = WienerBank(torch.tensor([150.0, 700.0]), 2)
    bank.transfer = bank.transfer_functions(forward)
    torch.nn.init.constant_(bank.log_regularization, -3.0)
    measurements = torch.rand(1, 2, N_PIXELS, N_PIXELS, generator=torch.Generator().manual_seed(1))
    images = bank(measurements)[0].detach().double()
    for index, (sensor, depth_um) in enumerate([(0, 150.0), (0, 700.0), (1, 150.0), (1, 700.0)]):
        kernel = forward.at(torch.tensor([[depth_um]])).kernels[0, sensor, 0].double()
        size = padded_size(N_PIXELS)
        canvas = torch.zeros(size, size, dtype=torch.float64)
        canvas[: kernel.shape[0], : kernel.shape[1]] = kernel
        shifts = [canvas.roll((y, x), (0, 1)).flatten() for y in range(size) for x in range(size)]
        matrix = torch.stack(shifts, 1)
        padded = torch.zeros(size, size, dtype=torch.float64)
        padded[N_PIXELS - 1 : 2 * N_PIXELS - 1, N_PIXELS - 1 : 2 * N_PIXELS - 1] = measurements[0, sensor]
        normal = matrix.T @ matrix + torch.exp(torch.tensor(-3.0)) * torch.eye(size**2)
        expected = torch.linalg.solve(normal, matrix.T @ padded.flatten()).view(size, size)[:N_PIXELS, :N_PIXELS]
        torch.testing.assert_close(images[index], expected, rtol=1e-3, atol=1e-4)


def test_real_and_complex_transfer_functions_give_the_same_images_and_gradients(forward):
    bank = WienerBank(torch.tensor([0.0, 150.0, 700.0]), 2, 2)
    torch.nn.init.uniform_(bank.log_regularization, -9.0, -3.0)
    measurements = torch.rand(3, 2, N_PIXELS, N_PIXELS, generator=torch.Generator().manual_seed(1), requires_grad=True)
    transfers = bank.transfer_functions(forward), Bank.transfer_functions(bank, forward)
    assert [transfer.is_complex() for transfer in transfers] == [False, True]
    weights = torch.rand(3, 12, N_PIXELS, N_PIXELS)
    found = []
    for transfer in transfers:
        images = bank(measurements, transfer)
        gradients = torch.autograd.grad((weights * images.square()).sum(), [measurements, bank.log_regularization])
        found.append((images, *gradients))
    for real, expected in zip(*found, strict=True):
        torch.testing.assert_close(real, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def test_kernels_without_mirror_symmetry_have_complex_transfer_functions(make_psf):
    psf = make_psf(N_PIXELS)
    kernels = psf.kernels.roll(1, -1)
    forward = ForwardModel(replace(psf, kernels=kernels), N_PIXELS, 2, 1000.0)
    bank = WienerBank(torch.tensor([150.0, 700.0]), 2)
    assert bank.transfer_functions(forward).is_complex()


@pytest.mark.parametrize(("settings", "shape"), [(UNET, (2, 4, N_PIXELS, N_PIXELS)), (ENCODER, (2, 4))])
def test_shape_of_the_output(settings, shape, forward):
    assert build(settings, forward)(torch.rand(2, 2, N_PIXELS, N_PIXELS)).shape == shape


def test_output_depends_on_the_psf_and_not_on_stored_weights(forward, make_psf):
    other = ForwardModel(make_psf(N_PIXELS, pixel_pitch_um=80.0), N_PIXELS, 2, 1000.0)
    network, measurements = build(UNET, forward), torch.rand(1, 2, N_PIXELS, N_PIXELS)
    before = network(measurements)
    assert not any("transfer" in name for name in network.state_dict())
    network.set_optics(other)
    assert not torch.allclose(network(measurements), before)
    network.set_optics(forward)
    torch.testing.assert_close(network(measurements), before)


def test_transfer_functions_beside_the_measurements_replace_those_of_the_network(forward, make_psf):
    other = ForwardModel(make_psf(N_PIXELS, pixel_pitch_um=80.0), N_PIXELS, 2, 1000.0)
    network, measurements = build(UNET, forward), torch.rand(1, 2, N_PIXELS, N_PIXELS)
    found = network(measurements, network.bank.transfer_functions(other))
    torch.testing.assert_close(found, build(UNET, other)(measurements))


def test_the_grid_of_depths_is_scaled_with_the_separation_of_the_sensors(forward):
    bank = WienerBank(torch.tensor([200.0, 400.0]), 2)
    expected = WienerBank(torch.tensor([240.0, 480.0]), 2).transfer_functions(forward)
    torch.testing.assert_close(bank.transfer_functions(forward, 1.2), expected)


def test_inverses_are_computed_in_float32_under_autocast(forward):
    bank = build(UNET, forward).bank
    measurements = torch.rand(1, 2, N_PIXELS, N_PIXELS)
    with torch.autocast("cpu", torch.bfloat16):
        images = bank(measurements)
    assert images.dtype == torch.float32
    torch.testing.assert_close(images, bank(measurements), rtol=0, atol=0)


def test_regularization_is_trained(forward):
    network = build(UNET, forward).train()
    network(torch.rand(2, 2, N_PIXELS, N_PIXELS)).square().mean().backward()
    assert (network.bank.log_regularization.grad != 0).all()


def test_model_needs_the_psf(forward, make_psf, model_description, tmp_path):
    description = of_four_layers(model_description, UNET, N_PIXELS)
    network = build(UNET, forward)
    save_model(network, description, tmp_path / "model.json", tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="the point-spread function of the imager is needed"):
        load_model(tmp_path / "model.json")
    measurements = torch.rand(1, 2, N_PIXELS, N_PIXELS) + 1
    model = load_model(tmp_path / "model.json", psf=make_psf(N_PIXELS), average_symmetries=False)
    expected = network(measurements / measurements.mean()).sigmoid().detach().numpy()
    np.testing.assert_allclose(model.predict(measurements.numpy()).output, expected, rtol=1e-4, atol=1e-6)


def test_an_imager_that_the_model_was_not_trained_for_is_named(forward, make_psf, model_description, tmp_path, caplog):
    description = of_four_layers(model_description, UNET, N_PIXELS)
    save_model(build(UNET, forward), description, tmp_path / "model.json", tmp_path / "model.safetensors")
    load_model(tmp_path / "model.json", psf=make_psf(N_PIXELS))
    assert caplog.messages == []
    load_model(tmp_path / "model.json", psf=make_psf(N_PIXELS, pixel_pitch_um=80.0), sensor_separation_um=900.0)
    assert len(caplog.messages) == 2
    assert "trained for pixel_pitch_um from 55 to 55, and 80 of this imager is outside" in caplog.messages[0]
    assert "sensor_separation_um from 1000 to 1000, and 900" in caplog.messages[1]


def test_upsampling_is_the_transposed_convolution_of_the_library():
    upsampling, library = Upsampling(6, 4, (2, 3), (2, 3)), nn.ConvTranspose2d(6, 4, (2, 3), (2, 3))
    library.load_state_dict(upsampling.state_dict())
    images = torch.randn(2, 6, 5, 7)
    torch.testing.assert_close(upsampling(images), library(images))
