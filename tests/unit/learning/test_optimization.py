"""Optimizers and weight averaging."""

import copy

import pytest
import torch
from torch import nn

from foci3d.config.training import TrainingConfig
from foci3d.learning.optimization import KernelMuon, average_weights, make_optimizers, one_cycle


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential()
    network.add_module("body", nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ConvTranspose2d(8, 4, 2, 2)))
    network.add_module("head", nn.Conv2d(4, 2, 3))
    return network.to(memory_format=torch.channels_last)


def test_kernels_are_updated_as_muon_updates_matrices(network):
    kernel = network.body[0].weight
    gradient = torch.rand(kernel.shape).to(memory_format=torch.channels_last)
    matrix = nn.Parameter(kernel.detach().clone().permute(0, 2, 3, 1).reshape(8, -1))
    matrix.grad = gradient.permute(0, 2, 3, 1).reshape(8, -1).clone()
    torch.optim.Muon([matrix], lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw").step()

    kernel.grad = gradient
    before = kernel.detach().clone()
    KernelMuon([kernel], lr=0.01, weight_decay=0.1).step()
    torch.testing.assert_close(kernel.permute(0, 2, 3, 1).reshape(8, -1), matrix)
    assert not torch.equal(kernel, before)


def test_state_survives_a_checkpoint(network):
    kernel = network.body[0].weight
    optimizer = KernelMuon([kernel], lr=0.01, weight_decay=0.0)
    gradients = torch.rand(3, *kernel.shape)

    def step(optimizer, gradient):
        kernel.grad = gradient.to(memory_format=torch.channels_last)
        optimizer.step()
        optimizer.zero_grad()
        assert kernel.grad is None

    step(optimizer, gradients[0])
    saved, weights = copy.deepcopy(optimizer.state_dict()), kernel.detach().clone()
    step(optimizer, gradients[1])
    expected = kernel.detach().clone()
    kernel.data.copy_(weights)
    resumed = KernelMuon([kernel], lr=0.01, weight_decay=0.0)
    resumed.load_state_dict(saved)
    step(resumed, gradients[1])
    assert torch.equal(kernel, expected)


def test_every_parameter_has_one_optimizer(network, config):
    training = config.networks["stack2_cnn"].training
    adamw = make_optimizers(network, training.model_copy(update={"optimizer": "adamw"}))
    assert [type(each).__name__ for each in adamw] == ["AdamW"]
    muon, rest = make_optimizers(network, training.model_copy(update={"optimizer": "muon"}))
    assert {id(kernel) for kernel in muon.kernels} == {id(network.body[0].weight), id(network.body[2].weight)}
    others = {id(parameter) for group in rest.param_groups for parameter in group["params"]}
    assert others | {id(kernel) for kernel in muon.kernels} == {id(parameter) for parameter in network.parameters()}
    assert len(others) == len(list(network.parameters())) - 2


def test_average_follows_the_weights_with_the_decay(network):
    averaged = average_weights(network, 0.5)
    bias, values = network.head.bias, [1.0, 2.0, 4.0, 8.0]
    expected = None
    for count, value in enumerate(values):
        bias.data.fill_(value)
        averaged.update_parameters(network)
        decay = min(0.5, (1 + count) / (10 + count))
        expected = value if expected is None else decay * expected + (1 - decay) * value
    assert averaged.module.head.bias[0].item() == pytest.approx(expected)


def test_batch_statistics_are_averaged_and_counters_copied():
    network = nn.BatchNorm2d(1)
    averaged = average_weights(network, 0.5)
    for value, count in ((1.0, 3), (2.0, 5)):
        network.running_mean.fill_(value)
        network.num_batches_tracked.fill_(count)
        averaged.update_parameters(network)
    assert averaged.module.running_mean.item() == pytest.approx(2 / 11 * 1.0 + 9 / 11 * 2.0)
    assert averaged.module.num_batches_tracked.item() == 5


def test_a_kernel_that_is_no_view_of_a_matrix_is_refused():
    kernel = nn.Parameter(torch.rand(4, 3, 3, 3))  # its matrix would be a copy, which is trained in vain
    with pytest.raises(RuntimeError, match="view"):
        KernelMuon([kernel], lr=0.01, weight_decay=0.0)


@pytest.mark.parametrize("max_steps", [1, 2, 20, 500])
@pytest.mark.parametrize("warmup", [0.0, 0.05, 0.3, 0.9])
def test_learning_rate_peaks_after_the_warmup(network, max_steps, warmup):
    config = TrainingConfig(max_steps=max_steps, warmup=warmup, max_learning_rate=0.01)
    optimizer = torch.optim.AdamW(network.parameters())
    schedule = one_cycle(optimizer, config)
    rates = []
    for _ in range(max_steps):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        if len(rates) < max_steps:
            schedule.step()
    assert max(rates) <= 0.01
    assert rates[-1] < 1e-5
    if max_steps == 500:
        assert abs(rates.index(max(rates)) - warmup * max_steps) <= 1
        assert max(rates) == pytest.approx(0.01, rel=0.01)
