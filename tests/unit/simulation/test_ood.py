"""Measurements that do not fit the training data."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from foci3d.io.samples import Scenes
from foci3d.optics.forward import ForwardModel
from foci3d.optics.psf import PSF
from foci3d.simulation.ood import GRADIENT, WIDTH_ERROR, out_of_distribution_measurements

N_PIXELS = 17


@pytest.fixture
def forward(make_psf: Callable[..., PSF]) -> ForwardModel:
    return ForwardModel(make_psf(N_PIXELS, (0.0, 2000.0)), N_PIXELS, 2, 1000.0)


@pytest.fixture
def samples() -> Scenes[Tensor]:
    generator = torch.Generator().manual_seed(0)
    masks = torch.rand((5, 2, N_PIXELS, N_PIXELS), generator=generator) < 0.3
    depths_um = torch.tensor([[200.0, 400]] * 5)
    return Scenes(layers=0.1 + 0.9 * masks, masks=masks.to(torch.uint8), depths_um=depths_um)


def make(samples: Scenes[Tensor], forward: ForwardModel, seed: int = 1) -> dict[str, Tensor]:
    return out_of_distribution_measurements(samples, forward, torch.Generator().manual_seed(seed))


def test_another_psf_is_that_of_other_distances(samples, forward):
    kinds = make(samples, forward)
    distances_um = forward.distances_um(samples.depths_um)
    for kind, factor in (("wider_psf", 1 + WIDTH_ERROR), ("narrower_psf", 1 - WIDTH_ERROR)):
        assert torch.equal(kinds[kind], forward.project(samples.layers, factor * distances_um))


def test_extra_layer_lies_in_the_widest_gap(samples, forward):
    extra = make(samples, forward)["extra_layer"] - forward(samples.layers, samples.depths_um)
    others = samples.layers.roll(1, 0)
    alone = [forward(others[:, layer : layer + 1], torch.full((5, 1), 700.0)) for layer in range(2)]
    assert all(
        any(torch.allclose(extra[sample], layer[sample], atol=1e-5) for layer in alone) for sample in range(len(extra))
    )


def test_no_cells_leaves_the_background(samples, forward):
    background = forward(torch.full_like(samples.layers, 0.1), samples.depths_um)
    assert torch.allclose(make(samples, forward)["no_cells"], background, atol=1e-6)


def test_gradients_are_planes_with_a_mean_of_one(samples, forward):
    planes = make(samples, forward)["gradient"]
    assert torch.allclose(planes.mean((-2, -1)), torch.ones(5, 2), atol=1e-5)
    assert all(planes.diff(dim=axis).std(axis).max() < 1e-5 for axis in (2, 3))
    contrast = (planes - 1).abs().amax((-2, -1))
    assert GRADIENT[0] <= contrast.min() <= contrast.max() <= GRADIENT[1]


def test_inputs_follow_from_the_seed(samples, forward):
    one, same, other = (make(samples, forward, seed) for seed in (1, 1, 2))
    assert all(torch.equal(one[kind], same[kind]) for kind in one)
    assert not torch.equal(one["noise"], other["noise"])
