"""The record of a run: costs from benchmarks, smaller figures, the commit."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import write_run_record as run_record


@pytest.fixture
def benchmarks(tmp_path: Path) -> Path:
    for name, seconds, megabytes in [
        ("simulate", 2.5, 100.0),
        ("train/one", 60.0, 900.0),
        ("train/two", 30.0, 1200.0),
    ]:
        path = tmp_path / "benchmarks" / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:00\t{megabytes}\n")
    return tmp_path / "benchmarks"


def test_costs_are_read_by_rule_and_job(benchmarks: Path) -> None:
    costs = run_record.read_costs(benchmarks)
    assert costs.to_numpy().tolist() == [
        ["simulate", "", 2.5, 100.0],
        ["train", "one", 60.0, 900.0],
        ["train", "two", 30.0, 1200.0],
    ]
    summed = run_record.sum_costs(costs).set_index("Rule")
    assert summed.loc["train"].tolist() == [2, 90, 60, 1200]
    assert summed.loc["total"].tolist() == [3, 92, 60, 1200]


def test_a_run_without_benchmarks_has_no_costs(tmp_path: Path) -> None:
    assert run_record.read_costs(tmp_path).empty


def test_figures_shrink_and_keep_their_colours(tmp_path: Path) -> None:
    image = np.zeros((400, 4 * run_record.FIGURE_WIDTH_PX, 3), np.uint8)
    image[..., 0] = np.linspace(0, 255, image.shape[1])
    image[..., 1] = np.linspace(255, 0, image.shape[0])[:, None]
    Image.fromarray(image).save(tmp_path / "large.png")
    run_record.make_thumbnail(tmp_path / "large.png", tmp_path / "small.png")
    small = Image.open(tmp_path / "small.png")
    assert small.size == (run_record.FIGURE_WIDTH_PX, 100)
    expected = image[2::4, 2::4].astype(float)
    np.testing.assert_allclose(np.asarray(small.convert("RGB"), float), expected, atol=2)  # no bands


def test_the_page_shows_facts_costs_and_figures(benchmarks: Path) -> None:
    facts = {"Commit": "abc", **run_record.describe_machine()}
    page = run_record.record_page(facts, run_record.read_costs(benchmarks), ["a.csv"], ["figures/fig1.png"])
    assert "| Commit    | abc" in page
    assert "[a.csv](a.csv)" in page
    assert "![fig1](figures/fig1.png)" in page
    assert "nan" not in page.lower()
