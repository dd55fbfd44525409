"""Quality of a reconstruction: the numbers of the recalibration, and notes where there are none."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from descriptions import put_depths_inside

import foci3d.confidence.quality
from foci3d.confidence.consistency import DEVIATIONS, relative_residual
from foci3d.confidence.quality import Quality, assess_quality, quality_table
from foci3d.confidence.recalibration import as_in_training, prediction_statistics, recalibrate_network
from foci3d.config.models import TrustConfig
from foci3d.config.training import ImagerRangesConfig
from foci3d.io.samples import Outputs, Samples
from foci3d.learning.model import Model, bound_depths
from foci3d.learning.model_file import ModelDescription
from foci3d.learning.recalibration import DepthRecalibration, Recalibration
from foci3d.optics.psf import PSF
from foci3d.reconstruction.volume import reconstruct

RNG = np.random.default_rng(0)
MEASUREMENTS, MASKS = RNG.uniform(1, 2, (30, 2, 13, 13)), RNG.random((30, 3, 13, 13)) > 0.5
SAMPLES = Samples(layers=MASKS, masks=MASKS, measurements=MEASUREMENTS, depths_um=RNG.uniform(0, 1000, (30, 3)))
TRUST = TrustConfig(network="small", dataset="stack", n_samples=30, coverage=0.9, false_alarm_rate=0.1)


@pytest.fixture
def model(model_description: ModelDescription, make_psf: Callable[..., PSF]) -> Model:
    """A network with random weights that predicts depths."""
    torch.manual_seed(0)
    description = model_description.model_copy(update={"task": "stacks", "out_channels": 12})
    return Model(put_depths_inside(description.build_network().eval()), description, psf=make_psf(13))


@pytest.fixture
def recalibration(model: Model) -> Recalibration:
    return recalibrate_network(model, SAMPLES, TRUST)


def test_numbers_on_validation_samples_are_those_of_the_calibration(
    model: Model, recalibration: Recalibration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foci3d.confidence.quality, "MIN_SHAPE_WITH_CELLS", 0.0)  # these are noise
    recalibrated = replace(model, recalibration=recalibration)
    qualities = [reconstruct(sample, recalibrated).quality for sample in SAMPLES.measurements]
    shares = [np.mean([quality.out_of_distribution for quality in qualities])]
    shares += [np.mean([quality.depth_sd_um > quality.depth_sd_threshold_um for quality in qualities])]
    assert shares == pytest.approx([TRUST.false_alarm_rate] * 2, abs=0.04)
    assert all(
        quality.expected_error == pytest.approx(recalibration.mask_errors.usual, rel=0.1) for quality in qualities
    )
    assert all(quality.flagged == (quality.masks_flagged or quality.depths_flagged) for quality in qualities)
    abstained = [quality.abstained for quality in qualities if not quality.out_of_distribution]
    assert np.mean(abstained) == pytest.approx(1 - TRUST.coverage, abs=0.02)
    assert np.median([quality.residual for quality in qualities]) == pytest.approx(recalibration.typical_residual)
    assert {quality.note for quality in qualities if not quality.out_of_distribution} == {""}


def test_statistics_and_residual_use_the_predicted_depths(model: Model) -> None:
    measurements = SAMPLES.measurements[:2]
    outputs = model.predict(measurements)
    shifted = replace(outputs, predicted_depths_um=outputs.predicted_depths_um + 200)
    first, second = (prediction_statistics(model, measurements, values) for values in (outputs, shifted))
    assert np.abs(first[:, 2:] - second[:, 2:]).max() > 1e-4
    result = reconstruct(measurements[0], model)
    expected = relative_residual(model.forward_model, measurements[0], result.probability, np.array(result.depths_um))
    assert result.quality.residual == pytest.approx(expected)


def test_number_of_layers_is_in_the_quality_and_in_the_reconstruction(
    model_description: ModelDescription, make_psf: Callable[..., PSF], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a network with random weights, but for a number of layers that is right most of the time."""
    predict_all = Model.predict_all

    def count(measurements: np.ndarray) -> np.ndarray:
        return (1000 * measurements.sum((1, 2, 3))).astype(int) % 4

    def predict_any_number(model: Model, measurements: np.ndarray) -> Outputs[np.ndarray]:
        counts = 0.05 + 0.8 * np.eye(4)[count(measurements)]
        return replace(predict_all(model, measurements), count_probabilities=counts)

    monkeypatch.setattr(Model, "predict_all", predict_any_number)
    torch.manual_seed(0)
    description = model_description.model_copy(update={"task": "counted_stacks", "out_channels": 22})
    model = Model(put_depths_inside(description.build_network().eval()), description, psf=make_psf(13))
    n_true = count(MEASUREMENTS)
    n_true[0] = 3 - n_true[0]
    masks = MASKS & (np.arange(3) < n_true[:, None])[..., None, None]
    fitted = recalibrate_network(model, replace(SAMPLES, masks=masks), TRUST)
    assert len(fitted.probabilities.scales) == len(fitted.depth_sds.scales) == 6
    recalibrated = replace(model, recalibration=fitted)
    outputs, results = recalibrated.predict(MEASUREMENTS), [reconstruct(each, recalibrated) for each in MEASUREMENTS]
    n_layers = outputs.count_probabilities.argmax(1)
    assert {*n_layers} == {0, 1, 2, 3}
    for result, n, probability in zip(results, n_layers, outputs.output, strict=True):
        assert f"number of layers: {n} (" in str(result.quality)
        assert len(result.probability) == len(result.depths_um) == max(1, n)
        np.testing.assert_allclose(result.probability, probability[: max(1, n)], atol=1e-4)
    out = [result.quality.out_of_distribution for result in results]
    assert np.mean(out) == pytest.approx(TRUST.false_alarm_rate, abs=0.04)
    assert np.median([result.quality.residual for result in results]) == pytest.approx(fitted.typical_residual)
    field = reconstruct(np.random.default_rng(1).uniform(1, 2, (2, 20, 15)), recalibrated)
    assert field.probability.shape[1:] == (20, 15)


