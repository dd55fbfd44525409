"""Random imagers: their optics against those of the forward model, and the statistics of their noise."""

import numpy as np
import pytest
import torch

from foci3d.config.training import ImagerRangesConfig
from foci3d.errors import InputError
from foci3d.learning import imagers
from foci3d.learning.imagers import RandomImagers, TrainingImager, add_noise
from foci3d.optics.acceptance import AngularAcceptance, acceptance_kernels
from foci3d.optics.forward import ForwardModel

N_PIXELS = 13
RANGES = ImagerRangesConfig(
    n_imagers=3,
    fwhm_deg=(25.0, 45.0),
    standoff_um=(0.0, 100.0),
    linear_fill_factor=(0.7, 1.0),
    pixel_pitch_um=(40.0, 80.0),
    sensor_separation_um=(800.0, 1200.0),
    noisy_share=1.0,
    full_well_electrons=(2e3, 2e4),
    read_noise_electrons=(10.0, 50.0),
)
CPU = torch.device("cpu")


def make_imagers(config, seed=1, dataset="stack2", **values):
    imager = config.imager.model_copy(update={"n_pixels": N_PIXELS})
    return RandomImagers(RANGES.model_copy(update=values), imager, config.datasets[dataset], seed, CPU)


def test_imagers_differ_and_depend_on_the_seed_alone(config):
    first, again, other = make_imagers(config), make_imagers(config), make_imagers(config, seed=2)
    assert len(first) == 3
    scales = [imager.depth_scale for imager in first]
    assert len(set(scales)) == 3
    assert all(0.8 <= scale <= 1.2 for scale in scales)
    assert torch.equal(again[2].forward.kernels, first[2].forward.kernels)
    assert not torch.equal(other[2].forward.kernels, first[2].forward.kernels)


def test_few_of_many_imagers_are_in_memory(config, monkeypatch):
    monkeypatch.setattr(imagers, "MAX_KEPT", 2)
    many = make_imagers(config, n_imagers=4)
    first = many[0]
    assert many[0] is first
    scales = [many[index].depth_scale for index in range(4)]
    assert len(set(scales)) == 4
    assert many[0] is not first
    assert torch.equal(many[0].forward.kernels, first.forward.kernels)


def test_an_interval_of_one_value_gives_the_imager_of_these_optics(config):
    exact = {
        "fwhm_deg": (30.0, 30.0),
        "standoff_um": (20.0, 20.0),
        "linear_fill_factor": (1.0, 1.0),
        "pixel_pitch_um": (60.0, 60.0),
        "sensor_separation_um": (1200.0, 1200.0),
    }
    imager = make_imagers(config, **exact)[0]
    layers = torch.zeros(1, 4, N_PIXELS, N_PIXELS)
    layers[0, 1, 6, 6] = 1
    found = imager.measure(layers, torch.tensor([[100.0, 300.0, 600.0, 900.0]]))
    distances_um = torch.tensor([360.0, 840.0], dtype=torch.float64)  # 1.2 * 300 um from A, the rest of 1200 um from B
    kernels = acceptance_kernels(AngularAcceptance(30.0, 20.0, 1.0), distances_um, N_PIXELS, 60.0).float()
    expected = kernels[:, 6:19, 6:19]
    assert (found[0] - expected).abs().max() < 2e-3 * expected.max()


def test_depths_of_a_single_sensor_are_not_scaled(config):
    assert [imager.depth_scale for imager in make_imagers(config, dataset="stack1")] == [1, 1, 1]


@pytest.mark.parametrize("separation_um", [1165.1022309110886, 1091.7986243935993, 1000.0])
def test_rounded_depths_of_a_layer_at_sensor_b(make_psf, separation_um):
    """1000 um times the depth scale is beyond the separation in float32, for some separations."""
    psf = make_psf(N_PIXELS, (0.0, separation_um))
    imager = TrainingImager(ForwardModel(psf, N_PIXELS, 2, separation_um), separation_um / 1000.0)
    layers = torch.rand((3, 1, N_PIXELS, N_PIXELS), generator=torch.Generator().manual_seed(0))
    measured = imager.measure(layers, torch.tensor([[999.5], [1000.0], [0.0]]))
    expected = imager.forward.project(layers[1:2], torch.tensor([[[separation_um], [0.0]]]))
    torch.testing.assert_close(measured[1:2], expected)
    inside = imager.forward(layers[:1], imager.depth_scale * torch.tensor([[999.5]]))
    assert torch.equal(measured[:1], inside)
    with pytest.raises(InputError, match="found a distance"):
        imager.measure(layers, torch.tensor([[999.0], [1000.1], [1.0]]))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_share_of_noisy_samples(share):
    measurements = torch.full((400, 1, 8, 8), 3.0)
    ranges = RANGES.model_copy(update={"noisy_share": share})
    noisy = add_noise(measurements, ranges, torch.Generator().manual_seed(0)) != measurements
    assert noisy.any((1, 2, 3)).float().mean().item() == pytest.approx(share, abs=0.08)


def test_variance_of_the_noise():
    """Shot noise has a variance of the mean number of electrons, and the read noise adds its own."""
    ranges = RANGES.model_copy(update={"full_well_electrons": (1e4, 1e4), "read_noise_electrons": (50.0, 50.0)})
    measurements = torch.ones(1, 2, 200, 200)
    measurements[0, 1] = 0.25
    electrons = add_noise(measurements, ranges, torch.Generator().manual_seed(0)) * 1e4
    np.testing.assert_allclose(electrons.mean((0, 2, 3)), [1e4, 2500], rtol=1e-3)
    np.testing.assert_allclose(electrons.var((0, 2, 3)), [1e4 + 50**2, 2500 + 50**2], rtol=0.03)


@pytest.mark.parametrize("max_depth_um", [100.0, 200.0, 201.0, 1950.0])
def test_kernels_of_a_random_imager_are_close_enough_to_interpolate(max_depth_um):
    depths_um = imagers.kernel_depths_um(max_depth_um)
    assert depths_um[[0, -1]].tolist() == [0, max_depth_um]
    assert (depths_um.diff() > 0).all()
    between_um = (depths_um[1:] + depths_um[:-1]) / 2
    kernels, exact = (
        acceptance_kernels(AngularAcceptance(30.0, 0.0, 0.8), depths, N_PIXELS, 55.0)
        for depths in (depths_um, between_um)
    )
    error = (torch.lerp(kernels[1:], kernels[:-1], 0.5) - exact).abs().amax((1, 2)) / exact.amax((1, 2))
    assert error.max() < 0.005
