import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

PROFILE = "workflow/profiles/slurm"

pytest.importorskip("snakemake_executor_plugin_slurm", reason="the plugin for SLURM is not installed")


def test_profile_plans_every_job(snakemake: Callable[..., Any], project: Path) -> None:
    run = snakemake("--dry-run", "--profile", PROFILE, "--configfile", "config/smoke.yaml", folder=project)
    assert run.returncode == 0, run.stderr
    assert re.search(r"^train +6$", run.stdout, re.MULTILINE)


def test_profile_gives_every_job_a_partition(snakemake: Callable[..., Any], project: Path) -> None:
    run = snakemake("--dry-run", "--profile", PROFILE, "--configfile", "config/smoke.yaml", folder=project)
    jobs = re.findall(r"^    resources: (.*)$", run.stdout, re.MULTILINE)
    assert len(jobs) > 50
    wanted = yaml.safe_load((project / PROFILE / "config.yaml").read_text())["default-resources"]
    assert all(re.search(rf"\b{name}=", job) for job in jobs for name in wanted)


@pytest.mark.skipif(shutil.which("sinfo") is None, reason="there is no SLURM here")
def test_a_job_runs_on_the_cluster(snakemake: Callable[..., Any], project: Path) -> None:
    target = "results/smoke/psf/optics.h5"
    run = snakemake("--profile", PROFILE, "--configfile", "config/smoke.yaml", "--", target, folder=project)
    assert run.returncode == 0, run.stderr
    assert (project / target).is_file()