def test_no_layers_are_one_without_cells_anywhere(
    model_description: ModelDescription, monkeypatch: pytest.MonkeyPatch
) -> None:
    description = model_description.model_copy(update={"task": "counted_stacks", "out_channels": 22})
    model = Model(description.build_network().eval(), description)
    outputs = model.predict_all(MEASUREMENTS[:1])
    none = replace(outputs, count_probabilities=np.array([[0.9, 0.1, 0.0, 0.0]]))
    monkeypatch.setattr(Model, "predict_all", lambda model, measurements: none)
    result = reconstruct(MEASUREMENTS[0], model)
    assert (result.probability.shape, result.probability.max(), len(result.foci)) == ((1, 13, 13), 0, 0)
    assert (result.depths_um, result.depth_sds_um) == ((500.0,), (pytest.approx(1000 / 12**0.5),))
    assert "number of layers: 0 (90 %), also possible: 1 (10 %)" in str(result.quality)


def test_flagged_depths_are_no_surer_than_those_of_the_training_data(
    model: Model, recalibration: Recalibration
) -> None:
    training_sds_um = [layer.sd for layer in model.description.layer_depths_um]
    depth_sds = DepthRecalibration(scales=(1e-3, 1e-3, 1e3))
    for threshold, flagged in ((np.inf, False), (-np.inf, True)):
        reference = recalibration.reference.model_copy(update={"threshold": threshold})
        changed = recalibration.model_copy(update={"reference": reference, "depth_sds": depth_sds})
        result = reconstruct(SAMPLES.measurements[0], replace(model, recalibration=changed))
        assert result.quality.out_of_distribution is flagged
        if flagged:
            assert result.depth_sds_um[:2] == tuple(training_sds_um[:2])
        else:
            assert max(result.depth_sds_um[:2]) < min(training_sds_um)
        assert result.depth_sds_um[2] > 10 * training_sds_um[2]
        assert set(result.foci.depth_sd_um) <= set(result.depth_sds_um)


def test_every_tile_of_a_field_is_judged(model: Model, recalibration: Recalibration) -> None:
    field = np.random.default_rng(3).uniform(1, 2, (2, 40, 29))
    recalibrated = replace(model, recalibration=recalibration)
    good = reconstruct(field, recalibrated).quality
    field[:, 20:33, 5:18] = np.linspace(1, 30, 13)
    result = reconstruct(field, recalibrated)
    bad = result.quality
    assert bad.flagged
    assert bad.score > good.score
    assert f"{bad.n_tiles_flagged} of 20 tiles out-of-distribution" in str(bad)
    assert (result.tiles[:, 3] > bad.score_threshold).sum() == bad.n_tiles_flagged > 0
    assert (result.tiles[0, :3] == (0, 0, 13)).all()
    assert sum(reason in str(bad) for reason in DEVIATIONS) == 1
    assert not any(reason in str(good) for reason in DEVIATIONS) or good.out_of_distribution
    assert bad.residual is not None


