"""The scripts of the classical methods, run as Snakemake runs them, up to the table beside networks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from predicted import arrays_of
from squares import SEPARATION_UM, draw_squares

from foci3d.io import shards
from foci3d.io.predictions import Predictions

N_PIXELS = 17


@pytest.fixture(scope="module")
def psf(make_psf):
    return make_psf(N_PIXELS, (0.0, 1000.0), 50.0)


def write_shard(path, psf, n_samples, n_layers, n_sensors, seed, moving=False):
    _, samples = draw_squares(psf, n_samples, n_layers, n_sensors, seed=seed)
    if moving:
        sequence, step = np.divmod(np.arange(n_samples), n_layers)
        samples = replace(samples, sequence=sequence, step=step, cluster=samples.masks[:, 0])
    shards.write(path, [replace(samples, index=np.arange(n_samples))], n_samples, {"dataset": "any"})


@pytest.fixture
def predict(run_script, psf, tmp_path):
    def run(network, test, task, method, smoothing, n_layers, n_sensors, moving=False, depth_sd_um=0.0) -> Path:
        psf.save(tmp_path / "psf.h5")
        splits = {name: tmp_path / f"{name}.h5" for name in ("validation", "test")}
        write_shard(splits["validation"], psf, 12, n_layers, n_sensors, seed=1)
        write_shard(splits["test"], psf, 8, n_layers, n_sensors, seed=2, moving=moving)
        run_script(
            "predict_classical",
            input={"psf": tmp_path / "psf.h5", **{name: [path] for name, path in splits.items()}},
            output={"predictions": tmp_path / network / f"{test}.h5"},
            params={
                "task": task,
                "method": method,
                "smoothing_sigma_px": smoothing,
                "depth_sd_um": depth_sd_um,
                "depth_range_um": [0, 1000],
                "sensor_separation_um": SEPARATION_UM,
                "seed": 3,
                "code": "abc",
            },
            wildcards={"network": network, "dataset": test},
        )
        return tmp_path / network / f"{test}.h5"

    return run


def score(run_script, predictions: Path) -> Path:
    output = {name: predictions.with_name(f"{name}.csv") for name in ("samples", "summary")}
    params = {"max_depth_um": 1000, "n_bootstrap": 20, "seed": 1}
    run_script("score", input={"predictions": predictions}, output=output, params=params)
    return output["summary"]


def test_stacks_are_predicted_and_scored_beside_networks(run_script, predict, tmp_path):
    method = {"name": "layered_wiener", "noise_to_signal": [0.01, 1]}
    path = predict("stack2_wiener", "stack2", "masks", method, [0, 1], n_layers=4, n_sensors=2)
    predictions = Predictions.load(path)
    assert (predictions.network, predictions.dataset, predictions.task) == ("stack2_wiener", "stack2", "masks")
    assert predictions.outputs.output.shape == (8, 4, N_PIXELS, N_PIXELS)
    np.testing.assert_array_equal(predictions.target, predictions.samples.masks)
    assert predictions.attributes["method"] == "layered_wiener"
    assert predictions.attributes["noise_to_signal"] in (0.01, 1)
    assert predictions.attributes["smoothing_sigma_px"] in (0, 1)
    assert len(predictions.attributes["psf"]) == 16

    summary = score(run_script, path)
    row = pd.read_csv(summary).query("metric == 'error' and layer == 'all'").iloc[0]
    assert row["value"] < row["baseline"]
    output = {name: tmp_path / f"baselines.{suffix}" for name, suffix in [("csv", "csv"), ("html", "html")]}
    output["markdown"] = tmp_path / "baselines.md"
    run_script("make_baselines", input={"networks": [summary], "baselines": [summary]}, output=output)
    assert pd.read_csv(output["csv"])["kind"].unique().tolist() == ["network", "classical"]
    assert "stack2: Error [%]" in output["markdown"].read_text()
    assert "<h2>stack2: AUC</h2>" in output["html"].read_text()


def test_layers_are_deconvolved_in_their_unit_and_worse_at_depths_with_errors(predict):
    method = {"name": "nonnegative_least_squares", "iterations": [100]}
    arguments = ("deblur_least_squares", "deblur", "deblurring", method, [0], 1, 1)
    results = [Predictions.load(predict(*arguments, depth_sd_um=sd_um)) for sd_um in (0.0, 100.0, 100.0)]
    exact, inexact, again = (arrays_of(result) for result in results)
    np.testing.assert_array_equal(inexact["output"], again["output"])
    np.testing.assert_array_equal(inexact["depths_um"], exact["depths_um"])
    np.testing.assert_array_equal(exact["target"], exact["layers"])
    estimates = exact["output"], inexact["output"], exact["measurements"]
    errors = [np.abs(estimate - exact["layers"]).mean() for estimate in estimates]
    assert errors[0] < errors[1]
    assert errors[0] < errors[2]
    assert results[1].attributes["depth_sd_um"] == 100


def test_moving_clusters_keep_their_sequences(run_script, predict):
    method = {"name": "back_projection"}
    path = predict("stack2_back_projection", "moving", "masks", method, [0], n_layers=4, n_sensors=2, moving=True)
    assert {"sequence", "step", "cluster"} <= arrays_of(Predictions.load(path)).keys()
    assert "bleed_through" in pd.read_csv(score(run_script, path))["metric"].unique()
