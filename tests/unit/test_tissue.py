import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from scipy.ndimage import shift

from foci3d import optics, tissue
from foci3d.blur import Blur

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config" / "config.yaml").read_text())
OFF = tissue.Tissue(**CONFIG["tissue"])
PIXELS, PITCH_UM = 51, 55.0


@pytest.fixture(scope="module")
def psf():
    depths_um = torch.linspace(0, 1000, 11)
    kernels = optics.acceptance_kernels(optics.Acceptance(36.0, 20.0, 1.0), depths_um, PIXELS, PITCH_UM)
    return optics.Psf(kernels.float(), depths_um, PITCH_UM)


def variance_px2(kernels):
    """Variance along x of kernels (D, K, K) [pixels^2]."""
    offsets = torch.arange(kernels.shape[-1]) - kernels.shape[-1] // 2
    profile = kernels.double().sum(1)
    return (profile * offsets**2).sum(1) / profile.sum(1)


def test_everything_is_off_in_the_default_configuration(psf):
    assert torch.equal(tissue.embed(psf, OFF).kernels, psf.kernels)
    for effect in ("beam_radius_um", "motion_um", "margin_pixels", "width_error", "full_scale_electrons"):
        assert getattr(OFF, effect) == 0


def test_scatter_adds_the_variance_of_theory(psf):
    # Shallow and weak enough that the kernels hold all the light.
    embedded = tissue.embed(psf, replace(OFF, scatter_per_mm=0.5))
    added = variance_px2(embedded.kernels) - variance_px2(psf.kernels)
    expected = 0.5 * (psf.depths_um.double() / 1000) ** 3 / 3 / (PITCH_UM / 1000) ** 2
    torch.testing.assert_close(added[:7], expected[:7], rtol=0.01, atol=1e-4)
    torch.testing.assert_close(
        tissue.scatter_sd_um(psf.depths_um.double(), 0.5), expected.sqrt() * PITCH_UM, rtol=1e-6, atol=0
    )


def test_scatter_keeps_energy_and_sign(psf):
    embedded = tissue.embed(psf, replace(OFF, scatter_per_mm=0.87)).kernels
    assert (embedded >= 0).all()
    assert (embedded[:6].sum((1, 2)) - 1).abs().max() < 2e-3
    assert (embedded.sum((1, 2)) <= 1 + 1e-5).all()


def test_absorption_follows_beer_and_lambert(psf):
    embedded = tissue.embed(psf, replace(OFF, absorption_per_mm=0.6)).kernels
    transmission = embedded.sum((1, 2)) / psf.kernels.sum((1, 2))
    np.testing.assert_allclose(transmission, np.exp(-0.6 * psf.depths_um.numpy() / 1000), rtol=1e-5)
    torch.testing.assert_close(embedded / transmission[:, None, None], psf.kernels)


def test_margin_widens_kernels_without_changing_them(psf):
    embedded = tissue.embed(psf, replace(OFF, margin_pixels=7))
    assert embedded.kernels.shape[-1] == 2 * (PIXELS + 14) - 1
    assert torch.equal(embedded.kernels[:, 14:-14, 14:-14], psf.kernels)
    assert embedded.kernels.sum().item() == pytest.approx(psf.kernels.sum().item())
    Blur(embedded, PIXELS + 14)


def test_misjudged_distance_has_the_width_of_the_error(psf):
    assert tissue.misjudge(torch.tensor([900.0]), torch.tensor([0.2]), psf.depths_um) == 1000
    distance_um = tissue.misjudge(torch.tensor([800.0]), torch.tensor([0.1]), psf.depths_um)
    widths = variance_px2(psf.at(torch.cat([torch.tensor([800.0]), distance_um]))).sqrt()
    assert widths[1] / widths[0] == pytest.approx(1.1, abs=0.01)


def test_beam_is_gaussian_about_its_centre():
    centre_um = torch.tensor([[3 * PITCH_UM, -2 * PITCH_UM]])
    profile = tissue.beam_profile(centre_um, 10 * PITCH_UM, PIXELS, PITCH_UM)[0]
    assert profile[23, 28] == 1
    assert profile[23, 38] == pytest.approx(math.exp(-2), rel=1e-5)
    assert profile[13, 28] == pytest.approx(math.exp(-2), rel=1e-5)
    assert profile[33, 38] == pytest.approx(math.exp(-4), rel=1e-5)


def test_motion_keeps_energy_and_is_symmetric():
    picture = torch.zeros(1, 1, PIXELS, PIXELS)
    picture[0, 0, 25, 25] = 1
    smeared = tissue.smear(picture, torch.tensor([[6.0, 2.0]]), 8.0)[0, 0].double()
    assert smeared.sum().item() == pytest.approx(1, abs=1e-6)
    torch.testing.assert_close(smeared, smeared.flip(0, 1))
    offsets = torch.arange(PIXELS) - 25
    along_x, along_y = smeared.sum(0), smeared.sum(1)
    # Variance of a uniform path, and of linear interpolation: the mean of f (1 - f), 1/6 over whole pixels.
    assert (along_x * offsets**2).sum().item() == pytest.approx(6**2 / 12 + 1 / 6, rel=0.01)
    assert (along_y * offsets**2).sum().item() == pytest.approx(2**2 / 12 + 1 / 6, rel=0.01)
    assert (smeared * offsets[:, None] * offsets).sum().item() == pytest.approx(6 * 2 / 12, rel=0.01)


def test_motion_is_the_mean_of_shifted_pictures():
    pictures = torch.rand(3, 2, 20, 20, generator=torch.Generator().manual_seed(0))
    paths = torch.tensor([[0.0, 0.0], [1.5, -2.0], [-0.4, 0.3]])
    smeared = tissue.smear(pictures, paths, 2.5)
    torch.testing.assert_close(smeared[0], pictures[0])
    times = (np.arange(200) + 0.5) / 200 - 0.5
    x, y = paths[1].tolist()
    expected = np.mean([shift(pictures[1, 0].numpy(), (y * t, x * t), order=1, mode="grid-constant") for t in times], 0)
    np.testing.assert_allclose(smeared[1, 0], expected, atol=0.01)


SENSOR = replace(OFF, full_scale=4.0, full_scale_electrons=2e4, read_noise_electrons=30.0, converter_bits=12)


def expose(value, sensor, count=200_000, seed=0):
    return tissue.expose(torch.full((count,), value), torch.Generator().manual_seed(seed), sensor).double()


def test_variance_of_readings_is_a_line_in_their_mean():
    for value in (0.2, 1.0, 2.0, 3.2):
        readings = expose(value, SENSOR)
        assert readings.mean().item() == pytest.approx(value, rel=1e-3)
        step = 4.0 / 4095
        line = 4.0 / 2e4 * value + (30 * 4.0 / 2e4) ** 2 + step**2 / 12
        assert readings.var().item() == pytest.approx(line, rel=0.02)


def test_readings_saturate_and_are_quantised():
    readings = expose(5.0, SENSOR)
    assert (readings == 4.0).all()
    coarse = expose(1.0, replace(SENSOR, converter_bits=3))
    steps = coarse / 4.0 * 7
    torch.testing.assert_close(steps, steps.round())
    assert expose(0.0, SENSOR).min() == 0


def test_exposure_is_reproducible_from_its_generator():
    assert torch.equal(expose(1.0, SENSOR, 99, seed=4), expose(1.0, SENSOR, 99, seed=4))
    assert not torch.equal(expose(1.0, SENSOR, 99, seed=4), expose(1.0, SENSOR, 99, seed=5))
