"""The tables for readers, from summaries with known numbers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from foci3d import tables

RESOURCES = Path(__file__).parents[2] / "resources"
LAYERS = ["1", "2", "3", "4", "all"]
PAPER_LAYERS = {"stack1_cnn": [28, 40, 40, 37], "stack2_cnn": [12.2, 18.1, 18.4, 12], "stack2_resnet": [11, 16, 16, 11]}


def summary(net: str, test: str, metric: str, values: dict[str, float], width: float = 0.01) -> pd.DataFrame:
    rows = [
        {"net": net, "set": test, "metric": metric, "layer": layer, "value": value, "base_rate": 0.35, "n": 100}
        for layer, value in values.items()
    ]
    frame = pd.DataFrame(rows)
    return frame.assign(task="masks", ci_low=frame["value"] - width, ci_high=frame["value"] + width)


def stack(net: str, test: str, errors: list[float]) -> pd.DataFrame:
    return summary(net, test, "error", dict(zip(LAYERS, [*errors, float(np.mean(errors))], strict=True)))


def claim(**changes: object) -> pd.DataFrame:
    row = {"claim": "some claim (%)", "net": "a", "set": "b", "metric": "error", "layer": "all", "unit": "%"}
    row |= {"paper": 20.0, "better": "lower", "versus": None, "source": "Fig. 0"}
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
    known = summary("a", "b", "error", {"all": (low + high) / 2}).assign(ci_low=low, ci_high=high)
    row = tables.scorecard(claim(better=better), known).iloc[0]
    assert row["verdict"] == verdict
    assert row[["ours", "ci_low", "ci_high", "base_rate"]].tolist() == pytest.approx(
        [50 * (low + high), 100 * low, 100 * high, 35]
    )


@settings(deadline=None, max_examples=50)
@given(low=st.floats(1, 39), width=st.floats(0, 20), better=st.sampled_from(["lower", "higher"]))
def test_verdict_turns_around_with_the_sign(low, width, better):
    known = summary("a", "b", "error", {"all": low + width / 2}).assign(ci_low=low, ci_high=low + width)
    mirrored = known.assign(value=-known["value"], ci_low=-known["ci_high"], ci_high=-known["ci_low"])
    other = {"lower": "higher", "higher": "lower"}[better]
    one = tables.scorecard(claim(better=better, unit="um"), known)["verdict"]
    two = tables.scorecard(claim(better=other, unit="um", paper=-20.0), mirrored)["verdict"]
    assert one.tolist() == two.tolist()


@pytest.mark.parametrize(("largest", "verdict"), [(0, "surpassed"), (100, "reproduced"), (200, "missed")])
def test_largest_error_is_compared_itself(largest, verdict):
    known = summary("a", "b", "largest_error_um", {"all": largest}).assign(ci_low=np.nan, ci_high=np.nan)
    row = tables.scorecard(claim(metric="largest_error_um", unit="um", paper=100), known).iloc[0]
    assert row["verdict"] == verdict
    assert row["ours"] == largest


def test_claim_without_a_test_is_not_measured():
    row = tables.scorecard(claim(net="other"), summary("a", "b", "error", {"all": 0.1})).iloc[0]
    assert row["verdict"] == "not measured"
    assert np.isnan(row["ours"])


def test_layer_of_a_claim_is_looked_up():
    table = tables.scorecard(claim(layer="3"), stack("a", "b", [0.1, 0.2, 0.3, 0.4]))
    assert table["ours"].tolist() == pytest.approx([30])


def test_second_sensor_cuts_the_middle_layers_as_in_the_paper(claims):
    one = stack("stack1_cnn", "stack1", [0.28, 0.40, 0.40, 0.37])
    two = stack("stack2_cnn", "stack2", [0.122, 0.181, 0.184, 0.12])
    table = tables.scorecard(claims, pd.concat([one, two])).set_index("claim")
    row = table.loc["Second sensor: largest cut of the error of a middle layer (%)"]
    assert row["ours"] == pytest.approx(100 * (1 - 18.1 / 40))
    assert row["verdict"] == "reproduced"
    without = tables.scorecard(claims, two).set_index("claim")
    assert without.loc[row.name, "verdict"] == "not measured"


def test_interval_of_a_cut_is_that_of_the_bootstrap():
    rng = np.random.default_rng(3)
    before, after = rng.beta(8, 12, 400), rng.beta(8, 36, 400)
    tests = []
    for values in (before, after):
        means = rng.choice(values, (4000, 400)).mean(1)
        low, high = np.quantile(means, [0.025, 0.975])
        tests.append(pd.DataFrame({"value": [values.mean()], "ci_low": low, "ci_high": high}))
    found = tables.relative_cut(*tests).iloc[0]
    expected = scipy.stats.bootstrap(
        (before, after),
        lambda one, two, axis: 1 - two.mean(axis) / one.mean(axis),
        n_resamples=4000,
        method="percentile",
        rng=rng,
    ).confidence_interval
    assert found["value"] == pytest.approx(1 - after.mean() / before.mean())
    assert found["ci_low"] == pytest.approx(expected.low, abs=0.003)
    assert found["ci_high"] == pytest.approx(expected.high, abs=0.003)


def test_scorecard_has_exactly_its_columns(claims):
    table = tables.scorecard(claims, stack("stack2_cnn", "stack2", [0.1] * 4))
    assert ",".join(table.columns) == "claim,net,set,metric,paper,ours,ci_low,ci_high,base_rate,verdict"
    assert len(table) == len(claims)


def test_claims_are_those_of_the_paper(claims):
    assert not claims["claim"].duplicated().any()
    assert claims["better"].isin(["lower", "higher"]).all()
    for row in claims.itertuples():
        assert row.claim.endswith(f"({row.unit})")
    by_layer = claims[(claims["metric"] == "error") & claims["layer"].isin(LAYERS[:4])]
    assert by_layer.groupby("net")["paper"].apply(list).to_dict() == PAPER_LAYERS
    means = claims[(claims["layer"] == "all")].set_index(["net", "metric"])["paper"].to_dict()
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
    known = pd.concat(
        [
            summary("depth_cnn", "depth", "exact", {"all": 0.9}).assign(base_rate=0.05),
            summary("deblur_cnn", "deblur", "error", {"all": 0.03}, 0.002),
            stack("stack2_resnet", "stack2", [0.1] * 4),
        ]
    )
    table = tables.table1(pd.read_csv(RESOURCES / "table1.csv"), tables.scorecard(claims, known))
    assert table["paper"].tolist() == [87, 95.8, 93.8, 86.5, 91.7, 82.3, 95.7, 89.6]
    np.testing.assert_allclose(table["ours"], [90, 97, np.nan, 90, *[np.nan] * 4])
    assert table.loc[0, ["ci_low", "ci_high", "base_rate"]].tolist() == pytest.approx([89, 91, 5])
    assert table.loc[1, ["ci_low", "ci_high", "base_rate"]].tolist() == pytest.approx([96.8, 97.2, 65])
    assert "claim" not in table.columns


def test_table_s1_holds_errors_and_what_the_second_sensor_cuts():
    one = stack("one", "stack1", [0.2, 0.4, 0.4, 0.4])
    two = pd.concat([stack("two", "stack2", [0.1, 0.2, 0.3, 0.1]), stack("resnet", "stack2", [0.1] * 4)])
    table = tables.table_s1(one, two).set_index(["net", "layer"])
    assert table.loc[("two", "2"), ["error", "ci_low", "ci_high", "base_rate", "cut"]].tolist() == pytest.approx(
        [20, 19, 21, 35, 50]
    )
    assert table.loc[("two", "3"), "cut"] == pytest.approx(25)
    assert table.loc[("two", "2"), "cut_low"] < 50 < table.loc[("two", "2"), "cut_high"]
    assert table.loc["one", "cut"].isna().all()
    assert len(table) == 15


def test_pages_show_numbers_verdicts_and_headings():
    one = stack("one", "stack1", [0.2, 0.4, 0.4, 0.4])
    page = tables.table_s1_page(tables.table_s1(one, stack("two", "stack2", [0.1, 0.2, 0.3, 0.1])))
    markdown, html = page.markdown(), page.html()
    assert "| two   | stack2 | 10 (9 to 11)  | 20 (19 to 21) |" in markdown
    assert "## Error rate [%]" in markdown
    assert "<h2>Error rate [%]</h2>" in html
    assert html.count("<table") == 3
    card = tables.scorecard_page(
        tables.scorecard(claim(claim="errors < 20 & more"), one.replace({"one": "a", "stack1": "b"}))
    )
    assert "<td>errors &lt; 20 &amp; more</td>" in card.html()
    assert f'<td style="background:{tables.COLOURS["missed"]}">missed</td>' in card.html()


def test_pages_load_nothing_from_elsewhere(claims):
    html = tables.scorecard_page(tables.scorecard(claims, stack("stack2_cnn", "stack2", [0.1] * 4))).html()
    assert "http" not in html
    assert "src=" not in html
    assert "nan" not in html


@pytest.mark.parametrize(
    ("value", "text"),
    [(87.0, "87"), (4.216, "4.22"), (100.0, "100"), (1234.5, "1234"), (0.04321, "0.0432"), (float("nan"), "")],
)
def test_number_has_three_digits(value, text):
    assert tables.number(value) == text


def test_layers_of_summaries_stay_text(tmp_path):
    for net in ("a", "b"):
        stack(net, "s", [0.1] * 4).to_csv(tmp_path / f"{net}.csv", index=False)
    frame = tables.read_summaries([tmp_path / "a.csv", tmp_path / "b.csv"])
    assert frame["layer"].tolist() == LAYERS * 2


def test_saved_files_hold_the_table(tmp_path):
    table = tables.table_s1(stack("one", "x", [0.2] * 4), stack("two", "y", [0.1] * 4))
    paths = [tmp_path / "tables" / f"t.{suffix}" for suffix in ("csv", "html", "md")]
    tables.save(table, tables.table_s1_page(table), *paths)
    again = pd.read_csv(paths[0], dtype={"layer": str})
    pd.testing.assert_frame_equal(again, table, rtol=1e-5, check_dtype=False)
    assert paths[1].read_text().startswith("<!doctype html>")
    assert paths[2].read_text().startswith("# Table S1")


def compared() -> pd.DataFrame:
    networks = pd.concat([stack("cnn", "stack2", [0.1] * 4), summary("cnn", "stack2", "auc", {"all": 0.9})])
    classical = pd.concat([stack("wiener", "stack2", [0.3] * 4), stack("nnls", "stack2", [0.05] * 4)])
    others = summary("cnn", "stack2", "dice", {"all": 0.9})
    pictures = summary("rl", "deblur", "error", {"0-200 um": 0.01, "200-400 um": 0.03, "all": 0.02}).assign(
        task="image"
    )
    return tables.compare(pd.concat([networks, others]), pd.concat([classical, pictures]))


def test_errors_by_seed_and_their_spread():
    errors = {"cnn": [0.1, 0.2, 0.2, 0.1], "cnn-7": [0.2] * 4, "resnet": [0.1] * 4, "resnet-7": [0.12] * 4}
    summaries = pd.concat([stack(net, "stack2", values) for net, values in errors.items()])
    table = tables.seed_errors(pd.concat([summaries, summary("cnn", "stack2", "auc", {"all": 0.9})]), 2022)
    assert len(table) == 20
    found = table.set_index(["net", "seed", "layer"])["error"]
    assert found["cnn", 2022, "2"] == pytest.approx(20)
    assert found["resnet", 7, "all"] == pytest.approx(12)
    sections = tables.seeds_page(table).sections
    assert list(sections) == ["cnn on stack2: error [%]", "resnet on stack2: error [%]"]
    cnn = sections["cnn on stack2: error [%]"].set_index("seed")
    assert cnn.index.tolist() == [2022, 7, "mean", "standard deviation"]
    assert cnn["Layer 1"].tolist() == ["10 (9 to 11)", "20 (19 to 21)", "15", tables.number(np.std([10, 20], ddof=1))]


def test_bleed_through_is_compared_the_less_the_better():
    one, two = (summary(net, "moving", "bleed_through", {"all": value}) for net, value in [("a", 0.2), ("b", 0.1)])
    sections = tables.comparison_page(tables.compare(one, two)).sections
    (heading,) = sections
    assert heading.startswith("moving: Bleed-through")
    assert sections[heading]["net"].tolist() == ["b", "a", "base rate"]
    assert sections[heading]["Mean"].tolist()[0] == "10 (9 to 11)"


def test_comparison_holds_networks_and_classical_methods_by_set():
    table = compared()
    assert table["set"].unique().tolist() == ["deblur", "stack2"]
    assert table.groupby("net")["kind"].first().to_dict() == {
        "cnn": "network",
        "wiener": "classical",
        "nnls": "classical",
        "rl": "classical",
    }
    assert table["metric"].unique().tolist() == ["error", "auc"]


def test_comparison_page_has_the_best_first_and_the_base_rate_last():
    sections = tables.comparison_page(compared()).sections
    assert list(sections) == ["deblur: Error [%]", "stack2: Error [%]", "stack2: AUC"]
    errors = sections["stack2: Error [%]"]
    assert errors["net"].tolist() == ["nnls", "cnn", "wiener", "base rate"]
    assert errors["Layer 2"].tolist() == ["5 (4 to 6)", "10 (9 to 11)", "30 (29 to 31)", "35"]
    assert sections["deblur: Error [%]"].columns.tolist() == ["net", "kind", "0-200 um", "200-400 um", "Mean"]
    assert sections["stack2: AUC"]["Mean"].tolist() == ["0.9 (0.89 to 0.91)", "0.35"]
