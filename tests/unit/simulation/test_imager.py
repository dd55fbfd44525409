"""Beam, motion, calibration errors and read-out, compared with closed forms and SciPy."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import shift

from foci3d.simulation import imager
from foci3d.simulation.imager import Imager, simulate_measurements

N_PIXELS, PITCH_UM = 51, 55.0
EFFECTS = [
    {"scatter_per_mm": 0.9},
    {"absorption_per_mm": 0.5},
    {"beam_radius_um": 2000.0, "beam_offset_um": 200.0},
    {"motion_um": 100.0},
    {"psf_width_relative_sd": 0.05},
    {"full_well_electrons": 5e3, "read_noise_electrons": 20.0},
]


@pytest.fixture
def make_imager(psf, config):
    """An imager with two sensors in tissue with some effects."""

    def make(**effects):
        return Imager.from_config(psf, config.imager, config.tissue.model_copy(update=effects), n_sensors=2)

    return make


@pytest.fixture(scope="module")
def layers():
    return torch.rand(6, 3, N_PIXELS, N_PIXELS, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def depths_um():
    return torch.tensor([[100.0, 450.0, 800.0]]).repeat(6, 1)


def generators(seed=0):
    return [np.random.default_rng([seed, index]) for index in range(6)]


def test_without_effects_measurements_are_those_of_the_forward_model(make_imager, layers, depths_um):
    plain = make_imager()
    measurements = simulate_measurements(plain, layers, depths_um, generators())
    assert torch.equal(measurements, plain.forward_model(layers, depths_um))


@pytest.mark.parametrize("effects", EFFECTS, ids=lambda effects: next(iter(effects)))
def test_each_effect_changes_measurements_reproducibly(make_imager, layers, depths_um, effects):
    plain = simulate_measurements(make_imager(), layers, depths_um, generators())
    changed = simulate_measurements(make_imager(**effects), layers, depths_um, generators())
    assert not torch.equal(plain, changed)
    assert torch.corrcoef(torch.stack([plain.flatten(), changed.flatten()]))[0, 1] > 0.6
    assert torch.equal(changed, simulate_measurements(make_imager(**effects), layers, depths_um, generators()))
    random = "per_mm" not in next(iter(effects))
    other = simulate_measurements(make_imager(**effects), layers, depths_um, generators(seed=1))
    assert torch.equal(changed, other) != random


def test_scene_in_the_margin_brightens_the_edges(make_imager, depths_um):
    margin = 20
    wide = make_imager(margin_pixels=margin)
    layers = torch.ones(6, 3, N_PIXELS + 2 * margin, N_PIXELS + 2 * margin)
    measurements = simulate_measurements(wide, layers, depths_um, generators())
    assert measurements.shape == (6, 2, N_PIXELS, N_PIXELS)
    alone = make_imager().forward_model(wide.crop(layers), depths_um)
    stray = measurements - alone
    assert stray.min() > -1e-2
    assert stray[..., 25, 25].mean() < 0.05 * stray[..., 0, :].mean()
    assert measurements[..., 0, :].mean().item() == pytest.approx(measurements[..., 25, :].mean().item(), rel=0.15)


def variance_px2(kernels):
    """Variance along x of kernels (D, K, K) [pixels^2]."""
    offsets = torch.arange(kernels.shape[-1]) - kernels.shape[-1] // 2
    profile = kernels.double().sum(1)
    return (profile * offsets**2).sum(1) / profile.sum(1)


def test_kernel_at_a_perturbed_distance_has_the_perturbed_width(make_psf):
    psf = make_psf()
    assert imager.perturb_distances(torch.tensor([900.0]), torch.tensor([0.2]), psf.depths_um) == 1000
    distance_um = imager.perturb_distances(torch.tensor([800.0]), torch.tensor([0.1]), psf.depths_um)
    widths = variance_px2(psf.interpolate(torch.cat([torch.tensor([800.0]), distance_um]))).sqrt()
    assert widths[1] / widths[0] == pytest.approx(1.1, abs=0.01)


def test_beam_is_gaussian_about_its_centre():
    centre_um = torch.tensor([[3 * PITCH_UM, -2 * PITCH_UM]])
    profile = imager.beam_profile(centre_um, 10 * PITCH_UM, N_PIXELS, PITCH_UM)[0]
    assert profile[23, 28] == 1
    assert profile[23, 38] == pytest.approx(math.exp(-2), rel=1e-5)
    assert profile[13, 28] == pytest.approx(math.exp(-2), rel=1e-5)
    assert profile[33, 38] == pytest.approx(math.exp(-4), rel=1e-5)


def test_motion_conserves_light_and_is_symmetric():
    image = torch.zeros(1, 1, N_PIXELS, N_PIXELS)
    image[0, 0, 25, 25] = 1
    blurred = imager.motion_blur(image, torch.tensor([[6.0, 2.0]]), 8.0)[0, 0].double()
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
    blurred = imager.motion_blur(images, paths, 2.5)
    torch.testing.assert_close(blurred[0], images[0])
    times = (np.arange(200) + 0.5) / 200 - 0.5
    x, y = paths[1].tolist()
    expected = np.mean([shift(images[1, 0].numpy(), (y * t, x * t), order=1, mode="grid-constant") for t in times], 0)
    np.testing.assert_allclose(blurred[1, 0], expected, atol=0.01)


@pytest.fixture
def sensor(config):
    return config.tissue.model_copy(
        update={"full_scale": 4.0, "full_well_electrons": 2e4, "read_noise_electrons": 30.0, "adc_bits": 12}
    )


def readings(value, sensor, count=200_000, seed=0):
    light = torch.full((count,), value)
    return imager.simulate_readout(light, torch.Generator().manual_seed(seed), sensor).double()


@pytest.mark.parametrize("value", [0.2, 1.0, 2.0, 3.2])
def test_variance_of_readings_is_that_of_shot_read_and_conversion_noise(sensor, value):
    sample = readings(value, sensor)
    assert sample.mean().item() == pytest.approx(value, rel=1e-3)
    expected = 4.0 / 2e4 * value + (30 * 4.0 / 2e4) ** 2 + (4.0 / 4095) ** 2 / 12
    assert imager.readout_variance(value, sensor) == pytest.approx(expected)
    assert sample.var().item() == pytest.approx(expected, rel=0.02)


def test_sensors_without_noise_have_no_variance(config):
    assert imager.readout_variance(1.0, config.tissue) == 0


def test_readings_saturate_and_are_quantized(sensor):
    assert (readings(5.0, sensor) == 4.0).all()
    coarse = readings(1.0, sensor.model_copy(update={"adc_bits": 3}))
    steps = coarse / 4.0 * 7
    torch.testing.assert_close(steps, steps.round())
    assert readings(0.0, sensor).min() == 0
