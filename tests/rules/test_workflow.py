"""Both Snakefiles plan the same jobs, others can use them as a module, and the default profile is read."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from foci3d.config.models import Config

PROJECT = Path(__file__).parents[2]
MODULE = """
configfile: "config/config.yaml"
configfile: "config/smoke.yaml"

module foci3d:
    snakefile: "{project}/workflow/Snakefile"
    config: config
{prefix}
use rule * from foci3d as {names}
"""


def planned(run: Any) -> Counter[str]:
    """Number of jobs by rule in the output of a dry run."""
    assert run.returncode == 0, run.stdout + run.stderr
    return Counter({rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", run.stdout, re.MULTILINE)})


@pytest.fixture(scope="module")
def project(copy_project: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project's tracked parts, without results, in which nothing runs."""
    return copy_project(tmp_path_factory.mktemp("workflow") / "project")


@pytest.fixture(scope="module")
def plan(snakemake: Callable[..., Any], project: Path) -> Counter[str]:
    """Jobs of a fresh copy of the project."""
    return planned(snakemake("--dry-run", "--configfile", "config/smoke.yaml", "--", "all", folder=project))


@pytest.mark.parametrize("snakefile", ["Snakefile", "workflow/Snakefile"])
def test_both_snakefiles_plan_everything_by_default(
    plan: Counter[str], snakemake: Callable[..., Any], project: Path, snakefile: str
) -> None:
    assert plan["train"] >= 6
    arguments = ("--snakefile", snakefile, "--dry-run", "--configfile", "config/smoke.yaml")
    assert planned(snakemake(*arguments, folder=project)) == plan


def write_module(folder: Path, project: Path, names: str, prefix: str = "") -> Path:
    """A workflow of others that uses this one."""
    folder.mkdir()
    for name in ("config", "resources"):
        (folder / name).symlink_to(project / name)
    (folder / "Snakefile").write_text(MODULE.format(project=project, names=names, prefix=prefix))
    return folder


@pytest.mark.parametrize("names", ["*", "lensless_*"])
def test_the_workflow_is_a_module(
    plan: Counter[str], snakemake: Callable[..., Any], project: Path, tmp_path: Path, names: str
) -> None:
    folder = write_module(tmp_path / "other", project, names)
    jobs = planned(snakemake("--dry-run", "--", names.replace("*", "all"), folder=folder))
    assert jobs == Counter({rule if rule == "total" else names.replace("*", rule): n for rule, n in plan.items()})


def test_the_prefix_of_a_module_is_that_of_its_results(
    plan: Counter[str], snakemake: Callable[..., Any], project: Path, tmp_path: Path
) -> None:
    """Images and resources stay where they are."""
    folder = write_module(tmp_path / "other", project, "*", '    prefix: "lensless"\n')
    run = snakemake("--dry-run", "--", "all", folder=folder)
    assert planned(run) == plan
    assert " resources/acquisitions/" in run.stdout
    assert not re.search(r"[ ,]results/", run.stdout)
    target = "lensless/results/smoke/psf/simulated_scan.csv"
    run = snakemake("--cores", "1", "--", target, folder=folder)
    assert run.returncode == 0, run.stdout + run.stderr
    assert (folder / target).is_file()
    assert not (folder / "results").exists()


def test_the_folder_for_the_workflow_catalogue_plans_everything(
    plan: Counter[str], snakemake: Callable[..., Any], project: Path
) -> None:
    flags = yaml.safe_load((PROJECT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert flags["software-stack-deployment"] == {"conda": True, "none": True}
    arguments = ("--directory", ".test", "--snakefile", "workflow/Snakefile", "--configfile", "config/smoke.yaml")
    assert planned(snakemake("--dry-run", *arguments, folder=project)) == plan


def test_the_default_profile_is_read(snakemake: Callable[..., Any], project: Path) -> None:
    run = snakemake("--dry-run", "--configfile", "config/smoke.yaml", "--", "psf", folder=project)
    assert "Using workflow specific profile profiles/default" in run.stderr
    assert re.search(r"mem_mb=3000, .*runtime=30", run.stdout)


def test_a_million_samples_are_planned(
    snakemake: Callable[..., Any], project: Path, config: Config, tmp_path: Path
) -> None:
    (tmp_path / "million.yaml").write_text("n_samples: {train: 1000000}\nshards: {train: 200}\n")
    run = snakemake("--dry-run", "--quiet", "reason", "--configfile", str(tmp_path / "million.yaml"), folder=project)
    trained = {network.dataset for network in config.networks.values()}
    assert planned(run)["synthesize_shard"] >= 200 * len(trained)
    inputs = [line.count("train-") for line in run.stdout.splitlines() if line.startswith("    input: ")]
    assert min(n_shards for n_shards in inputs if n_shards) == 200


def test_the_imager_is_aligned_where_the_configuration_asks_for_it(
    plan: Counter[str], snakemake: Callable[..., Any], project: Path, tmp_path: Path
) -> None:
    overlay = tmp_path / "aligned.yaml"
    overlay.write_text("reconstruct: {imager: aligned}\nalign: {samples: config/samples.tsv}\n")
    arguments = ("--dry-run", "--configfile", "config/smoke.yaml", str(overlay), "--", "all")
    assert planned(snakemake(*arguments, folder=project)) == plan + Counter({"align_imager": 1, "total": 1})


def test_channels_are_reconstructed_each_and_joined(
    plan: Counter[str], snakemake: Callable[..., Any], project: Path, tmp_path: Path
) -> None:
    a, b = (f"resources/acquisitions/clusters_{name}.tif" for name in "ab")
    rows = ["sample channel sensor_a sensor_b pixel_pitch_um", f"x green {a} {b} 55", f"x red {a} {b} 55"]
    (tmp_path / "samples.tsv").write_text("\n".join(rows).replace(" ", "\t"))
    (tmp_path / "matrix.csv").write_text("channel,gfp\ngreen,1\nred,0.2\n")
    overlay = tmp_path / "channels.yaml"
    for unmixing, names in (("", ("green", "red")), (f", unmixing: {tmp_path}/matrix.csv", ("gfp",))):
        overlay.write_text(f"reconstruct: {{samples: {tmp_path}/samples.tsv{unmixing}}}\n")
        run = snakemake("--dry-run", "--configfile", "config/smoke.yaml", str(overlay), "--", "all", folder=project)
        assert planned(run)["join_channels"] == 1
        assert planned(run)["reconstruct_sample"] == len(names)
        assert all(f"reconstructions/x/{name}/overview.png" in run.stdout for name in names)
