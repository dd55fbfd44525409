"""The bounds, compared with closed forms and Monte-Carlo simulation."""

import math

import pytest
import torch

from foci3d.optics import bounds
from foci3d.optics.forward import ForwardModel, periodic_transfer

PIXELS = 15


@pytest.fixture(scope="module")
def psf(make_psf):
    return make_psf(PIXELS, (0.0, 1000.0), 20.0)


@pytest.fixture(scope="module")
def forward(psf):
    return ForwardModel(psf, PIXELS, 2, 1000.0)


def test_depth_bound_is_reached_by_maximum_likelihood(psf):
    """A Gaussian field of known spectrum and unknown gain, estimated on a grid: variance near the bound."""
    generator = torch.Generator().manual_seed(1)
    power = torch.ones(PIXELS, PIXELS, dtype=torch.float64)
    depth_um, noise_power = torch.tensor([300.0]), 1e-3
    bound = bounds.depth_deviation_um(psf, depth_um, power, noise_power, 10.0).item()
    grid_um = torch.arange(100, 600, 4.0)
    spectra = periodic_transfer(psf.interpolate(grid_um), PIXELS).abs().square()
    truth = periodic_transfer(psf.interpolate(depth_um), PIXELS)[0].abs().square() + noise_power
    white = torch.randn(400, PIXELS, PIXELS, generator=generator, dtype=torch.float64)
    periodogram = torch.fft.fft2(white).abs().square() / PIXELS**2 * truth
    periodogram[:, 0, 0] = 0
    gains = torch.logspace(-0.5, 0.5, 41, dtype=torch.float64)
    candidates = (gains[:, None, None, None] * spectra + noise_power).flatten(2)[..., 1:]
    misfit = (periodogram.flatten(1)[:, 1:] @ candidates.reciprocal().flatten(0, 1).mT).unflatten(1, (41, -1))
    best = (misfit + candidates.log().sum(-1)).amin(1).argmin(1)
    deviation = grid_um[best].double().std().item()
    assert 0.85 * bound < deviation < 1.3 * bound


def test_depth_bound_rises_with_noise(psf):
    power = torch.ones(PIXELS, PIXELS, dtype=torch.float64)
    depths_um = torch.tensor([200.0, 600.0])
    low, high = (bounds.depth_deviation_um(psf, depths_um, power, noise, 10.0) for noise in (1e-6, 1e-2))
    assert (low < high).all()


def test_depth_bound_of_a_dataset_is_that_of_its_noise(psf):
    layers = torch.randn(50, PIXELS, PIXELS, generator=torch.Generator().manual_seed(0))
    depths_um = torch.tensor([200.0, 600.0])
    table = bounds.depth_bound(psf, layers, depths_um, 0.01, 100.0)
    noise_power = PIXELS**2 * 0.01
    expected = bounds.depth_deviation_um(psf, depths_um, bounds.mean_power(layers), noise_power, 10.0)
    assert table["depth_um"].tolist() == [200, 600]
    assert table["deviation_um"].tolist() == pytest.approx(expected.tolist())
    assert table["class_accuracy"].tolist() == pytest.approx(bounds.class_accuracy(expected, 100.0).tolist())
    assert bounds.depth_bound(psf, layers, depths_um, 0.0, 100.0).empty


def test_power_of_white_noise_is_its_variance_times_the_pixels():
    noise = 0.3 * torch.randn(4000, PIXELS, PIXELS, generator=torch.Generator().manual_seed(0))
    power = bounds.mean_power(noise).flatten()
    assert power[0] < 1e-9
    assert power[1:].mean().item() == pytest.approx(PIXELS**2 * 0.09, rel=0.01)


def test_class_accuracy_of_one_and_two_deviations():
    accuracy = bounds.class_accuracy(torch.tensor([50.0, 25.0]), 100.0)
    assert accuracy.tolist() == pytest.approx([math.erf(1 / 2**0.5), math.erf(2**0.5)])


def test_layer_shares_add_up_to_the_sensors(psf, forward):
    power = torch.rand(PIXELS, PIXELS, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.5
    depths_um = torch.tensor([[80.0, 360.0, 640.0, 920.0]])
    shares = bounds.layer_shares(forward, depths_um, power, 1e-12)
    assert shares.sum().item() == pytest.approx(2, abs=0.05)
    torch.testing.assert_close(shares, shares.flip(0), rtol=1e-6, atol=1e-9)
    one = bounds.layer_shares(ForwardModel(psf, PIXELS, 1, 0.0), depths_um, power, 1e-12)
    assert one.sum().item() == pytest.approx(1, abs=0.05)
    assert one[0] > one[1] > one[2] > one[3]


def test_one_sharp_layer_is_recovered_whole(psf):
    power = torch.ones(PIXELS, PIXELS, dtype=torch.float64)
    share = bounds.layer_shares(ForwardModel(psf, PIXELS, 1, 0.0), torch.tensor([[0.0]]), power, 1e-9)
    assert share.item() == pytest.approx(1, abs=1e-3)
