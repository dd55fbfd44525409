"""The examples of docs/extending.md: loaded as a plugin, configured, trained, applied and scored by the scripts."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from evaluated import evaluation_files, evaluation_params

from foci3d.config.metrics import METRICS
from foci3d.config.models import Config
from foci3d.config.tasks import TASKS
from foci3d.config.validation import check_config
from foci3d.io import shards
from foci3d.io.samples import Samples
from foci3d.optics.psf import PSF
from frozen_datasets import FrozenDataset

PROJECT = Path(__file__).parents[3]
GUIDE = (PROJECT / "docs" / "extending.md").read_text()
N_PIXELS, N_LAYERS = 17, 4
TINY = {"max_steps": 2, "batch_size": 2, "validation_interval": 1}


def code_blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


@pytest.fixture
def extended(tmp_path: Path, config: Config, plugged_in: None) -> dict[str, Any]:
    """The configuration of the paper with that of the guide, whose code is a plugin."""
    plugin = tmp_path / "mine.py"
    plugin.write_text("\n\n".join(code_blocks("python")))
    merged = config.model_dump(mode="json")
    for section in map(yaml.safe_load, code_blocks("yaml")):
        for key, entries in section.items():
            merged[key] = {**merged[key], **entries} if isinstance(entries, dict) else entries
    merged["plugins"] = [str(plugin)]
    return merged


@pytest.fixture
def files(tmp_path: Path, make_psf: Callable[..., PSF]) -> dict[str, Any]:
    """A point-spread function, and a shard of each split."""
    rng, n_samples = np.random.default_rng(0), 4
    samples = Samples(
        layers=rng.random((n_samples, N_LAYERS, N_PIXELS, N_PIXELS)),
        masks=rng.integers(2, size=(n_samples, N_LAYERS, N_PIXELS, N_PIXELS)),
        measurements=rng.uniform(1, 2, (n_samples, 2, N_PIXELS, N_PIXELS)),
        depths_um=np.full((n_samples, N_LAYERS), [50, 350, 600, 950]),
    )
    paths = {split: [str(tmp_path / f"{split}.h5")] for split in ("train", "validation", "test")}
    for (path,) in paths.values():
        shards.write(path, [samples], n_samples, {"dataset": "stack2"})
    make_psf(N_PIXELS).save(tmp_path / "psf.h5")
    return {**paths, "psf": str(tmp_path / "psf.h5")}


def test_the_configuration_of_the_guide_is_valid(extended: dict[str, Any]) -> None:
    checked = check_config(extended, [PROJECT / "config" / "config.yaml"])
    assert checked.networks["stack2_two_layers"].architecture.channels == 16
    assert checked.networks["stack2_intensity"].task == "layer_intensity"
    assert checked.baselines["stack2_gradient_descent"].method.candidates == {"step": (0.1, 0.3)}


@pytest.mark.parametrize(("name", "metric"), [("stack2_two_layers", "error"), ("stack2_intensity", "intensity_error")])
def test_networks_of_the_guide_are_trained_applied_scored_and_compared(
    tmp_path: Path,
    extended: dict[str, Any],
    files: dict[str, Any],
    run_script: Callable[..., str],
    name: str,
    metric: str,
) -> None:
    """From the configuration to the table of the benchmark; only the plugin knows the task `layer_intensity`."""
    network, plugins = extended["networks"][name], {"plugins": extended["plugins"]}
    model = {"weights": tmp_path / f"{name}.safetensors", "model": tmp_path / f"{name}.json"}
    run = {
        "network": name,
        "dataset_name": "stack2",
        "task": network["task"],
        "architecture": network["architecture"],
        "training": network["training"] | TINY,
        "dataset": extended["datasets"]["stack2"],
        "imager": extended["imager"] | {"n_pixels": N_PIXELS},
        "device": "cpu",
        "precision": "float32",
        "seed": 0,
    }
    run_script(
        "train",
        input={name: files[name] for name in ("train", "validation", "psf")},
        output={**model, "curves": tmp_path / f"{name}.csv"},
        params={"run": run, "code": ""},
        config=plugins,
    )
    output = evaluation_files(tmp_path, name)
    run_script(
        "evaluate_network",
        input={**model, "psf": files["psf"], "test": files["test"]},
        output=output,
        params={"inference": {"device": "cpu", "average_symmetries": False}, **evaluation_params("stack2")},
        config=plugins,
    )
    (summary,) = output["summary"]
    assert metric in finite_errors(summary)

    frozen = {"stack2": FrozenDataset.from_samples(network["task"], shards.read_shards(files["test"])).model_dump()}
    (tmp_path / "benchmark.yaml").write_text(yaml.safe_dump(frozen))
    entry = {kind: paths[0] for kind, paths in evaluation_files(tmp_path, "entry").items()}
    run_script(
        "import_predictions",
        input={"entry": output["predictions"][0], "test": files["test"], "frozen": tmp_path / "benchmark.yaml"},
        output=entry,
        wildcards={"network": "entry", "dataset": "stack2"},
        params={"dataset_config": extended["datasets"]["stack2"], "n_bootstrap": 10, "seed": 0},
        config=plugins,
    )
    page = {suffix: tmp_path / f"table.{suffix}" for suffix in ("csv", "html", "markdown")}
    inputs = {"networks": [summary], "baselines": [entry["summary"]]}
    run_script("make_baselines", input=inputs, output=page, config=plugins)
    pd.read_csv(page["csv"]).to_csv(tmp_path / "present.csv", index=False)
    run_script("make_benchmark", input={"present": tmp_path / "present.csv"}, output=page, config=plugins)
    text = page["markdown"].read_text()
    assert f"## stack2: {METRICS[metric].heading}" in text
    assert f"| {TASKS[network['task']].baseline}" in text
    assert re.findall(r"^\| (entry|stack2_\w+) ", text, re.MULTILINE)[:2] == [name, "entry"]


def test_the_method_of_the_guide_is_tuned_applied_and_scored(
    tmp_path: Path, extended: dict[str, Any], files: dict[str, Any], run_script: Callable[..., str]
) -> None:
    name = "stack2_gradient_descent"
    output = evaluation_files(tmp_path, name)
    run_script(
        "evaluate_classical",
        input={name: files[name] for name in ("psf", "validation", "test")},
        output=output,
        params={
            "methods": {name: extended["baselines"][name]},
            "sensor_separation_um": extended["imager"]["sensor_separation_um"],
            **evaluation_params("stack2"),
        },
        config={"plugins": extended["plugins"]},
    )
    assert "error" in finite_errors(output["summary"][0])


def finite_errors(summary: Path) -> set[str]:
    """Names of the errors in the summary of a method that are finite."""
    table = pd.read_csv(summary)
    return {*table["metric"][table["metric"].str.endswith("error") & np.isfinite(table["value"])]}
