"""Error against coverage, on samples whose errors lie on a line."""

import numpy as np
import pandas as pd
import pytest

from foci3d.evaluation.coverage import coverage_page, error_by_coverage


def make_samples(lowest: float) -> pd.DataFrame:
    coverage = np.linspace(lowest, 0.499, 200)
    noise = np.random.default_rng(0).normal(0, 0.002, 200)
    return pd.DataFrame({"coverage": coverage, "error": coverage / 2 + noise, "empty_error": 0.6 * coverage})


def test_bins_hold_the_means_of_their_samples():
    samples = make_samples(0.02)
    table = error_by_coverage({"cnn": samples}, 6.0, 200, 1).query("metric == 'error'")
    assert table["coverage_low"].tolist() == [0, 10, 20, 30, 40]
    inside = samples[samples["coverage"].between(0.1, 0.2, inclusive="left")]
    row = table.iloc[1]
    assert row["value"] == pytest.approx(100 * inside["error"].mean())
    assert row["baseline"] == pytest.approx(100 * inside["empty_error"].mean())
    assert row["n"] == len(inside)
    assert (table["ci_low"] < table["value"]).all()
    assert (table["value"] < table["ci_high"]).all()


def test_a_bin_of_one_sample_has_no_interval():
    samples = make_samples(0.02)
    alone = pd.concat([samples, pd.DataFrame({"coverage": [0.73], "error": [0.3], "empty_error": [0.4]})])
    row = error_by_coverage({"cnn": alone}, 6.0, 50, 1).query("coverage_low == 70").iloc[0]
    assert (row["value"], row["n"]) == (pytest.approx(30), 1)
    assert row[["ci_low", "ci_high"]].isna().all()


def test_the_paper_stands_where_the_line_reaches_its_error():
    samples = make_samples(0.02)
    row = error_by_coverage({"cnn": samples}, 6.0, 500, 1).query("metric == 'coverage_at_paper_error'").iloc[0]
    slope, intercept = np.polyfit(100 * samples["coverage"], 100 * samples["error"], 1)
    assert row["value"] == pytest.approx((6 - intercept) / slope)
    assert row["ci_low"] < 12 < row["ci_high"]
    assert row["ci_high"] - row["ci_low"] < 0.5


def test_a_coverage_that_no_scene_has_is_not_extrapolated():
    table = error_by_coverage({"cnn": make_samples(0.02), "resnet": make_samples(0.2)}, 6.0, 50, 1)
    crossings = table.query("metric == 'coverage_at_paper_error'").set_index("network")["value"]
    assert crossings.isna().to_dict() == {"cnn": False, "resnet": True}
    _, reached = coverage_page(table).sections.values()
    assert reached["Coverage [%]"].tolist()[1] == "no scene is so sparse"
