"""Scripts of the benchmark, run as Snakemake runs them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from summaries import stack

from foci3d.io import shards
from foci3d.io.predictions import Predictions
from foci3d.io.samples import Samples
from frozen_datasets import FrozenDataset

N_SAMPLES, SHAPE = 6, (6, 4, 17, 17)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, object]:
    """Two test shards, their fingerprint, and a predictions file with one error in ten pixels."""
    rng, folder = np.random.default_rng(0), tmp_path / "stack2"
    samples = Samples(
        layers=rng.random(SHAPE, np.float32),
        masks=(rng.random(SHAPE) < 0.35).astype(np.uint8),
        measurements=rng.uniform(1, 2, (N_SAMPLES, 2, 17, 17)).astype(np.float32),
        depths_um=np.sort(rng.uniform(0, 1000, (N_SAMPLES, 4)), 1).astype(np.float32),
    )
    folder.mkdir()
    for shard, part in enumerate((samples[:4], samples[4:])):
        shards.write(folder / f"test-{shard}.h5", [part], len(part), {})
    frozen = {"stack2": FrozenDataset.from_samples("masks", samples).model_dump()}
    (tmp_path / "benchmark.yaml").write_text(yaml.safe_dump(frozen))
    wrong = rng.random(SHAPE) < 0.1
    output = np.where(wrong, 1 - samples.masks, samples.masks) * 0.8 + 0.1
    np.savez(tmp_path / "mine.npz", output=output, depths_um=samples.depths_um)
    return {
        "entry": tmp_path / "mine.npz",
        "test": [str(folder / f"test-{shard}.h5") for shard in (0, 1)],
        "frozen": tmp_path / "benchmark.yaml",
        "error": wrong.mean(),
    }


def entry_files(folder: Path) -> dict[str, Path]:
    """Outputs of an import."""
    return {"predictions": folder / "p.h5", **{kind: folder / f"{kind}.csv" for kind in ("samples", "summary")}}


@pytest.fixture
def import_predictions(run_script, files, config, tmp_path) -> Callable[[], Path]:
    def run() -> Path:
        run_script(
            "import_predictions",
            input={name: files[name] for name in ("entry", "test", "frozen")},
            output=entry_files(tmp_path),
            wildcards={"network": "mine", "dataset": "stack2"},
            params={"dataset_config": config.datasets["stack2"].model_dump(mode="json"), "n_bootstrap": 50, "seed": 1},
        )
        return tmp_path / "p.h5"

    return run


def test_an_entry_is_imported_and_scored(import_predictions, run_script, files, tmp_path):
    predictions = Predictions.load(import_predictions())
    assert (predictions.network, predictions.dataset, predictions.task) == ("mine", "stack2", "masks")
    assert predictions.samples.measurements.shape == (N_SAMPLES, 2, 17, 17)
    summary = pd.read_csv(tmp_path / "summary.csv").set_index(["metric", "layer"])
    assert summary.loc[("error", "all"), "value"] == pytest.approx(files["error"], rel=1e-5)

    pages = {name: tmp_path / f"benchmark.{name}" for name in ("csv", "html", "markdown")}
    stack("ours", "stack2", [0.05] * 4).assign(kind="network").to_csv(tmp_path / "present.csv", index=False)
    inputs = {"summaries": [tmp_path / "summary.csv"], "present": tmp_path / "present.csv"}
    log = run_script("make_benchmark", input=inputs, output=pages)
    table = pd.read_csv(pages["csv"]).query("metric == 'error' and layer == 'all'")
    assert table.set_index("network")["kind"].to_dict() == {"ours": "network", "mine": "entry"}
    assert "| mine " in log
    assert log.index("| ours ") < log.index("| mine ")


def test_the_present_entries_alone_are_a_table(run_script, tmp_path):
    pages = {name: tmp_path / f"benchmark.{name}" for name in ("csv", "html", "markdown")}
    stack("ours", "stack2", [0.05] * 4).assign(kind="network").to_csv(tmp_path / "present.csv", index=False)
    assert "| ours " in run_script("make_benchmark", input={"present": tmp_path / "present.csv"}, output=pages)


def test_another_dataset_is_refused_in_one_line(import_predictions, files, tmp_path):
    frozen = yaml.safe_load(files["frozen"].read_text())
    frozen["stack2"]["masks_sha256"] = "0" * 64
    files["frozen"].write_text(yaml.safe_dump(frozen))
    with pytest.raises(SystemExit):
        import_predictions()
    log = (tmp_path / "import_predictions.log").read_text()
    assert "dataset stack2 is not the frozen one" in log
    assert "Traceback" not in log
    assert not (tmp_path / "p.h5").exists()


def test_classes_of_depth_are_imported(run_script, config, tmp_path):
    dataset, folder = config.datasets["depth"], tmp_path / "depth"
    classes_um = np.array(dataset.depth_classes_um, np.float32)
    ones = np.ones((3, 1, 17, 17))
    samples = Samples(layers=ones, masks=ones, measurements=ones, depths_um=classes_um[[0, 7, 19]][:, None])
    folder.mkdir()
    shards.write(folder / "test-0.h5", [samples], 3, {})
    samples = shards.read_shards([folder / "test-0.h5"])
    frozen = {"depth": FrozenDataset.from_samples("depth_class", samples).model_dump()}
    (tmp_path / "benchmark.yaml").write_text(yaml.safe_dump(frozen))
    output = np.eye(20)[[0, 7, 18]]
    np.savez(tmp_path / "mine.npz", output=output, depths_um=samples.depths_um)
    run_script(
        "import_predictions",
        input={"entry": tmp_path / "mine.npz", "test": [folder / "test-0.h5"], "frozen": tmp_path / "benchmark.yaml"},
        output=entry_files(tmp_path),
        wildcards={"network": "mine", "dataset": "depth"},
        params={"dataset_config": dataset.model_dump(mode="json"), "n_bootstrap": 50, "seed": 1},
    )
    predictions = Predictions.load(tmp_path / "p.h5")
    assert predictions.target.tolist() == [0, 7, 19]
    np.testing.assert_array_equal(predictions.classes_um, classes_um)


def test_the_record_holds_networks_and_classical_methods_on_frozen_data(run_script, files, tmp_path):
    for name in ("ours", "classic"):
        stack(name, "stack2", [0.1] * 4).to_csv(tmp_path / f"{name}.csv", index=False)
    inputs = {
        "networks": [tmp_path / "ours.csv"],
        "baselines": [tmp_path / "classic.csv"],
        "tests": files["test"],
        "frozen": files["frozen"],
    }
    output = {name: tmp_path / f"record.{name}" for name in ("csv", "html", "markdown")}
    run_script("record_benchmark", input=inputs, output=output)
    assert pd.read_csv(output["csv"]).groupby("kind").size().to_dict() == {"classical": 5, "network": 5}
    with pytest.raises(SystemExit):
        run_script("record_benchmark", input={**inputs, "tests": files["test"][:1]}, output=output)
    assert "n_samples, masks, depths_um" in (tmp_path / "record_benchmark.log").read_text()
