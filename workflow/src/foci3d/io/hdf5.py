"""The HDF5 conventions of every artefact.

An artefact is one HDF5 file of contiguous, uncompressed arrays, which Fiji, MATLAB, Julia and h5py read without
plugins. A laptop writes contiguous float32 at 3 GB/s and reads it at 6 GB/s; blosc is several times slower and saves a
fifth of the space of images with speckle.

=============  ==========================================================================================
attribute      meaning
=============  ==========================================================================================
kind           what the file holds, for example ``foci3d-shard`` (file)
version        version of that kind of file, an integer (file)
axes           space-separated names of the axes, slowest first, for example ``sample layer y x`` (array)
unit           unit of the values, ``1`` for dimensionless numbers (array)
sha256         digest of the array's bytes in C order (array)
=============  ==========================================================================================

In the format of HDF5 1.8 with text of fixed length, HDF5 verifies its own metadata by checksums: names, shapes, types
and attributes. So readers know the sizes before they allocate memory; values are verified by their digests.

Files are written under a temporary name and renamed when they are complete. A job stamps what it writes with its
provenance, see `stamped`.
"""

import errno
import hashlib
import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from foci3d.config.problems import is_file
from foci3d.errors import InputError
from foci3d.io.atomic import atomic_path

NUMBERS = "biuf"
"""Kinds of NumPy types that an array may have."""

MAX_COMPRESSION = 1032
"""The most that the deflate algorithm compresses."""

DAMAGE = (OSError, KeyError, ValueError, TypeError, RuntimeError, OverflowError, AttributeError)
"""What h5py raises on a damaged file."""

HEADER_BYTES = 1 << 17
"""More than names, attributes and alignment of an artefact take."""

Attribute = str | int | float | bool
Arrays = dict[str, npt.NDArray[Any]]


_stamp: ContextVar[Mapping[str, Attribute]] = ContextVar("stamp")


@contextmanager
def stamped(attributes: Mapping[str, Attribute]) -> Iterator[None]:
    """Give every artefact that is written in this context further attributes, in place of its own of the same names.

    Only a job knows the configuration and the code behind it; the functions that compute and write need not.
    """
    token = _stamp.set(attributes)
    try:
        yield
    finally:
        _stamp.reset(token)


@dataclass(frozen=True)
class FileFormat:
    """Name and version of a kind of artefact."""

    name: str
    version: int


@dataclass(frozen=True)
class ArraySpec:
    """Shape, type, axes and unit of an array that is written block by block."""

    shape: tuple[int, ...]
    dtype: str
    axes: str
    unit: str


@dataclass(frozen=True)
class LabelledArray:
    """An array with the names of its axes and the unit of its values."""

    values: npt.NDArray[Any]
    axes: str
    unit: str = "1"

    @property
    def spec(self) -> ArraySpec:
        """Description of the array without its values."""
        return ArraySpec(self.values.shape, self.values.dtype.str, self.axes, self.unit)


class Writer:
    """Writes the arrays of an open artefact block by block; made by `open_writer`."""

    def __init__(self, file: h5py.File, specs: Mapping[str, ArraySpec]) -> None:
        self._specs = specs
        # A look-up of an array in the file is slow in h5py, hence once for each.
        self._arrays = {name: file.create_dataset(name, spec.shape, spec.dtype) for name, spec in specs.items()}
        self._hashes = {name: hashlib.sha256() for name in specs}
        self._n_written = dict.fromkeys(specs, 0)
        for name, spec in specs.items():
            _set_attributes(self._arrays[name], {"axes": spec.axes, "unit": spec.unit})

    def put(self, name: str, block: npt.NDArray[Any]) -> None:
        """Append `block` to array `name` along its first axis."""
        array, start = self._arrays[name], self._n_written[name]
        block = np.ascontiguousarray(block, dtype=self._specs[name].dtype)
        array[start : start + len(block)] = block
        self._hashes[name].update(block.data)
        self._n_written[name] = start + len(block)

    def finish(self) -> None:
        """Write the digests of the arrays.

        Raises
        ------
        ValueError
            If an array is incomplete.
        """
        for name, array in self._arrays.items():
            n_rows = self._specs[name].shape[0]
            if self._n_written[name] != n_rows:
                raise ValueError(f"array {name!r}: {self._n_written[name]} of {n_rows} rows were written")
            _set_attributes(array, {"sha256": self._hashes[name].hexdigest()})


@contextmanager
def open_writer(
    path: str | Path, kind: FileFormat, specs: Mapping[str, ArraySpec], attributes: Mapping[str, Attribute]
) -> Iterator[Writer]:
    """Write an artefact block by block, with bounded memory.

    Parameters
    ----------
    path : str or Path
        The file to write.
    kind : FileFormat
        Kind and version of the artefact.
    specs : mapping of str to ArraySpec
        The arrays, each with at least one axis.
    attributes : mapping of str to str, int, float or bool
        Further attributes of the file: seed, digests, names.

    Yields
    ------
    Writer
        Its `put` takes the blocks of an array in order; together they must cover the array.
    """
    with atomic_path(path) as temporary:
        _require_space(temporary.parent, specs)
        with h5py.File(temporary, "w", libver=("v108", "v108")) as file:
            _set_attributes(file, {**attributes, **_stamp.get({}), "kind": kind.name, "version": kind.version})
            writer = Writer(file, specs)
            yield writer
            writer.finish()


