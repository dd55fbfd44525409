"""Predictions: in any unit, in any batch, with everything that scoring needs."""

from pathlib import Path

import numpy as np
import pytest
import torch

from foci3d import nets, predict, shards
from foci3d.errors import InputError
from foci3d.models import Model
from foci3d.predictions import Predictions
from foci3d.tasks import normalised

PIXELS, SAMPLES = 13, 5


def make_model(task: str, outputs: int, classes_um: tuple[float, ...] = ()) -> Model:
    torch.manual_seed(0)
    architecture = {"name": "conv_deconv", "widths": [4, 6], "strides": [1, 2], "kernel": 3}
    if task == "depth_class":
        architecture = {"name": "cnn_fc", "widths": [4, 6], "kernel": 3, "hidden": 8}
    description = {
        "net": "small",
        "task": task,
        "architecture": architecture,
        "inputs": 2,
        "outputs": outputs,
        "pixels": PIXELS,
        "layers": 3,
        "classes_um": list(classes_um),
        "parameters": 7,
        "digests": {"weights": "abc"},
    }
    return Model(nets.build(architecture, 2, outputs, PIXELS).eval(), description)


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(0).uniform(1, 2, (SAMPLES, 2, PIXELS, PIXELS)).astype(np.float32)


@pytest.fixture
def shard_files(tmp_path: Path, pictures: np.ndarray) -> list[Path]:
    """Two shards of a moving set."""
    rng = np.random.default_rng(1)
    arrays = {
        "layers": rng.uniform(size=(SAMPLES, 3, PIXELS, PIXELS)),
        "masks": rng.integers(2, size=(SAMPLES, 3, PIXELS, PIXELS)),
        "sensors": pictures,
        "depths_um": np.full((SAMPLES, 3), [100, 400, 700]),
        "index": np.arange(SAMPLES),
        "group": np.arange(SAMPLES) // 3,
        "step": np.arange(SAMPLES) % 3,
        "cluster": rng.integers(2, size=(SAMPLES, PIXELS, PIXELS)),
    }
    paths = []
    for name, rows in (("test-0.h5", slice(0, 2)), ("test-1.h5", slice(2, SAMPLES))):
        paths.append(tmp_path / name)
        layouts = shards.layouts(len(arrays["index"][rows]), 3, 2, PIXELS, True)
        with shards.writing(paths[-1], layouts, {}) as writer:
            for array, values in arrays.items():
                writer.put(array, values[rows])
    return paths


def test_applies_the_network_to_normalised_pictures(pictures: np.ndarray) -> None:
    model = make_model("masks", 3)
    with torch.inference_mode():
        expected = model.network(normalised(torch.from_numpy(pictures))).sigmoid()
    np.testing.assert_allclose(predict.apply(model, pictures), expected, rtol=1e-5)


def test_any_unit_gives_the_same_probabilities(pictures: np.ndarray) -> None:
    model = make_model("masks", 3)
    expected = predict.apply(model, pictures)
    assert expected.std() > 1e-3
    np.testing.assert_allclose(predict.apply(model, pictures * 1e-6), expected, atol=1e-6)
    counts = np.round(pictures * 20000).astype(np.uint16)
    np.testing.assert_allclose(predict.apply(model, counts), expected, atol=1e-3)


def test_a_deblurred_picture_keeps_its_unit(pictures: np.ndarray) -> None:
    model = make_model("image", 1)
    np.testing.assert_allclose(predict.apply(model, 300 * pictures), 300 * predict.apply(model, pictures), rtol=1e-4)


def test_batches_change_nothing(pictures: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model("masks", 3)
    whole = predict.apply(model, pictures)
    monkeypatch.setattr(predict, "BATCH", 2)
    np.testing.assert_allclose(predict.apply(model, pictures), whole, rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ((1, 1, PIXELS, PIXELS), "1 sensors of 13 x 13 pixels were given; expected 2 of 13 x 13 for the model small"),
        ((1, 2, 12, PIXELS), "2 sensors of 12 x 13 pixels were given"),
    ],
)
def test_pictures_that_do_not_fit(shape: tuple[int, ...], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        predict.apply(make_model("masks", 3), np.ones(shape))


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_pictures_without_light(pictures: np.ndarray, value: float) -> None:
    pictures[3] = value
    with pytest.raises(InputError, match="pictures: the mean of sample 3 is not above 0"):
        predict.apply(make_model("masks", 3), pictures)


@pytest.mark.parametrize(("task", "outputs"), [("depth_class", 3), ("depth_map", 7), ("masks", 3)])
def test_predictions_hold_what_scoring_needs(
    tmp_path: Path, shard_files: list[Path], pictures: np.ndarray, task: str, outputs: int
) -> None:
    model = make_model(task, outputs, (0.0, 100.0, 200.0) if task == "depth_class" else ())
    predict.predict(model, shard_files, "moving", "cpu").save(tmp_path / "predictions.h5")
    found = Predictions.load(tmp_path / "predictions.h5")
    assert (found.net, found.set, found.task) == ("small", "moving", task)
    assert found.attributes == {"parameters": 7, "weights": "abc"}
    expected = shards.read_shards(shard_files)
    for name in ("sensors", "layers", "masks", "depths_um", "group", "step", "cluster"):
        np.testing.assert_array_equal(found.arrays[name], expected[name])
    np.testing.assert_allclose(found.arrays["output"], predict.apply(model, pictures), rtol=1e-5)
    assert ("classes_um" in found.arrays) == (task == "depth_class")
    targets = {
        "masks": expected["masks"],
        "depth_map": (expected["masks"] * expected["depths_um"][..., None, None]).sum(1, keepdims=True),
    }
    if task in targets:
        np.testing.assert_array_equal(found.arrays["target"], targets[task])


def test_depth_classes_are_numbered(tmp_path: Path, shard_files: list[Path]) -> None:
    model = make_model("depth_class", 3, (0.0, 100.0, 200.0))
    samples = {"depths_um": torch.tensor([[200.0], [0.0]])}
    assert model.task.truth(samples).tolist() == [2, 0]
