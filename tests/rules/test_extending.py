"""The examples of docs/extending.md: loaded as a plugin, configured, trained, applied and scored by the scripts."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from foci3d.classical.methods import METHODS
from foci3d.config.architectures import ARCHITECTURES
from foci3d.config.classical_methods import CLASSICAL_METHODS
from foci3d.config.models import Config
from foci3d.config.registry import TASK_NAMES
from foci3d.config.validation import check_config
from foci3d.io import shards
from foci3d.io.samples import Samples
from foci3d.learning.networks import NETWORKS
from foci3d.learning.tasks import TASKS
from foci3d.optics.psf import PSF

GUIDE = (Path(__file__).parents[2] / "docs" / "extending.md").read_text()
N_PIXELS, N_LAYERS = 17, 4
TINY = {"max_steps": 2, "batch_size": 2, "validation_interval": 1}


def code_blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


@pytest.fixture(autouse=True)
def _restore_registries() -> Iterator[None]:
    registries = (ARCHITECTURES.classes, NETWORKS.classes, CLASSICAL_METHODS.classes, TASKS, METHODS, TASK_NAMES)
    saved = [registry.copy() for registry in registries]
    yield
    for registry, before in zip(registries, saved, strict=True):
        registry.clear()
        registry.update(before)


@pytest.fixture
def extended(tmp_path: Path, config: Config) -> dict[str, Any]:
    """The configuration of the paper with that of the guide, whose code is a plugin."""
    plugin = tmp_path / "mine.py"
    plugin.write_text("\n\n".join(code_blocks("python")))
    merged = config.model_dump(mode="json")
    for section in map(yaml.safe_load, code_blocks("yaml")):
        for key, entries in section.items():
            merged[key] = [str(plugin)] if key == "plugins" else {**merged[key], **entries}
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
        shards.write(path, [samples], n_samples, {})
    make_psf(N_PIXELS).save(tmp_path / "psf.h5")
    return {**paths, "psf": str(tmp_path / "psf.h5")}


def test_the_configuration_of_the_guide_is_valid(extended: dict[str, Any]) -> None:
    checked = check_config(extended, ["config/config.yaml", "config/mine.yaml"])
    assert checked.networks["stack2_two_layers"].architecture.channels == 16
    assert checked.networks["stack2_intensity"].task == "layer_intensity"
    assert checked.baselines["stack2_gradient_descent"].method.candidates == {"step": (0.1, 0.3)}


@pytest.mark.parametrize("name", ["stack2_two_layers", "stack2_intensity"])
def test_networks_of_the_guide_are_trained_applied_and_scored(
    tmp_path: Path, extended: dict[str, Any], files: dict[str, Any], run_script: Callable[..., str], name: str
) -> None:
    network, plugins = extended["networks"][name], {"plugins": extended["plugins"]}
    model = {"weights": str(tmp_path / f"{name}.safetensors"), "model": str(tmp_path / f"{name}.json")}
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
        output={**model, "curves": str(tmp_path / f"{name}.csv")},
        params={"run": run, "code": ""},
        config=plugins,
    )
    predictions = {"predictions": str(tmp_path / f"{name}.h5")}
    run_script(
        "predict",
        input={**model, "psf": files["psf"], "test": files["test"]},
        output=predictions,
        params={"device": "cpu", "average_symmetries": False},
        wildcards={"network": name, "dataset": "stack2"},
        config=plugins,
    )
    assert_scored(tmp_path, predictions, run_script)


def test_the_method_of_the_guide_is_tuned_applied_and_scored(
    tmp_path: Path, extended: dict[str, Any], files: dict[str, Any], run_script: Callable[..., str]
) -> None:
    baseline, predictions = extended["baselines"]["stack2_gradient_descent"], {"predictions": str(tmp_path / "p.h5")}
    run_script(
        "predict_classical",
        input={name: files[name] for name in ("psf", "validation", "test")},
        output=predictions,
        params={
            "task": baseline["task"],
            "method": baseline["method"],
            "smoothing_sigma_px": baseline["smoothing_sigma_px"],
            "depth_sd_um": baseline["depth_sd_um"],
            "depth_range_um": extended["datasets"]["stack2"]["depth_range_um"],
            "sensor_separation_um": extended["imager"]["sensor_separation_um"],
            "seed": extended["seed"],
        },
        wildcards={"network": "stack2_gradient_descent", "dataset": "stack2"},
        config={"plugins": extended["plugins"]},
    )
    assert_scored(tmp_path, predictions, run_script)


def assert_scored(folder: Path, predictions: dict[str, str], run_script: Callable[..., str]) -> None:
    """The summary of the predictions has a finite error."""
    summary = str(folder / "summary.csv")
    run_script(
        "score",
        input=predictions,
        output={"samples": str(folder / "samples.csv"), "summary": summary},
        params={"max_depth_um": 1000.0, "n_bootstrap": 10, "seed": 0},
    )
    table = pd.read_csv(summary)
    assert np.isfinite(table[table.metric == "error"].value).all()
    assert (table.metric == "error").any()
