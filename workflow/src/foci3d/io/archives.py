"""Archives of arrays that other programs wrote with NumPy (``.npz``)."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foci3d.errors import InputError
from foci3d.io.hdf5 import NUMBERS
from foci3d.io.image_file import require_size


def read_archive(path: str | Path, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Read arrays of numbers from an archive; no others are decoded.

    Raises
    ------
    InputError
        If the file cannot be read, lacks an array, or holds one that is too large or not of numbers.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            found = [name.removesuffix(".npy") for name in archive.namelist()]
            missing = [name for name in names if name not in found]
            if missing:
                raise InputError(
                    f"{path}: it has no array {' and no array '.join(missing)} but {', '.join(found) or 'none'}; "
                    f"expected {' and '.join(names)}, add them."
                )
            return {name: _read_member(path, archive, name) for name in names}
    except InputError:
        raise
    except Exception as error:  # what a damaged archive lets its readers raise is without limits
        raise InputError(
            f"{path}: not a readable archive ({error}); expected .npz of numpy without objects, save it again."
        ) from error


def _read_member(path: Path, archive: zipfile.ZipFile, name: str) -> npt.NDArray[Any]:
    """An array of as many bytes as its header says, if the file may hold them."""
    with archive.open(f"{name}.npy") as member:
        version = np.lib.format.read_magic(member)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(member)
        if dtype.kind not in NUMBERS:
            raise ValueError(f"{name} is of type {dtype}")
        require_size(path, shape, dtype)
        member.seek(0)
        return np.lib.format.read_array(member, allow_pickle=False)
