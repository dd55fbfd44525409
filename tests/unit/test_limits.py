"""The limits, against closed forms and Monte-Carlo."""

import math

import pytest
import torch

from foci3d import limits
from foci3d.optics import Acceptance, Psf, acceptance_kernels

PIXELS = 15


@pytest.fixture(scope="module")
def psf() -> Psf:
    depths_um = torch.arange(0, 1001, 20.0)
    kernels = acceptance_kernels(Acceptance(36.0, 20.0, 1.0), depths_um.double(), PIXELS, 55.0)
    return Psf(kernels.float(), depths_um, 55.0, {})


def test_transfer_is_the_fourier_transform_of_a_periodic_blur(psf):
    kernels = psf.at(torch.tensor([400.0]))[0]
    picture = torch.rand(PIXELS, PIXELS)
    reach = kernels.shape[-1] // 2
    expected = torch.zeros_like(picture)
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            expected += kernels[dy + reach, dx + reach] * picture.roll((dy, dx), (0, 1))
    blurred = torch.fft.ifft2(torch.fft.fft2(picture) * limits.transfer(psf, torch.tensor([400.0]), PIXELS)[0]).real
    torch.testing.assert_close(blurred.float(), expected, rtol=1e-4, atol=1e-5)


def test_depth_bound_is_met_by_maximum_likelihood(psf):
    """A Gaussian field of known spectrum and unknown gain, estimated on a grid: variance near the bound."""
    generator = torch.Generator().manual_seed(1)
    power = torch.ones(PIXELS, PIXELS, dtype=torch.float64)
    depth_um, snr = torch.tensor([300.0]), 1e3
    bound = limits.depth_deviation_um(psf, depth_um, power, snr, 10.0).item()
    grid_um = torch.arange(100, 600, 4.0)
    spectra = limits.transfer(psf, grid_um, PIXELS).abs().square()
    truth = limits.transfer(psf, depth_um, PIXELS).abs().square()[0] + 1 / snr
    white = torch.randn(400, PIXELS, PIXELS, generator=generator, dtype=torch.float64)
    periodogram = torch.fft.fft2(white).abs().square() / PIXELS**2 * truth
    periodogram[:, 0, 0] = 0
    gains = torch.logspace(-0.5, 0.5, 41, dtype=torch.float64)
    candidates = (gains[:, None, None, None] * spectra + 1 / snr).flatten(2)[..., 1:]
    misfit = (periodogram.flatten(1)[:, 1:] @ candidates.reciprocal().flatten(0, 1).mT).unflatten(1, (41, -1))
    best = (misfit + candidates.log().sum(-1)).amin(1).argmin(1)
    deviation = grid_um[best].double().std().item()
    assert 0.85 * bound < deviation < 1.3 * bound


def test_depth_bound_falls_with_signal(psf):
    power = torch.ones(PIXELS, PIXELS, dtype=torch.float64)
    at = torch.tensor([200.0, 600.0])
    low, high = (limits.depth_deviation_um(psf, at, power, snr, 10.0) for snr in (1e2, 1e6))
    assert (high < low).all()


def test_class_accuracy_of_one_and_two_deviations():
    accuracy = limits.class_accuracy(torch.tensor([50.0, 25.0]), 100.0)
    assert accuracy.tolist() == pytest.approx([math.erf(1 / 2**0.5), math.erf(2**0.5)])


def test_layer_shares_add_up_to_the_sensors(psf):
    power = torch.rand(PIXELS, PIXELS, dtype=torch.float64) + 0.5
    z = torch.tensor([[80.0, 360.0, 640.0, 920.0]])
    shares = limits.layer_shares(psf, torch.stack([z, 1000 - z], 1), power, 1e12)
    assert shares.sum().item() == pytest.approx(2, abs=0.05)
    torch.testing.assert_close(shares, shares.flip(0), rtol=1e-6, atol=1e-9)
    one = limits.layer_shares(psf, z[:, None], power, 1e12)
    assert one.sum().item() == pytest.approx(1, abs=0.05)
    assert one[0] > one[1] > one[2] > one[3]


def test_one_sharp_layer_is_recovered_whole(psf):
    power = torch.ones(PIXELS, PIXELS, dtype=torch.float64)
    share = limits.layer_shares(psf, torch.tensor([[[0.0]]]), power, 1e9)
    assert share.item() == pytest.approx(1, abs=1e-3)
