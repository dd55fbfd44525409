"""Image files of users: TIFF and OME-TIFF, PNG, NumPy, HDF5 and MATLAB.

A path may name an array inside an HDF5 or MATLAB file, after a colon: ``scan.h5:/entry/images``. Sizes are compared
with the true size of the file before memory is allocated, so a damaged or forged header costs no memory.
"""

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pymatreader
import tifffile
from PIL import Image

from foci3d.config.samples import split_array_name
from foci3d.errors import InputError

MAX_BYTES = 2 << 30
"""Memory that the pixels of one file may take, with at least 32 bits for each."""

MAX_COMPRESSION = 1100
"""Decoded bytes for a byte of a file; deflate reaches 1032, with an image of a single value."""

LENGTH_UM = {"nm": 1e-3, "µm": 1.0, "um": 1.0, "micron": 1.0, "mm": 1e3}
TIME_S = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class ImageFile:
    """Pixels of a file, with what it says about them.

    Parameters
    ----------
    values : ndarray
        Readings.
    axes : str
        A letter for each axis of `values`: Y and X; C for channels, S for colours; any other for frames, Q where the
        format has no names.
    pixel_pitch_um : float, optional
        Distance between neighbouring pixels [um].
    frame_interval_s : float, optional
        Time between frames [s].
    """

    values: npt.NDArray[Any]
    axes: str
    pixel_pitch_um: float | None = None
    frame_interval_s: float | None = None


def read_image_file(location: str | Path, preferred: str = "") -> ImageFile:
    """Decode an image file.

    Parameters
    ----------
    location : str or Path
        The file, with ``:/name`` behind it for an array of an HDF5 or MATLAB file.
    preferred : str
        Array to read where the file holds several and `location` names none.

    Returns
    -------
    ImageFile
        The pixels as they are stored.

    Raises
    ------
    InputError
        If the file is missing, of another format, damaged or too large, or does not hold that array.
    """
    path, array = split_array_name(str(location))
    file = Path(path)
    if not file.is_file():
        raise InputError(f"{path}: file not found; expected an image. Correct its path.")
    read = FORMATS.get(file.suffix.lower())
    if read is None:
        raise InputError(
            f"{path}: the suffix is {file.suffix or 'missing'}; expected one of {', '.join(FORMATS)}. Export it again."
        )
    try:
        return read(file, array, preferred)
    except InputError:
        raise
    except Exception as error:  # what decoders raise for damaged bytes is without limits: AttributeError, MemoryError
        detail = " ".join(str(error).split())[:150] or type(error).__name__
        raise InputError(
            f"{path}: not a readable image ({detail}); expected {file.suffix}. Export it again."
        ) from error


def _check_size(path: Path, shape: Sequence[int], dtype: npt.DTypeLike) -> None:
    """Raise InputError where an array cannot be in a file, or is too large."""
    n_pixels, item_bytes = math.prod(map(int, shape)), np.dtype(dtype).itemsize
    n_bytes = n_pixels * max(item_bytes, 4)  # computations need 32 bits
    size = " x ".join(map(str, shape))
    if n_bytes > MAX_BYTES:
        raise InputError(
            f"{path}: the shape is {size}, {n_bytes / 2**30:.3g} GiB; expected at most {MAX_BYTES / 2**30:g} GiB. "
            "Split the series, or export the file again if that is not its shape."
        )
    if n_pixels * item_bytes > MAX_COMPRESSION * path.stat().st_size:
        raise InputError(
            f"{path}: the shape is {size}, more than a file of {path.stat().st_size} bytes holds; expected a complete "
            "image. Export it again."
        )


def _read_tiff(path: Path, array: str, preferred: str) -> ImageFile:
    with _report_tiff_errors(), tifffile.TiffFile(path) as file:
        if len(file.series) != 1:
            raise InputError(
                f"{path}: found {len(file.series)} images of different shapes; expected one image, or frames of one "
                "shape. Export them separately."
            )
        series = file.series[0]
        _check_size(path, series.shape, series.dtype)
        end = max(
            offset + count
            for page in series.pages
            if page is not None
            for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)
        )
        if end > path.stat().st_size:
            raise InputError(f"{path}: the file ends before its pixels; expected a complete image. Export it again.")
        pitch_um, interval_s = _read_ome(file)
        return ImageFile(series.asarray(), series.axes, pitch_um, interval_s)


