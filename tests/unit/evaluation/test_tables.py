"""Tables for readers, from summaries with known numbers."""

import pandas as pd
import pytest
from summaries import LAYERS, stack, summary

from foci3d.evaluation import tables
from foci3d.evaluation.tables import format_number


def test_table_s1_holds_errors_and_their_reduction_by_the_second_sensor():
    one = stack("one", "stack1", [0.2, 0.4, 0.4, 0.4])
    two = pd.concat([stack("two", "stack2", [0.1, 0.2, 0.3, 0.1]), stack("resnet", "stack2", [0.1] * 4)])
    table = tables.table_s1(one, two).set_index(["network", "layer"])
    assert table.loc[("two", "2"), ["error", "ci_low", "ci_high", "baseline", "reduction"]].tolist() == pytest.approx(
        [20, 19, 21, 35, 50]
    )
    assert table.loc[("two", "3"), "reduction"] == pytest.approx(25)
    assert table.loc[("two", "2"), "reduction_low"] < 50 < table.loc[("two", "2"), "reduction_high"]
    assert table.loc["one", "reduction"].isna().all()
    assert len(table) == 15


def test_page_shows_numbers_and_headings():
    one = stack("one", "stack1", [0.2, 0.4, 0.4, 0.4])
    page = tables.table_s1_page(tables.table_s1(one, stack("two", "stack2", [0.1, 0.2, 0.3, 0.1])))
    markdown, html = page.markdown("A *note*."), page.html("A *note* on `seeds`.\n\n1 < 2")
    assert "| two       | stack2    | 10 (9 to 11)  | 20 (19 to 21) |" in markdown
    assert "## Error rate [%]" in markdown
    assert "\n\nA *note*.\n\n" in markdown
    assert "<h2>Error rate [%]</h2>" in html
    assert "<p>A <em>note</em> on <code>seeds</code>.</p>\n<p>1 &lt; 2</p>" in html
    assert html.count("<table") == 3


@pytest.mark.parametrize(
    ("value", "text"),
    [(87.0, "87"), (4.216, "4.22"), (100.0, "100"), (1234.5, "1234"), (0.04321, "0.0432"), (float("nan"), "")],
)
def test_number_has_three_significant_digits(value, text):
    assert format_number(value) == text


def test_layers_of_summaries_stay_text(tmp_path):
    for network in ("a", "b"):
        stack(network, "s", [0.1] * 4).to_csv(tmp_path / f"{network}.csv", index=False)
    frame = tables.read_summaries([tmp_path / "a.csv", tmp_path / "b.csv"])
    assert frame["layer"].tolist() == LAYERS * 2


def test_saved_files_hold_the_table(tmp_path):
    table = tables.table_s1(stack("one", "x", [0.2] * 4), stack("two", "y", [0.1] * 4))
    paths = [tmp_path / "tables" / f"t.{suffix}" for suffix in ("csv", "html", "md")]
    tables.table_s1_page(table).save(*paths, "A note.")
    again = pd.read_csv(paths[0], dtype={"layer": str})
    pd.testing.assert_frame_equal(again, table, rtol=1e-5, check_dtype=False)
    assert paths[1].read_text().startswith("<!doctype html>")
    assert paths[2].read_text().startswith("# Table S1")


def compared() -> pd.DataFrame:
    networks = pd.concat([stack("cnn", "stack2", [0.1] * 4), summary("cnn", "stack2", "auc", {"all": 0.9})])
    classical = pd.concat([stack("wiener", "stack2", [0.3] * 4), stack("nnls", "stack2", [0.05] * 4)])
    others = summary("cnn", "stack2", "empty_error", {"all": 0.9})
    deblurred = summary("rl", "deblur", "error", {"0-200 um": 0.01, "200-400 um": 0.03, "all": 0.02}).assign(
        task="deblurring"
    )
    return tables.compare(pd.concat([networks, others]), pd.concat([classical, deblurred]))


def test_least_bleed_through_comes_first():
    one, two = (
        summary(network, "moving", "bleed_through", {"all": value}) for network, value in [("a", 0.2), ("b", 0.1)]
    )
    sections = tables.comparison_page(tables.compare(one, two)).sections
    (heading,) = sections
    assert heading.startswith("moving: Bleed-through")
    assert sections[heading]["network"].tolist() == ["b", "a", "majority class"]
    assert sections[heading]["Mean"].tolist()[0] == "10 (9 to 11)"


def test_comparison_holds_networks_and_classical_methods_by_set():
    table = compared()
    assert table["dataset"].unique().tolist() == ["deblur", "stack2"]
    assert table.groupby("network")["kind"].first().to_dict() == {
        "cnn": "network",
        "wiener": "classical",
        "nnls": "classical",
        "rl": "classical",
    }
    assert table["metric"].unique().tolist() == ["error", "auc"]


def test_comparison_page_has_the_best_first_and_the_baseline_last():
    sections = tables.comparison_page(compared()).sections
    assert list(sections) == ["deblur: Error [%]", "stack2: Error [%]", "stack2: AUC"]
    errors = sections["stack2: Error [%]"]
    assert errors["network"].tolist() == ["nnls", "cnn", "wiener", "majority class"]
    assert errors["Layer 2"].tolist() == ["5 (4 to 6)", "10 (9 to 11)", "30 (29 to 31)", "35"]
    assert sections["deblur: Error [%]"].columns.tolist() == ["network", "kind", "0-200 um", "200-400 um", "Mean"]
    assert sections["stack2: AUC"]["Mean"].tolist() == ["0.9 (0.89 to 0.91)", "0.35"]


def test_networks_of_task_stacks_are_compared_with_those_of_task_masks():
    stacks = stack("physics", "stack2", [0.1] * 4).assign(task="stacks")
    table = tables.compare(stacks, stack("classical", "stack2", [0.2] * 4))
    (section,) = tables.comparison_page(table).sections.values()
    assert section["network"].tolist() == ["physics", "classical", "majority class"]
