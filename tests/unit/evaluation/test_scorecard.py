"""The scorecard and Table 1, from summaries with known numbers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from summaries import LAYERS, stack, summary

from foci3d.evaluation import scorecard
from foci3d.evaluation.tables import VERDICT_COLORS

RESOURCES = Path(__file__).parents[3] / "resources"
PAPER_LAYERS = {"stack1_cnn": [28, 40, 40, 37], "stack2_cnn": [12.2, 18.1, 18.4, 12], "stack2_resnet": [11, 16, 16, 11]}


def claim(**changes: object) -> pd.DataFrame:
    row = {"claim": "some claim (%)", "network": "a", "dataset": "b", "metric": "error", "layer": "all", "unit": "%"}
    row |= {"paper": 20.0, "better": "lower", "versus": None, "source": "Fig. 0"}
    row |= {"foci3d_network": "c", "foci3d_versus": None}
    return pd.DataFrame([row | changes])


@pytest.fixture
def claims() -> pd.DataFrame:
    return pd.read_csv(RESOURCES / "paper_claims.csv", dtype={"layer": str})


@pytest.mark.parametrize(
    ("better", "low", "high", "verdict"),
    [
        ("lower", 0.10, 0.19, "surpassed"),
        ("lower", 0.10, 0.21, "reproduced"),
        ("lower", 0.20, 0.30, "reproduced"),
        ("lower", 0.21, 0.30, "missed"),
        ("higher", 0.10, 0.19, "missed"),
        ("higher", 0.10, 0.21, "reproduced"),
        ("higher", 0.21, 0.30, "surpassed"),
    ],
)
def test_verdict_follows_the_interval(better, low, high, verdict):
    scores = summary("a", "b", "error", {"all": (low + high) / 2}).assign(ci_low=low, ci_high=high)
    row = scorecard.scorecard(claim(better=better), scores).iloc[0]
    assert row["verdict"] == verdict
    assert row[["value", "ci_low", "ci_high", "baseline"]].tolist() == pytest.approx(
        [50 * (low + high), 100 * low, 100 * high, 35]
    )


def test_networks_of_the_paper_and_of_foci3d_stand_side_by_side():
    scores = pd.concat([summary("a", "b", "error", {"all": 0.3}), summary("c", "b", "error", {"all": 0.1})])
    row = scorecard.scorecard(claim(), scores).iloc[0]
    assert row[["network", "value", "verdict"]].tolist() == ["a", pytest.approx(30), "missed"]
    assert row[["foci3d_network", "foci3d_value", "foci3d_verdict"]].tolist() == ["c", pytest.approx(10), "surpassed"]


@pytest.mark.parametrize(("better", "best"), [("lower", "wiener"), ("higher", "least_squares")])
def test_best_classical_method_of_a_claim_stands_beside_the_networks(better, best):
    scores = [summary(name, "b", "error", {"all": value}) for name, value in (("wiener", 0.2), ("least_squares", 0.3))]
    scores += [summary("a", "b", "error", {"all": 0.1}), summary("other_network", "b", "error", {"all": 0.01})]
    table = scorecard.scorecard(claim(better=better), pd.concat(scores), ["wiener", "least_squares"])
    value = {"wiener": 20, "least_squares": 30}[best]
    row = table[[f"classical_{name}" for name in ("network", "value", "ci_low", "ci_high")]].iloc[0]
    assert row.tolist() == [best, *map(pytest.approx, [value, value - 1, value + 1])]
    assert scorecard.scorecard_page(table).sections[""]["Best classical method"].iloc[0].endswith(f"), {best}")


def test_foci3d_is_compared_with_its_own_network_of_one_sensor():
    reduction = claim(
        metric="error_reduction", layer="middle", better="higher", versus="one/a", foci3d_versus="other/a"
    )
    scores = [stack("one", "a", [20, 40, 40, 40]), stack("a", "b", [10, 20, 20, 20])]
    scores += [stack("other", "a", [20, 40, 40, 40]), stack("c", "b", [10, 30, 10, 20])]
    row = scorecard.scorecard(reduction, pd.concat(scores)).iloc[0]
    assert (row["value"], row["foci3d_value"]) == (pytest.approx(50), pytest.approx(75))


@settings(deadline=None, max_examples=50)
@given(low=st.floats(1, 39), width=st.floats(0, 20), better=st.sampled_from(["lower", "higher"]))
def test_verdict_is_inverted_with_the_sign(low, width, better):
    scores = summary("a", "b", "error", {"all": low + width / 2}).assign(ci_low=low, ci_high=low + width)
    mirrored = scores.assign(value=-scores["value"], ci_low=-scores["ci_high"], ci_high=-scores["ci_low"])
    other = {"lower": "higher", "higher": "lower"}[better]
    one = scorecard.scorecard(claim(better=better, unit="um"), scores)["verdict"]
    two = scorecard.scorecard(claim(better=other, unit="um", paper=-20.0), mirrored)["verdict"]
    assert one.tolist() == two.tolist()


@pytest.mark.parametrize(("largest", "verdict"), [(0, "surpassed"), (100, "reproduced"), (200, "missed")])
def test_largest_error_is_compared_itself(largest, verdict):
    scores = summary("a", "b", "largest_error_um", {"all": largest}).assign(ci_low=np.nan, ci_high=np.nan)
    row = scorecard.scorecard(claim(metric="largest_error_um", unit="um", paper=100), scores).iloc[0]
    assert row["verdict"] == verdict
    assert row["value"] == largest


def test_claim_without_a_test_is_not_measured():
    row = scorecard.scorecard(claim(network="other"), summary("a", "b", "error", {"all": 0.1})).iloc[0]
    assert row["verdict"] == "not measured"
    assert np.isnan(row["value"])


def test_claim_is_compared_in_its_layer():
    table = scorecard.scorecard(claim(layer="3"), stack("a", "b", [0.1, 0.2, 0.3, 0.4]))
    assert table["value"].tolist() == pytest.approx([30])


def test_second_sensor_reduces_the_error_of_the_middle_layers_as_in_the_paper(claims):
    one = stack("stack1_cnn", "stack1", [0.28, 0.40, 0.40, 0.37])
    two = stack("stack2_cnn", "stack2", [0.122, 0.181, 0.184, 0.12])
    table = scorecard.scorecard(claims, pd.concat([one, two])).set_index("claim")
    row = table.loc["Second sensor: largest error reduction in a middle layer (%)"]
    assert row["value"] == pytest.approx(100 * (1 - 18.1 / 40))
    assert row["verdict"] == "reproduced"
    without = scorecard.scorecard(claims, two).set_index("claim")
    assert without.loc[row.name, "verdict"] == "not measured"


def test_scorecard_has_exactly_its_columns(claims):
    table = scorecard.scorecard(claims, stack("stack2_cnn", "stack2", [0.1] * 4))
    measured = ["network", "value", "ci_low", "ci_high", "verdict"]
    expected = ["claim", "dataset", "metric", "paper", "baseline", *measured, *(f"foci3d_{name}" for name in measured)]
    expected += [f"classical_{name}" for name in measured[:-1]]
    assert table.columns.tolist() == expected
    assert len(table) == len(claims)


def test_claims_are_those_of_the_paper(claims):
    assert not claims["claim"].duplicated().any()
    assert claims["better"].isin(["lower", "higher"]).all()
    for row in claims.itertuples():
        assert row.claim.endswith(f"({row.unit})")
    by_layer = claims[(claims["metric"] == "error") & claims["layer"].isin(LAYERS[:4])]
    assert by_layer.groupby("network")["paper"].apply(list).to_dict() == PAPER_LAYERS
    means = claims[(claims["layer"] == "all")].set_index(["network", "metric"])["paper"].to_dict()
    assert means == {
        ("depth_cnn", "exact"): 87,
        ("depth_cnn", "largest_error_um"): 100,
        ("deblur_cnn", "error"): 4.2,
        ("nonoverlap_cnn", "error"): 6,
        ("nonoverlap_cnn", "error_sd"): 10,
        ("stack2_cnn", "error"): 15.2,
        ("stack2_resnet", "error"): 13.5,
        ("stack2_resnet", "sensitivity"): 72.6,
        ("stack2_resnet", "specificity"): 91.7,
    }


def test_table1_turns_errors_into_accuracies(claims):
    scores = pd.concat(
        [
            summary("depth_cnn", "depth", "exact", {"all": 0.9}).assign(baseline=0.05),
            summary("deblur_cnn", "deblur", "error", {"all": 0.03}, 0.002),
            stack("stack2_resnet", "stack2", [0.1] * 4),
        ]
    )
    table = scorecard.table1(pd.read_csv(RESOURCES / "table1.csv"), scorecard.scorecard(claims, scores))
    assert table["paper"].tolist() == [87, 95.8, 93.8, 86.5, 91.7, 82.3, 95.7, 89.6]
    np.testing.assert_allclose(table["ours"], [90, 97, np.nan, 90, *[np.nan] * 4])
    assert table.loc[0, ["ci_low", "ci_high", "baseline"]].tolist() == pytest.approx([89, 91, 5])
    assert table.loc[1, ["ci_low", "ci_high", "baseline"]].tolist() == pytest.approx([96.8, 97.2, 65])
    assert "claim" not in table.columns


def test_page_escapes_claims_and_colors_verdicts():
    one = stack("a", "b", [0.2, 0.4, 0.4, 0.4])
    page = scorecard.scorecard_page(scorecard.scorecard(claim(claim="errors < 20 & more"), one))
    assert "<td>errors &lt; 20 &amp; more</td>" in page.html("")
    assert f'<td style="background:{VERDICT_COLORS["missed"]}">missed</td>' in page.html("")


def test_pages_load_nothing_from_elsewhere(claims):
    html = scorecard.scorecard_page(scorecard.scorecard(claims, stack("stack2_cnn", "stack2", [0.1] * 4))).html("")
    assert "http" not in html
    assert "src=" not in html
    assert "nan" not in html
