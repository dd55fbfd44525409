"""The scripts of the classical methods, run as Snakemake runs them, up to the table beside networks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evaluated import evaluation_files, evaluation_params
from predicted import arrays_of
from squares import SEPARATION_UM, draw_squares

from foci3d.io import shards
from foci3d.io.predictions import Predictions

N_PIXELS = 17


@pytest.fixture(scope="module")
def psf(make_psf):
    return make_psf(N_PIXELS, (0.0, 1000.0), 50.0)


def write_shard(path, psf, n_samples, n_layers, n_sensors, seed, dataset):
    _, samples = draw_squares(psf, n_samples, n_layers, n_sensors, seed=seed)
    if dataset == "moving":
        sequence, step = np.divmod(np.arange(n_samples), n_layers)
        samples = replace(samples, sequence=sequence, step=step, cluster=samples.masks[:, 0])
    shards.write(path, [replace(samples, index=np.arange(n_samples))], n_samples, {"dataset": dataset})


@pytest.fixture
def evaluate(run_script, psf, tmp_path):
    """Tune methods on one dataset and apply them to others; gives the files of each method."""

    def run(methods, n_layers, n_sensors, *datasets, **others) -> dict[str, dict[str, list[Path]]]:
        psf.save(tmp_path / "psf.h5")
        shape = n_layers, n_sensors
        paths = {name: tmp_path / f"{name}.h5" for name in datasets}
        write_shard(tmp_path / "validation.h5", psf, 12, *shape, 1, datasets[0])
        for dataset, path in paths.items():
            write_shard(path, psf, 8, *shape, 2, dataset)
        files = {name: evaluation_files(tmp_path, name, *datasets) for name in methods}
        kinds = ("predictions", "samples", "summary")
        run_script(
            "evaluate_classical",
            input={"psf": tmp_path / "psf.h5", "validation": [tmp_path / "validation.h5"], "test": [*paths.values()]},
            output={kind: [path for own in files.values() for path in own[kind]] for kind in kinds},
            params={
                "methods": {
                    name: {"dataset": datasets[0], "test_datasets": [*datasets], **others, **method}
                    for name, method in methods.items()
                },
                "sensor_separation_um": SEPARATION_UM,
                **evaluation_params(*datasets),
                "code": "abc",
            },
        )
        return files

    return run


def test_stacks_are_predicted_and_scored_beside_networks(run_script, evaluate, tmp_path):
    method = {"name": "layered_wiener", "noise_to_signal": [0.01, 1]}
    methods = {
        "stack2_wiener": {"method": method, "smoothing_sigma_px": [0, 1]},
        "stack2_identity": {"method": {"name": "identity"}},
    }
    files = evaluate(methods, 4, 2, "stack2", task="masks")
    identity = Predictions.load(files["stack2_identity"]["predictions"][0])
    assert (identity.network, identity.attributes["method"]) == ("stack2_identity", "identity")
    predictions = Predictions.load(files["stack2_wiener"]["predictions"][0])
    assert (predictions.network, predictions.dataset, predictions.task) == ("stack2_wiener", "stack2", "masks")
    assert predictions.outputs.output.shape == (8, 4, N_PIXELS, N_PIXELS)
    np.testing.assert_array_equal(predictions.target, predictions.samples.masks)
    assert predictions.attributes["method"] == "layered_wiener"
    assert predictions.attributes["noise_to_signal"] in (0.01, 1)
    assert predictions.attributes["smoothing_sigma_px"] in (0, 1)
    assert len(predictions.attributes["psf"]) == 16

    (summary,) = files["stack2_wiener"]["summary"]
    row = pd.read_csv(summary).query("metric == 'error' and layer == 'all'").iloc[0]
    assert row["value"] < row["baseline"]
    output = {name: tmp_path / f"baselines.{suffix}" for name, suffix in [("csv", "csv"), ("html", "html")]}
    output["markdown"] = tmp_path / "baselines.md"
    run_script("make_baselines", input={"networks": [summary], "baselines": [summary]}, output=output)
    assert pd.read_csv(output["csv"])["kind"].unique().tolist() == ["network", "classical"]
    assert "stack2: Error [%]" in output["markdown"].read_text()
    assert "<h2>stack2: AUC</h2>" in output["html"].read_text()


def test_layers_are_deconvolved_in_their_unit_and_worse_at_depths_with_errors(evaluate):
    method = {"name": "nonnegative_least_squares", "iterations": [100]}
    depth_sds_um = {"exact": 0.0, "inexact": 100.0, "again": 100.0}
    methods = {name: {"method": method, "depth_sd_um": sd_um} for name, sd_um in depth_sds_um.items()}
    files = evaluate(methods, 1, 1, "deblur", task="deblurring")
    results = {name: Predictions.load(each["predictions"][0]) for name, each in files.items()}
    exact, inexact, again = (arrays_of(result) for result in results.values())
    np.testing.assert_array_equal(inexact["output"], again["output"])
    np.testing.assert_array_equal(inexact["depths_um"], exact["depths_um"])
    np.testing.assert_array_equal(exact["target"], exact["layers"])
    estimates = exact["output"], inexact["output"], exact["measurements"]
    errors = [np.abs(estimate - exact["layers"]).mean() for estimate in estimates]
    assert errors[0] < errors[1]
    assert errors[0] < errors[2]
    assert results["again"].attributes["depth_sd_um"] == 100


def test_moving_clusters_keep_their_sequences(evaluate):
    methods = {"stack2_back_projection": {"method": {"name": "back_projection"}}}
    files = evaluate(methods, 4, 2, "stack2", "moving", task="masks")["stack2_back_projection"]
    stacks, moving = map(Predictions.load, files["predictions"])
    assert (stacks.dataset, moving.dataset) == ("stack2", "moving")
    assert {"sequence", "step", "cluster"} <= arrays_of(moving).keys() - arrays_of(stacks).keys()
    metrics = [set(pd.read_csv(path)["metric"]) for path in files["summary"]]
    assert "bleed_through" in metrics[1] - metrics[0]
