"""The profiles plan every job with its resources, name rules that exist, and one of them runs jobs."""

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).parents[2]
PLUGINS = {
    "slurm": ["snakemake_executor_plugin_slurm"],
    "kubernetes": ["snakemake_executor_plugin_kubernetes", "snakemake_storage_plugin_fs"],
    "generic": ["snakemake_executor_plugin_cluster_generic"],
}
RULE = re.compile(r"^(?:rule (\w+):|use rule \w+ as (\w+) |add_figure\(\s*\"(\w+)\")", re.MULTILINE)
RULES = {
    next(filter(None, names))
    for pattern in ("*.smk", "Snakefile")
    for file in (PROJECT / "workflow").rglob(pattern)
    for names in RULE.findall(file.read_text())
}


def read_profile(name: str) -> dict[str, Any]:
    return yaml.safe_load((PROJECT / "profiles" / name / "config.yaml").read_text())


def skip_without(profile: str) -> None:
    missing = [name for name in PLUGINS[profile] if not importlib.util.find_spec(name)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


def resources_by_rule(output: str) -> dict[str, dict[str, str]]:
    """Resources that a dry run prints for the last job of each rule."""
    jobs = re.findall(r"^ *rule (\w+):\n(?:.+\n)*? +resources: (.*)$", output, re.MULTILINE)
    return {rule: dict(re.findall(r"(\w+)=([^,]+)", resources)) for rule, resources in jobs}


@pytest.mark.parametrize("profile", PLUGINS)
def test_every_job_has_memory_and_time(snakemake: Callable[..., Any], project: Path, profile: str) -> None:
    skip_without(profile)
    arguments = ["--dry-run", "--profile", f"profiles/{profile}", "--configfile", "config/smoke.yaml"]
    if profile == "kubernetes":
        arguments += ["--default-storage-prefix", str(project)]
    run = snakemake(*arguments, folder=project)
    assert run.returncode == 0, run.stdout + run.stderr
    planned = resources_by_rule(run.stdout)
    assert {"simulate_scan", "train", "evaluate_network_depth_cnn", "fig2", "figS4", "make_scorecard"} <= set(planned)
    assert all({"mem_mb", "runtime"} <= set(resources) for resources in planned.values())
    assert int(planned["train"]["mem_mb"]) > int(planned["fig2"]["mem_mb"])
    assert int(planned["train"]["runtime"]) > int(planned["fig2"]["runtime"])


def test_resources_stand_in_the_default_profile_alone() -> None:
    for file in (PROJECT / "workflow").rglob("*.smk"):
        assert not re.search(r"^    resources:", file.read_text(), re.MULTILINE), file.name
    for profile in PLUGINS:
        assert not {"default-resources", "set-resources"} & set(read_profile(profile)), profile


def test_profiles_name_rules_that_exist() -> None:
    assert {"train", "figS4"} <= RULES
    assert set(read_profile("default")["set-resources"]) <= RULES
    assert set(read_profile("slurm")["groups"]) <= RULES


def test_a_group_fits_a_small_node() -> None:
    """SLURM queues for ever what fits no node."""
    assert read_profile("slurm")["cores"] <= 2


def test_every_attempt_gets_more() -> None:
    default = read_profile("default")
    for resources in (default["default-resources"], *default["set-resources"].values()):
        assert all("attempt" in str(resources[name]) for name in {"mem_mb", "runtime"} & set(resources))
    assert all(read_profile(profile)["retries"] > 0 for profile in PLUGINS)
    assert "retries" not in default


def test_a_submit_command_runs_jobs(snakemake: Callable[..., Any], project: Path) -> None:
    """`bash` stands in for the submit command: it runs the script of a job at once. Its number is 7."""
    skip_without("generic")
    arguments = ["--profile", "profiles/generic", "--cluster-generic-submit-cmd", "echo 7; bash"]
    target = "results/smoke/psf/simulated_scan.csv"
    run = snakemake(*arguments, "--configfile", "config/smoke.yaml", "--", target, folder=project)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Submitted job 0 with external jobid '7'" in run.stdout + run.stderr
    assert len((project / target).read_text().splitlines()) > 10
