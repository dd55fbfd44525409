"""Modules import as the table of CONTRIBUTING.md allows, and an edit reaches the scripts that it concerns."""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from foci3d import provenance

PROJECT = Path(__file__).parents[2]
LIBRARY = PROJECT / "workflow" / "src" / "foci3d"
SCRIPTS = PROJECT / "workflow" / "scripts"
MODULES = sorted(LIBRARY.rglob("*.py"))


def room_of(module: Path) -> str:
    return module.relative_to(LIBRARY).parts[0].removesuffix(".py")


def allowed_imports() -> dict[str, set[str]]:
    rows = re.findall(r"^\| `(\w+)` \|.*\|([^|]*)\|$", (PROJECT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    return {room: set(re.findall(r"`(\w+)`", rooms)) for room, rooms in rows}


def rules_in(folder: Path) -> set[str]:
    text = "".join(file.read_text() for file in folder.glob("*.smk"))
    return set(re.findall(r"^rule (\w+):", text, re.MULTILINE))


def digest(script: str) -> str:
    provenance._read_module.cache_clear()
    return provenance.code_digest(SCRIPTS / f"{script}.py")


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the library to edit, which digests are taken of."""
    copy = tmp_path / "foci3d"
    shutil.copytree(LIBRARY, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(provenance, "ROOM", copy)
    yield copy
    provenance._read_module.cache_clear()


def test_every_room_is_in_the_table() -> None:
    assert {room_of(module) for module in MODULES} - {"__init__"} == set(allowed_imports())


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(LIBRARY)))
def test_imports_point_one_way(module: Path) -> None:
    room = room_of(module)
    imported = {name.split(".")[0] for name in provenance.imported_modules(module.read_text())}
    assert imported - {room} <= allowed_imports().get(room, set())


def test_the_table_has_no_circle_and_no_row_too_many() -> None:
    imported: dict[str, set[str]] = {room: set() for room in allowed_imports()}
    for module in MODULES:
        names = {name.split(".")[0] for name in provenance.imported_modules(module.read_text())}
        imported.setdefault(room_of(module), set()).update(names)
    for room, allowed in allowed_imports().items():
        assert allowed <= imported[room], f"{room} does not import all that the table says"

    def below(room: str, above: tuple[str, ...] = ()) -> None:
        assert room not in above, f"circle: {' -> '.join((*above, room))}"
        for other in allowed_imports()[room]:
            below(other, (*above, room))

    for room in allowed_imports():
        below(room)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(LIBRARY)))
def test_the_library_knows_neither_snakemake_nor_prints(module: Path) -> None:
    for node in ast.walk(ast.parse(module.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not any(name.split(".")[0] in {"snakemake", "torchvision"} for name in names)
        called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
        assert called != "print"


def test_packages_hold_no_code() -> None:
    for module in LIBRARY.rglob("__init__.py"):
        assert provenance.bare_code(module.read_text()) in {"", "pass"}


def test_every_rule_has_its_script_and_every_script_its_rule() -> None:
    scripts = {script.stem for script in SCRIPTS.glob("*.py")}
    assert scripts == rules_in(PROJECT / "workflow" / "rules")


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.py")), ids=lambda script: script.stem)
def test_scripts_are_thin(script: Path) -> None:
    source = script.read_text()
    tree = ast.parse(source)
    assert ast.get_docstring(tree)
    assert len(source.splitlines()) <= 80
    guarded = [node for node in tree.body if isinstance(node, ast.If)]
    used = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "snakemake"]
    inside = [node for guard in guarded for node in ast.walk(guard) if isinstance(node, ast.Name)]
    assert used
    assert all(node in inside for node in used)


@pytest.mark.parametrize(
    ("module", "concerned", "spared"),
    [
        ("optics", ["calibrate_psf", "synthesize_shard", "train"], ["fig2", "fig4", "score", "make_table1"]),
        ("measures", ["score"], ["calibrate_psf", "synthesize_shard"]),
        ("plots/style", ["fig2", "fig7", "fig_psf", "reconstruct_sample"], ["train", "score", "make_scorecard"]),
        ("errors", [], ["train", "fig2", "score"]),
    ],
)
def test_an_edit_reaches_the_scripts_behind_which_it_is(
    library: Path, module: str, concerned: list[str], spared: list[str]
) -> None:
    path = library / f"{module}.py"
    source = path.read_text()
    before = {script: digest(script) for script in [*concerned, *spared]}

    path.write_text(source + "\n\n# A comment.\n")
    assert {script: digest(script) for script in before} == before

    path.write_text(source + "\n\nEDITED = 1\n")
    assert [script for script in before if digest(script) != before[script]] == concerned


def test_light_scripts_import_nothing_heavy() -> None:
    for script in ("make_scorecard", "make_table1", "make_tableS1"):
        names = provenance.modules_behind((SCRIPTS / f"{script}.py").read_text())
        code = f"import sys, {', '.join(f'foci3d.{name}' for name in names)}; print(*sys.modules)"
        loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        assert not {"torch", "lightning", "monai", "seaborn"} & set(loaded)
