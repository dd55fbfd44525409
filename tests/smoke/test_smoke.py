"""A whole run at the smallest scale: every output exists, and only edits that matter run anything again."""

import csv
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from safetensors import safe_open

from foci3d.config.models import Config
from foci3d.config.validation import read_config
from foci3d.evaluation.scorecard import COLUMNS

PROJECT = Path(__file__).parents[2]
PANELS = ["2a", "2b", "3a", "3b", "4a", "4b", "4c", "5a", "5b", "6a", "6b", "7", "S1", "S2", "S3", "S4"]
NETWORKS = ["depth_cnn", "deblur_cnn", "nonoverlap_cnn", "stack1_cnn", "stack2_cnn", "stack2_resnet"]
NETWORKS += ["depth_physics", "deblur_physics", "nonoverlap_physics", "stack1_physics", "stack2_physics"]


@pytest.mark.parametrize("panel", PANELS)
def test_every_figure_of_the_paper(smoke: Path, panel: str) -> None:
    assert (smoke / "figures" / f"fig{panel}.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (smoke / "figures" / f"fig{panel}.svg").read_text()


@pytest.mark.parametrize("figure", ["fig_psf", "fig_scenes", "fig_training"])
def test_every_figure_of_the_workflow(smoke: Path, figure: str) -> None:
    assert (smoke / "figures" / f"{figure}.png").is_file()


def test_scorecard(smoke: Path) -> None:
    scorecard = pd.read_csv(smoke / "tables" / "scorecard.csv")
    assert list(scorecard.columns) == COLUMNS
    claims = pd.read_csv(PROJECT / "resources" / "paper_claims.csv")
    assert list(scorecard.claim) == list(claims.claim)
    assert set(scorecard.verdict) <= {"surpassed", "reproduced", "missed"}
    bounded = scorecard.dropna(subset=["ci_low", "ci_high"])
    assert len(bounded) > 15
    assert (bounded.ci_low <= bounded.value).all()
    assert (bounded.value <= bounded.ci_high).all()


@pytest.mark.parametrize("table", ["table1", "tableS1", "scorecard", "baselines", "coverage"])
def test_tables(smoke: Path, table: str) -> None:
    for suffix in ("csv", "html", "md"):
        assert (smoke / "tables" / f"{table}.{suffix}").stat().st_size > 0


@pytest.mark.parametrize("network", NETWORKS)
def test_models(smoke: Path, network: str) -> None:
    description = json.loads((smoke / "models" / f"{network}.json").read_text())
    assert description["network"] == network
    with safe_open(smoke / "models" / f"{network}.safetensors", "np") as weights:
        assert len(list(weights.keys())) > 0


def test_reconstructions(smoke: Path) -> None:
    with (PROJECT / "config" / "samples.tsv").open() as file:
        samples = [row["sample"] for row in csv.DictReader(file, delimiter="\t")]
    assert len(samples) >= 2
    for sample in samples:
        files = {path.name for path in (smoke / "reconstructions" / sample).iterdir()}
        assert files == {
            "volume.ome.tif",
            "foci.csv",
            "foci.roi.zip",
            "quality.csv",
            "overview.png",
            "view.html",
            "tracks",
        }
        verdicts = {"not available"} if sample == "cells" else {"yes", "no"}  # single cells need no network
        assert set(pd.read_csv(smoke / "reconstructions" / sample / "quality.csv")["flagged"]) <= verdicts


def test_seeds(smoke: Path, snakemake: Callable[..., Any]) -> None:
    run = snakemake("--cores", "2", "--configfile", "config/smoke.yaml", "--", "seeds")
    assert run.returncode == 0, run.stdout + run.stderr
    table = pd.read_csv(smoke / "tables" / "seeds.csv", dtype={"layer": str})
    seeds = table.groupby("network")["seed"].unique()
    assert {network: tuple(values) for network, values in seeds.items()} == {"stack2_cnn": (2022, 2023)}
    assert (table[table["layer"] == "all"].groupby("network")["error"].std() > 0).all()


def test_run_record(smoke: Path, snakemake: Callable[..., Any]) -> None:
    run = snakemake("--cores", "2", "--configfile", "config/smoke.yaml", "--", "run_record")
    assert run.returncode == 0, run.stdout + run.stderr
    text = (smoke / "run_record" / "run.md").read_text()
    assert "| train " in text
    for linked in re.findall(r"\]\((.*?)\)", text):
        assert (smoke / "run_record" / linked).is_file()
    assert {path.stem for path in (smoke / "run_record" / "figures").iterdir()} >= {f"fig{panel}" for panel in PANELS}


Plan = Callable[..., Counter[str]]


@pytest.fixture
def plan(snakemake: Callable[..., Any], tmp_path: Path) -> Plan:
    """Number of jobs by rule that would run after an edit of a module, in a copy of the library, or with an overlay."""

    def plan_after(module: str | None = None, line: str = "", overlay: str = "{}") -> Counter[str]:
        source = tmp_path / "src"
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(PROJECT / "workflow" / "src", source, ignore=ignored)
        if module:
            with (source / "foci3d" / f"{module}.py").open("a") as file:
                file.write(f"\n\n{line}\n")
        (tmp_path / "overlay.yaml").write_text(overlay)
        arguments = ("--dry-run", "--configfile", "config/smoke.yaml", str(tmp_path / "overlay.yaml"), "--", "all")
        run = snakemake(*arguments, environment={"PYTHONPATH": str(source)})
        assert run.returncode == 0, run.stdout + run.stderr
        planned = dict(re.findall(r"^(\S+) +(\d+)$", run.stdout, re.MULTILINE))  # the output lists them twice
        jobs: Counter[str] = Counter()
        for rule in planned.keys() - {"all", "total"}:
            jobs[re.sub(r"^(evaluate_\w+?)_.*", r"\1", rule)] += int(planned[rule])
        return jobs

    return plan_after


def test_the_effective_configuration_is_beside_the_results(smoke: Path) -> None:
    text = (smoke / "config.yaml").read_text()
    files = [PROJECT / "config" / name for name in ("config.yaml", "smoke.yaml")]
    assert Config.model_validate(yaml.safe_load(text)) == read_config(files)
    assert "results: results/smoke  # config/smoke.yaml:" in text


def test_a_comment_runs_nothing(smoke: Path, plan: Plan) -> None:
    assert plan("optics/psf", "# Why.") == {}


def test_an_edit_of_the_optics_runs_the_calibration_and_what_follows(smoke: Path, plan: Plan) -> None:
    expected = {"calibrate_psf", "synthesize_shard", "train", "evaluate_network", "evaluate_classical", "fig2"}
    assert set(plan("optics/psf", "EDITED = 1")) >= expected


def test_an_edit_of_the_plots_draws_figures_alone(smoke: Path, plan: Plan) -> None:
    planned = set(plan("plots/style", "EDITED = 1"))
    assert planned >= {"fig2", "fig7", "fig_psf"}
    assert {rule for rule in planned if not rule.startswith("fig")} <= {"reconstruct_sample"}


def test_an_edit_of_the_scores_trains_nothing(smoke: Path, plan: Plan) -> None:
    planned = set(plan("evaluation/scores", "EDITED = 1"))
    assert planned >= {"evaluate_network", "evaluate_classical", "make_scorecard"}
    assert not planned & {"calibrate_psf", "synthesize_shard", "train", "fig_psf"}


TRAINING = (
    "max_steps: 6, batch_size: 16, optimizer: adamw, max_learning_rate: 0.001, weight_decay: 0, weight_averaging: 0, "
    "augment: true, resample_stacks: true, imagers: null"
)
CNN = "{name: conv_deconv, channels: [8], strides: [1], kernel_size: 3}"
COMPUTING = {"simulate_scan", "calibrate_psf", "synthesize_shard", "cut_slides", "pretrain_encoder", "train"}
COMPUTING |= {"synthesize_training", "evaluate_network"}


@pytest.mark.parametrize(
    ("overlay", "computed", "among_the_rest"),
    [
        pytest.param("compute: {threads: 2, devices: 2}", {}, set(), id="threads"),
        pytest.param(
            "datasets: {close: {source: synthetic, scene: layers, appearance: paper, n_layers: 1, sensors: A, "
            "depth_range_um: [0, 400], depth_step_um: 0, minimum_gap_um: 0, overlap: keep, empty_layers: 0}}\n"
            "networks: {deblur_cnn: {test_datasets: [deblur, close]}, more: {dataset: deblur, "
            f"test_datasets: [deblur], task: deblurring, architecture: {CNN}, training: {{{TRAINING}, "
            "validation_interval: 3, patience: 1}, average_symmetries: false, weights: trained}}",
            {"synthesize_shard": 1, "train": 1, "evaluate_network": 2},
            {"fig_training", "make_scorecard"},
            id="test dataset, network",
        ),
        pytest.param(
            "figures: {fig4: {network: stack2_resnet}}\nn_bootstrap: 60\nbounds: {power_snr: 2.0e+4}\n"
            "reconstruct: {threshold: 0.4}",
            {"evaluate_network": 11},
            {"fig4", "make_tableS1", "evaluate_classical", "make_scorecard", "compute_bounds", "reconstruct_sample"},
            id="network of a figure, bootstrap, bounds, threshold",
        ),
        pytest.param(
            "pretraining: {training: {max_steps: 5}}\nseed_replicates: {networks: [stack2_cnn], seeds: [7]}\n"
            "slides: {n_stacks: 3}",
            {"pretrain_encoder": 1, "train": 1, "cut_slides": 1, "evaluate_network": 2},
            {"fig_training", "fig7"},
            id="pretraining, slides",
        ),
        pytest.param(
            "psf: {optics: {standoff_um: 30.0}, source: optics, file: other.h5}",
            {
                **{"synthesize_shard": 6, "synthesize_training": 5, "cut_slides": 1},
                **{"pretrain_encoder": 1, "train": 11, "evaluate_network": 11},
            },
            {"fig_psf"},
            id="source of the PSF",
        ),
    ],
)
def test_a_key_runs_what_it_changes(
    smoke: Path, plan: Plan, overlay: str, computed: dict[str, int], among_the_rest: set[str]
) -> None:
    planned = plan(overlay=overlay)
    assert {rule: n for rule, n in planned.items() if rule in COMPUTING} == computed
    assert set(planned) >= among_the_rest
    assert computed or among_the_rest or not planned


def test_an_acquisition_is_reconstructed_alone(smoke: Path, plan: Plan, tmp_path: Path) -> None:
    table = (PROJECT / "config" / "samples.tsv").read_text()
    images = "\t".join(f"resources/acquisitions/clusters_{sensor}.tif" for sensor in "ab")
    (tmp_path / "samples.tsv").write_text(f"{table.rstrip()}\nmore\t{images}\t55\t\n")
    assert plan(overlay=f"reconstruct: {{samples: {tmp_path / 'samples.tsv'}}}") == {"reconstruct_sample": 1}


def test_the_calibration_does_not_depend_on_the_distance_between_the_sensors(smoke: Path, plan: Plan) -> None:
    planned = plan(overlay="imager: {sensor_separation_um: 1010.0}")
    assert planned["synthesize_shard"] > 0
    assert planned["calibrate_psf"] == 0
