"""HDF5 files that other programs wrote: images, kernels, and MATLAB files of version 7.3.

A file must not make a reader open another file: links are not followed, and virtual datasets and external storage are
refused. Filters such as deflate may expand a chunk without bound, so arrays with filters are read in a process of
their own.
"""

import hashlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from foci3d.errors import InputError
from foci3d.io.hdf5 import NUMBERS, read_attributes
from foci3d.io.image_file import format_shape, require_size
from foci3d.io.isolation import read_isolated

MAX_OBJECTS, MAX_GROUPS = 50_000, 20
"""Arrays and groups of a file, and groups within each other; microscopes write far fewer."""


def array_shapes(path: str | Path, min_axes: int = 1) -> dict[str, tuple[int, ...]]:
    """Shapes of the arrays of numbers in a file, by name; links are not followed."""
    with h5py.File(path, "r") as file:
        return {
            name: data.shape
            for name, data in walk(file)
            if data.dtype.kind in NUMBERS and len(data.shape or ()) >= min_axes
        }


def walk(file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    """Name and array of each array in a file; links are not followed.

    Raises
    ------
    ValueError
        If there are more than `MAX_OBJECTS`, or groups in more than `MAX_GROUPS` others, as in one that holds itself.
    """
    pending, n_objects = [("", file)], 0
    while pending:
        prefix, group = pending.pop()
        for name in group:
            n_objects += 1
            if n_objects > MAX_OBJECTS or prefix.count("/") > MAX_GROUPS:
                raise ValueError(f"it has more than {MAX_OBJECTS} objects, or {MAX_GROUPS} groups within each other")
            item = group[name] if isinstance(group.get(name, getlink=True), h5py.HardLink) else None
            if isinstance(item, h5py.Dataset):
                yield prefix + name, item
            elif isinstance(item, h5py.Group):
                pending.append((f"{prefix}{name}/", item))


def read_array(path: str | Path, name: str) -> tuple[npt.NDArray[Any], dict[str, Any]]:
    """Values of an array, with its attributes.

    Parameters
    ----------
    path : str or Path
        The file.
    name : str
        Name of the array, with the groups that it is in.

    Returns
    -------
    values : ndarray
        The values. A digest `sha256` among the attributes is verified.
    attributes : dict
        Attributes of the array by name.

    Raises
    ------
    InputError
        If the array is missing, incomplete, too large or not of numbers, or lies in another file.
    ValueError
        If it cannot be decoded, or does not match its digest.
    """
    path = Path(path)
    with h5py.File(path, "r") as file:
        data = _find(path, file, name)
        require_size(path, data.shape, data.dtype)
        _require_complete(path, data)
        attributes, n_bytes = read_attributes(data), data.nbytes
        has_filters = data.id.get_create_plist().get_nfilters() > 0
        values = np.empty(0) if has_filters else data[...]
    if has_filters:
        (values,) = read_isolated("foci3d.io.foreign_hdf5:_read_values", path, [name], n_bytes)
    digest = attributes.get("sha256")
    if digest is not None and hashlib.sha256(np.ascontiguousarray(values).data).hexdigest() != digest:
        raise ValueError(f"{name} does not match its digest")
    return values, attributes


def _read_values(path: str, names: list[str]) -> list[npt.NDArray[Any]]:
    with h5py.File(path, "r") as file:
        return [file[name][...] for name in names]


def _find(path: Path, file: h5py.File, name: str) -> h5py.Dataset:
    """An array in the file itself."""
    group = file
    for part in name.strip("/").split("/"):
        link = group.get(part, getlink=True) if isinstance(group, h5py.Group) else None
        if link is None:
            raise InputError(f"{path}: there is no array {name}; found {', '.join(file) or 'nothing'}. Rename it.")
        if not isinstance(link, h5py.HardLink):
            raise InputError(
                f"{path}: {name} is a link, whose values may lie in another file; expected values. Copy them."
            )
        group = group[part]
    if not isinstance(group, h5py.Dataset) or group.dtype.kind not in NUMBERS or group.shape is None:
        raise InputError(f"{path}: {name} is no array of numbers; expected real or integer values. Export it again.")
    if group.is_virtual or group.external:
        raise InputError(f"{path}: {name} lies in another file; expected its values in this one. Copy them.")
    return group


def _require_complete(path: Path, data: h5py.Dataset) -> None:
    """Refuse an array of which values were never written, as in a recording that stopped early."""
    if data.chunks:
        n_chunks = math.prod(math.ceil(n / chunk) for n, chunk in zip(data.shape, data.chunks, strict=True))
        n_written = data.id.get_num_chunks()
        if n_written < n_chunks:
            raise InputError(
                f"{path}: {data.name} of {format_shape(data.shape)} is incomplete: {n_written} of {n_chunks} chunks "
                "were written. Export the frames that there are."
            )
    elif data.id.get_storage_size() < data.nbytes:
        raise InputError(f"{path}: {data.name} is incomplete; expected all its values. Export it again.")
