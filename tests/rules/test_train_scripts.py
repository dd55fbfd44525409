"""Training, pretraining and prediction through their scripts."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from evaluated import evaluation_files, evaluation_params
from safetensors.torch import load_file

from foci3d.config.models import Config
from foci3d.config.training import TrainingConfig
from foci3d.evaluation.scores import score
from foci3d.io import shards
from foci3d.io.predictions import Predictions
from foci3d.io.samples import Samples
from foci3d.learning.batches import Batch, TrainingBatches
from foci3d.learning.model import load_model
from foci3d.learning.prediction import predict_samples
from foci3d.optics.psf import PSF

N_PIXELS = 17
SAMPLES = {"train": 12, "validation": 6, "test": 6}
TRAINING = {"max_steps": 4, "batch_size": 4, "validation_interval": 2}
ONE_LAYER = {
    "source": "synthetic",
    "scene": "layers",
    "appearance": "paper",
    "n_layers": 1,
    "sensors": "A",
    "overlap": "keep",
    "empty_layers": 0,
    "depth_range_um": [0, 1000],
    "depth_step_um": 100,
    "minimum_gap_um": 0,
}
STACK = {**ONE_LAYER, "n_layers": 2, "sensors": "AB", "depth_step_um": 0, "minimum_gap_um": 200}
CONV_DECONV = {"name": "conv_deconv", "channels": [4, 6, 8], "strides": [1, 2, 2], "kernel_size": 3}
RESNET_CNN = {"name": "resnet_cnn", "encoder": "pretrained", "stem_stride": 2, "head_channels": 4}
NETWORKS = {
    "depth": ("depth_class", ONE_LAYER, {"name": "cnn_fc", "channels": [4], "kernel_size": 3, "hidden_features": 8}),
    "deblur": ("deblurring", ONE_LAYER, CONV_DECONV),
    "depths": ("stacks", STACK, CONV_DECONV),
    "map": ("depth_map", {**STACK, "overlap": "remove"}, CONV_DECONV),
    "stack": ("masks", STACK, CONV_DECONV),
    "encoder": ("depth_coverage", STACK, {"name": "encoder", "stem_stride": 2}),
}
OUTPUTS = {
    "depth": (6, 11),
    "deblur": (6, 1, N_PIXELS, N_PIXELS),
    "map": (6, 1, N_PIXELS, N_PIXELS),
    "stack": (6, 2, N_PIXELS, N_PIXELS),
    "depths": (6, 2, N_PIXELS, N_PIXELS),
}
RunScript = Callable[..., str]
Files = dict[str, str]


@pytest.fixture
def psf_file(tmp_path: Path, make_psf: Callable[..., PSF]) -> str:
    make_psf(N_PIXELS).save(tmp_path / "psf.h5")
    return str(tmp_path / "psf.h5")


def write_splits(folder: Path, dataset: dict[str, Any]) -> dict[str, list[str]]:
    """Write two shards of each split of a dataset."""
    rng = np.random.default_rng(0)
    n_layers, files = dataset["n_layers"], {split: [] for split in SAMPLES}
    for split, n_samples in SAMPLES.items():
        for shard in range(2):
            count = n_samples // 2
            owner = rng.integers(n_layers + 1, size=(count, 1, N_PIXELS, N_PIXELS))
            masks = owner == np.arange(n_layers)[:, None, None]
            samples = Samples(
                layers=masks + rng.uniform(0.1, 0.2, masks.shape),
                masks=masks,
                depths_um=np.sort(rng.integers(11, size=(count, n_layers)) * 100.0, 1),
                measurements=rng.uniform(1, 2, (count, len(dataset["sensors"]), N_PIXELS, N_PIXELS)),
                index=np.arange(count),
            )
            path = folder / f"{split}-{shard}.h5"
            shards.write(path, [samples], count, {"dataset": "mine"})
            files[split].append(str(path))
    return files


@pytest.fixture
def split_files(tmp_path: Path) -> Callable[[dict[str, Any]], dict[str, list[str]]]:
    return lambda dataset: write_splits(tmp_path / "data", dataset)


SUFFIXES = {"weights": "safetensors", "model": "json", "curves": "csv"}


@pytest.fixture
def train(tmp_path: Path, psf_file: str, config: Config, run_script: RunScript) -> Callable[..., Files]:
    """Train a network of `NETWORKS` through its script; returns its files."""

    def run(
        name: str,
        files: dict[str, list[str]],
        encoder: str | None = None,
        initial_model: tuple[str, ...] = (),
        **change: Any,
    ) -> Files:
        task, dataset, architecture = NETWORKS[name]
        output = {key: str(tmp_path / "models" / f"{name}.{suffix}") for key, suffix in SUFFIXES.items()}
        imager = config.imager.model_dump() | {"n_pixels": N_PIXELS}
        training = {**TRAINING, **change.pop("training", {})}
        settings = {"task": task, "architecture": architecture, "training": training, "dataset": dataset} | change
        hardware = {"device": "cpu", "precision": "float32"}
        run_script(
            "train",
            input={
                "train": files["train"],
                "validation": files["validation"],
                "psf": psf_file,
                "encoder": [encoder] if encoder else [],
                "initial_model": list(initial_model),
            },
            output=output,
            params={
                "run": {"network": name, "dataset_name": "mine", "imager": imager, "seed": 3, **hardware, **settings},
                "code": "abc",
            },
        )
        return output

    return run


@pytest.mark.parametrize("resample_stacks", [True, False])
@pytest.mark.parametrize("name", OUTPUTS)
def test_from_shards_to_predictions(
    tmp_path: Path,
    train: Callable[..., Files],
    split_files: Any,
    run_script: RunScript,
    psf_file: str,
    name: str,
    resample_stacks: bool,
) -> None:
    files = split_files(NETWORKS[name][1])
    model = train(name, files, training={"resample_stacks": resample_stacks})
    output = evaluation_files(tmp_path, name)
    run_script(
        "evaluate_network",
        input={"weights": model["weights"], "model": model["model"], "psf": psf_file, "test": files["test"]},
        output=output,
        params={"inference": {"device": "cpu", "average_symmetries": False}, **evaluation_params("mine")},
    )
    found = Predictions.load(output["predictions"][0])
    assert set(pd.read_csv(output["summary"][0])["network"]) == {name}
    assert (found.network, found.dataset, found.task) == (name, "mine", NETWORKS[name][0])
    assert found.outputs.output.shape == OUTPUTS[name]
    trained = load_model(model["model"], average_symmetries=False)
    again = trained.predict(shards.read_shards(files["test"]).measurements).output
    np.testing.assert_allclose(found.outputs.output, again, rtol=1e-5)
    curves = pd.read_csv(model["curves"])
    assert curves.step.tolist() == [2, 4]
    assert np.isfinite(curves).all(axis=None)


def test_robustness_of_networks_for_masks_and_depths(
    tmp_path: Path, train: Callable[..., Files], split_files: Any, run_script: RunScript, psf_file: str, config: Config
) -> None:
    tested = config.robustness.model_copy(update={"n_samples": 4, "psf_width_errors": (0.0, 0.25)})
    scores = {}
    for name in ("depth", "depths"):
        files = split_files(NETWORKS[name][1])
        model = train(name, files)
        scores[name] = str(tmp_path / f"{name}.csv")
        run_script(
            "assess_robustness",
            input={"weights": model["weights"], "model": model["model"], "psf": psf_file, "test": files["test"]},
            output={"scores": scores[name]},
            params={
                "dataset_name": "mine",
                "robustness": tested.model_dump(mode="json"),
                "sensor": config.sensor.model_dump(mode="json"),
                "max_depth_um": 1000.0,
                "inference": {"device": "cpu", "average_symmetries": False},
                "n_bootstrap": 10,
                "seed": 1,
            },
            wildcards={"network": name},
        )
    pages = {name: tmp_path / f"robustness.{name}" for name in ("csv", "html", "markdown")}
    run_script("make_robustness", input={"scores": [*scores.values()]}, output=pages)
    table = pd.read_csv(pages["csv"])
    assert set(zip(table["network"], table["metric"], strict=True)) >= {
        ("depth", "mean_error_um"),
        ("depths", "error"),
        ("depths", "depth_error_um"),
    }
    kinds = table.groupby("network")["perturbation"].unique()
    assert set(kinds["depths"]) - set(kinds["depth"]) == {
        "lateral_offset_um",
        "separation_error_um",
        "layer_spacing_um",
    }
    unperturbed, exact = (
        table[(table["perturbation"] == kind) & (table["amount"] == 0)]["value"].to_numpy()
        for kind in ("none", "psf_width_error")
    )
    np.testing.assert_array_equal(unperturbed, exact)
    figure = [tmp_path / "fig_robustness.png", tmp_path / "fig_robustness.svg"]
    run_script("fig_robustness", input={"table": str(pages["csv"])}, output={"figure": figure})
    assert all(path.stat().st_size > 0 for path in figure)


def test_the_description_says_what_the_model_was_made_from(
    train: Callable[..., Files], split_files: Any, psf_file: str
) -> None:
    files = split_files(STACK)
    model = json.loads(Path(train("stack", files)["model"]).read_text())
    depths_um = shards.read_shards(files["train"]).depths_um.astype(float)
    assert model["layer_depths_um"] == [
        {"mean": pytest.approx(mean), "sd": pytest.approx(sd)}
        for mean, sd in zip(depths_um.mean(0), depths_um.std(0, ddof=1), strict=True)
    ]
    names = ("network", "dataset", "task", "in_channels", "out_channels", "n_layers", "n_pixels")
    assert [model[name] for name in names] == ["stack", "mine", "masks", 2, 2, 2, N_PIXELS]
    assert TrainingConfig.model_validate(model["training"]) == TrainingConfig(**TRAINING)
    assert model["precision"] == "float32"
    assert (model["digests"]["psf"], model["digests"]["code"]) == (PSF.load(psf_file).digest, "abc")
    assert model["best_step"] in (2, 4)


def test_pretrained_encoder(train: Callable[..., Files], split_files: Any) -> None:
    files = split_files(STACK)
    encoder = train("encoder", files)
    assert json.loads(Path(encoder["model"]).read_text())["task"] == "depth_coverage"
    frozen = {"max_learning_rate": 1e-12, "weight_decay": 0.0}
    model = train("stack", files, encoder["weights"], architecture=RESNET_CNN, training=frozen)
    weights = load_file(model["weights"])
    for name, values in load_file(encoder["weights"]).items():
        if name.startswith("layer") and name.endswith(("conv1.weight", "conv2.weight")):
            torch.testing.assert_close(weights[f"encoder.{name}"], values)
    assert "encoder" in json.loads(Path(model["model"]).read_text())["digests"]


@contextmanager
def interrupted_at(last: int) -> Iterator[None]:
    """Interrupt training before step `last`."""
    draw = TrainingBatches.__call__

    def interrupted(batches: TrainingBatches, step: int) -> Batch:
        if step == last:
            raise KeyboardInterrupt
        return draw(batches, step)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingBatches, "__call__", interrupted)
        yield


def test_resumes_after_an_interruption(tmp_path: Path, train: Callable[..., Files], split_files: Any) -> None:
    files, models = split_files(STACK), tmp_path / "models"
    expected = Path(train("stack", files)["weights"]).read_bytes()
    for file in models.iterdir():
        file.unlink()
    with interrupted_at(3), pytest.raises(KeyboardInterrupt):
        train("stack", files)
    assert [file.suffix for file in models.iterdir()] == [".checkpoint"]
    output = train("stack", files)
    assert "resuming from step 2" in (tmp_path / "train.log").read_text()
    assert Path(output["weights"]).read_bytes() == expected
    assert not list(models.glob(".*.checkpoint"))


def test_the_checkpoint_is_the_same_on_every_machine(
    tmp_path: Path, train: Callable[..., Files], split_files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where `auto` chooses another precision than at the start, the training resumes in that of the start."""
    files = split_files(STACK)
    monkeypatch.setattr("foci3d.learning.device.cpu_vendor", lambda: "AuthenticAMD")
    monkeypatch.setattr("foci3d.learning.device.cpu_instructions", lambda: {"avx512_bf16"})
    with interrupted_at(3), pytest.raises(KeyboardInterrupt):
        train("stack", files, precision="auto")
    monkeypatch.setattr("foci3d.learning.device.cpu_instructions", set)
    output = train("stack", files, precision="auto")
    log = (tmp_path / "train.log").read_text()
    assert "precision is bfloat16 as at the start, although float32 would be chosen now" in log
    assert load_model(output["model"]).description.precision == "bfloat16"


