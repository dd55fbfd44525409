"""Networks of other groups: what they see of the optics, what is trained, and that their weights survive a file."""

import numpy as np
import pytest
import torch
from descriptions import of_four_layers
from torch import nn

from foci3d.config.architectures import MultiWienerConfig, SBRNetConfig
from foci3d.learning.model import load_model
from foci3d.learning.model_file import save_model
from foci3d.learning.networks import build_network
from foci3d.learning.networks.peers import AdjointBank, TrainedWienerBank
from foci3d.learning.networks.physics import WienerBank
from foci3d.optics.forward import ForwardModel

N_PIXELS, DEPTHS_UM = 17, torch.tensor([150.0, 400.0, 700.0])
GRID = {"depth_range_um": (100.0, 900.0), "n_depths": 3}
MULTIWIENER = MultiWienerConfig(name="multiwiener", channels=(4, 4, 6, 6, 8), **GRID)
SBRNET = SBRNetConfig(name="sbrnet", channels=6, n_blocks=2, **GRID)
both = pytest.mark.parametrize("settings", [MULTIWIENER, SBRNET], ids=lambda settings: settings.name)


@pytest.fixture
def forward(make_psf) -> ForwardModel:
    return ForwardModel(make_psf(N_PIXELS), N_PIXELS, 2, 1000.0)


@pytest.fixture
def measurements() -> torch.Tensor:
    return torch.rand(2, 2, N_PIXELS, N_PIXELS, generator=torch.Generator().manual_seed(1))


def build(settings, forward) -> nn.Module:
    torch.manual_seed(0)
    network = build_network(settings, 2, 4, N_PIXELS)
    network.set_optics(forward)
    return network


def test_trained_filters_start_as_those_of_the_point_spread_function(forward, measurements):
    trained, fixed = TrainedWienerBank(DEPTHS_UM, 2, N_PIXELS), WienerBank(DEPTHS_UM, 2)
    for bank in (trained, fixed):
        bank.transfer = bank.transfer_functions(forward)
    torch.testing.assert_close(trained(measurements), fixed(measurements), rtol=1e-3, atol=1e-4)


def test_trained_filters_are_wiener_filters_of_the_changed_kernels(forward, measurements):
    bank = TrainedWienerBank(DEPTHS_UM, 2, N_PIXELS)
    bank.transfer = bank.transfer_functions(forward)
    with torch.no_grad():
        bank.kernel_change.copy_(-forward.at(DEPTHS_UM[None]).kernels[0])
        bank.kernel_change[..., N_PIXELS - 1, N_PIXELS - 1] += 1  # kernels without blur
        bank.log_regularization.fill_(np.log(0.25))
    expected = measurements.repeat_interleave(3, 1) / 1.25
    torch.testing.assert_close(bank(measurements).detach(), expected, rtol=1e-4, atol=1e-5)


def test_the_volume_of_sbrnet_is_the_adjoint(forward, measurements):
    bank = AdjointBank(DEPTHS_UM)
    bank.transfer = bank.transfer_functions(forward)
    volume = torch.rand(2, 3, N_PIXELS, N_PIXELS, generator=torch.Generator().manual_seed(2))
    projected = forward.at(DEPTHS_UM[None]).forward(volume)
    torch.testing.assert_close((projected * measurements).sum(), (volume * bank(measurements)).sum())


@both
def test_shape_of_the_output_and_gradient_of_every_weight(settings, forward, measurements):
    network = build(settings, forward)
    output = network(measurements)
    assert output.shape == (2, 4, N_PIXELS, N_PIXELS)
    output.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())


def test_sbrnet_has_two_branches_of_residual_blocks(forward):
    network = build(SBRNET, forward)
    stems = [network.get_submodule(f"{branch}_branch.stem") for branch in ("measurement", "volume")]
    assert [stem.in_channels for stem in stems] == [2, 3]
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 2 * (1 + 2 * SBRNET.n_blocks) + 1


@both
def test_a_saved_model_predicts_the_same(settings, forward, measurements, make_psf, model_description, tmp_path):
    network = build(settings, forward)
    if settings is MULTIWIENER:
        nn.init.normal_(network.bank.kernel_change, std=1e-4)
    network(measurements)  # statistics of the normalization
    description = of_four_layers(model_description, settings, N_PIXELS)
    save_model(network.eval(), description, tmp_path / "model.json", tmp_path / "model.safetensors")
    model = load_model(tmp_path / "model.json", psf=make_psf(N_PIXELS), average_symmetries=False)
    expected = network(measurements / measurements.mean((1, 2, 3), keepdim=True)).sigmoid().detach().numpy()
    np.testing.assert_allclose(model.predict(measurements.numpy()).output, expected, rtol=1e-4, atol=1e-6)
