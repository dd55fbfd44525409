"""The HDF5 conventions that every artefact of the project follows.

An artefact is one HDF5 file of plain, contiguous, uncompressed arrays, so that Fiji, MATLAB, Julia and h5py read it as
it is. Contiguous float32 is written at 3 GB/s and read at 6 GB/s on a laptop; blosc is several times slower and
saves a fifth on speckled pictures.

=============  ==========================================================================================
attribute      meaning
=============  ==========================================================================================
kind           what the file holds, for example ``foci3d-shard`` (file)
version        integer version of that kind of file (file)
axes           space-separated axis names, slowest first, for example ``sample layer y x`` (array)
unit           unit of the values, ``1`` for numbers without one (array)
sha256         digest of the array's bytes in C order, little endian (array)
=============  ==========================================================================================

Files are written under a temporary name and renamed when complete, so a file that exists is whole.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from foci3d.errors import InputError

Attribute = str | int | float | bool


@dataclass(frozen=True)
class Kind:
    """Name and version of one kind of artefact."""

    name: str
    version: int


@dataclass(frozen=True)
class Layout:
    """Shape, type, axes and unit of an array that is written block by block."""

    shape: tuple[int, ...]
    dtype: str
    axes: str
    unit: str


@dataclass(frozen=True)
class Array:
    """An array with the names of its axes and the unit of its values."""

    values: npt.NDArray[Any]
    axes: str
    unit: str = "1"

    @property
    def layout(self) -> Layout:
        """The array's description without its values."""
        return Layout(self.values.shape, self.values.dtype.str, self.axes, self.unit)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its place when the block ends without an error.

    Parameters
    ----------
    path : str or Path
        File to write; its folder is made if needed.

    Yields
    ------
    Path
        Where to write. On an error it is removed and `path` stays as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


class Writer:
    """Puts the arrays of an open artefact in place, block by block; made by `writing`."""

    def __init__(self, file: h5py.File, layouts: Mapping[str, Layout]) -> None:
        self._arrays: dict[str, tuple[h5py.Dataset, np.dtype[Any]]] = {}
        self._hashes = {name: hashlib.sha256() for name in layouts}
        self._rows = dict.fromkeys(layouts, 0)
        for name, layout in layouts.items():
            dataset = file.create_dataset(name, layout.shape, layout.dtype)
            dataset.attrs.update({"axes": layout.axes, "unit": layout.unit})
            self._arrays[name] = dataset, dataset.dtype  # looked up once, for h5py takes long to

    def put(self, name: str, block: npt.NDArray[Any]) -> None:
        """Append `block` to array `name` along its first axis."""
        dataset, dtype = self._arrays[name]
        block = np.ascontiguousarray(block, dtype=dtype)
        start = self._rows[name]
        dataset[start : start + len(block)] = block
        self._hashes[name].update(block.data)
        self._rows[name] = start + len(block)

    def finish(self) -> None:
        """Add the digests, when every array is complete."""
        for name, rows in self._rows.items():
            dataset = self._arrays[name][0]
            if rows != len(dataset):
                raise ValueError(f"array {name!r}: {rows} of {len(dataset)} rows were written")
            dataset.attrs["sha256"] = self._hashes[name].hexdigest()


@contextmanager
def writing(
    path: str | Path, kind: Kind, layouts: Mapping[str, Layout], attributes: Mapping[str, Attribute]
) -> Iterator[Writer]:
    """Write an artefact block by block, with bounded memory.

    Parameters
    ----------
    path : str or Path
        The file to write.
    kind : Kind
        Kind and version of the artefact.
    layouts : mapping of str to Layout
        The arrays to be written, each with at least one axis.
    attributes : mapping of str to str, int, float or bool
        What else a reader should know: seed, digests, names.

    Yields
    ------
    Writer
        Its `put` takes the blocks of an array in order; together they cover it exactly.
    """
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs.update({"kind": kind.name, "version": kind.version, **attributes})
        writer = Writer(file, layouts)
        yield writer
        writer.finish()