@pytest.mark.parametrize(("n_bad", "is_other"), [(1, False), (8, True)])
def test_a_field_may_have_as_many_bad_tiles_as_false_alarms(
    model: Model, recalibration: Recalibration, n_bad: int, is_other: bool
) -> None:
    """Of 20 tiles with a rate of 0.1, at most 4 in 96 % of the fields; the pixels of the bad ones are left out."""
    recalibrated = replace(model, recalibration=recalibration)
    outputs = Outputs(
        output=np.zeros((3, 40, 29), np.float32),
        predicted_depths_um=np.full((3, 40, 29), 500.0),
        predicted_depth_sds_um=np.full((3, 40, 29), 10.0),
    )
    scores, unlike = np.zeros((20, 3)), np.zeros((40, 29), bool)
    scores[:n_bad, 2], unlike[:20] = 100, True
    quality = assess_quality(np.ones((2, 40, 29)), outputs, outputs, recalibrated, scores, unlike)
    assert quality.out_of_distribution is is_other
    assert quality.n_tiles_flagged == n_bad
    assert quality.abstained == (1.0 if is_other else 0.5)


def test_out_of_distribution_abstains_from_all_pixels(model: Model, recalibration: Recalibration) -> None:
    """A network is sure of what it does not know."""
    for threshold, expected in ((np.inf, 0.1), (-np.inf, 1.0)):
        reference = recalibration.reference.model_copy(update={"threshold": threshold})
        changed = recalibration.model_copy(update={"reference": reference})
        result = reconstruct(SAMPLES.measurements[0], replace(model, recalibration=changed))
        assert result.quality.abstained == pytest.approx(expected, abs=0.1)