def _require_space(folder: Path, specs: Mapping[str, ArraySpec]) -> None:
    """Raise OSError where a disk is too full for some arrays: HDF5 may crash as it closes what it could not write."""
    needed = sum(math.prod(spec.shape) * np.dtype(spec.dtype).itemsize for spec in specs.values())
    usage = shutil.disk_usage(folder)
    if usage.total and usage.free < needed + HEADER_BYTES:  # some file systems state no sizes
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def write(
    path: str | Path, kind: FileFormat, arrays: Mapping[str, LabelledArray], attributes: Mapping[str, Attribute]
) -> None:
    """Write an artefact whose arrays are in memory; parameters as of `open_writer`."""
    with open_writer(path, kind, {name: array.spec for name, array in arrays.items()}, attributes) as writer:
        for name, array in arrays.items():
            writer.put(name, array.values)


@contextmanager
def open_checked(path: str | Path, kind: FileFormat) -> Iterator[h5py.File]:
    """Open an artefact after a check of its kind and version.

    Yields
    ------
    h5py.File
        The open file. Values of its arrays are not verified.

    Raises
    ------
    InputError
        If the file is missing, damaged, or of another kind or version.
    """
    if not is_file(path):
        raise InputError(f"{path}: file not found; expected a file of kind {kind.name}.")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise InputError(
            f"{path}: not a readable HDF5 file; expected one of kind {kind.name}, which foci3d writes. Correct the "
            "path, or run again what wrote it."
        ) from error
    with file:
        try:
            attributes = read_attributes(file)
        except DAMAGE as error:
            raise InputError(f"{path}: the file is damaged ({error}). Run again what wrote it.") from error
        found = [str(attributes.get(name)) for name in ("kind", "version")]
        if found != [kind.name, str(kind.version)]:
            raise InputError(
                f"{path}: expected a file of kind {kind.name} version {kind.version}, found kind {found[0]} version "
                f"{found[1]}. Correct the path, or run again what wrote it."
            )
        yield file


def read(path: str | Path, kind: FileFormat, names: Sequence[str] | None = None) -> tuple[Arrays, dict[str, Any]]:
    """Read arrays of an artefact and verify them.

    Parameters
    ----------
    path : str or Path
        The file.
    kind : FileFormat
        Expected kind and version.
    names : sequence of str, optional
        The arrays to read; all by default.

    Returns
    -------
    arrays : dict of str to ndarray
        The arrays by name.
    attributes : dict
        Attributes of the file, with kind and version.

    Raises
    ------
    InputError
        If the file cannot be read, lacks an array, or an array does not match its digest.
    """
    with open_checked(path, kind) as file:
        arrays = {name: _load(file, name, path) for name in (file if names is None else names)}
        return arrays, read_attributes(file)


def memmap_arrays(path: str | Path, kind: FileFormat, names: Sequence[str]) -> Arrays:
    """Map arrays of an artefact into memory and verify them.

    Parameters
    ----------
    path : str or Path
        The file; it must not change while the arrays are in use.
    kind : FileFormat
        Expected kind and version.
    names : sequence of str
        The arrays to map.

    Returns
    -------
    dict of str to ndarray
        The arrays by name, backed by the file: the operating system may release their memory at any time. Values
        assigned to them change the memory only, not the file.

    Raises
    ------
    InputError
        If the file cannot be read, lacks an array, or an array does not match its digest.
    """
    with open_checked(path, kind) as file:
        return {name: _load(file, name, path, memmap=True) for name in names}


def read_attributes(item: h5py.File | h5py.Dataset) -> dict[str, Any]:
    """Attributes of an open file or array; text as str."""
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in item.attrs.items()}


def _set_attributes(item: h5py.File | h5py.Dataset, attributes: Mapping[str, Attribute]) -> None:
    for name, value in attributes.items():
        if isinstance(value, str):
            text = value.encode()
            item.attrs.create(name, text, dtype=h5py.string_dtype("utf-8", max(len(text), 1)))
        else:
            item.attrs[name] = value


def _load(file: h5py.File, name: str, path: str | Path, memmap: bool = False) -> npt.NDArray[Any]:
    """Values of an array, verified; nothing is allocated before it is certain that the file holds them."""
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise InputError(f"{path}: expected an array {name!r}, found {', '.join(file)}. Delete the file and run again.")
    with _report_damage(path):
        data = file[name]
        offset = data.id.get_offset()  # none if the values are compressed, in another file, or were never written
        if data.dtype.kind not in NUMBERS:
            raise ValueError(f"array {name!r} holds no numbers")
        if data.nbytes and (offset is None or offset + data.nbytes > Path(path).stat().st_size):
            raise ValueError(f"array {name!r} is incomplete")
        values = np.memmap(path, data.dtype, "c", offset, data.shape) if memmap else data[...]
        if hashlib.sha256(values.data).hexdigest() != read_attributes(data)["sha256"]:
            raise ValueError(f"array {name!r} does not match its digest")
    return values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))


@contextmanager
def _report_damage(path: str | Path) -> Iterator[None]:
    """Turn whatever h5py raises on a damaged file into an InputError."""
    try:
        yield
    except InputError:
        raise
    except DAMAGE as error:
        raise InputError(f"{path}: the file is damaged ({error}). Delete it and run again.") from error
