"""Scripts that score predictions and make tables, run as Snakemake runs them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from predicted import make_predictions

RESOURCES = Path(__file__).parents[2] / "resources"


def save_masks(path: Path, network: str = "stack2_cnn", test: str = "stack2", wrong: float = 0.1) -> None:
    rng = np.random.default_rng(1)
    target = (rng.random((8, 4, 12, 12)) < 0.35).astype(np.uint8)
    output = np.where(rng.random(target.shape) < wrong, 1.0 - target, target) * 0.8 + 0.1
    arrays = {
        "output": output.astype(np.float32),
        "target": target,
        "depths_um": np.sort(rng.uniform(0, 1000, (8, 4)), 1),
        "measurements": rng.random((8, 2, 12, 12), dtype=np.float32),
    }
    make_predictions("masks", network=network, dataset=test, **arrays).save(path)


def save_depth_map(path: Path) -> None:
    target = np.zeros((4, 1, 12, 12), np.float32)
    target[:, :, 4:] = 600
    arrays = {"output": target + 60, "target": target, "depths_um": np.array([[100.0, 600.0]] * 4)}
    make_predictions("depth_map", network="nonoverlap_cnn", dataset="nonoverlap", **arrays).save(path)


@pytest.fixture
def score(run_script, tmp_path):
    def run(predictions: Path, folder: str = "scores", max_depth_um: float = 1000.0) -> Path:
        output = {name: tmp_path / folder / f"{name}.csv" for name in ("samples", "summary")}
        params = {"max_depth_um": max_depth_um, "n_bootstrap": 50, "seed": 1}
        run_script("score", input={"predictions": predictions}, output=output, params=params)
        return output["summary"].parent

    return run


def make_pages(run_script, tmp_path, rule: str, params: dict | None = None, **inputs) -> dict[str, Path]:
    names = {"csv": "csv", "html": "html", "markdown": "md"}
    output = {name: tmp_path / "tables" / f"{rule}.{suffix}" for name, suffix in names.items()}
    run_script(rule, input=inputs, output=output, params=params or {})
    return output


def test_score_writes_samples_and_summary(score, tmp_path):
    save_masks(tmp_path / "p.h5")
    folder = score(tmp_path / "p.h5")
    samples, summary = pd.read_csv(folder / "samples.csv"), pd.read_csv(folder / "summary.csv")
    assert len(samples) == 32
    assert {"network", "dataset", "task", "metric", "layer", "value", "ci_low", "ci_high", "baseline", "n"} == set(
        summary
    )
    error = summary[(summary["metric"] == "error") & (summary["layer"] == "all")]["value"].item()
    assert error == pytest.approx(samples["error"].mean(), rel=1e-5)
    assert 0.05 < error < 0.15


def test_errors_of_depth_maps_are_relative_to_the_largest_depth(score, tmp_path):
    save_depth_map(tmp_path / "p.h5")
    near, far = (
        pd.read_csv(score(tmp_path / "p.h5", str(depth_um), depth_um) / "samples.csv")["error"]
        for depth_um in (1000, 2000)
    )
    assert near.tolist() == pytest.approx([0.06] * 4)
    assert far.tolist() == pytest.approx([0.03] * 4)


def test_score_is_reproducible_to_the_byte(score, tmp_path):
    save_masks(tmp_path / "p.h5")
    one, two = (score(tmp_path / "p.h5", folder) for folder in ("one", "two"))
    assert (one / "summary.csv").read_bytes() == (two / "summary.csv").read_bytes()


def test_damaged_predictions_are_reported_in_one_line(run_script, tmp_path):
    (tmp_path / "p.h5").write_text("no HDF5")
    output = {name: tmp_path / f"{name}.csv" for name in ("samples", "summary")}
    params = {"max_depth_um": 1000.0, "n_bootstrap": 50, "seed": 1}
    with pytest.raises(SystemExit):
        run_script("score", input={"predictions": tmp_path / "p.h5"}, output=output, params=params)
    log = (tmp_path / "score.log").read_text()
    assert "not a readable HDF5 file" in log
    assert "Traceback" not in log
    assert not output["summary"].exists()


def test_trace_roc_writes_a_curve_for_each_layer(run_script, tmp_path):
    save_masks(tmp_path / "p.h5")
    run_script("trace_roc", input={"predictions": tmp_path / "p.h5"}, output={"roc": tmp_path / "roc.csv"})
    roc = pd.read_csv(tmp_path / "roc.csv")
    assert roc["layer"].unique().tolist() == ["1", "2", "3", "4", "mean"]
    assert roc["auc"].between(0.8, 1).all()


def test_trace_roc_of_another_task_is_reported_in_one_line(run_script, tmp_path):
    save_depth_map(tmp_path / "p.h5")
    with pytest.raises(SystemExit):
        run_script("trace_roc", input={"predictions": tmp_path / "p.h5"}, output={"roc": tmp_path / "roc.csv"})
    assert "has no ROC curve" in (tmp_path / "trace_roc.log").read_text()


def test_scorecard_and_table1_follow_from_summaries(run_script, score, tmp_path):
    save_masks(tmp_path / "p.h5", "stack2_resnet", wrong=0.05)
    summaries = [score(tmp_path / "p.h5") / "summary.csv"]
    claims = RESOURCES / "paper_claims.csv"
    card = make_pages(run_script, tmp_path, "make_scorecard", {"classical": []}, summaries=summaries, claims=claims)
    table = pd.read_csv(card["csv"]).set_index("claim")
    assert table.loc["Four layers, two sensors, ResNet + CNN: mean error (%)", "verdict"] == "surpassed"
    assert table.loc["Depth: exact class (%)", "verdict"] == "not measured"
    assert "surpassed" in card["html"].read_text()
    assert "surpassed" in card["markdown"].read_text()

    layout = RESOURCES / "table1.csv"
    page = make_pages(run_script, tmp_path, "make_table1", scorecard=card["csv"], layout=layout)
    accuracies = pd.read_csv(page["csv"])["ours"].dropna()
    assert accuracies.tolist() == pytest.approx([95], abs=2)
    assert "NYU depth" in page["html"].read_text()


def test_table_s1_follows_from_summaries(run_script, score, tmp_path):
    summaries = {}
    for network, test, wrong in [("one", "stack1", 0.4), ("two", "stack2", 0.2), ("resnet", "stack2", 0.1)]:
        save_masks(tmp_path / f"{network}.h5", network, test, wrong)
        summaries[network] = score(tmp_path / f"{network}.h5", network) / "summary.csv"
    page = make_pages(
        run_script,
        tmp_path,
        "make_tableS1",
        one_sensor=summaries["one"],
        two_sensors=[summaries["two"], summaries["resnet"]],
    )
    table = pd.read_csv(page["csv"]).set_index(["network", "layer"])
    assert table.loc[("two", "all"), "reduction"] == pytest.approx(50, abs=10)
    assert table.loc[("resnet", "all"), "reduction"] == pytest.approx(75, abs=10)
    assert "Reduction of the error" in page["html"].read_text()
