"""Measurements by perturbed imagers, compared with the forward operator at other distances and with shifted images."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from foci3d.config.models import Config
from foci3d.optics.forward import ForwardModel
from foci3d.optics.psf import PSF
from foci3d.simulation.imager import readout_variance
from foci3d.simulation.perturbations import Perturbation, list_perturbations, perturbed_measurements

N_PIXELS, PITCH_UM = 17, 55.0
Measure = Callable[[str, float], Tensor]


@pytest.fixture
def samples() -> dict[str, Tensor]:
    layers = torch.rand((40, 2, N_PIXELS, N_PIXELS), generator=torch.Generator().manual_seed(0))
    return {"layers": layers, "depths_um": torch.tensor([[200.0, 700]] * 40)}


@pytest.fixture
def optics(make_psf: Callable[..., PSF]) -> tuple[PSF, ForwardModel]:
    psf = make_psf(N_PIXELS, (0.0, 2000.0))
    return psf, ForwardModel(psf, N_PIXELS, 2, 1000.0)


@pytest.fixture
def measure(samples: dict[str, Tensor], optics: tuple[PSF, ForwardModel], config: Config) -> Measure:
    def run(kind: str, amount: float) -> Tensor:
        generator = torch.Generator().manual_seed(1)
        return perturbed_measurements(samples, *optics, Perturbation(kind, amount), config.tissue, generator)

    return run


def test_unperturbed_measurements_are_those_of_the_forward_operator(samples, optics, measure):
    assert torch.equal(measure("none", 0), optics[1](samples["layers"], samples["depths_um"]))


def test_a_wider_psf_is_that_of_larger_distances(samples, optics, measure):
    distances_um = 1.2 * torch.tensor([[[200.0, 700], [800, 300]]]).expand(40, -1, -1)
    torch.testing.assert_close(measure("psf_width_error", 0.2), optics[1].project(samples["layers"], distances_um))


def test_noise_has_the_variance_of_the_readout(measure, config):
    noise = measure("full_well_electrons", 2000.0) - measure("none", 0)
    sensor = config.tissue.model_copy(update={"full_well_electrons": 2000.0})
    expected = readout_variance(measure("none", 0).mean().item(), sensor)
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
    torch.testing.assert_close(measure("separation_error_um", -50), optics[1].project(samples["layers"], distances_um))
    assert measure("separation_error_um", -400).isfinite().all()


def test_one_sensor_cannot_be_misplaced(config):
    kinds = [{item.kind for item in list_perturbations(config.robustness, count)} for count in (1, 2)]
    assert kinds[1] - kinds[0] == {"lateral_offset_um", "separation_error_um"}
