"""Arrays of numbers in MATLAB files of version 5 to 7.3; cells, structures, objects and text are left out.

Files up to version 7 are read in a process of their own, because the reader may crash on damaged ones.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import scipy.io

from foci3d.errors import InputError
from foci3d.io import foreign_hdf5
from foci3d.io.image_file import require_size
from foci3d.io.isolation import read_isolated

CLASSES = {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)} | {"single", "double", "logical"}
"""MATLAB's classes of numbers."""


def array_shapes(path: str | Path) -> dict[str, tuple[int, ...]]:
    """Shapes of the arrays of numbers in a file, by name, in MATLAB's order of the axes.

    Raises
    ------
    ValueError
        If the file is not a MATLAB file of version 5 to 7.3.
    """
    if h5py.is_hdf5(path):
        return {name: shape[::-1] for name, shape in foreign_hdf5.array_shapes(path).items() if "/" not in name}
    (table,) = read_isolated("foci3d.io.matlab_arrays:_list_version_5", path, [], 1 << 20)
    return {name: tuple(map(int, shape.split())) for name, shape in table}


def read_arrays(path: str | Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, npt.NDArray[Any]]:
    """Values of arrays of numbers, in MATLAB's order of the axes.

    Parameters
    ----------
    path : str or Path
        The file.
    shapes : mapping of str to tuple of int
        Shapes of the arrays to read, some of those of `array_shapes`.

    Returns
    -------
    dict of str to ndarray
        The arrays by name.

    Raises
    ------
    InputError
        If an array is too large or no array of numbers, or lies in another file.
    ValueError
        If it cannot be decoded.
    """
    path = Path(path)
    if h5py.is_hdf5(path):
        return {name: _read_version_7_3(path, name) for name in shapes}
    for shape in shapes.values():
        require_size(path, shape, np.float64)
    n_bytes = 8 * sum(map(math.prod, shapes.values()))
    arrays = dict(
        zip(shapes, read_isolated("foci3d.io.matlab_arrays:_read_version_5", path, list(shapes), n_bytes), strict=True)
    )
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise ValueError(f"{name} has another shape than its header says")
    return arrays


def _read_version_7_3(path: Path, name: str) -> npt.NDArray[Any]:
    values, attributes = foreign_hdf5.read_array(path, name)
    found = attributes.get("MATLAB_class", "double")
    if found not in CLASSES:
        raise InputError(f"{path}: {name} is of class {found}; expected an array of numbers. Convert it.")
    return values.T


def _list_version_5(path: str, _: list[str]) -> list[npt.NDArray[Any]]:
    if scipy.io.matlab.matfile_version(path)[0] != 1:
        raise ValueError("expected version 5 to 7.3")
    found = [(name, " ".join(map(str, shape))) for name, shape, kind in scipy.io.whosmat(path) if kind in CLASSES]
    return [np.array(found, "U").reshape(-1, 2)]


def _read_version_5(path: str, names: list[str]) -> list[npt.NDArray[Any]]:
    arrays = scipy.io.loadmat(path, variable_names=names)
    return [arrays[name] for name in names]
