"""Measurements with the effects of specimen, light and sensors."""

import numpy as np
import pytest
import torch

from foci3d.config.imager import IlluminationConfig, SensorConfig, SpecimenConfig
from foci3d.simulation.imager import Imager, perturb_distances, simulate_measurements

N_PIXELS = 51
EFFECTS = [
    {"specimen": SpecimenConfig(scatter_per_mm=0.9)},
    {"specimen": SpecimenConfig(absorption_per_mm=0.5)},
    {"illumination": IlluminationConfig(beam_radius_um=2000.0, beam_offset_um=200.0)},
    {"specimen": SpecimenConfig(motion_um=100.0)},
    {"psf_width_relative_sd": 0.05},
    {"sensor": SensorConfig(full_well_electrons=5e3, read_noise_electrons=20.0)},
]


@pytest.fixture
def make_imager(psf, config):
    """An imager with two sensors and some effects."""

    def make(**effects):
        return Imager.from_config(psf, config.imager, n_sensors=2, **effects)

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


@pytest.mark.parametrize("effects", EFFECTS, ids=str)
def test_each_effect_changes_measurements_reproducibly(make_imager, layers, depths_um, effects):
    plain = simulate_measurements(make_imager(), layers, depths_um, generators())
    changed = simulate_measurements(make_imager(**effects), layers, depths_um, generators())
    assert not torch.equal(plain, changed)
    assert torch.corrcoef(torch.stack([plain.flatten(), changed.flatten()]))[0, 1] > 0.6
    assert torch.equal(changed, simulate_measurements(make_imager(**effects), layers, depths_um, generators()))
    specimen = effects.get("specimen", SpecimenConfig(motion_um=1.0))
    random = specimen.motion_um > 0
    other = simulate_measurements(make_imager(**effects), layers, depths_um, generators(seed=1))
    assert torch.equal(changed, other) != random


def test_scene_in_the_margin_brightens_the_edges(make_imager, depths_um):
    margin = 20
    wide = make_imager(specimen=SpecimenConfig(margin_pixels=margin))
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
    assert perturb_distances(torch.tensor([900.0]), torch.tensor([0.2]), psf.depths_um) == 1000
    distance_um = perturb_distances(torch.tensor([800.0]), torch.tensor([0.1]), psf.depths_um)
    widths = variance_px2(psf.interpolate(torch.cat([torch.tensor([800.0]), distance_um]))).sqrt()
    assert widths[1] / widths[0] == pytest.approx(1.1, abs=0.01)