def test_the_checkpoint_of_another_training_is_not_used(
    tmp_path: Path, train: Callable[..., Files], split_files: Any
) -> None:
    stale = tmp_path / "models" / ".stack.0123456789abcdef.checkpoint"
    stale.parent.mkdir()
    stale.write_text("of another training")
    train("stack", split_files(STACK))
    assert not stale.exists()
    assert "resuming" not in (tmp_path / "train.log").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"training": {"batch_size": 13}}, "12 samples to train on; expected at least the 13 of a batch"),
        ({"encoder": "missing.pt"}, "missing.pt: not a readable file of weights"),
    ],
)
def test_errors_are_one_line(
    tmp_path: Path, train: Callable[..., Files], split_files: Any, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(SystemExit):
        train("stack", split_files(STACK), architecture=RESNET_CNN, **change)
    log = (tmp_path / "train.log").read_text()
    assert message in log
    assert "Traceback" not in log


def test_shards_of_another_imager(tmp_path: Path, train: Callable[..., Files], split_files: Any) -> None:
    with pytest.raises(SystemExit):
        train("stack", split_files(ONE_LAYER))
    assert "train-0.h5: the shapes of its arrays are" in (tmp_path / "train.log").read_text()


IMAGERS = {
    "n_imagers": 2,
    "fwhm_deg": [25, 45],
    "standoff_um": [0, 100],
    "linear_fill_factor": [0.7, 1],
    "pixel_pitch_um": [40, 80],
    "sensor_separation_um": [800, 1200],
    "noisy_share": 0.5,
    "full_well_electrons": [2000, 200000],
    "read_noise_electrons": [10, 100],
}
PHYSICS_UNET = {
    "name": "physics_unet",
    "depth_range_um": [50, 950],
    "n_depths": 2,
    "n_regularizations": 2,
    "channels": [4, 8],
    "attention": False,
}


@pytest.fixture
def many_imagers(train: Callable[..., Files], split_files: Any) -> Files:
    """A network that uses the PSF, trained over two imagers with noise and empty layers."""
    change = {"architecture": PHYSICS_UNET, "dataset": {**STACK, "empty_layers": 0.3}}
    return train("depths", split_files(STACK), training={"imagers": IMAGERS}, **change)


def test_a_network_for_many_imagers_serves_another_one(many_imagers: Files, make_psf: Callable[..., PSF]) -> None:
    model = load_model(many_imagers["model"], psf=make_psf(N_PIXELS, pixel_pitch_um=70.0), sensor_separation_um=900.0)
    assert model.depth_scale == 0.9
    outputs = model.predict(np.random.default_rng(0).uniform(1, 2, (3, 2, N_PIXELS, N_PIXELS)))
    assert all(np.isfinite(values).all() for values in outputs.arrays().values())


def test_a_training_that_starts_from_a_model(train: Callable[..., Files], split_files: Any, tmp_path: Path) -> None:
    """With a learning rate of almost 0, the weights stay those of the model; its digest is in the description."""
    files = split_files(STACK)
    first = {kind: tmp_path / f"first.{suffix}" for kind, suffix in SUFFIXES.items()}
    for kind, path in train("stack", files).items():
        Path(path).rename(first[kind])
    frozen = {"max_learning_rate": 1e-12, "weight_decay": 0.0}
    model = train("stack", files, initial_model=(str(first["model"]), str(first["weights"])), training=frozen)
    found, expected = load_file(model["weights"]), load_file(first["weights"])
    for name in dict(load_model(model["model"]).network.named_parameters()):
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=1e-6)
    digests = json.loads(Path(model["model"]).read_text())["digests"]
    assert digests["initial_model"] == json.loads(first["model"].read_text())["digests"]["weights"]


