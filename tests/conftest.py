"""Runs Snakemake as a user does: as a command, in the project or in a copy of it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch

# Small tensors: threads would only wait for each other.
torch.set_num_threads(1)

PROJECT = Path(__file__).parents[1]
Snakemake = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def snakemake() -> Snakemake:
    """Run `snakemake` with some arguments in a folder; errors are what it says and how it ends."""

    def run(
        *arguments: str, folder: Path = PROJECT, environment: Mapping[str, str] = {}
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "snakemake", *arguments]
        return subprocess.run(
            command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project's tracked parts, without results, to break."""
    copy = tmp_path / "project"
    shutil.copytree(PROJECT / "workflow", copy / "workflow", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("config", "resources", "envs"):
        shutil.copytree(PROJECT / name, copy / name)
    shutil.copy(PROJECT / "Snakefile", copy)
    return copy


@pytest.fixture(scope="session")
def smoke(snakemake: Snakemake) -> Path:
    """The results of a whole run at the smallest scale, made once."""
    run = snakemake("--cores", "2", "--configfile", "config/smoke.yaml", "--", "all")
    assert run.returncode == 0, run.stdout + run.stderr
    return PROJECT / "results" / "smoke"
