"""The calibration file of a network and the table of trust."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from foci3d.errors import InputError
from foci3d.evaluation.calibration import LogitCalibration, confidence_threshold
from foci3d.reconstruction.consistency import Reference
from foci3d.reconstruction.trust import FAMILIAR, NetworkCalibration, assess_trust, trust_page

REFERENCE = Reference(0.1, (0.0, 1.0), ((1.0, 0.5), (0.5, 2.0)), (0.0, 1.0, 2.0), (1.0, 1.0, 2.0), 1.5)


def make_calibration(calibrator: LogitCalibration, threshold: float = 0.8) -> NetworkCalibration:
    return NetworkCalibration(
        network="a_network",
        weights="abc",
        psf="def",
        average_symmetries=True,
        n_samples=20,
        calibrator=calibrator,
        coverage=0.9,
        confidence_threshold=threshold,
        reference=REFERENCE,
        typical_residual=0.4,
    )


@pytest.fixture
def table() -> tuple[pd.DataFrame, dict[str, np.ndarray], pd.DataFrame, NetworkCalibration]:
    """The table of too hesitant answers, the arrays and scores behind it, and the calibration."""
    rng = np.random.default_rng(2)
    logits = 3 * rng.standard_normal((30, 2, 20, 20))
    target = rng.random(logits.shape) < expit(logits)
    arrays = {"output": expit(logits / 2).astype(np.float32), "target": target.astype(np.uint8)}
    calibrated = make_calibration(LogitCalibration((2.0, 2.0), (0.0, 0.0)), confidence_threshold(expit(logits), 0.9))
    kinds = {FAMILIAR: rng.standard_normal(25), "noise": 1 + rng.standard_normal(25)}
    parts = [
        pd.DataFrame({"kind": kind, "score": score, "flagged": 1 * (score > 1.5)}) for kind, score in kinds.items()
    ]
    scores = pd.concat(parts, ignore_index=True)
    return assess_trust(arrays, calibrated, scores, 200, 0), arrays, scores, calibrated


def test_calibration_file_is_read_as_it_was_written(tmp_path: Path):
    written = make_calibration(LogitCalibration((1.1, 1.2), (0.0, -0.1)))
    written.save(tmp_path / "c.json")
    assert NetworkCalibration.load(tmp_path / "c.json", "abc") == written


@pytest.mark.parametrize(
    ("content", "weights", "message"),
    [(None, "abc", "cannot be read"), ("{}", "abc", "cannot be read"), ("good", "other", "belongs to weights abc")],
)
def test_wrong_calibration_files_are_reported_in_one_line(tmp_path: Path, content, weights, message):
    path = tmp_path / "c.json"
    if content == "good":
        make_calibration(LogitCalibration((1.0,), (0.0,))).save(path)
    elif content:
        path.write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        NetworkCalibration.load(path, weights)
    assert "\n" not in str(caught.value)


def test_table_has_the_errors_before_and_after_calibration(table):
    values = table[0].set_index(["metric", "of"])["value"]
    assert values["calibration_error_before", "all"] > 0.05
    assert values["calibration_error", "all"] < 0.02
    layers = values["calibration_error"][["1", "2"]]
    assert values["calibration_error", "all"] == pytest.approx(layers.mean())


def test_table_has_risk_and_coverage(table):
    values = table[0].set_index(["metric", "of"])["value"]
    wrong = (table[1]["output"] > 0.5) != (table[1]["target"] > 0)
    assert values["error", "all"] == pytest.approx(wrong.mean())
    assert values["coverage", "all"] == pytest.approx(0.9, abs=0.01)
    assert values["risk", "all"] < values["error", "all"]


def test_area_under_the_roc_equals_that_of_scikit_learn(table):
    summary, _, scores, _ = table
    row = summary.query("metric == 'auroc'").iloc[0]
    assert row["value"] == pytest.approx(roc_auc_score(scores["kind"] != FAMILIAR, scores["score"]))
    assert row["ci_low"] < row["value"] < row["ci_high"]


def test_page_shows_every_value(table):
    summary, _, _, calibrated = table
    page = trust_page(summary, calibrated)
    cells = sum(section.iloc[:, 1:].ne("").to_numpy().sum() for section in page.sections.values())
    assert cells == len(summary)