def test_a_depth_at_the_bound_is_flagged(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a network that would put the second layer 36 mm in front of sensor A."""
    predict_all = Model.predict_all

    def predict_far(model: Model, measurements: np.ndarray) -> Outputs[np.ndarray]:
        outputs = predict_all(model, measurements)
        depths_um = torch.from_numpy(outputs.predicted_depths_um) - torch.tensor([0.0, 36000.0, 0.0])
        return replace(outputs, predicted_depths_um=bound_depths(depths_um, model.max_depth_um).numpy())

    monkeypatch.setattr(Model, "predict_all", predict_far)
    result = reconstruct(SAMPLES.measurements[0], model)
    assert 0 <= result.depths_um[1] < 0.1
    assert result.quality.flagged
    assert "1 depths at a bound of the imager" in str(result.quality)


def test_even_light_holds_no_cells(model: Model) -> None:
    forward = model.forward_model
    even = torch.tensor([0.5, 1.0, 0.7])[None, :, None, None].expand(1, 3, 13, 13)
    measurement = forward(even, torch.tensor([[100.0, 400.0, 800.0]]))[0].numpy()
    noisy = measurement * np.random.default_rng(0).normal(1, 0.005, measurement.shape)
    result = reconstruct(noisy, model)
    assert not result.mask.any()
    assert len(result.foci) == 0
    assert "no cells: even light explains the measurement" in str(result.quality)
    with_cell = noisy.copy()
    with_cell[:, 5:8, 4:7] += 4 * measurement.mean()
    assert "no cells" not in str(reconstruct(with_cell, model).quality)


@pytest.mark.parametrize(("shape", "abstained", "text"), [(1.0, None, "no cells: even"), (1.5, 1.0, "may be no cells")])
def test_a_speckled_background_may_hold_cells(
    model: Model, monkeypatch: pytest.MonkeyPatch, shape: float, abstained: float | None, text: str
) -> None:
    monkeypatch.setattr(foci3d.confidence.quality, "shape_without_cells", lambda *_: shape)
    result = reconstruct(SAMPLES.measurements[0], model)
    assert result.mask.any() == (abstained is not None)
    assert result.quality.abstained == abstained
    assert text in str(result.quality)


def test_notes_say_what_is_not_available(
    model: Model, recalibration: Recalibration, make_psf: Callable[..., PSF]
) -> None:
    measurement = SAMPLES.measurements[0]
    averaged = recalibration.model_copy(update={"average_symmetries": True})
    for other, given, note in (
        (model, None, "the model has no recalibration"),
        (model, averaged, "the recalibration is for predictions averaged over symmetries"),
        (replace(model, psf=None), recalibration, "need the point-spread function"),
    ):
        quality = reconstruct(measurement, replace(other, recalibration=given)).quality
        assert quality.out_of_distribution is None
        assert (quality.masks_flagged, quality.depths_flagged, quality.flagged) == (None, None, None)
        assert note in str(quality)
    wider = make_psf(13, pixel_pitch_um=50.0)
    quality = reconstruct(measurement, replace(model, psf=wider, recalibration=recalibration)).quality
    assert "recalibrated with another point-spread function" in quality.note
    assert quality.flagged is not None


def test_line_and_table() -> None:
    good = Quality(0.31, 0.3, 0.5, 1.5, 0.09, "")
    bad = replace(good, score=2.0)
    assert str(good) == (
        "residual 31% of the contrast (validation: 30%); in distribution (score 0.5, threshold 1.5); "
        "abstains from 9% of the pixels"
    )
    assert "OUT-OF-DISTRIBUTION: masks and depths are unreliable (score 2.0, threshold 1.5)" in str(bad)
    table = quality_table([good, bad, Quality(None, None, None, None, None, "no")])
    assert table["frame"].tolist() == [0, 1, 2]
    assert table["flagged"].tolist() == ["no", "yes", "not available"]
    assert table["residual"].isna().tolist() == [False, False, True]


def test_masks_and_depths_are_judged_by_their_own_evidence() -> None:
    usual = {"usual_error": 0.06, "error_threshold": 0.11, "usual_depth_error_um": 20.0, "depth_sd_threshold_um": 60.0}
    blurred = Quality(score=0.0, score_threshold=1.5, expected_error=0.05, depth_sd_um=80.0, **usual)
    assert (blurred.masks_flagged, blurred.depths_flagged, blurred.flagged) == (False, True, True)
    assert str(blurred).startswith(
        "masks reliable: about 5% of the pixels wrong (usually 6%); "
        "depths UNRELIABLE: ± 80 um (usual error 20 um); in distribution"
    )
    crowded = replace(blurred, expected_error=0.15, depth_sd_um=30.0)
    assert (crowded.masks_flagged, crowded.depths_flagged, crowded.flagged) == (True, False, True)
    elsewhere = replace(crowded, score=9.0)
    assert (elsewhere.masks_flagged, elsewhere.depths_flagged) == (True, True)
    assert str(elsewhere).startswith("OUT-OF-DISTRIBUTION: masks and depths are unreliable")
    table = quality_table([blurred, crowded, Quality()])
    assert table["masks"].tolist() == ["reliable", "UNRELIABLE", "not available"]
    assert table["depths"].tolist() == ["UNRELIABLE", "reliable", "not available"]


def test_light_from_beyond_leaves_the_noise_of_a_sample(model: Model) -> None:
    """Only the light of the calibrated imager is added, in the unit of the measurements."""
    layers, depths_um = (torch.from_numpy(np.asarray(each, np.float32)) for each in (MASKS, SAMPLES.depths_um))
    ideal = model.forward_model(layers, depths_um).numpy()
    noisy = 3 * ideal * (1 + RNG.normal(0, 0.1, (30, 1, 13, 13)))
    samples = replace(
        SAMPLES, measurements=noisy / noisy.mean((1, 2, 3), keepdims=True) * ideal.mean((1, 2, 3), keepdims=True) * 3
    )
    alone, lit = (as_in_training(samples, model, 6, share).measurements for share in (0.0, 1.0))
    np.testing.assert_allclose(alone, samples.measurements, rtol=1e-5)
    of_ideal = as_in_training(replace(SAMPLES, measurements=ideal), model, 6, 1.0).measurements
    np.testing.assert_allclose(lit - alone, 3 * (of_ideal - ideal), rtol=1e-3, atol=1e-3)


def test_the_reference_of_tiles_is_fitted_to_samples_that_have_no_noise_yet(model: Model) -> None:
    """Noise on readings that are negative by noise would have no meaning."""
    imagers = ImagerRangesConfig(
        n_imagers=1,
        fwhm_deg=(36.0, 36.0),
        standoff_um=(20.0, 20.0),
        linear_fill_factor=(1.0, 1.0),
        pixel_pitch_um=(55.0, 55.0),
        sensor_separation_um=(1000.0, 1000.0),
        noisy_share=1.0,
        full_well_electrons=(10.0, 10.0),
        read_noise_electrons=(50.0, 50.0),
    )
    training = model.description.training.model_copy(update={"imagers": imagers, "margin_pixels": 3})
    noisy = replace(model, description=model.description.model_copy(update={"training": training}))
    assert (as_in_training(SAMPLES, noisy, 3).measurements < 0).any()
    fitted = recalibrate_network(noisy, SAMPLES, TRUST)
    assert fitted.tile_reference not in (None, fitted.reference)
