"""Re-rendering of predictions and its statistics, on stacks that are known exactly."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.optimize import nnls
from torch import Tensor

from foci3d.confidence import consistency
from foci3d.optics.forward import ForwardModel
from foci3d.optics.psf import PSF

N_PIXELS = 31
DEPTHS_UM = [150.0, 500.0, 850.0]
SDS_UM = [60.0, 60.0, 60.0]


@pytest.fixture(scope="module")
def forward(make_psf: Callable[..., PSF]) -> ForwardModel:
    return ForwardModel(make_psf(N_PIXELS), N_PIXELS, 2, 1000.0)


def draw_stacks(n_samples: int, seed: int) -> tuple[Tensor, Tensor]:
    """Masks of squares `(N, 3, P, P)` at depths `(N, 3)` around the mean ones [um]."""
    generator = torch.Generator().manual_seed(seed)
    masks = torch.zeros(n_samples, 3, N_PIXELS, N_PIXELS)
    corners = torch.randint(2, N_PIXELS - 12, (n_samples, 3, 2), generator=generator)
    for sample in range(n_samples):
        for layer in range(3):
            y, x = corners[sample, layer]
            masks[sample, layer, y : y + 10, x : x + 10] = 1
    return masks, torch.tensor(DEPTHS_UM) + 25 * torch.randn(n_samples, 3, generator=generator)


def test_exact_prediction_explains_its_measurement(forward):
    masks, depths_um = draw_stacks(4, 0)
    measurements = forward(masks * torch.tensor([2.0, 0.5, 1.0])[:, None, None] + 0.3, depths_um)
    rendered = consistency.rerender(forward, measurements, masks, depths_um)
    assert rendered.numpy() == pytest.approx(measurements.numpy(), rel=2e-3)


def test_residual_of_a_right_and_of_a_wrong_prediction_for_a_field(forward):
    cells, depths_um = np.zeros((2, 60, 60), np.float32), np.array([150.0, 600.0])
    cells[0, 5:20, 30:50], cells[1, 35:50, 10:30] = 1, 1
    layers = np.array([[2.0], [3.0]])[..., None] * cells + np.array([[0.5], [0.1]])[..., None]
    measurement = forward.project_field(torch.from_numpy(layers)[None].float(), torch.from_numpy(depths_um)).sum(1)[0]
    assert consistency.relative_residual(forward, 7 * measurement.numpy(), cells, depths_um) < 1e-3
    assert 0.2 < consistency.relative_residual(forward, measurement.numpy(), cells[::-1], depths_um) < 1.0


def test_fit_of_layers_is_that_of_scipy():
    rendered, measurements = (
        torch.from_numpy(np.random.default_rng(0).random(shape)) for shape in ((3, 5, 40), (3, 40))
    )
    coefficients, fitted = consistency.fit_layers(rendered, measurements - 0.4)
    for columns, values, found, total in zip(rendered, measurements - 0.4, coefficients, fitted, strict=True):
        expected, _ = nnls(columns.T.numpy(), values.numpy())
        assert found.tolist() == pytest.approx(expected, abs=1e-4)
        assert total.numpy() == pytest.approx(expected @ columns.numpy(), abs=1e-4)


def test_no_gain_or_background_is_negative(forward):
    masks, depths_um = draw_stacks(4, 0)
    measurements = -forward(masks, depths_um)
    assert not consistency.rerender(forward, measurements, masks, depths_um).any()


@pytest.mark.parametrize("width_error", [-0.1, 0.0, 0.1])
def test_width_of_the_real_psf_is_found(forward, width_error):
    masks, depths_um = draw_stacks(6, 1)
    distances_um = (1 + width_error) * forward.distances_um(depths_um)
    measurements = forward.project(masks + 0.3, distances_um)
    prior, sds = (torch.tensor(values).expand(6, -1) for values in (DEPTHS_UM, SDS_UM))
    widths = consistency.width_errors(forward, measurements, masks, prior, sds)
    assert widths.median().item() == pytest.approx(width_error, abs=0.025)


def test_bands_hold_the_power_of_the_residual(forward):
    rows = torch.arange(N_PIXELS).double() + 0.5
    wave = torch.cos(torch.pi * 20 * rows / N_PIXELS).expand(1, 2, N_PIXELS, N_PIXELS)  # 20/31 of Nyquist
    bands = np.exp(consistency.residual_bands(wave, torch.zeros_like(wave)))
    last = len(consistency.BAND_EDGES) - 2
    assert bands.reshape(2, -1).argmax(1).tolist() == [last, last]
    assert bands.reshape(2, -1)[:, :last].max() < 1e-20


def test_statistics_do_not_depend_on_the_unit_of_the_measurement(forward):
    masks, depths_um = draw_stacks(3, 2)
    measurements = forward(masks + 0.3, depths_um).numpy()
    probabilities = (0.8 * masks + 0.1).numpy()
    one, other = (
        consistency.consistency_statistics(forward, scale * measurements, probabilities, DEPTHS_UM, SDS_UM)
        for scale in (1, 1000)
    )
    assert one == pytest.approx(other, rel=1e-2, abs=1e-4)


def test_prediction_for_another_measurement_is_flagged(forward):
    masks, depths_um = draw_stacks(60, 3)
    generator = torch.Generator().manual_seed(0)
    speckle = 1 + 0.3 * torch.randn(masks.shape, generator=generator)
    measurements = forward((masks + 0.3) * speckle, depths_um).numpy()
    probabilities = (0.8 * masks + 0.1).numpy()

    def statistics(shift: int) -> np.ndarray:
        return consistency.consistency_statistics(
            forward, measurements, np.roll(probabilities, shift, 0), DEPTHS_UM, SDS_UM
        )

    right, wrong = statistics(0), statistics(1)
    reference = consistency.fit_reference(right[:40], false_alarm_rate=0.05)
    fitted, others, wrong = (
        (consistency.consistency_scores(reference, values).max(1) > reference.threshold).mean()
        for values in (right[:40], right[40:], wrong[40:])
    )
    assert fitted == pytest.approx(0.05, abs=0.03)
    assert others < 0.3
    assert wrong > 0.9


def test_a_smaller_residual_deviates_only_where_the_number_of_layers_is_fixed():
    rng = np.random.default_rng(0)
    usual = rng.normal(size=(200, 10))
    smaller, larger = (rng.normal(size=(50, 10)) + shift * (np.arange(10) > 1) for shift in (-5, 5))

    def flagged(statistics: np.ndarray, only_excess: bool) -> float:
        reference = consistency.fit_reference(usual, 0.05, only_excess=only_excess)
        return (consistency.consistency_scores(reference, statistics).max(1) > reference.threshold).mean()

    assert [flagged(smaller, only_excess) for only_excess in (False, True)] == pytest.approx([1.0, 0.05], abs=0.1)
    assert [flagged(larger, only_excess) for only_excess in (False, True)] == [1.0, 1.0]


@pytest.mark.parametrize("n_sensors", [1, 2])
@pytest.mark.parametrize("depths_um", [DEPTHS_UM, [-500.0, -400.0, -300.0]], ids=["within", "beyond"])
@pytest.mark.parametrize("probability", [0.0, 0.5])
def test_predictions_without_cells_or_beyond_the_depths_have_finite_statistics(
    make_psf, n_sensors, depths_um, probability
):
    forward = ForwardModel(make_psf(N_PIXELS), N_PIXELS, n_sensors, 1000.0)
    shape = (2, n_sensors, N_PIXELS, N_PIXELS)
    measurements = 1 + torch.rand(shape, generator=torch.Generator().manual_seed(0)).numpy()
    probabilities = np.full((2, 3, N_PIXELS, N_PIXELS), probability, np.float32)
    statistics = consistency.consistency_statistics(forward, measurements, probabilities, depths_um, SDS_UM)
    assert statistics.shape == (2, 2 + n_sensors * (len(consistency.BAND_EDGES) - 1))
    assert np.isfinite(statistics).all()
