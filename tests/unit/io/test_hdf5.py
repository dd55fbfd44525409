import hashlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from foci3d.errors import InputError
from foci3d.io import hdf5

FORMAT = hdf5.FileFormat("foci3d-test", 2)


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(7, 3, 4)).astype(np.float32)


@pytest.fixture
def file(tmp_path: Path, values: np.ndarray) -> Path:
    path = tmp_path / "file.h5"
    hdf5.write(path, FORMAT, {"values": hdf5.LabelledArray(values, "sample y x", "um")}, {"seed": 3})
    return path


def test_reads_what_was_written(file: Path, values: np.ndarray) -> None:
    arrays, attributes = hdf5.read(file, FORMAT)
    np.testing.assert_array_equal(arrays["values"], values)
    assert attributes == {"kind": "foci3d-test", "version": 2, "seed": 3}


def test_mapped_arrays_are_those_of_the_file_and_leave_it_unchanged(file: Path, values: np.ndarray) -> None:
    before = file.read_bytes()
    mapped = hdf5.memmap_arrays(file, FORMAT, ["values"])["values"]
    np.testing.assert_array_equal(mapped, values)
    mapped[:] = 0
    assert file.read_bytes() == before


def test_is_plain_hdf5(file: Path, values: np.ndarray) -> None:
    with h5py.File(file) as content:
        data = content["values"]
        assert data.chunks is None
        assert data.compression is None
        assert (data.attrs["axes"], data.attrs["unit"]) == (b"sample y x", b"um")
        assert data.attrs["sha256"].decode() == hashlib.sha256(values.tobytes()).hexdigest()
        assert (content.attrs["kind"], content.attrs["version"]) == (b"foci3d-test", 2)


@pytest.mark.parametrize("block", [1, 3, 7])
def test_bytes_do_not_depend_on_the_blocks(tmp_path: Path, file: Path, values: np.ndarray, block: int) -> None:
    path = tmp_path / "blocks.h5"
    spec = hdf5.LabelledArray(values, "sample y x", "um").spec
    with hdf5.open_writer(path, FORMAT, {"values": spec}, {"seed": 3}) as writer:
        for start in range(0, 7, block):
            writer.put("values", values[start : start + block])
    assert path.read_bytes() == file.read_bytes()


def test_unfinished_file_is_removed(tmp_path: Path, values: np.ndarray) -> None:
    path = tmp_path / "half.h5"
    specs = {"values": hdf5.LabelledArray(values, "sample y x").spec}
    with pytest.raises(ValueError, match="3 of 7 rows"), hdf5.open_writer(path, FORMAT, specs, {}) as writer:
        writer.put("values", values[:3])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "read", [lambda path: hdf5.read(path, FORMAT)[0], lambda path: hdf5.memmap_arrays(path, FORMAT, ["values"])]
)
def test_every_damaged_value_is_noticed(file: Path, values: np.ndarray, read: object) -> None:
    content = file.read_bytes()
    start = content.index(values.tobytes())
    for place in (0, values.nbytes - 1):
        damaged = bytearray(content)
        damaged[start + place] ^= 1
        file.write_bytes(damaged)
        with pytest.raises(InputError, match=r"file\.h5: the file is damaged \(array 'values' does not match its dig"):
            read(file)


def test_every_damaged_bit_of_the_header_is_reported_or_harmless(file: Path, values: np.ndarray) -> None:
    """Names, shapes, types and attributes: a file that is read in spite of a damaged bit has the same content."""
    content = file.read_bytes()
    start = content.index(values.tobytes())
    messages = []
    for place in [*range(0, start, 2), *range(start + values.nbytes, len(content), 2)]:
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        file.write_bytes(damaged)
        try:
            arrays, attributes = hdf5.read(file, FORMAT)
        except InputError as error:
            messages.append(str(error))
        else:
            assert list(arrays) == ["values"]
            np.testing.assert_array_equal(arrays["values"], values)
            assert attributes == {"kind": "foci3d-test", "version": 2, "seed": 3}
    assert len(messages) > 300
    assert not any("\n" in message for message in messages)


def test_missing_digest(file: Path) -> None:
    with h5py.File(file, "r+") as content:
        del content["values"].attrs["sha256"]
    with pytest.raises(InputError, match=r"file\.h5: the file is damaged \('sha256'\)"):
        hdf5.read(file, FORMAT)


def test_array_without_storage_is_not_allocated(file: Path) -> None:
    """A shape of 4 TB in a file of a few kB."""
    with h5py.File(file, "w") as content:
        content.create_dataset("values", (10**12,), "f4").attrs["sha256"] = ""
        content.attrs.update({"kind": FORMAT.name, "version": FORMAT.version})
    for read in (hdf5.read, hdf5.memmap_arrays):
        with pytest.raises(InputError, match=r"file\.h5: the file is damaged \(array 'values' is incomplete\)"):
            read(file, FORMAT, ["values"])


@pytest.mark.parametrize("size", [0, 500, -1])
def test_truncated_file(file: Path, size: int) -> None:
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(InputError, match=r"file\.h5: not a readable HDF5 file"):
        hdf5.read(file, FORMAT)


def test_missing_file_array_and_other_kinds(file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.h5: file not found; expected a file of kind foci3d-test"):
        hdf5.read(tmp_path / "none.h5", FORMAT)
    with pytest.raises(InputError, match="expected an array 'other', found values"):
        hdf5.read(file, FORMAT, ["other"])
    for kind in (hdf5.FileFormat("foci3d-other", 2), hdf5.FileFormat("foci3d-test", 3)):
        with pytest.raises(InputError, match=f"expected a file of kind {kind.name} version {kind.version}, found kind"):
            hdf5.read(file, kind)


def test_arrays_that_exceed_the_disk_are_refused_before_they_are_written(tmp_path: Path) -> None:
    """HDF5 may crash where it cannot write."""
    spec = hdf5.ArraySpec((2**45,), "f8", "sample", "1")
    with pytest.raises(OSError, match="No space left"), hdf5.open_writer(tmp_path / "a.h5", FORMAT, {"x": spec}, {}):
        pass
    assert list(tmp_path.iterdir()) == []


def test_file_of_version_1_is_refused_in_one_line(file: Path) -> None:
    with h5py.File(file, "w") as content:
        content.attrs.update({"kind": FORMAT.name, "version": 1})  # text of variable length, as in version 1
    with pytest.raises(InputError) as raised:
        hdf5.read(file, FORMAT)
    assert str(raised.value).endswith(
        "expected a file of kind foci3d-test version 2, found kind foci3d-test version 1. "
        "Correct the path, or run again what wrote it."
    )