def write(path: str | Path, kind: Kind, arrays: Mapping[str, Array], attributes: Mapping[str, Attribute]) -> None:
    """Write a whole artefact that fits in memory.

    Parameters
    ----------
    path : str or Path
        The file to write.
    kind : Kind
        Kind and version of the artefact.
    arrays : mapping of str to Array
        The arrays, each with at least one axis.
    attributes : mapping of str to str, int, float or bool
        Attributes of the file.
    """
    with writing(path, kind, {name: array.layout for name, array in arrays.items()}, attributes) as writer:
        for name, array in arrays.items():
            writer.put(name, array.values)


@contextmanager
def opened(path: str | Path, kind: Kind) -> Iterator[h5py.File]:
    """Open an artefact for reading, after a check of its kind and version.

    Yields
    ------
    h5py.File
        The open file. Slices of its arrays are read as they are, without a check of their digests.

    Raises
    ------
    InputError
        If there is no such file, it is no HDF5 file, or it is of another kind or version.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: there is no such file; expected a file of kind {kind.name}.")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise InputError(
            f"{path}: not a readable HDF5 file, it is damaged or of another format; delete it and run again."
        ) from error
    with file:
        found = file.attrs.get("kind"), file.attrs.get("version")
        if found != (kind.name, kind.version):
            raise InputError(
                f"{path}: expected a file of kind {kind.name} version {kind.version}, found kind {found[0]} "
                f"version {found[1]}; delete it and run again."
            )
        yield file


def read(
    path: str | Path, kind: Kind, names: Sequence[str] | None = None
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Read arrays of an artefact and verify them against their digests.

    Parameters
    ----------
    path : str or Path
        The file.
    kind : Kind
        The kind and version it must have.
    names : sequence of str, optional
        The arrays to read; all by default.

    Returns
    -------
    arrays : dict of str to ndarray
        The arrays by name.
    attributes : dict
        The file's attributes.

    Raises
    ------
    InputError
        If the file cannot be read, lacks an array, or an array does not match its digest.
    """
    arrays = {}
    with opened(path, kind) as file:
        for name in names if names is not None else list(file):
            _require_array(file, name, path)
            try:
                arrays[name] = file[name][...]
            except OSError as error:
                raise InputError(
                    f"{path}: array {name!r} cannot be read, the file is damaged; delete it and run again."
                ) from error
            _verify(arrays[name], file[name], path)
        return arrays, dict(file.attrs)


def map_arrays(path: str | Path, kind: Kind, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Map arrays of an artefact into memory and verify them against their digests.

    Parameters
    ----------
    path : str or Path
        The file; it must stay as it is while the arrays are in use.
    kind : Kind
        The kind and version it must have.
    names : sequence of str
        The arrays to map.

    Returns
    -------
    dict of str to ndarray
        The arrays by name. They take no memory that the operating system could not take back, for they are the file;
        what is written to them stays in memory alone.

    Raises
    ------
    InputError
        If the file cannot be read, lacks an array, or an array does not match its digest.
    """
    arrays: dict[str, npt.NDArray[Any]] = {}
    with opened(path, kind) as file:
        for name in names:
            _require_array(file, name, path)
            data = file[name]
            try:
                arrays[name] = np.memmap(path, data.dtype, "c", data.id.get_offset(), data.shape)
            except (TypeError, ValueError) as error:
                raise InputError(
                    f"{path}: array {name!r} cannot be read, the file is damaged; delete it and run again."
                ) from error
            _verify(arrays[name], data, path)
    return arrays


def _require_array(file: h5py.File, name: str, path: str | Path) -> None:
    if name not in file:
        raise InputError(f"{path}: there is no array {name!r}; expected one, delete the file and run again.")


def _verify(values: npt.NDArray[Any], data: h5py.Dataset, path: str | Path) -> None:
    if hashlib.sha256(values.data).hexdigest() != data.attrs["sha256"]:
        raise InputError(
            f"{path}: array {data.name[1:]!r} does not match its digest, the file is damaged; delete it and run again."
        )
