import shutil
import subprocess
from pathlib import Path

import pytest

from foci3d.workflow import provenance


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small library in place of the real one: a -> inner.b -> c; d alone."""
    folder = tmp_path / "library"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "__init__.py").write_text("")
    (folder / "a.py").write_text("from foci3d.inner.b import number\n\n\ndef double():\n    return 2 * number()\n")
    (folder / "inner" / "b.py").write_text(
        "import foci3d.c\nfrom foci3d.workflow import job\n\n\ndef number():\n    return 1\n"
    )
    for name in "cd":
        (folder / f"{name}.py").write_text("VALUE = 1\n")
    (folder / "workflow").mkdir()
    (folder / "workflow" / "__init__.py").write_text("")
    (folder / "workflow" / "job.py").write_text("VALUE = 1\n")
    (tmp_path / "script.py").write_text("import os\nfrom foci3d import a\nfrom foci3d.workflow import job\n")
    monkeypatch.setattr(provenance, "LIBRARY", folder)
    return folder


def code_digest(folder: Path) -> str:
    return provenance.code_digest(folder.parent / "script.py")


def test_modules_behind_a_script(library: Path) -> None:
    assert provenance.transitive_modules((library.parent / "script.py").read_text()) - {"inner", "workflow"} == {
        "a",
        "inner.b",
        "c",
    }


@pytest.mark.parametrize(
    "source",
    [
        "class A:\n    def f(self):\n        if self:\n            import {name}",
        "try:\n    pass\nexcept OSError:\n    import {name}\nfinally:\n    pass",
        "match 1:\n    case 1:\n        import {name}",
        "for _ in ():\n    pass\nelse:\n    with open('a'):\n        import {name}",
    ],
)
def test_imports_in_any_statement_are_found(source: str) -> None:
    assert provenance.imported_names(source.format(name="foci3d.a")) == {"foci3d.a"}


@pytest.mark.parametrize("module", ["a", "inner/b", "c"])
def test_an_edit_of_code_behind_changes_the_digest(library: Path, module: str) -> None:
    before = code_digest(library)
    path = library / f"{module}.py"
    path.write_text(path.read_text() + "MORE = 1\n")
    assert code_digest(library) != before


@pytest.mark.parametrize("module", ["d", "workflow/job"])
def test_an_edit_elsewhere_does_not(library: Path, module: str) -> None:
    before = code_digest(library)
    (library / f"{module}.py").write_text("VALUE = 2\n")
    assert code_digest(library) == before


def test_comments_docstrings_and_layout_are_no_code(library: Path) -> None:
    before = code_digest(library)
    lines = [
        '"""What."""',
        "from foci3d.inner.b import number",
        '"""Of what."""',
        "# why",
        "def double():",
        "  return (2 * number())",
    ]
    (library / "a.py").write_text("\n".join(lines))
    assert code_digest(library) == before
    (library / "a.py").write_text("from foci3d.inner.b import number\ndef double():\n    return 3 * number()\n")
    assert code_digest(library) != before


def test_the_place_of_the_library_does_not_matter(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = code_digest(library)
    shutil.move(library, tmp_path / "elsewhere" / "library")
    monkeypatch.setattr(provenance, "LIBRARY", tmp_path / "elsewhere" / "library")
    assert provenance.code_digest(tmp_path / "script.py") == before


def test_plugins_count_where_the_script_can_use_them(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text("VALUE = 1\n")
    script = tmp_path / "script.py"
    without = provenance.code_digest(script)
    assert provenance.code_digest(script, [plugin]) == without

    monkeypatch.setattr(provenance, "OPEN_TO_PLUGINS", frozenset({"c"}))
    digest = provenance.code_digest(script, [plugin])
    assert digest != without
    plugin.write_text("VALUE = 1  # one\n")
    assert provenance.code_digest(script, [plugin]) == digest
    plugin.write_text("VALUE = 2\n")
    assert provenance.code_digest(script, [plugin]) != digest


@pytest.mark.parametrize(
    ("script", "is_open"),
    [
        ("train", True),
        ("evaluate_network", True),
        ("evaluate_classical", True),
        ("make_baselines", True),
        ("calibrate_psf", False),
    ],
)
def test_an_edited_plugin_runs_again_what_can_use_it(tmp_path: Path, script: str, is_open: bool) -> None:
    path = Path(__file__).parents[3] / "workflow" / "scripts" / f"{script}.py"
    (tmp_path / "mine.py").write_text("VALUE = 1\n")
    assert (provenance.code_digest(path) != provenance.code_digest(path, [tmp_path / "mine.py"])) == is_open


def test_modules_open_to_plugins_exist() -> None:
    assert all(provenance.module_path(name) for name in provenance.OPEN_TO_PLUGINS)


def test_the_commit_notes_edits(tmp_path: Path) -> None:
    assert provenance.find_commit(tmp_path) == "unknown"
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], [*author, "commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert head.stdout.startswith(provenance.find_commit(tmp_path))
    (tmp_path / "new").touch()
    assert provenance.find_commit(tmp_path).endswith(", edited")
