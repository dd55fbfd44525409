"""Predictions: in any unit, in any batch size, with everything that scoring needs."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from descriptions import put_depths_inside

from foci3d.config.architectures import CnnFcConfig
from foci3d.errors import InputError
from foci3d.io import shards
from foci3d.io.predictions import Predictions
from foci3d.io.samples import Samples
from foci3d.learning import model as model_module
from foci3d.learning.model import Model
from foci3d.learning.model_file import ModelDescription
from foci3d.learning.prediction import predict_dataset
from foci3d.learning.tasks import make_task
from foci3d.optics.psf import PSF
from foci3d.optics.symmetries import Symmetry

N_PIXELS, N_SAMPLES = 13, 5
CNN_FC = CnnFcConfig(name="cnn_fc", channels=(4, 6), kernel_size=3, hidden_features=8)


def make_model(description: ModelDescription, task: str = "masks") -> Model:
    """The model of `description` for another task, with random weights."""
    change = {"task": task, "classes_um": (0.0, 100.0, 200.0) if task == "depth_class" else ()}
    n_outputs = make_task(task, description.n_layers, change["classes_um"]).n_outputs
    change |= {"out_channels": n_outputs} | ({"architecture": CNN_FC} if task == "depth_class" else {})
    torch.manual_seed(0)
    description = description.model_copy(update=change)
    return Model(description.build_network().eval(), description)


@pytest.fixture
def model(model_description: ModelDescription) -> Model:
    return make_model(model_description)


@pytest.fixture
def measurements() -> np.ndarray:
    return np.random.default_rng(0).uniform(1, 2, (N_SAMPLES, 2, N_PIXELS, N_PIXELS)).astype(np.float32)


def write_shards(folder: Path, measurements: np.ndarray, n_layers: int) -> list[Path]:
    """Two shards of a dataset with a moving cluster; the first layer is at 100 um."""
    rng = np.random.default_rng(1)
    samples = Samples(
        layers=rng.uniform(size=(N_SAMPLES, n_layers, N_PIXELS, N_PIXELS)),
        masks=rng.integers(2, size=(N_SAMPLES, n_layers, N_PIXELS, N_PIXELS)),
        measurements=measurements,
        depths_um=np.full((N_SAMPLES, n_layers), [100, 400, 700][:n_layers]),
        index=np.arange(N_SAMPLES),
        sequence=np.arange(N_SAMPLES) // 3,
        step=np.arange(N_SAMPLES) % 3,
        cluster=rng.integers(2, size=(N_SAMPLES, N_PIXELS, N_PIXELS)),
    )
    paths = [folder / "test-0.h5", folder / "test-1.h5"]
    for path, part in zip(paths, (samples[:2], samples[2:]), strict=True):
        shards.write(path, [part], len(part), {})
    return paths


def test_probabilities_are_those_of_the_network(model: Model, measurements: np.ndarray) -> None:
    normalized = torch.from_numpy(measurements / measurements.mean((1, 2, 3), keepdims=True))
    with torch.inference_mode():
        expected = model.network(normalized).sigmoid()
    np.testing.assert_allclose(model.predict(measurements).output, expected, rtol=1e-5)


def test_any_unit_gives_the_same_probabilities(model: Model, measurements: np.ndarray) -> None:
    expected = model.predict(measurements).output
    assert expected.std() > 1e-3
    np.testing.assert_allclose(model.predict(measurements * 1e-6).output, expected, atol=1e-6)
    counts = np.round(measurements * 20000).astype(np.uint16)
    np.testing.assert_allclose(model.predict(counts).output, expected, atol=1e-3)


def test_a_deblurred_image_is_in_the_unit_of_the_measurement(
    model_description: ModelDescription, measurements: np.ndarray
) -> None:
    model = make_model(model_description, "deblurring")
    output = model.predict(measurements).output
    np.testing.assert_allclose(model.predict(300 * measurements).output, 300 * output, rtol=1e-4)


def test_the_batch_size_changes_nothing(
    model: Model, measurements: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = model.predict(measurements).output
    monkeypatch.setattr(model_module, "BATCH_SIZE", 2)
    np.testing.assert_allclose(model.predict(measurements).output, whole, rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            (1, 1, N_PIXELS, N_PIXELS),
            "found 1 x 1 x 13 x 13; expected samples of 2 sensors with 13 x 13 pixels for the model small",
        ),
        ((1, 2, 12, N_PIXELS), "found 1 x 2 x 12 x 13; expected"),
    ],
)
def test_measurements_that_do_not_fit(model: Model, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        model.predict(np.ones(shape))


def test_a_recalibration_of_other_layers_is_refused(model: Model, measurements: np.ndarray) -> None:
    """Its digest may be that of the model, as in a file that was edited."""
    other = replace(model, recalibration=SimpleNamespace(n_layers=(2, 3), average_symmetries=model.average_symmetries))
    with pytest.raises(InputError, match="its recalibration is for 2, 3 layers; expected 3"):
        other.predict(measurements)


def test_measurements_of_torch(model: Model) -> None:
    measurements = torch.rand(2, 2, N_PIXELS, N_PIXELS, requires_grad=True)
    expected = model.predict(measurements.detach().numpy()).output
    np.testing.assert_array_equal(model.predict(measurements).output, expected)
    with pytest.raises(InputError, match="found values of type <U1"):
        model.predict(["x"])


@pytest.mark.parametrize(("value", "mean"), [(0.0, "0"), (-1.0, "-1"), (np.nan, "nan"), (np.inf, "inf")])
def test_measurements_without_light(model: Model, measurements: np.ndarray, value: float, mean: str) -> None:
    measurements[3] = value
    with pytest.raises(InputError, match=f"measurements: the mean of sample 3 is {mean}; expected positive means"):
        model.predict(measurements)


@pytest.mark.parametrize(("task", "n_layers"), [("depth_class", 1), ("depth_map", 3), ("masks", 3), ("stacks", 3)])
def test_predictions_hold_what_scoring_needs(
    tmp_path: Path, model_description: ModelDescription, measurements: np.ndarray, task: str, n_layers: int
) -> None:
    model = make_model(model_description.model_copy(update={"n_layers": n_layers}), task)
    paths = write_shards(tmp_path, measurements, n_layers)
    predict_dataset(model, paths, "moving").save(tmp_path / "predictions.h5")
    found = Predictions.load(tmp_path / "predictions.h5")
    assert (found.network, found.dataset, found.task) == ("small", "moving", task)
    assert found.attributes == {"parameters": 7, "weights": "abc"}
    expected = shards.read_shards(paths)
    for name in ("measurements", "layers", "masks", "depths_um", "sequence", "step", "cluster"):
        np.testing.assert_array_equal(getattr(found.samples, name), getattr(expected, name))
    np.testing.assert_allclose(found.outputs.output, model.predict(measurements).output, rtol=1e-5)
    targets = {
        "depth_class": np.full(N_SAMPLES, 1),
        "depth_map": (expected.masks * expected.depths_um[..., None, None]).sum(1, keepdims=True),
        "masks": expected.masks,
        "stacks": expected.masks,
    }
    np.testing.assert_array_equal(found.target, targets[task])
    classes_um = () if found.classes_um is None else tuple(found.classes_um)
    assert classes_um == model.description.classes_um


@pytest.mark.parametrize(("task", "swapped"), [("masks", True), ("depth_map", False), ("deblurring", False)])
def test_average_over_symmetries_exchanges_the_sensors_where_channels_are_layers(
    model_description: ModelDescription, measurements: np.ndarray, task: str, swapped: bool
) -> None:
    description = model_description.model_copy(update={"is_sensor_symmetric": True})
    model = replace(make_model(description, task), average_symmetries=True)
    output, flipped, opposite = (
        model.predict(images.copy()).output for images in (measurements, measurements[..., ::-1], measurements[:, ::-1])
    )
    np.testing.assert_allclose(flipped[..., ::-1], output, rtol=1e-3, atol=1e-4)
    assert np.allclose(opposite[:, ::-1], output, rtol=1e-3, atol=1e-4) == swapped


@pytest.mark.parametrize(("kind", "expected"), [("astigmatic", 4), ("comatic", 2), ("skewed", 1)])
def test_predictions_are_averaged_over_the_symmetries_of_the_psf(
    model: Model, measurements: np.ndarray, make_asymmetric_psf: Callable[[str, int], PSF], kind: str, expected: int
) -> None:
    seen: list[torch.Tensor] = []
    model.network.register_forward_hook(lambda network, inputs, output: seen.append(inputs[0]))
    psf = make_asymmetric_psf(kind, N_PIXELS)
    averaged = replace(model, psf=psf, average_symmetries=True).predict(measurements)
    views = seen[0].chunk(expected)
    assert {len(images) for images in views} == {len(measurements)}
    for images, symmetry in zip(views, psf.symmetries, strict=True):
        torch.testing.assert_close(symmetry.undo(images), views[0])
    if kind == "skewed":
        np.testing.assert_array_equal(averaged.output, model.predict(measurements).output)


def test_without_a_psf_the_symmetries_are_those_of_the_training(
    model: Model, measurements: np.ndarray, model_description: ModelDescription
) -> None:
    one = model_description.model_copy(update={"symmetries": (Symmetry.IDENTITY,)})
    found = replace(model, description=one, average_symmetries=True).predict(measurements)
    np.testing.assert_array_equal(found.output, model.predict(measurements).output)
    assert len(model.symmetries) == 8


def test_depths_are_bounded_monotonically_and_unchanged_inside() -> None:
    depths_um = torch.linspace(-200, 1200, 1401, dtype=torch.float64)
    bounded = model_module.bound_depths(depths_um, 1000.0)
    assert bounded.min() >= 0
    assert bounded.max() <= 1000
    assert (bounded.diff() >= 0).all()
    inside = (depths_um >= 11) & (depths_um <= 989)
    assert (bounded - depths_um)[inside].abs().max() < 0.1


def test_predicted_depths_scale_with_the_separation_of_the_sensors(
    model_description: ModelDescription, measurements: np.ndarray
) -> None:
    model = make_model(model_description, "stacks")
    put_depths_inside(model.network)
    wider = Model(model.network, model.description, depth_scale=1.2)
    found, expected = wider.predict(measurements), model.predict(measurements)
    assert found.predicted_depths_um.shape == (N_SAMPLES, model.description.n_layers)
    np.testing.assert_allclose(found.predicted_depths_um, 1.2 * expected.predicted_depths_um, rtol=1e-5)
    np.testing.assert_allclose(found.predicted_depth_sds_um, 1.2 * expected.predicted_depth_sds_um, rtol=1e-5)
    np.testing.assert_array_equal(found.output, expected.output)
    np.testing.assert_array_equal(found.occupancy, expected.occupancy)


def test_predictions_in_bfloat16_differ_little(model: Model, measurements: np.ndarray) -> None:
    exact, found = (replace(model, precision=each).predict(measurements).output for each in ("float32", "bfloat16"))
    assert found.dtype == np.float32
    assert 0 < np.abs(found - exact).max() < 0.02


def test_averages_do_not_depend_on_the_batch(
    model: Model, measurements: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    averaged = replace(model, average_symmetries=True)
    expected = averaged.predict(measurements).output
    monkeypatch.setattr(model_module, "BATCH_SIZE", 2 * averaged.n_views)
    np.testing.assert_allclose(averaged.predict(measurements).output, expected, rtol=1e-5, atol=1e-6)
