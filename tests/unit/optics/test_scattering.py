"""Scatter and absorption of tissue, compared with theory."""

import numpy as np
import pytest
import torch

from foci3d.optics.forward import ForwardModel
from foci3d.optics.scattering import apply_tissue, scatter_sd_um


@pytest.fixture(scope="module")
def psf(make_psf):
    return make_psf()


@pytest.fixture
def in_tissue(psf, config):
    """The PSF in tissue with some effects."""
    return lambda **effects: apply_tissue(psf, config.tissue.model_copy(update=effects))


def variance_px2(kernels):
    """Variance along x of kernels (D, K, K) [pixels^2]."""
    offsets = torch.arange(kernels.shape[-1]) - kernels.shape[-1] // 2
    profile = kernels.double().sum(1)
    return (profile * offsets**2).sum(1) / profile.sum(1)


def test_default_configuration_has_no_tissue(psf, config, in_tissue):
    assert not config.tissue.is_active
    assert torch.equal(in_tissue().kernels, psf.kernels)


def test_scatter_adds_the_variance_of_theory(psf, in_tissue):
    # Shallow and weak enough that the kernels hold all the light.
    added = variance_px2(in_tissue(scatter_per_mm=0.5).kernels) - variance_px2(psf.kernels)
    expected = 0.5 * (psf.depths_um.double() / 1000) ** 3 / 3 / (55.0 / 1000) ** 2
    torch.testing.assert_close(added[:7], expected[:7], rtol=0.01, atol=1e-4)
    torch.testing.assert_close(scatter_sd_um(psf.depths_um.double(), 0.5), expected.sqrt() * 55, rtol=1e-6, atol=0)


def test_scatter_conserves_light_and_sign(in_tissue):
    kernels = in_tissue(scatter_per_mm=0.87).kernels
    assert (kernels >= 0).all()
    assert (kernels[:6].sum((1, 2)) - 1).abs().max() < 2e-3
    assert (kernels.sum((1, 2)) <= 1 + 1e-5).all()


def test_absorption_follows_beer_and_lambert(psf, in_tissue):
    kernels = in_tissue(absorption_per_mm=0.6).kernels
    transmission = kernels.sum((1, 2)) / psf.kernels.sum((1, 2))
    np.testing.assert_allclose(transmission, np.exp(-0.6 * psf.depths_um.numpy() / 1000), rtol=1e-5)
    torch.testing.assert_close(kernels / transmission[:, None, None], psf.kernels)


def test_margin_widens_kernels_without_changing_them(psf, in_tissue):
    wide = in_tissue(margin_pixels=7)
    assert wide.kernels.shape[-1] == 2 * (51 + 14) - 1
    assert torch.equal(wide.kernels[:, 14:-14, 14:-14], psf.kernels)
    assert wide.kernels.sum().item() == pytest.approx(psf.kernels.sum().item())
    assert ForwardModel(wide, 51 + 14, 1, 0.0)(torch.ones(1, 1, 65, 65), torch.zeros(1, 1)).shape == (1, 1, 65, 65)
