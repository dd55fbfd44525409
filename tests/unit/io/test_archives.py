"""Archives of arrays: read, or refused in one line."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foci3d.errors import InputError
from foci3d.io.archives import read_archive


def archive(change: Mapping[bytes, bytes] = {}, method: int = zipfile.ZIP_STORED, **arrays: Any) -> bytes:
    """An archive of arrays, with other bytes in place of some."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, values in arrays.items():
            member = io.BytesIO()
            np.save(member, values)
            file.writestr(f"{name}.npy", member.getvalue())
    content = buffer.getvalue()
    for found, other in change.items():
        assert found in content
        content = content.replace(found, other)
    return content


def single_array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ones(3))
    return buffer.getvalue()


ENTRY = b"PK\x01\x02\x14\x03\x14\0"
"""Begin of an entry of the table of contents; flags and method follow."""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no archive", "not a zip file"),
        (b"PK\x03\x04 a damaged archive", "not a zip file"),
        (b"", "not a zip file"),
        (single_array(), "not a zip file"),
        (archive(x=np.ones(1))[:-20], "not a zip file"),
        (archive({ENTRY + b"\0\0": ENTRY + b"\1\0"}, x=np.ones(1)), "encrypted"),
        (archive({ENTRY + b"\0\0\0": ENTRY + b"\0\0\x63"}, x=np.ones(1)), "compression method is not supported"),
        (archive({b"NUMPY": b"OTHER"}, x=np.ones(1)), "Bad CRC-32"),
        (archive(x=np.array(["text"])), "x is of type <U4"),
        (archive(x=np.ones(1, [("a", "<f4")])), r"x is of type \[\('a', '<f4'\)\]"),
        (archive(x=np.array([{}], dtype=object)), "x is of type object"),
        (archive(y=np.ones(1)), "it has no array x but y; expected x"),
    ],
)
def test_what_is_no_archive_of_numbers(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "mine.npz").write_bytes(content)
    with pytest.raises(InputError, match=f"mine.npz: .*{message}"):
        read_archive(tmp_path / "mine.npz", ["x"])


def test_more_values_than_a_file_holds_are_refused(tmp_path: Path) -> None:
    forged = single_array().replace(b"(3,), }       ", b"(99999999,), }")
    with zipfile.ZipFile(tmp_path / "mine.npz", "w") as file:
        file.writestr("x.npy", forged)
    with pytest.raises(InputError, match="the shape is 99999999, more than a file of"):
        read_archive(tmp_path / "mine.npz", ["x"])


def test_other_arrays_are_not_read(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "mine.npz", x=np.arange(3), other=np.array([{}], dtype=object))
    assert read_archive(tmp_path / "mine.npz", ["x"])["x"].tolist() == [0, 1, 2]
