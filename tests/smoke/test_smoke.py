"""A whole run at the smallest scale: every output is there, and only edits that matter run anything again."""

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from safetensors import safe_open

PROJECT = Path(__file__).parents[2]
PANELS = ["2a", "2b", "3a", "3b", "4a", "4b", "4c", "5a", "5b", "6a", "6b", "7", "S1", "S2", "S3", "S4"]
NETS = ["depth_cnn", "deblur_cnn", "nonoverlap_cnn", "stack1_cnn", "stack2_cnn", "stack2_resnet"]
SCORECARD = ["claim", "net", "set", "metric", "paper", "ours", "ci_low", "ci_high", "base_rate", "verdict"]


@pytest.mark.parametrize("panel", PANELS)
def test_every_figure_of_the_paper(smoke: Path, panel: str) -> None:
    assert (smoke / "figures" / f"fig{panel}.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (smoke / "figures" / f"fig{panel}.svg").read_text()


@pytest.mark.parametrize("figure", ["fig_psf", "fig_scenes", "fig_training"])
def test_every_figure_of_the_workflow(smoke: Path, figure: str) -> None:
    assert (smoke / "figures" / f"{figure}.png").is_file()


def test_scorecard(smoke: Path) -> None:
    scorecard = pd.read_csv(smoke / "tables" / "scorecard.csv")
    assert list(scorecard.columns) == SCORECARD
    claims = pd.read_csv(PROJECT / "resources" / "paper_claims.csv")
    assert list(scorecard.claim) == list(claims.claim)
    assert set(scorecard.verdict) <= {"surpassed", "reproduced", "missed"}
    bounded = scorecard.dropna(subset=["ci_low", "ci_high"])
    assert len(bounded) > 15
    assert (bounded.ci_low <= bounded.ours).all()
    assert (bounded.ours <= bounded.ci_high).all()


@pytest.mark.parametrize("table", ["table1", "tableS1", "scorecard", "baselines"])
def test_tables(smoke: Path, table: str) -> None:
    for suffix in ("csv", "html", "md"):
        assert (smoke / "tables" / f"{table}.{suffix}").stat().st_size > 0


@pytest.mark.parametrize("net", NETS)
def test_models(smoke: Path, net: str) -> None:
    description = json.loads((smoke / "models" / f"{net}.json").read_text())
    assert description["net"] == net
    with safe_open(smoke / "models" / f"{net}.safetensors", "np") as weights:
        assert len(list(weights.keys())) > 0


def test_reconstructions(smoke: Path) -> None:
    with (PROJECT / "config" / "samples.tsv").open() as file:
        samples = [row["sample"] for row in csv.DictReader(file, delimiter="\t")]
    assert len(samples) >= 2
    for sample in samples:
        files = {path.name for path in (smoke / "reconstructions" / sample).iterdir()}
        assert files == {"probability.ome.tif", "foci.csv", "overview.png", "view.html"}


def test_seeds(smoke: Path, snakemake: Callable[..., Any]) -> None:
    run = snakemake("--cores", "2", "--configfile", "config/smoke.yaml", "--", "seeds")
    assert run.returncode == 0, run.stdout + run.stderr
    table = pd.read_csv(smoke / "tables" / "seeds.csv", dtype={"layer": str})
    assert table.groupby("net")["seed"].unique().map(list).to_dict() == {
        "stack2_cnn": [2022, 2023, 2024],
        "stack2_resnet": [2022, 2023, 2024],
    }
    assert (table[table["layer"] == "all"].groupby("net")["error"].std() > 0).all()


def test_record(smoke: Path, snakemake: Callable[..., Any]) -> None:
    run = snakemake("--cores", "2", "--configfile", "config/smoke.yaml", "--", "record")
    assert run.returncode == 0, run.stdout + run.stderr
    text = (smoke / "record" / "run.md").read_text()
    assert "| train " in text
    for linked in re.findall(r"\]\((.*?)\)", text):
        assert (smoke / "record" / linked).is_file()
    assert {path.stem for path in (smoke / "record" / "figures").iterdir()} >= {f"fig{panel}" for panel in PANELS}


def test_nothing_to_do_after_a_run(smoke: Path, plan: Callable[..., set[str]]) -> None:
    assert plan() == set()


def test_a_comment_runs_nothing(smoke: Path, plan: Callable[..., set[str]]) -> None:
    assert plan("optics", "# Why.") == set()


def test_an_edit_of_the_optics_runs_the_calibration_and_what_follows(
    smoke: Path, plan: Callable[..., set[str]]
) -> None:
    assert plan("optics", "EDITED = 1") >= {"calibrate_psf", "synthesize_shard", "train", "predict", "score", "fig2"}


def test_an_edit_of_the_plots_draws_figures_alone(smoke: Path, plan: Callable[..., set[str]]) -> None:
    planned = plan("plots/style", "EDITED = 1")
    assert planned >= {"fig2", "fig7", "fig_psf"}
    assert {rule for rule in planned if not rule.startswith("fig")} <= {"reconstruct_sample"}


def test_an_edit_of_the_measures_trains_nothing(smoke: Path, plan: Callable[..., set[str]]) -> None:
    planned = plan("measures", "EDITED = 1")
    assert planned >= {"score", "make_scorecard"}
    assert not planned & {"calibrate_psf", "synthesize_shard", "fig_psf"}


@pytest.fixture
def plan(snakemake: Callable[..., Any], tmp_path: Path) -> Callable[..., set[str]]:
    """Rules that would run again after a line is added to a module, in a copy of the library."""

    def plan_after(module: str | None = None, line: str = "") -> set[str]:
        for name in ("src", "schemas"):
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(PROJECT / "workflow" / name, tmp_path / "workflow" / name, ignore=ignored)
        source = tmp_path / "workflow" / "src"
        if module:
            with (source / "foci3d" / f"{module}.py").open("a") as file:
                file.write(f"\n\n{line}\n")
        arguments = ("--dry-run", "--configfile", "config/smoke.yaml", "--", "all")
        run = snakemake(*arguments, environment={"PYTHONPATH": str(source)})
        assert run.returncode == 0, run.stderr
        return set(re.findall(r"^(\w+) +\d+$", run.stdout, re.MULTILINE)) - {"all", "total"}

    return plan_after
