"""The recalibration file of a network and the table of trust."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from predicted import make_predictions
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from foci3d.confidence.assessment import TEST_SAMPLES, assess_trust, trust_page
from foci3d.confidence.reliability import confidence_threshold
from foci3d.errors import InputError
from foci3d.learning.recalibration import (
    ConsistencyReference,
    DepthRecalibration,
    ProbabilityRecalibration,
    Recalibration,
)

REFERENCE = ConsistencyReference(
    width_mean=0.1,
    band_means=(0.0, 1.0),
    band_precision=((1.0, 0.5), (0.5, 2.0)),
    means=(0.0, 1.0, 2.0),
    sds=(1.0, 1.0, 2.0),
    threshold=1.5,
)


def make_recalibration(probabilities: ProbabilityRecalibration, threshold: float = 0.8) -> Recalibration:
    return Recalibration(
        network="a_network",
        weights="abc",
        psf="def",
        average_symmetries=True,
        n_samples=20,
        probabilities=probabilities,
        depth_sds=DepthRecalibration(scales=(0.5, 2.0)),
        coverage=0.9,
        confidence_threshold=threshold,
        reference=REFERENCE,
        typical_residual=0.4,
    )


@pytest.fixture
def table() -> tuple[pd.DataFrame, dict[str, np.ndarray], pd.DataFrame, Recalibration]:
    """The table of too hesitant predictions, the arrays and scores behind it, and the recalibration."""
    rng = np.random.default_rng(2)
    logits = 3 * rng.standard_normal((30, 2, 20, 20))
    target = rng.random(logits.shape) < expit(logits)
    depths_um = rng.uniform(0, 1000, (30, 2))
    arrays = {
        "output": expit(logits / 2).astype(np.float32),
        "target": target.astype(np.uint8),
        "depths_um": depths_um,
        "predicted_depths_um": depths_um + [10, 20] * rng.standard_normal((30, 2)),
        "predicted_depth_sds_um": np.broadcast_to([20.0, 10.0], (30, 2)),
    }
    fitted = make_recalibration(
        ProbabilityRecalibration(scales=(2.0, 2.0), shifts=(0.0, 0.0)), confidence_threshold(expit(logits), 0.9)
    )
    kinds = {TEST_SAMPLES: rng.standard_normal(25), "noise": 1 + rng.standard_normal(25)}
    parts = [
        pd.DataFrame({"inputs": kind, "score": score, "flagged": 1 * (score > 1.5)}) for kind, score in kinds.items()
    ]
    scores = pd.concat(parts, ignore_index=True)
    return assess_trust(make_predictions("stacks", **arrays), fitted, scores, 200, 0), arrays, scores, fitted


def test_recalibration_file_is_read_as_it_was_written(tmp_path: Path):
    written = make_recalibration(ProbabilityRecalibration(scales=(1.1, 1.2), shifts=(0.0, -0.1)))
    written.save(tmp_path / "c.json")
    assert Recalibration.load(tmp_path / "c.json", "abc") == written


@pytest.mark.parametrize(
    ("content", "weights", "message"),
    [(None, "abc", "cannot be read"), ("{}", "abc", "cannot be read"), ("good", "other", "belongs to weights abc")],
)
def test_wrong_recalibration_files_are_reported_in_one_line(tmp_path: Path, content, weights, message):
    path = tmp_path / "c.json"
    if content == "good":
        make_recalibration(ProbabilityRecalibration(scales=(1.0,), shifts=(0.0,))).save(path)
    elif content:
        path.write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        Recalibration.load(path, weights)
    assert "\n" not in str(caught.value)


def test_table_has_the_errors_before_and_after_recalibration(table):
    values = table[0].set_index(["metric", "layer"])["value"]
    assert values["calibration_error_before", "all"] > 0.05
    assert values["calibration_error", "all"] < 0.02
    layers = values["calibration_error"][["1", "2"]]
    assert values["calibration_error", "all"] == pytest.approx(layers.mean())


def test_table_has_the_shares_of_depths_within_their_intervals(table):
    summary, arrays, _, _ = table
    values = summary.set_index(["metric", "layer"])["value"]
    error = np.abs(arrays["predicted_depths_um"] - arrays["depths_um"])
    assert values["depth_coverage_68_before", "1"] == pytest.approx((error[:, 0] < 0.9945 * 20).mean())
    assert values["depth_coverage_95", "2"] == pytest.approx((error[:, 1] < 1.96 * 20).mean())
    assert values["depth_coverage_68_before", "1"] > values["depth_coverage_68", "1"]


def test_the_mean_of_intervals_is_that_of_the_layers_with_cells(table):
    _, arrays, scores, fitted = table
    target = arrays["target"] * np.array([1, 0], np.uint8)[:, None, None]
    summary = assess_trust(make_predictions("stacks", **{**arrays, "target": target}), fitted, scores, 20, 0)
    values = summary.set_index(["metric", "layer"])["value"]
    assert np.isnan(values["depth_coverage_68", "2"])
    assert values["depth_coverage_68", "all"] == values["depth_coverage_68", "1"]


def test_table_of_a_network_without_depths_has_no_intervals(table):
    _, arrays, scores, fitted = table
    summary = assess_trust(
        make_predictions("masks", output=arrays["output"], target=arrays["target"]), fitted, scores, 20, 0
    )
    assert not summary["metric"].str.startswith("depth").any()
    assert "Depths within their intervals [%]" not in trust_page(summary).sections


def test_table_has_risk_and_coverage(table):
    values = table[0].set_index(["metric", "layer"])["value"]
    wrong = (table[1]["output"] > 0.5) != (table[1]["target"] > 0)
    assert values["error", "all"] == pytest.approx(wrong.mean())
    assert values["coverage", "all"] == pytest.approx(0.9, abs=0.01)
    assert values["risk", "all"] < values["error", "all"]


def test_area_under_the_roc_equals_that_of_scikit_learn(table):
    summary, _, scores, _ = table
    row = summary.query("metric == 'auroc'").iloc[0]
    assert row["value"] == pytest.approx(roc_auc_score(scores["inputs"] != TEST_SAMPLES, scores["score"]))
    assert row["ci_low"] < row["value"] < row["ci_high"]


def test_the_steps_of_a_sequence_are_resampled_together(table):
    """With each sample four times, the intervals are those of the samples; if taken as independent, half as wide."""
    summary, arrays, scores, fitted = table

    def assess(**more: np.ndarray) -> pd.DataFrame:
        repeated = {name: np.repeat(values, 4, 0) for name, values in arrays.items()} | more
        rows = np.repeat(scores.index, 4)
        return assess_trust(make_predictions("stacks", **repeated), fitted, scores.loc[rows], 200, 0)

    is_detection = summary["metric"].isin(["flagged", "auroc"])
    columns = ["value", "ci_low", "ci_high"]
    grouped = assess(sequence=np.repeat(np.arange(30), 4))
    np.testing.assert_allclose(grouped[columns], summary[columns], rtol=1e-6, atol=1e-9)
    widths = [each["ci_high"] - each["ci_low"] for each in (assess(), grouped)]
    ratios = widths[0] / widths[1].where(widths[1] > 0)
    assert ratios[is_detection].mean() == pytest.approx(0.5, abs=0.15)
    assert ratios[~is_detection].mean() == pytest.approx(0.5, abs=0.1)


def test_page_shows_every_value(table):
    summary, *_ = table
    page = trust_page(summary)
    cells = sum(section.iloc[:, 1:].ne("").to_numpy().sum() for section in page.sections.values())
    assert cells == len(summary)
