"""The scripts of the classical methods, run as Snakemake would run them, up to the table beside networks."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from foci3d import classical, optics, shards
from foci3d.predictions import Predictions

PIXELS = 17
SEPARATION_UM = 1000.0


@pytest.fixture(scope="module")
def psf(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("psf") / "psf.h5"
    depths_um = optics.depth_grid((0, 1000), 50)
    kernels = optics.acceptance_kernels(optics.Acceptance(36.0, 20.0, 1.0), depths_um, PIXELS, 55.0)
    optics.Psf(kernels.float(), depths_um.float(), 55.0).save(path)
    return path


def write_shard(path: Path, psf: Path, samples: int, layers: int, sensors: int, seed: int, moving: bool) -> None:
    """Stacks of one bright square a layer."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((samples, layers, PIXELS, PIXELS), np.uint8)
    for place in np.ndindex(samples, layers):
        y, x = rng.integers(0, PIXELS - 7, 2)
        masks[(*place, slice(y, y + 7), slice(x, x + 7))] = 1
    scene = (0.2 + masks * rng.uniform(0.5, 2, masks.shape)).astype(np.float32)
    depths_um = (np.linspace(80, 920, layers) + rng.uniform(-60, 60, (samples, layers))).astype(np.float32)
    kernels = classical.stack_kernels(optics.Psf.load(psf), torch.from_numpy(depths_um), sensors, SEPARATION_UM)
    arrays = {
        "layers": scene,
        "masks": masks,
        "sensors": classical.StackModel(kernels).forward(torch.from_numpy(scene)).numpy(),
        "depths_um": depths_um,
        "index": np.arange(samples),
    }
    if moving:
        arrays |= {"group": np.arange(samples) // layers, "step": np.arange(samples) % layers, "cluster": masks[:, 0]}
    with shards.writing(path, shards.layouts(samples, layers, sensors, PIXELS, moving), {"set": "any"}) as writer:
        for name, values in arrays.items():
            writer.put(name, values)


@pytest.fixture
def predict(run_script, psf, tmp_path):
    def run(net: str, test: str, entry: dict, layers: int, sensors: int, moving: bool = False) -> Path:
        write_shard(tmp_path / "validation.h5", psf, 12, layers, sensors, 1, moving=False)
        write_shard(tmp_path / "test.h5", psf, 8, layers, sensors, 2, moving)
        run_script(
            "predict_classical",
            input={"psf": psf, "validation": [tmp_path / "validation.h5"], "test": [tmp_path / "test.h5"]},
            output={"predictions": tmp_path / net / f"{test}.h5"},
            params={"entry": entry, "sensor_separation_um": SEPARATION_UM},
            wildcards={"net": net, "set": test},
        )
        return tmp_path / net / f"{test}.h5"

    return run


def score(run_script, predictions: Path) -> Path:
    output = {name: predictions.with_name(f"{name}.csv") for name in ("samples", "summary")}
    params = {"depth_range_um": [0, 1000], "bootstrap": 20, "seed": 1}
    run_script("score", input={"predictions": predictions}, output=output, params=params)
    return output["summary"]


def test_stacks_are_predicted_and_scored_beside_networks(run_script, predict, tmp_path):
    entry = {"task": "masks", "method": "layered_wiener", "parameters": {"noise_to_signal": [0.01, 1]}}
    path = predict("stack2_wiener", "stack2", {**entry, "smoothing_px": [0, 1]}, layers=4, sensors=2)
    found = Predictions.load(path)
    assert (found.net, found.set, found.task) == ("stack2_wiener", "stack2", "masks")
    assert found.arrays["output"].shape == (8, 4, PIXELS, PIXELS)
    np.testing.assert_array_equal(found.arrays["target"], found.arrays["masks"])
    assert found.attributes["method"] == "layered_wiener"
    assert found.attributes["noise_to_signal"] in (0.01, 1)
    assert len(found.attributes["psf"]) == 16

    summary = score(run_script, path)
    row = pd.read_csv(summary).query("metric == 'error' and layer == 'all'").iloc[0]
    assert row["value"] < row["base_rate"]
    output = {name: tmp_path / f"baselines.{suffix}" for name, suffix in [("csv", "csv"), ("html", "html")]}
    output["markdown"] = tmp_path / "baselines.md"
    run_script("make_baselines", input={"networks": [summary], "baselines": [summary]}, output=output)
    assert pd.read_csv(output["csv"])["kind"].unique().tolist() == ["network", "classical"]
    assert "stack2: Error [%]" in output["markdown"].read_text()
    assert "<h2>stack2: AUC</h2>" in output["html"].read_text()


def test_pictures_are_deconvolved_in_their_unit(predict):
    entry = {"task": "image", "method": "richardson_lucy", "parameters": {"iterations": [2, 20]}, "smoothing_px": [0]}
    found = Predictions.load(predict("deblur_richardson_lucy", "deblur", entry, layers=1, sensors=1))
    assert found.arrays["output"].shape == (8, 1, PIXELS, PIXELS)
    np.testing.assert_array_equal(found.arrays["target"], found.arrays["layers"])
    output, blurred, truth = (found.arrays[name] for name in ("output", "sensors", "layers"))
    assert np.abs(output - truth).mean() < np.abs(blurred - truth).mean()


def test_moving_sets_keep_their_groups(run_script, predict):
    entry = {"task": "masks", "method": "back_projection", "parameters": {}, "smoothing_px": [0]}
    path = predict("stack2_back_projection", "moving", entry, layers=4, sensors=2, moving=True)
    assert {"group", "step", "cluster"} <= Predictions.load(path).arrays.keys()
    assert "bleed_through" in pd.read_csv(score(run_script, path))["metric"].unique()
