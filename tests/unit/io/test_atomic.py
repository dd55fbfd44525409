from pathlib import Path

import pytest

from foci3d.io.atomic import atomic_path


def test_old_file_remains_on_an_error(tmp_path: Path) -> None:
    path = tmp_path / "inner" / "table.csv"
    with atomic_path(path) as temporary:
        temporary.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_path(path) as temporary:
        temporary.write_text(str(1 / 0))
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_temporary_file_of_a_killed_process_is_removed(tmp_path: Path) -> None:
    abandoned, other = tmp_path / ".test-1.77.partial.h5", tmp_path / ".test-10.77.partial.h5"
    for path in (abandoned, other):
        path.write_text("unfinished")
    with atomic_path(tmp_path / "test-1.h5") as temporary:
        temporary.write_text("whole")
    assert sorted(tmp_path.iterdir()) == [other, tmp_path / "test-1.h5"]
