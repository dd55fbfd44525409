"""The structure of the library and its scripts, beyond the import contract in pyproject.toml."""

import ast
import doctest
import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from run_script import load_workflow, script_path

from foci3d.workflow import provenance

PROJECT = Path(__file__).parents[2]
LIBRARY = PROJECT / "workflow" / "src" / "foci3d"
SCRIPTS = sorted((PROJECT / "workflow" / "scripts").glob("*.py"))
STUDIES = sorted((PROJECT / "workflow" / "studies").glob("*/*.py"))
MODULES = sorted(LIBRARY.rglob("*.py"))
HEAVY = {"lightning", "monai", "seaborn", "torch"}


def loaded_modules(statement: str) -> set[str]:
    """Top-level modules that a fresh Python has loaded after `statement`."""
    command = [sys.executable, "-c", f"import sys; {statement}; print(*sys.modules)"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in run.stdout.split()}


def code_digests(scripts: list[str]) -> dict[str, str]:
    return {name: provenance.code_digest(PROJECT / "workflow" / "scripts" / f"{name}.py") for name in scripts}


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the library to edit, of which digests are taken."""
    copy = tmp_path / "foci3d"
    shutil.copytree(LIBRARY, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(provenance, "LIBRARY", copy)
    return copy


def test_library_does_not_print() -> None:
    for module in MODULES:
        calls = [node.func for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Call)]
        assert "print" not in {function.id for function in calls if isinstance(function, ast.Name)}, module


def test_nothing_is_unpickled() -> None:
    """Loading a pickle runs the code in it: no module imports a reader, and `torch.load` reads weights alone."""
    readers = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
    for path in (*MODULES, *SCRIPTS, *STUDIES):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                module = getattr(node, "module", None)
                imported = {f"{module}.{alias.name}" if module else alias.name for alias in node.names}
                imported.discard("pickle.UnpicklingError")  # what `torch.load` raises
                assert not readers & {name.split(".")[0] for name in imported}, path
            if isinstance(node, ast.Call):
                call, options = ast.unparse(node.func), {key.arg: ast.unparse(key.value) for key in node.keywords}
                assert call != "torch.load" or options.get("weights_only") == "True", path
                assert options.get("allow_pickle", "False") == "False", path


def test_only_optics_renders() -> None:
    """Layers are convolved with kernels, and measurements transformed, by the forward model alone."""
    assert {path.parent.name for path in MODULES if "torch.fft" in path.read_text()} == {"optics"}


@pytest.mark.parametrize(
    "module", [path for path in MODULES if ">>> " in path.read_text()], ids=lambda path: str(path.relative_to(LIBRARY))
)
def test_examples_in_docstrings_are_true(module: Path) -> None:
    name = ".".join(["foci3d", *module.relative_to(LIBRARY).with_suffix("").parts])
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_packages_only_import() -> None:
    lazy = {"__all__", "__getattr__", "__dir__"}
    for module in LIBRARY.rglob("__init__.py"):
        for node in ast.parse(provenance.normalized_source(module.read_text())).body:
            names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} - {"__name__", "__file__"}
            assigned = isinstance(node, ast.Assign) and names <= lazy | {"lazy_loader"}
            assert assigned or isinstance(node, ast.Import | ast.ImportFrom | ast.Pass), module


def test_public_api_is_lazy() -> None:
    assert provenance.transitive_modules((LIBRARY / "__init__.py").read_text()) == set()
    assert not HEAVY & loaded_modules("import foci3d")


def test_every_rule_has_a_script_and_the_digest_of_its_code() -> None:
    with load_workflow() as workflow:
        rules = [rule for rule in workflow.rules if not rule.norun]
        scripts = {rule.name: script_path(rule) for rule in rules}
        assert {rule.name: rule.params["code"] for rule in rules} == {
            name: provenance.code_digest(script) for name, script in scripts.items()
        }
        assert [rule.name for rule in workflow.rules if not rule.docstring] == []
        assert [rule.name for rule in rules if not (rule.log and rule.conda_env)] == []
    run = [script for script in (*SCRIPTS, *STUDIES) if "run_job(" in script.read_text()]
    assert set(scripts.values()) == set(run)
    assert set(SCRIPTS) <= set(run)


@pytest.mark.parametrize("script", [*SCRIPTS, *STUDIES], ids=lambda script: script.stem)
def test_scripts_are_thin(script: Path) -> None:
    """A script of the core only calls the library; that of a study may hold what it alone needs."""
    source = script.read_text()
    tree = ast.parse(source)
    assert ast.get_docstring(tree)
    assert len(source.splitlines()) <= (60 if script in SCRIPTS else 160)
    assert "snakemake" not in {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


@pytest.mark.parametrize(
    ("module", "affected", "unaffected"),
    [
        ("optics/psf", ["calibrate_psf", "synthesize_shard", "train"], ["fig2", "fig4", "make_scorecard"]),
        ("evaluation/metrics", ["evaluate_classical"], ["calibrate_psf", "synthesize_shard"]),
        (
            "plots/style",
            ["fig2", "fig7", "fig_psf", "reconstruct_sample"],
            ["train", "evaluate_network", "make_scorecard"],
        ),
        ("errors", [], ["train", "fig2", "evaluate_network"]),
    ],
)
def test_an_edit_reaches_the_scripts_that_import_it(
    library: Path, module: str, affected: list[str], unaffected: list[str]
) -> None:
    path = library / f"{module}.py"
    source = path.read_text()
    before = code_digests([*affected, *unaffected])

    path.write_text(source + "\n\n# A comment.\n")
    assert code_digests(list(before)) == before

    path.write_text(source + "\n\nEDITED = 1\n")
    after = code_digests(list(before))
    assert [script for script in before if after[script] != before[script]] == affected


def test_an_edit_in_a_study_reaches_the_scripts_beside_it(tmp_path: Path) -> None:
    study = shutil.copytree(PROJECT / "workflow" / "studies" / "benchmark", tmp_path / "benchmark")
    scripts = [study / f"{name}.py" for name in ("import_predictions", "make_benchmark", "record_benchmark")]
    before = [provenance.code_digest(script) for script in scripts]
    module = study / "frozen_datasets.py"
    module.write_text(module.read_text() + "\n\n# A comment.\n")
    assert [provenance.code_digest(script) for script in scripts] == before
    module.write_text(module.read_text() + "\n\nEDITED = 1\n")
    assert all(now != then for now, then in zip(map(provenance.code_digest, scripts), before, strict=True))


def test_scripts_of_tables_import_nothing_heavy() -> None:
    scripts = [str(script) for script in (*SCRIPTS, *STUDIES) if script.stem.startswith("make_")]
    assert len(scripts) > 5
    folders = sorted({str(script.parent) for script in STUDIES})
    load = f"import runpy; sys.path += {folders}; [runpy.run_path(script) for script in {scripts}]"
    assert not HEAVY & loaded_modules(load)
