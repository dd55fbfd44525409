import hashlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from foci3d import store
from foci3d.errors import InputError

KIND = store.Kind("foci3d-test", 2)


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(7, 3, 4)).astype(np.float32)


@pytest.fixture
def file(tmp_path: Path, values: np.ndarray) -> Path:
    path = tmp_path / "file.h5"
    store.write(path, KIND, {"values": store.Array(values, "sample y x", "um")}, {"seed": 3})
    return path


def test_reads_what_was_written(file: Path, values: np.ndarray) -> None:
    arrays, attributes = store.read(file, KIND)
    np.testing.assert_array_equal(arrays["values"], values)
    assert attributes == {"kind": "foci3d-test", "version": 2, "seed": 3}


def test_is_plain_hdf5(file: Path, values: np.ndarray) -> None:
    with h5py.File(file) as opened:
        dataset = opened["values"]
        assert dataset.chunks is None
        assert dataset.compression is None
        assert (dataset.attrs["axes"], dataset.attrs["unit"]) == ("sample y x", "um")
        assert dataset.attrs["sha256"] == hashlib.sha256(values.tobytes()).hexdigest()


@pytest.mark.parametrize("block", [1, 3, 7])
def test_blocks_make_the_same_bytes(tmp_path: Path, file: Path, values: np.ndarray, block: int) -> None:
    path = tmp_path / "blocks.h5"
    layout = store.Array(values, "sample y x", "um").layout
    with store.writing(path, KIND, {"values": layout}, {"seed": 3}) as writer:
        for start in range(0, 7, block):
            writer.put("values", values[start : start + block])
    assert path.read_bytes() == file.read_bytes()


def test_unfinished_file_is_not_kept(tmp_path: Path, values: np.ndarray) -> None:
    path = tmp_path / "half.h5"
    layout = store.Array(values, "sample y x").layout
    with pytest.raises(ValueError, match="3 of 7 rows"), store.writing(path, KIND, {"values": layout}, {}) as writer:
        writer.put("values", values[:3])
    assert list(tmp_path.iterdir()) == []


def test_replacing_keeps_the_old_file_on_an_error(tmp_path: Path) -> None:
    path = tmp_path / "inner" / "table.csv"
    with store.replacing(path) as temporary:
        temporary.write_text("old")
    with pytest.raises(ZeroDivisionError), store.replacing(path) as temporary:
        temporary.write_text(str(1 / 0))
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_every_damaged_value_is_found(file: Path, values: np.ndarray) -> None:
    content = bytearray(file.read_bytes())
    start = content.index(values.tobytes())
    for place in (0, values.nbytes - 1):
        damaged = content.copy()
        damaged[start + place] ^= 1
        file.write_bytes(damaged)
        with pytest.raises(InputError, match=r"file\.h5: array 'values' does not match its digest"):
            store.read(file, KIND)


def test_truncated_file(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(InputError, match=r"file\.h5: not a readable HDF5 file"):
        store.read(file, KIND)


def test_missing_file_array_and_other_kinds(file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        store.read(tmp_path / "none.h5", KIND)
    with pytest.raises(InputError, match="there is no array 'other'"):
        store.read(file, KIND, ["other"])
    for kind in (store.Kind("foci3d-other", 2), store.Kind("foci3d-test", 1)):
        with pytest.raises(InputError, match="found kind foci3d-test version 2"):
            store.read(file, kind)
