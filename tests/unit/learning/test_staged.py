"""The U-Net in two stages: its joint inverses against closed forms, its depths, and its training."""

from dataclasses import replace

import pytest
import torch

from foci3d.classical.methods import METHODS
from foci3d.config.architectures import StagedUNetConfig
from foci3d.io.samples import Samples
from foci3d.learning.networks import build_network
from foci3d.learning.networks.physics import Bank
from foci3d.learning.networks.staged import StagedBank, StagedUNet
from foci3d.learning.tasks import compute_logits, make_task
from foci3d.optics.forward import ForwardModel

N_PIXELS = 17
SETTINGS = StagedUNetConfig(
    name="staged_unet",
    depth_range_um=(100.0, 900.0),
    n_depths=5,
    channels=(4, 8),
    joint_regularizations=(3e-2, 1e-4),
    first_channels=(4, 8),
)
DEPTHS_UM = torch.tensor([[50.0, 410.0, 990.0], [122.0, 300.0, 877.0]])


@pytest.fixture(params=[1, 2], ids=["one sensor", "two sensors"])
def forward(request, make_psf) -> ForwardModel:
    return ForwardModel(make_psf(N_PIXELS), N_PIXELS, request.param, 1000.0)


@pytest.fixture
def measurements(forward) -> torch.Tensor:
    return torch.rand(2, forward.n_sensors, N_PIXELS, N_PIXELS, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def network(forward) -> StagedUNet:
    torch.manual_seed(0)
    network = build_network(SETTINGS, forward.n_sensors, 12, N_PIXELS)
    network.set_optics(forward)
    return network


@pytest.mark.parametrize("is_symmetric", [True, False], ids=["symmetric kernels", "any kernels"])
def test_joint_inverses_are_layered_wiener_filters(forward, measurements, is_symmetric):
    bank = StagedBank(SETTINGS, forward.n_sensors)
    transfer = bank.transfer_functions(forward) if is_symmetric else Bank.transfer_functions(bank, forward)
    assert transfer.is_complex() != is_symmetric
    operator = forward.at(DEPTHS_UM)
    expected = [
        METHODS["layered_wiener"](measurements, operator, epsilon) for epsilon in SETTINGS.joint_regularizations
    ]
    images = bank.joint_images(transfer, measurements, DEPTHS_UM)
    torch.testing.assert_close(images.detach(), torch.cat(expected, 1), rtol=0.02, atol=0.02)


def test_depths_beyond_the_table_are_its_ends(forward, measurements):
    bank = StagedBank(SETTINGS, forward.n_sensors)
    transfer = bank.transfer_functions(forward)
    beyond, ends = torch.tensor([[-80.0, 4000.0]]), torch.tensor([[0.0, 1000.0]])
    images = bank.joint_images(transfer, measurements, beyond)
    torch.testing.assert_close(images, bank.joint_images(transfer, measurements, ends))
    assert images.isfinite().all()


@pytest.mark.parametrize("separation_um", [812.07, 1094.23, 1187.91])
def test_the_table_stays_within_the_point_spread_function(make_psf, separation_um):
    psf = make_psf(N_PIXELS)
    depths_um = torch.linspace(0, separation_um, len(psf.depths_um))
    forward = ForwardModel(replace(psf, depths_um=depths_um), N_PIXELS, 2, separation_um)
    bank = StagedBank(SETTINGS, 2)
    transfer = bank.transfer_functions(forward, depth_scale=separation_um / 1000)
    first, last = transfer[:, bank.n_grid], transfer[:, -1]
    torch.testing.assert_close(first, last.flip(0))  # one sensor sees the first depth as the other sees the last


def test_depths_of_the_first_stage_are_outputs_of_training_alone(network, measurements):
    logits = network(measurements)
    assert logits.shape == (2, 15, N_PIXELS, N_PIXELS)
    depths_mm = logits[:, 12:, 0, 0]
    assert (logits[:, 12:] == depths_mm[..., None, None]).all()
    assert depths_mm[0].tolist() == pytest.approx([1 / 6, 1 / 2, 5 / 6], abs=0.2)
    assert network.eval()(measurements).shape == (2, 12, N_PIXELS, N_PIXELS)


def test_every_weight_is_trained_and_the_first_stage_by_its_depths(network, forward, measurements):
    task, masks = make_task("stacks", 3, ()), torch.ones(2, 3, N_PIXELS, N_PIXELS, dtype=torch.uint8)
    samples = Samples(measurements=measurements, layers=masks.float(), masks=masks, depths_um=DEPTHS_UM)
    logits = compute_logits(network, measurements)
    task.loss(logits, samples).backward()
    assert [name for name, values in network.named_parameters() if values.grad is None or not values.grad.any()] == []
    network.zero_grad()
    task.loss(compute_logits(network, measurements)[:, :12], samples).backward()
    assert not any(
        parameter.grad is not None and parameter.grad.any() for parameter in network.first_stage.parameters()
    )


def test_optics_are_an_input(network, forward, measurements, make_psf):
    other = ForwardModel(make_psf(N_PIXELS, pixel_pitch_um=80.0), N_PIXELS, forward.n_sensors, 1000.0)
    network.eval()
    output = network(measurements)
    with_other = network(measurements, network.bank.transfer_functions(other))
    assert not torch.allclose(with_other, output)
    network.set_optics(other)
    torch.testing.assert_close(network(measurements), with_other)
    assert not any("transfer" in name for name in network.state_dict())


def test_inverses_are_computed_in_float32_under_autocast(network, measurements):
    expected = network.bank.joint_images(network.bank.transfer, measurements, DEPTHS_UM)
    with torch.autocast("cpu", torch.bfloat16):
        images = network.bank.joint_images(network.bank.transfer, measurements, DEPTHS_UM)
    torch.testing.assert_close(images, expected, rtol=0, atol=0)


def test_is_described_without_memory():
    with torch.device("meta"):
        described = build_network(SETTINGS, 2, 12, N_PIXELS)
    assert described.state_dict().keys() == build_network(SETTINGS, 2, 12, N_PIXELS).state_dict().keys()