class _Raise(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise ValueError(record.getMessage())


@contextmanager
def _report_tiff_errors() -> Iterator[None]:
    """Raise ValueError for what tifffile only logs as an error: it would drop frames that a file has lost."""
    logger, handler = logging.getLogger("tifffile"), _Raise(logging.ERROR)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _read_ome(file: tifffile.TiffFile) -> tuple[float | None, float | None]:
    """Pixel pitch [um] and time between frames [s] of an OME-TIFF, where it says so."""
    if not file.is_ome:
        return None, None
    image = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]
    pixels = (image[0] if isinstance(image, list | tuple) else image)["Pixels"]

    def quantity(name: str, unit: str, units: dict[str, float]) -> float | None:
        factor = units.get(pixels.get(f"{name}Unit", unit))
        return float(pixels[name]) * factor if name in pixels and factor else None

    return quantity("PhysicalSizeX", "µm", LENGTH_UM), quantity("TimeIncrement", "s", TIME_S)


def _read_png(path: Path, array: str, preferred: str) -> ImageFile:
    with Image.open(path, formats=["PNG"]) as image:
        _check_size(path, image.size[::-1], np.uint8)
        # A palette holds numbers of colours, not values.
        values = np.asarray(image.convert("RGB") if image.mode == "P" else image)
    return ImageFile(values, "YXS"[: values.ndim])


def _read_npy(path: Path, array: str, preferred: str) -> ImageFile:
    values = np.load(path, mmap_mode="r", allow_pickle=False)
    _check_size(path, values.shape, values.dtype)
    return ImageFile(values, _plain_axes(path, values.shape))


def _read_hdf5(path: Path, array: str, preferred: str) -> ImageFile:
    with h5py.File(path, "r") as file:
        shapes: dict[str, tuple[int, ...]] = {}

        def visit(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset) and len(item.shape or ()) >= 2:
                shapes[name] = item.shape

        file.visititems(visit)
        data = file[_choose(path, shapes, array, preferred)]
        if data.is_virtual or data.external:
            raise InputError(f"{path}: {data.name} lies in another file; expected its values here. Copy them.")
        _check_size(path, data.shape, data.dtype)
        if data.id.get_storage_size() == 0 or (data.chunks is None and data.id.get_storage_size() < data.nbytes):
            raise InputError(f"{path}: {data.name} is incomplete; expected all its values. Export it again.")
        return ImageFile(data[...], _plain_axes(path, data.shape))


def _read_mat(path: Path, array: str, preferred: str) -> ImageFile:
    shapes = {name: tuple(shape) for name, shape, _ in pymatreader.whosmat(path) if len(shape) >= 2}
    name = _choose(path, shapes, array, preferred)
    _check_size(path, shapes[name], np.float64)
    values = np.asarray(pymatreader.read_mat(path, variable_names=[name])[name])
    return ImageFile(values.reshape(shapes[name]), _plain_axes(path, shapes[name]))  # axes of length 1 are dropped


def _choose(path: Path, names: Iterable[str], array: str, preferred: str) -> str:
    """Name of the array to read: the one that is asked for, the preferred one, or the only one."""
    found = sorted(names)
    for name in filter(None, (array.strip("/"), "" if array else preferred)):
        if name in found:
            return name
    if array or len(found) != 1:
        raise InputError(
            f"{path}: found {', '.join(found[:10]) or 'no images'}; expected {array or 'one image'}. Write the "
            f"name of the array behind the path, as in {path.name}:/name."
        )
    return found[0]


def _plain_axes(path: Path, shape: Sequence[int]) -> str:
    if not 2 <= len(shape) <= 4:
        raise InputError(
            f"{path}: found an array with {len(shape)} axes; expected y, x, or frames before them, or frames and "
            "sensors."
        )
    return "QCYX"[-len(shape) :] if len(shape) != 3 else "QYX"


FORMATS: dict[str, Callable[[Path, str, str], ImageFile]] = {
    ".tif": _read_tiff,
    ".tiff": _read_tiff,
    ".png": _read_png,
    ".npy": _read_npy,
    ".h5": _read_hdf5,
    ".hdf5": _read_hdf5,
    ".mat": _read_mat,
}
"""Decoder of each suffix."""
