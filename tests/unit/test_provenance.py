import shutil
from pathlib import Path

import pytest

from foci3d import provenance


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small library in place of the real one: a -> inner.b -> c; d alone."""
    room = tmp_path / "library"
    (room / "inner").mkdir(parents=True)
    (room / "inner" / "__init__.py").write_text("")
    (room / "a.py").write_text("from foci3d.inner.b import number\n\n\ndef double():\n    return 2 * number()\n")
    (room / "inner" / "b.py").write_text("import foci3d.c\nfrom foci3d import job\n\n\ndef number():\n    return 1\n")
    for name in "cd":
        (room / f"{name}.py").write_text("VALUE = 1\n")
    (room / "job.py").write_text("VALUE = 1\n")
    (tmp_path / "script.py").write_text("import os\nfrom foci3d import a, job\n")
    monkeypatch.setattr(provenance, "ROOM", room)
    return room


def code_digest(room: Path) -> str:
    provenance._read_module.cache_clear()
    return provenance.code_digest(room.parent / "script.py")


@pytest.fixture(autouse=True)
def _forget() -> None:
    provenance._read_module.cache_clear()


def test_modules_behind_a_script(library: Path) -> None:
    assert provenance.modules_behind((library.parent / "script.py").read_text()) == {"a", "inner.b", "c"}


@pytest.mark.parametrize("module", ["a", "inner/b", "c"])
def test_an_edit_of_code_behind_changes_the_digest(library: Path, module: str) -> None:
    before = code_digest(library)
    path = library / f"{module}.py"
    path.write_text(path.read_text() + "MORE = 1\n")
    assert code_digest(library) != before


@pytest.mark.parametrize("module", ["d", "job"])
def test_an_edit_elsewhere_does_not(library: Path, module: str) -> None:
    before = code_digest(library)
    (library / f"{module}.py").write_text("VALUE = 2\n")
    assert code_digest(library) == before


def test_comments_docstrings_and_layout_are_no_code(library: Path) -> None:
    before = code_digest(library)
    lines = ['"""What."""', "from foci3d.inner.b import number", "# why", "def double():", "  return (2 * number())"]
    (library / "a.py").write_text("\n".join(lines))
    assert code_digest(library) == before
    (library / "a.py").write_text("from foci3d.inner.b import number\ndef double():\n    return 3 * number()\n")
    assert code_digest(library) != before


def test_the_place_of_the_library_does_not_matter(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = code_digest(library)
    shutil.move(library, tmp_path / "elsewhere" / "library")
    monkeypatch.setattr(provenance, "ROOM", tmp_path / "elsewhere" / "library")
    provenance._read_module.cache_clear()
    assert provenance.code_digest(tmp_path / "script.py") == before


def test_digest_of_values() -> None:
    assert provenance.digest({"a": 1, "b": [2.5]}) == provenance.digest({"b": [2.5], "a": 1})
    assert provenance.digest({"a": 1}) != provenance.digest({"a": 2})
    assert len(provenance.digest(None)) == 16
