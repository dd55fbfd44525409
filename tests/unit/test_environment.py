"""The versions are the same in the lock, in the Makefile and in the environment for conda."""

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).parents[2]
CONDA = yaml.safe_load((PROJECT / "envs" / "foci3d.yaml").read_text())["dependencies"]
CONDA_PIP = next(entry["pip"] for entry in CONDA if isinstance(entry, dict))


def settings() -> dict[str, Any]:
    return tomllib.loads((PROJECT / "pyproject.toml").read_text())


def lock() -> dict[str, str]:
    versions = dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", (PROJECT / "requirements.lock").read_text(), re.MULTILINE))
    makefile = (PROJECT / "Makefile").read_text()
    return {**versions, **dict(re.findall(r"^TORCH := (torch)==(\S+)$", makefile, re.MULTILINE))}


def names(requirements: list[str]) -> set[str]:
    return {re.match(r"[A-Za-z0-9-]+", requirement)[0].lower() for requirement in requirements}


def test_the_lock_holds_every_dependency() -> None:
    groups = settings()
    assert names([*groups["project"]["dependencies"], *groups["dependency-groups"]["dev"]]) <= set(lock())


def test_every_file_of_the_lock_has_hashes() -> None:
    for entry in re.split(r"\n(?=[a-z])", (PROJECT / "requirements.lock").read_text().strip()):
        assert "--hash=sha256:" in entry, entry.split(" ")[0]


def test_the_lock_leaves_out_what_depends_on_the_machine() -> None:
    left_out = [name for name in lock() if name.startswith(("nvidia-", "cuda-")) or name == "triton"]
    assert left_out == []
    assert "\ntorch==" not in (PROJECT / "requirements.lock").read_text()


def test_the_environment_for_conda_has_the_versions_of_the_lock() -> None:
    pinned = dict(entry.split("==") for entry in CONDA_PIP)
    pinned |= dict(entry.split(" =") for entry in CONDA if isinstance(entry, str) and " =" in entry)
    python = pinned.pop("python")
    assert f"--python-version {python}" in (PROJECT / "Makefile").read_text()
    assert pinned == {name: lock()[name] for name in pinned}


def test_the_environment_for_conda_has_every_dependency_of_the_scripts() -> None:
    assert names(CONDA_PIP) == names(settings()["project"]["dependencies"]) - {"snakemake"}
