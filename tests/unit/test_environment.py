"""Dependencies are declared, and their versions agree in the lock, the Makefile and the conda environment."""

import ast
import json
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((PROJECT / "pyproject.toml").read_text())
CONDA = yaml.safe_load((PROJECT / "envs" / "foci3d.yaml").read_text())["dependencies"]
CONDA_PIP = next(entry["pip"] for entry in CONDA if isinstance(entry, dict))

WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))

NEVER_IMPORTED = {
    "pooch",  # fetches images of scikit-image
}

BY_HAND = {
    "atheris",  # tests/faults/coverage_fuzz.py, which says how to install it; it has no wheels for every system
}


def names(requirements: list[str]) -> set[str]:
    return {re.match(r"[A-Za-z0-9_-]+", requirement)[0].lower().replace("_", "-") for requirement in requirements}


CORE = names(SETTINGS["project"]["dependencies"])
DEVELOPMENT = names(SETTINGS["dependency-groups"]["dev"])
EXTRAS = SETTINGS["project"]["optional-dependencies"]
DEPENDENCIES = CORE | names([*EXTRAS["train"], *EXTRAS["workflow"]]) - {"foci3d"}
"""All that the workflow needs; reconstruction needs the core alone."""
CLUSTERS = names(EXTRAS["clusters"])
OPTIONAL = ("onnx", "bioimageio", "napari", "zarr", "crate")
EXPORT = {name for extra in OPTIONAL for name in names(EXTRAS[extra])} - DEPENDENCIES


def locked_versions() -> dict[str, str]:
    versions = dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", (PROJECT / "requirements.lock").read_text(), re.MULTILINE))
    makefile = (PROJECT / "Makefile").read_text()
    return {**versions, **dict(re.findall(r"^TORCH := (torch)==(\S+)$", makefile, re.MULTILINE))}


def imported_distributions(folder: Path) -> set[str]:
    """Distributions of the modules that the Python files in a folder import."""
    modules = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.split(".")[0])
    scripts = [path for name in ("workflow", "docs") for path in (PROJECT / name).rglob("*.py")]
    local = {path.stem for path in (*folder.iterdir(), *folder.rglob("*.py"), *scripts)} | {"foci3d"}
    installed = packages_distributions()
    known = {"mpl_toolkits": ["matplotlib"], "pydantic_core": ["pydantic"]}
    found = [{**installed, **known}.get(module, [module]) for module in modules - local - set(sys.stdlib_module_names)]
    return names([distributions[0] for distributions in found])


def test_dependencies_are_those_that_the_library_and_the_scripts_import() -> None:
    found = imported_distributions(PROJECT / "workflow")
    assert found - EXPORT == DEPENDENCIES - NEVER_IMPORTED
    assert found & EXPORT


@pytest.mark.parametrize("folder", ["tests", "resources"])
def test_what_tests_import_is_declared(folder: str) -> None:
    assert imported_distributions(PROJECT / folder) <= DEPENDENCIES | DEVELOPMENT | EXPORT | BY_HAND


def test_the_lock_holds_every_dependency() -> None:
    assert set(locked_versions()) >= DEPENDENCIES | DEVELOPMENT | CLUSTERS


def test_every_file_of_the_lock_has_hashes() -> None:
    for entry in re.split(r"\n(?=[a-z])", (PROJECT / "requirements.lock").read_text().strip()):
        assert "--hash=sha256:" in entry, entry.split(" ")[0]


def test_the_lock_leaves_out_what_depends_on_the_machine() -> None:
    text = (PROJECT / "requirements.lock").read_text()
    assert re.findall(r"^(?:nvidia-|cuda-|triton=|torch=).*", text, re.MULTILINE) == []
    assert "://" not in text


def test_the_conda_environment_has_the_versions_of_the_lock() -> None:
    pinned = dict(entry.split("==") for entry in CONDA_PIP)
    pinned |= dict(entry.split(" =") for entry in CONDA if isinstance(entry, str) and " =" in entry)
    python = pinned.pop("python")
    assert f"--python-version {python}" in (PROJECT / "Makefile").read_text()
    assert pinned == {name: locked_versions()[name] for name in pinned}


def test_the_conda_environment_has_every_dependency_of_the_scripts() -> None:
    assert names(CONDA_PIP) == DEPENDENCIES - {"snakemake"}


def test_the_image_and_hosted_checks_use_the_python_of_the_lock() -> None:
    python = re.search(r"--python-version (\S+)", (PROJECT / "Makefile").read_text())[1]
    recipe = (PROJECT / "Containerfile").read_text()
    assert re.search(r"^FROM \S*/python:([0-9.]+)-", recipe, re.MULTILINE)[1] == python
    assert re.search(r"^RUN make env\b", recipe, re.MULTILINE)
    job = yaml.safe_load((PROJECT / ".github" / "workflows" / "checks.yml").read_text())["jobs"]["checks"]
    assert job["container"].startswith(f"python:{python}-")
    assert {"run": ".ci/run"} in job["steps"]


def test_the_image_holds_what_its_environment_needs() -> None:
    ignored = {line.strip("/") for line in (PROJECT / ".dockerignore").read_text().splitlines()}
    project = SETTINGS["project"]
    needed = [
        "Makefile",
        "pyproject.toml",
        "requirements.lock",
        "workflow",
        project["readme"],
        *project["license-files"],
    ]
    assert not ignored & set(needed)
    assert all((PROJECT / name).exists() for name in needed)


def test_descriptions_of_the_software_agree() -> None:
    project = SETTINGS["project"]
    citation = yaml.safe_load((PROJECT / "CITATION.cff").read_text())
    codemeta = json.loads((PROJECT / "codemeta.json").read_text())
    for described in (citation, codemeta):
        assert described.get("title", described.get("name")) == project["name"]
        assert described["version"] == project["version"]
        assert described["license"].endswith(project["license"])
    assert codemeta["description"] == project["description"]
    assert codemeta["runtimePlatform"] == f"Python {project['requires-python']}"
    assert codemeta["author"][0]["name"] == citation["authors"][0]["name"] == project["authors"][0]["name"]
    assert codemeta["referencePublication"][0]["@id"].endswith(citation["preferred-citation"]["doi"])
    assert all((PROJECT / codemeta[name]).is_file() for name in ("readme", "softwareHelp", "releaseNotes"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_and_have_few_rights(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] in ({}, {"contents": "read"})
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    for step in steps:
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step.get("uses", f"a@{40 * '0'}"))
        assert step.get("with", {}).get("persist-credentials") is False or "checkout" not in step.get("uses", "")
    rights = {name: job.get("permissions", {}) for name, job in workflow["jobs"].items()}
    allowed = {"release": {"contents": "write"}, "image": {"contents": "read", "packages": "write"}}
    assert rights == (allowed if path.stem == "release" else {"checks": {}})
