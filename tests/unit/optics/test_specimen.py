"""Scatter, absorption, illumination and motion of a specimen, compared with theory and SciPy."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import shift

from foci3d.config.imager import SpecimenConfig
from foci3d.optics.forward import ForwardModel
from foci3d.optics.specimen import apply_specimen, beam_profile, motion_blur, scatter_sd_um

N_PIXELS, PITCH_UM = 51, 55.0


@pytest.fixture(scope="module")
def psf(make_psf):
    return make_psf()


@pytest.fixture
def behind(psf):
    """The PSF behind a specimen with some effects."""
    return lambda **effects: apply_specimen(psf, SpecimenConfig(**effects))


def variance_px2(kernels):
    """Variance along x of kernels (D, K, K) [pixels^2]."""
    offsets = torch.arange(kernels.shape[-1]) - kernels.shape[-1] // 2
    profile = kernels.double().sum(1)
    return (profile * offsets**2).sum(1) / profile.sum(1)


def test_without_effects_the_psf_is_unchanged(psf, behind):
    assert torch.equal(behind().kernels, psf.kernels)


def test_scatter_adds_the_variance_of_theory(psf, behind):
    # Shallow and weak enough that the kernels hold all the light.
    added = variance_px2(behind(scatter_per_mm=0.5).kernels) - variance_px2(psf.kernels)
    expected = 0.5 * (psf.depths_um.double() / 1000) ** 3 / 3 / (55.0 / 1000) ** 2
    torch.testing.assert_close(added[:7], expected[:7], rtol=0.01, atol=1e-4)
    torch.testing.assert_close(scatter_sd_um(psf.depths_um.double(), 0.5), expected.sqrt() * 55, rtol=1e-6, atol=0)


def test_scatter_conserves_light_and_sign(behind):
    kernels = behind(scatter_per_mm=0.87).kernels
    assert (kernels >= 0).all()
    assert (kernels[:6].sum((1, 2)) - 1).abs().max() < 2e-3
    assert (kernels.sum((1, 2)) <= 1 + 1e-5).all()


def test_absorption_follows_beer_and_lambert(psf, behind):
    kernels = behind(absorption_per_mm=0.6).kernels
    transmission = kernels.sum((1, 2)) / psf.kernels.sum((1, 2))
    np.testing.assert_allclose(transmission, np.exp(-0.6 * psf.depths_um.numpy() / 1000), rtol=1e-5)
    torch.testing.assert_close(kernels / transmission[:, None, None], psf.kernels)


def test_margin_widens_kernels_without_changing_them(psf, behind):
    wide = behind(margin_pixels=7)
    assert wide.kernels.shape[-1] == 2 * (51 + 14) - 1
    assert torch.equal(wide.kernels[:, 14:-14, 14:-14], psf.kernels)
    assert wide.kernels.sum().item() == pytest.approx(psf.kernels.sum().item())
    assert ForwardModel(wide, 51 + 14, 1, 0.0)(torch.ones(1, 1, 65, 65), torch.zeros(1, 1)).shape == (1, 1, 65, 65)


def test_beam_is_gaussian_about_its_centre():
    centre_um = torch.tensor([[3 * PITCH_UM, -2 * PITCH_UM]])
    profile = beam_profile(centre_um, 10 * PITCH_UM, N_PIXELS, PITCH_UM)[0]
    assert profile[23, 28] == 1
    assert profile[23, 38] == pytest.approx(math.exp(-2), rel=1e-5)
    assert profile[13, 28] == pytest.approx(math.exp(-2), rel=1e-5)
    assert profile[33, 38] == pytest.approx(math.exp(-4), rel=1e-5)


def test_motion_conserves_light_and_is_symmetric():
    image = torch.zeros(1, 1, N_PIXELS, N_PIXELS)
    image[0, 0, 25, 25] = 1
    blurred = motion_blur(image, torch.tensor([[6.0, 2.0]]), 8.0)[0, 0].double()
    assert blurred.sum().item() == pytest.approx(1, abs=1e-6)
    torch.testing.assert_close(blurred, blurred.flip(0, 1))
    offsets = torch.arange(N_PIXELS) - 25
    along_x, along_y = blurred.sum(0), blurred.sum(1)
    # Variance of a uniform path, and of linear interpolation: the mean of f (1 - f), 1/6 over whole pixels.
    assert (along_x * offsets**2).sum().item() == pytest.approx(6**2 / 12 + 1 / 6, rel=0.01)
    assert (along_y * offsets**2).sum().item() == pytest.approx(2**2 / 12 + 1 / 6, rel=0.01)
    assert (blurred * offsets[:, None] * offsets).sum().item() == pytest.approx(6 * 2 / 12, rel=0.01)


def test_motion_is_the_mean_of_shifted_images():
    images = torch.rand(3, 2, 20, 20, generator=torch.Generator().manual_seed(0))
    paths = torch.tensor([[0.0, 0.0], [1.5, -2.0], [-0.4, 0.3]])
    blurred = motion_blur(images, paths, 2.5)
    torch.testing.assert_close(blurred[0], images[0])
    times = (np.arange(200) + 0.5) / 200 - 0.5
    x, y = paths[1].tolist()
    expected = np.mean([shift(images[1, 0].numpy(), (y * t, x * t), order=1, mode="grid-constant") for t in times], 0)
    np.testing.assert_allclose(blurred[1, 0], expected, atol=0.01)