def test_a_network_for_any_number_of_layers_is_trained_and_scored(
    train: Callable[..., Files], split_files: Any, make_psf: Callable[..., PSF], tmp_path: Path
) -> None:
    """It is tested on samples of two layers, of the three that it can find."""
    task, dataset = "counted_stacks", {**STACK, "n_layers": 3, "minimum_layers": 0}
    training = {"imagers": IMAGERS, "maximum_offset": 3.0, "margin_pixels": 3}
    files = train(
        "depths", split_files(dataset), training=training, task=task, dataset=dataset, architecture=PHYSICS_UNET
    )
    model = load_model(files["model"], psf=make_psf(N_PIXELS))
    samples = shards.read_shards(split_files(STACK)["test"])
    predictions = predict_samples(model, samples, "mine")
    predictions.save(tmp_path / "predictions.h5")
    predictions = Predictions.load(tmp_path / "predictions.h5")
    outputs, informed = predictions.outputs, predictions.informed
    np.testing.assert_allclose(outputs.count_probabilities.sum(1), 1, rtol=1e-5)
    assert np.isfinite(informed.predicted_depths_um).sum(1).tolist() == [2] * 6
    assert (informed.output[:, 2] == 0).all()
    _, summary = score(predictions, 1000.0, 10, 1)
    assert set(summary["layer"]) == {"2 layers", "all"}


