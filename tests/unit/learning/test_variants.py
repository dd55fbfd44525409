"""Variants of the physics U-Net: their images against closed forms, and their training."""

import pytest
import torch

from foci3d.classical.methods import METHODS
from foci3d.config.architectures import JointUNetConfig, UnrolledUNetConfig
from foci3d.learning.networks import build_network
from foci3d.learning.networks.variants import JointWienerBank, UnrolledBank
from foci3d.optics.forward import ForwardModel

N_PIXELS, DEPTHS_UM = 17, torch.tensor([150.0, 400.0, 700.0])
SETTINGS = {"depth_range_um": (100.0, 900.0), "n_depths": 3, "channels": (4, 8), "attention": False}
JOINT = JointUNetConfig(name="joint_unet", n_regularizations=2, **SETTINGS)
UNROLLED = UnrolledUNetConfig(name="unrolled_unet", n_steps=3, proximal_channels=4, **SETTINGS)


@pytest.fixture
def forward(make_psf) -> ForwardModel:
    return ForwardModel(make_psf(N_PIXELS), N_PIXELS, 2, 1000.0)


@pytest.fixture
def measurements() -> torch.Tensor:
    return torch.rand(2, 2, N_PIXELS, N_PIXELS, generator=torch.Generator().manual_seed(1))


def test_joint_inverses_are_layered_wiener_filters(forward, measurements):
    bank = JointWienerBank(DEPTHS_UM, 2, 2)
    bank.transfer = bank.transfer_functions(forward)
    operator = forward.at(DEPTHS_UM[None])
    expected = [METHODS["layered_wiener"](measurements, operator, epsilon) for epsilon in (1e-2, 1e-4)]
    assert bank.n_images == 6
    torch.testing.assert_close(bank(measurements).detach(), torch.cat(expected, 1), rtol=1e-3, atol=1e-4)


def test_regularizations_of_the_sensors_are_separate(forward, measurements):
    bank = JointWienerBank(DEPTHS_UM, 2, 1)
    bank.transfer = bank.transfer_functions(forward)
    with torch.no_grad():
        bank.log_regularization[0, 1] = 30.0  # sensor B is all noise
    sensor_a = measurements.clone()
    sensor_a[:, 1] = 0
    torch.testing.assert_close(bank(measurements), bank(sensor_a), rtol=1e-4, atol=1e-5)


def test_unrolled_steps_without_a_proximal_network_are_gradient_descent(forward, measurements):
    bank = UnrolledBank(DEPTHS_UM, 2, n_steps=4, channels=2)
    bank.transfer = bank.transfer_functions(forward)
    torch.nn.init.zeros_(bank.proximal[-1].weight)
    torch.nn.init.zeros_(bank.proximal[-1].bias)
    operator, images = forward.at(DEPTHS_UM[None]), torch.zeros(2, 3, N_PIXELS, N_PIXELS, requires_grad=True)
    for _ in range(4):
        misfit = (operator.forward(images) - measurements).square().sum() / 2
        (gradient,) = torch.autograd.grad(misfit, images)
        images = (images - gradient / 6).detach().requires_grad_()
    torch.testing.assert_close(bank(measurements).detach(), images.detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("settings", [JOINT, UNROLLED], ids=lambda settings: settings.name)
def test_every_weight_is_trained_and_optics_are_an_input(settings, forward, measurements, make_psf):
    torch.manual_seed(0)
    network = build_network(settings, 2, 4, N_PIXELS)
    network.set_optics(forward)
    output = network(measurements)
    assert output.shape == (2, 4, N_PIXELS, N_PIXELS)
    output.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())
    assert not any("transfer" in name for name in network.state_dict())
    network.set_optics(ForwardModel(make_psf(N_PIXELS, pixel_pitch_um=80.0), N_PIXELS, 2, 1000.0))
    assert not torch.allclose(network(measurements), output)


@pytest.mark.parametrize("settings", [JOINT, UNROLLED], ids=lambda settings: settings.name)
def test_images_are_computed_in_float32_under_autocast(settings, forward, measurements):
    bank = build_network(settings, 2, 4, N_PIXELS).bank
    bank.transfer = bank.transfer_functions(forward)
    with torch.autocast("cpu", torch.bfloat16):
        images = bank(measurements)
    torch.testing.assert_close(images, bank(measurements), rtol=0, atol=0)
