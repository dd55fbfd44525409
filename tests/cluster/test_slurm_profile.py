import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

PROFILE = "profiles/slurm"

pytest.importorskip("snakemake_executor_plugin_slurm", reason="the plugin for SLURM is not installed")


@pytest.fixture
def cluster() -> None:
    """Skip the test where no cluster can be reached."""
    if not all(map(shutil.which, ("sbatch", "scontrol"))):
        pytest.skip("the commands of SLURM are not installed")
    ping = subprocess.run(["scontrol", "ping"], capture_output=True, text=True, check=False)
    if ping.returncode != 0:
        pytest.skip(f"no controller of SLURM answers: {' '.join((ping.stdout + ping.stderr).split())}")


def test_profile_plans_every_job_with_resources(snakemake: Callable[..., Any], project: Path) -> None:
    run = snakemake("--dry-run", "--profile", PROFILE, "--configfile", "config/smoke.yaml", folder=project)
    assert run.returncode == 0, run.stderr
    assert re.search(r"^train +11$", run.stdout, re.MULTILINE)
    profile = yaml.safe_load((project / "profiles" / "default" / "config.yaml").read_text())
    jobs = re.findall(r"^    resources: (.*)$", run.stdout, re.MULTILINE)
    assert len(jobs) > 50
    assert all(re.search(rf"\b{name}=", job) for job in jobs for name in profile["default-resources"])


@pytest.mark.usefixtures("cluster")
def test_a_job_runs_on_the_cluster(snakemake: Callable[..., Any], project: Path) -> None:
    target = "results/smoke/psf/optics.h5"
    run = snakemake("--profile", PROFILE, "--configfile", "config/smoke.yaml", "--", target, folder=project)
    assert run.returncode == 0, run.stderr
    assert (project / target).is_file()
