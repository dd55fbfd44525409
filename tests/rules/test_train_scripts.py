"""Training, pretraining and prediction through their scripts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from foci3d import optics, plan, shards
from foci3d.models import load_model
from foci3d.predict import apply
from foci3d.predictions import Predictions

PIXELS, SEPARATION_UM = 17, 1000.0
SAMPLES = {"train": 12, "validation": 6, "test": 6}
TRAINING = {
    "steps": 4,
    "batch": 4,
    "learning_rate": 0.002,
    "weight_decay": 0.01,
    "augment": True,
    "remix": True,
    "validate_every": 2,
    "patience": 10,
}
ONE_LAYER = {
    "layers": 1,
    "sensors": "A",
    "overlap": "keep",
    "depth_range_um": [0, 1000],
    "depth_step_um": 100,
    "minimum_gap_um": 0,
}
STACK = {**ONE_LAYER, "layers": 2, "sensors": "AB", "depth_step_um": 0, "minimum_gap_um": 200}
CONV_DECONV = {"name": "conv_deconv", "widths": [4, 6, 8], "strides": [1, 2, 2], "kernel": 3}
RESNET_CNN = {"name": "resnet_cnn", "encoder": "pretrained", "stem_stride": 2, "head_width": 4}
NETS = {
    "depth": ("depth_class", ONE_LAYER, {"name": "cnn_fc", "widths": [4], "kernel": 3, "hidden": 8}),
    "deblur": ("image", ONE_LAYER, CONV_DECONV),
    "map": ("depth_map", {**STACK, "overlap": "remove"}, CONV_DECONV),
    "stack": ("masks", STACK, CONV_DECONV),
}
OUTPUTS = {
    "depth": (6, 11),
    "deblur": (6, 1, PIXELS, PIXELS),
    "map": (6, 1, PIXELS, PIXELS),
    "stack": (6, 2, PIXELS, PIXELS),
}
RunScript = Callable[..., str]
Files = dict[str, str]


@pytest.fixture(scope="module")
def psf(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("psf") / "psf.h5"
    depths_um = torch.linspace(0, 1000, 6)
    kernels = optics.acceptance_kernels(optics.Acceptance(36.0, 20.0, 1.0), depths_um, PIXELS, 55.0)
    optics.Psf(kernels.float(), depths_um, 55.0).save(path)
    return str(path)


@pytest.fixture
def split_files(tmp_path: Path) -> Callable[[dict[str, Any]], dict[str, list[str]]]:
    """Write two shards of each split of a set."""

    def write(entry: dict[str, Any]) -> dict[str, list[str]]:
        rng = np.random.default_rng(0)
        files: dict[str, list[str]] = {}
        for split, samples in SAMPLES.items():
            for shard in range(2):
                count = samples // 2
                owner = rng.integers(entry["layers"] + 1, size=(count, 1, PIXELS, PIXELS))
                masks = owner == np.arange(entry["layers"])[:, None, None]
                depths_um = np.sort(rng.integers(11, size=(count, entry["layers"])) * 100.0, 1)
                arrays = {
                    "layers": masks + rng.uniform(0.1, 0.2, masks.shape),
                    "masks": masks,
                    "sensors": rng.uniform(1, 2, (count, len(entry["sensors"]), PIXELS, PIXELS)),
                    "depths_um": depths_um,
                    "index": np.arange(count),
                }
                path = tmp_path / "data" / f"{split}-{shard}.h5"
                layouts = shards.layouts(count, entry["layers"], len(entry["sensors"]), PIXELS, False)
                with shards.writing(path, layouts, {"set": "mine"}) as writer:
                    for name, values in arrays.items():
                        writer.put(name, values)
                files.setdefault(split, []).append(str(path))
        return files

    return write


def settings(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "entry": entry,
        "imager": {"pixels": PIXELS, "pixel_pitch_um": 55.0, "sensor_separation_um": SEPARATION_UM},
        "compute": {"device": "cpu", "precision": "float32", "threads": 1},
        "seed": 3,
        "code": "abc",
    }


@pytest.fixture
def train(tmp_path: Path, psf: str, run_script: RunScript) -> Callable[..., Files]:
    """Train a network of `NETS` through its script; gives its files."""

    def run(name: str, files: dict[str, list[str]], encoder: str | None = None, **change: Any) -> Files:
        task, entry, architecture = NETS[name]
        output = {key: str(tmp_path / "models" / f"{name}.{suffix}") for key, suffix in SUFFIXES.items()}
        training = {**TRAINING, **change.pop("training", {})}
        net = {"set": "mine", "tests": ["mine"], "task": task, "architecture": architecture, "training": training}
        run_script(
            "train",
            input={"train": files["train"], "validation": files["validation"], "psf": psf, "encoder": encoder or []},
            output=output,
            params={"net": {**net, **change}, **settings(entry)},
            wildcards={"net": name},
        )
        return output

    return run


SUFFIXES = {"weights": "safetensors", "model": "json", "curves": "csv"}


@pytest.mark.parametrize("remix", [True, False])
@pytest.mark.parametrize("name", NETS)
def test_from_shards_to_predictions(
    tmp_path: Path, train: Callable[..., Files], split_files: Any, run_script: RunScript, name: str, remix: bool
) -> None:
    files = split_files(NETS[name][1])
    model = train(name, files, training={"remix": remix})
    predictions = str(tmp_path / "predictions.h5")
    run_script(
        "predict",
        input={"weights": model["weights"], "model": model["model"], "test": files["test"]},
        output={"predictions": predictions},
        params={"compute": {"device": "cpu", "precision": "float32", "threads": 1}},
        wildcards={"net": name, "set": "mine"},
    )
    found = Predictions.load(predictions)
    assert (found.net, found.set, found.task) == (name, "mine", NETS[name][0])
    assert found.arrays["output"].shape == OUTPUTS[name]
    again = apply(load_model(model["model"], model["weights"]), shards.read_shards(files["test"])["sensors"])
    np.testing.assert_allclose(found.arrays["output"], again, rtol=1e-5)
    curves = pd.read_csv(model["curves"])
    assert curves.step.tolist() == [2, 4]
    assert np.isfinite(curves).all(axis=None)


def test_the_model_tells_where_it_comes_from(train: Callable[..., Files], split_files: Any, psf: str) -> None:
    files = split_files(STACK)
    model = json.loads(Path(train("stack", files)["model"]).read_text())
    depths_um = shards.read_shards(files["train"])["depths_um"].astype(float)
    assert model["layer_depths_um"] == [
        {"mean": pytest.approx(mean), "sd": pytest.approx(sd)}
        for mean, sd in zip(depths_um.mean(0), depths_um.std(0, ddof=1), strict=True)
    ]
    assert (model["net"], model["set"], model["task"], model["sensors"]) == ("stack", "mine", "masks", "AB")
    assert model["training"] == {**TRAINING, "precision": "float32"}
    assert model["digests"]["psf"] == optics.Psf.load(psf).digest
    assert model["digests"]["code"] == "abc"
    assert model["best_step"] in (2, 4)


def test_pretrained_encoder(
    tmp_path: Path, train: Callable[..., Files], split_files: Any, psf: str, run_script: RunScript
) -> None:
    files = split_files(STACK)
    encoder = {key: str(tmp_path / "models" / f"encoder.{suffix}") for key, suffix in SUFFIXES.items()}
    run_script(
        "pretrain_encoder",
        input={"train": files["train"], "validation": files["validation"], "psf": psf},
        output=encoder,
        params={
            "set": "mine",
            "architecture": {"name": "encoder", "stem_stride": 2},
            "training": TRAINING,
            **settings(STACK),
        },
    )
    assert json.loads(Path(encoder["model"]).read_text())["task"] == "depth_coverage"
    still = {"learning_rate": 1e-12, "weight_decay": 0.0}
    model = train("stack", files, encoder["weights"], architecture=RESNET_CNN, training=still)
    weights = load_file(model["weights"])
    for name, values in load_file(encoder["weights"]).items():
        if name.startswith("layer") and name.endswith(("conv1.weight", "conv2.weight")):
            torch.testing.assert_close(weights[f"encoder.{name}"], values)
    assert "encoder" in json.loads(Path(model["model"]).read_text())["digests"]


def test_goes_on_after_an_interruption(
    tmp_path: Path, train: Callable[..., Files], split_files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = split_files(STACK)
    expected = Path(train("stack", files)["weights"]).read_bytes()

    def interrupted(*arguments: Any) -> Any:
        batches = make_batches(*arguments)
        return lambda step: batches(step) if step < 3 else failing()

    def failing() -> None:
        raise KeyboardInterrupt

    make_batches = plan.make_batches
    models = tmp_path / "models"
    for file in models.iterdir():
        file.unlink()
    monkeypatch.setattr(plan, "make_batches", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train("stack", files)
    assert [file.suffix for file in models.iterdir()] == [".checkpoint"]
    monkeypatch.undo()
    output = train("stack", files)
    assert "going on from step 2" in (tmp_path / "train.log").read_text()
    assert Path(output["weights"]).read_bytes() == expected
    assert not list(models.glob(".*.checkpoint"))


def test_a_checkpoint_of_another_plan_is_not_used(
    tmp_path: Path, train: Callable[..., Files], split_files: Any
) -> None:
    stale = tmp_path / "models" / ".stack.0123456789abcdef.checkpoint"
    stale.parent.mkdir()
    stale.write_text("of another plan")
    train("stack", split_files(STACK))
    assert not stale.exists()
    assert "going on" not in (tmp_path / "train.log").read_text()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"training": {"batch": 13}}, "12 samples to train on; expected at least the 13 of a batch"),
        ({"encoder": "missing.pt"}, "missing.pt: not a readable file of weights"),
    ],
)
def test_mistakes_are_one_sentence(
    tmp_path: Path, train: Callable[..., Files], split_files: Any, change: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(SystemExit):
        train("stack", split_files(STACK), architecture=RESNET_CNN, **change)
    log = (tmp_path / "train.log").read_text()
    assert sentence in log
    assert "Traceback" not in log


def test_shards_of_another_imager(tmp_path: Path, train: Callable[..., Files], split_files: Any) -> None:
    with pytest.raises(SystemExit):
        train("stack", split_files(ONE_LAYER))
    assert "train-0.h5: its arrays" in (tmp_path / "train.log").read_text()