def test_a_model_of_one_training_sample_is_written(
    train: Callable[..., Files], split_files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The standard deviation of a depth is then that of the range of the dataset."""
    monkeypatch.setitem(SAMPLES, "train", 2)
    files = split_files(STACK)
    files["train"] = files["train"][:1]
    model = json.loads(Path(train("depths", files, training={"batch_size": 1})["model"]).read_text())
    (depths_um,) = shards.read_shards(files["train"]).depths_um.tolist()
    assert [layer["mean"] for layer in model["layer_depths_um"]] == depths_um
    assert [layer["sd"] for layer in model["layer_depths_um"]] == pytest.approx([1000 / 12**0.5] * 2)


def copy_model(run_script: RunScript, source: str, folder: Path, **expected: Any) -> Files:
    output = {key: str(folder / f"mine.{suffix}") for key, suffix in SUFFIXES.items()}
    params = {"expected": {"task": "stacks", "in_channels": 2, "n_layers": 2, "n_pixels": N_PIXELS, **expected}}
    stem = source.removesuffix("json")
    inputs = {"source": source, "source_weights": f"{stem}safetensors", "source_curves": f"{stem}csv"}
    run_script("copy_model", input=inputs, output=output, params=params, wildcards={"network": "mine"})
    return output


def test_a_released_model_takes_the_place_of_a_training(
    many_imagers: Files, run_script: RunScript, tmp_path: Path, make_psf: Callable[..., PSF]
) -> None:
    suffixes = {"released_model": "json", "released_weights": "safetensors", "released_curves": "csv", "card": "md"}
    released = {name: str(tmp_path / f"released.{suffix}") for name, suffix in suffixes.items()}
    summary = pd.DataFrame(
        {"dataset": ["mine"], "metric": ["error"], "layer": ["all"], "value": [0.123]}
        | {name: [0.2] for name in ("ci_low", "ci_high", "baseline")}
    )
    summary.to_csv(tmp_path / "summary.csv", index=False)
    run_script(
        "release_model",
        input={**many_imagers, "summaries": [str(tmp_path / "summary.csv")]},
        output=released,
        params={"command": "snakemake release"},
    )
    card = Path(released["card"]).read_text()
    for part in ("# depths", "0.123", "25 to 45", "800 to 1200", "`snakemake release`"):
        assert part in card
    output = copy_model(run_script, released["released_model"], tmp_path / "copied")
    assert Path(output["curves"]).read_text() == Path(many_imagers["curves"]).read_text()
    measurements = np.random.default_rng(0).uniform(1, 2, (3, 2, N_PIXELS, N_PIXELS))
    trained, copied = (load_model(files["model"], psf=make_psf(N_PIXELS)) for files in (many_imagers, output))
    assert copied.description.network == "mine"
    digests = [json.loads(Path(path).read_text())["digests"] for path in (released["released_model"], output["model"])]
    assert digests[0] == digests[1]  # so that the recalibration of a released model holds for its copy
    expected, found = (model.predict(measurements).output for model in (trained, copied))
    np.testing.assert_allclose(found, expected, atol=2e-3)


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ({"n_layers": 4}, "found layers 2; expected 4"),
        ({"n_pixels": 101}, f"found pixels in y and x {N_PIXELS}; expected 101"),
        ({"classes_um": [50.0, 150.0, 250.0]}, "found depth classes none; expected 50 to 250 um in 3 classes"),
        ({"sensor_separation_um": 900.0}, "found sensor_separation_um 1000; expected 900"),
    ],
)
def test_a_model_for_other_data_is_refused(
    many_imagers: Files,
    run_script: RunScript,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    expected: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(SystemExit):
        copy_model(run_script, many_imagers["model"], tmp_path / "copied", **expected)
    assert f"{message} as configured, choose another model" in capsys.readouterr().err
    assert not [*(tmp_path / "copied").glob("*")]
