"""Measurements by perturbed imagers, compared with the forward operator at other distances and with shifted images."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from foci3d.config.imager import SensorConfig, SpecimenConfig
from foci3d.config.perturbations import PERTURBATIONS
from foci3d.io.samples import Samples
from foci3d.optics.forward import ForwardModel
from foci3d.optics.psf import PSF
from foci3d.optics.sensor import Sensor
from foci3d.optics.specimen import apply_specimen
from foci3d.simulation.perturbations import EFFECTS, CalibratedImager, list_perturbations

N_PIXELS, PITCH_UM = 17, 55.0
Measure = Callable[[str, float], Tensor]


@pytest.fixture
def samples() -> Samples[Tensor]:
    layers = torch.rand((40, 2, N_PIXELS, N_PIXELS), generator=torch.Generator().manual_seed(0))
    depths_um = torch.tensor([[200.0, 700]] * 40)
    return Samples(layers=layers, masks=layers > 0.5, depths_um=depths_um, measurements=layers)


@pytest.fixture
def optics(make_psf: Callable[..., PSF]) -> tuple[PSF, ForwardModel]:
    psf = make_psf(N_PIXELS, (0.0, 2000.0))
    return psf, ForwardModel(psf, N_PIXELS, 2, 1000.0)


@pytest.fixture
def measure(samples: Samples[Tensor], optics: tuple[PSF, ForwardModel]) -> Measure:
    def run(name: str, amount: float) -> Tensor:
        imager = CalibratedImager(*optics, SensorConfig(), torch.Generator().manual_seed(1))
        perturbed = EFFECTS[name](samples, imager, amount)
        assert (perturbed.depths_um is samples.depths_um) == (name != "layer_spacing_um")
        return perturbed.measurements

    return run


def test_every_perturbation_has_an_effect_and_amounts(config, optics):
    assert EFFECTS.keys() == PERTURBATIONS.keys()
    depths_um = torch.tensor([[100.0, 350, 650, 900]])
    listed = {perturbation.name for perturbation, _ in list_perturbations(config.robustness, depths_um, optics[1])}
    assert listed == PERTURBATIONS.keys()


def test_layers_are_not_moved_beyond_the_depths_of_the_imager(config, optics, caplog):
    """Six layers 200 um apart just fit between two sensors that are 1000 um apart; one sensor has no such bound."""
    caplog.set_level("INFO")
    depths_um = torch.linspace(250, 750, 6).expand(3, -1)
    psf, forward = optics
    listed = list_perturbations(config.robustness, depths_um, forward)
    assert [amount for each, amount in listed if each.name == "layer_spacing_um"] == [100, 150, 200]
    assert caplog.messages == ["layer_spacing_um 300 is left out: the stack exceeds the depths of the imager"]
    one_sensor = ForwardModel(psf, N_PIXELS, 1, 1000.0)
    listed = list_perturbations(config.robustness, depths_um + 250, one_sensor)
    assert [amount for each, amount in listed if each.name == "layer_spacing_um"] == [100, 150, 200, 300]


def test_unperturbed_measurements_are_those_of_the_forward_operator(samples, optics, measure):
    assert torch.equal(measure("none", 0), optics[1](samples.layers, samples.depths_um))


def test_a_wider_psf_is_that_of_larger_distances(samples, optics, measure):
    distances_um = 1.2 * torch.tensor([[[200.0, 700], [800, 300]]]).expand(40, -1, -1)
    torch.testing.assert_close(measure("psf_width_error", 0.2), optics[1].project(samples.layers, distances_um))


def test_noise_has_the_variance_of_the_readout(measure):
    noise = measure("full_well_electrons", 2000.0) - measure("none", 0)
    sensor = Sensor.from_config(SensorConfig(full_well_electrons=2000.0))
    expected = sensor.variance(measure("none", 0).mean().item())
    assert noise.var().item() == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("n_pixels", [1, 0.5])
def test_a_displaced_sensor_sees_a_displaced_image(measure, n_pixels):
    calibrated, displaced = measure("none", 0), measure("lateral_offset_um", n_pixels * PITCH_UM)
    torch.testing.assert_close(displaced[:, 0], calibrated[:, 0])
    here, before = calibrated[:, 1, :, 1:], calibrated[:, 1, :, :-1]
    expected = n_pixels * before + (1 - n_pixels) * here
    assert (displaced[:, 1, :, 1:] - expected).abs().max() < 0.01 * calibrated.max()
    assert (displaced[:, 1] - calibrated[:, 1]).abs().max() > 0.05 * calibrated.max()


def test_another_separation_changes_the_distances_from_sensor_b(samples, optics, measure):
    distances_um = torch.tensor([[[200.0, 700], [750, 250]]]).expand(40, -1, -1)
    torch.testing.assert_close(measure("separation_error_um", -50), optics[1].project(samples.layers, distances_um))
    assert measure("separation_error_um", -400).isfinite().all()


def test_scatter_is_that_of_the_psf_behind_the_specimen(samples, optics, measure):
    psf, forward = optics
    behind_specimen = apply_specimen(psf, SpecimenConfig(scatter_per_mm=0.5))
    scattered = ForwardModel(behind_specimen, N_PIXELS, 2, forward.sensor_separation_um)
    torch.testing.assert_close(
        measure("scatter_per_mm", 0.5), scattered(samples.layers, samples.depths_um), rtol=0, atol=0
    )
    assert (measure("scatter_per_mm", 0.5) - measure("none", 0)).abs().max() > 0.01


def test_layers_become_equidistant_about_their_mean_depth(samples, optics):
    perturbed = EFFECTS["layer_spacing_um"](samples, CalibratedImager(*optics, None, None), 100)
    torch.testing.assert_close(perturbed.depths_um, torch.tensor([[400.0, 500]]).expand(40, -1))
    assert torch.equal(perturbed.measurements, optics[1](samples.layers, perturbed.depths_um))


def test_one_sensor_cannot_be_misplaced_nor_one_layer_moved(config, optics):
    imagers = [ForwardModel(optics[0], N_PIXELS, n_sensors, 1000.0) for n_sensors in (1, 2, 2)]
    depths_um = [torch.full((3, n_layers), 500.0) for n_layers in (1, 1, 2)]
    names = [
        {item.name for item, _ in list_perturbations(config.robustness, *each)}
        for each in zip(depths_um, imagers, strict=True)
    ]
    assert names[1] - names[0] == {"lateral_offset_um", "separation_error_um"}
    assert names[2] - names[1] == {"layer_spacing_um"}
