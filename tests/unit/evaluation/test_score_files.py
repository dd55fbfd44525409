"""Scores of predictions as CSV files."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from predicted import make_predictions

from foci3d.errors import InputError
from foci3d.evaluation.score_files import save_scores
from foci3d.io.predictions import Predictions


def random_masks() -> Predictions:
    rng = np.random.default_rng(1)
    target = (rng.random((8, 4, 12, 12)) < 0.35).astype(np.uint8)
    output = np.where(rng.random(target.shape) < 0.1, 1.0 - target, target) * 0.8 + 0.1
    depths_um = np.sort(rng.uniform(0, 1000, (8, 4)), 1)
    return make_predictions("masks", output=output.astype(np.float32), target=target, depths_um=depths_um)


def one_depth_map() -> Predictions:
    target = np.zeros((4, 1, 12, 12), np.float32)
    target[:, :, 4:] = 600
    arrays = {"output": target + 60, "target": target, "depths_um": np.array([[100.0, 600.0]] * 4)}
    return make_predictions("depth_map", **arrays)


def save(predictions: Predictions, folder: Path, *kinds: str, max_depth_um: float = 1000.0) -> dict[str, pd.DataFrame]:
    folder.mkdir()
    paths = [folder / f"{kind}.csv" for kind in ("samples", "summary", *kinds)]
    save_scores(predictions, max_depth_um, 50, 1, *paths)
    return {path.stem: pd.read_csv(path) for path in paths}


def test_samples_and_summary_agree(tmp_path: Path) -> None:
    tables = save(random_masks(), tmp_path / "scores")
    samples, summary = tables["samples"], tables["summary"]
    assert len(samples) == 32
    assert {"network", "dataset", "task", "metric", "layer", "value", "ci_low", "ci_high", "baseline", "n"} == set(
        summary
    )
    error = summary[(summary["metric"] == "error") & (summary["layer"] == "all")]["value"].item()
    assert error == pytest.approx(samples["error"].mean(), rel=1e-5)
    assert 0.05 < error < 0.15


def test_errors_of_depth_maps_are_relative_to_the_largest_depth(tmp_path: Path) -> None:
    near, far = (
        save(one_depth_map(), tmp_path / str(depth_um), max_depth_um=depth_um)["samples"]["error"]
        for depth_um in (1000, 2000)
    )
    assert near.tolist() == pytest.approx([0.06] * 4)
    assert far.tolist() == pytest.approx([0.03] * 4)


def test_scores_are_reproducible_to_the_byte(tmp_path: Path) -> None:
    for name in ("one", "two"):
        save(random_masks(), tmp_path / name, "roc")
    for kind in ("samples", "summary", "roc"):
        assert (tmp_path / "one" / f"{kind}.csv").read_bytes() == (tmp_path / "two" / f"{kind}.csv").read_bytes()


def test_the_roc_has_a_curve_for_each_layer(tmp_path: Path) -> None:
    roc = save(random_masks(), tmp_path / "scores", "roc")["roc"]
    assert roc["layer"].unique().tolist() == ["1", "2", "3", "4", "mean"]
    assert roc["auc"].between(0.8, 1).all()


def test_the_roc_of_another_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no ROC curve"):
        save(one_depth_map(), tmp_path / "scores", "roc")
