"""Image files of users: TIFF and OME-TIFF, PNG, NumPy, HDF5 and MATLAB.

A path may name an array inside a file, after a colon: ``scan.h5:/entry/images``. A reader honours what a file says
about its values and axes, or names it and refuses; it reads that file and nothing else. Sizes are compared with the
true size of the file before memory is allocated, so a damaged or forged header costs no memory.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from foci3d.config.problems import is_file
from foci3d.config.samples import split_array_name
from foci3d.errors import InputError
from foci3d.io import foreign_hdf5, matlab_arrays
from foci3d.io.image_file import ImageFile, choose_array, require_size, unnamed_axes
from foci3d.io.tiff import read_tiff


def read_image_file(location: str | Path, preferred: str = "") -> ImageFile:
    """Decode an image file.

    Parameters
    ----------
    location : str or Path
        The file, with ``:/name`` behind it for one of several images in a TIFF, HDF5 or MATLAB file.
    preferred : str
        Array to read where the file holds several and `location` names none.

    Returns
    -------
    ImageFile
        The values that the file means: calibrated and upright as its tags say.

    Raises
    ------
    InputError
        If the file is missing, of another format, damaged or too large, does not hold that array, takes it from
        another file, or says something of its values or axes that foci3d does not know.
    """
    path, array = split_array_name(str(location))
    file = Path(path)
    if not is_file(file):
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


def _read_png(path: Path, array: str, preferred: str) -> ImageFile:
    with Image.open(path, formats=["PNG"]) as image:
        require_size(path, image.size[::-1], np.uint8)
        problem = _find_png_problem(image)
        if problem:
            raise InputError(f"{path}: {problem}.")
        # A palette holds numbers of colours, not values.
        values = np.asarray(image.convert("RGB") if image.mode == "P" else image)
    return ImageFile(values, "YXS"[: values.ndim])


def _find_png_problem(image: Image.Image) -> str:
    """What a PNG says of its values that is not honoured; empty if nothing."""
    gamma = image.info.get("gamma", 1.0)
    if abs(gamma - 1) > 0.01 or "srgb" in image.info:
        return "its values are gamma-corrected (chunk gAMA or sRGB); expected values proportional to light. Export TIFF"
    if getattr(image, "n_frames", 1) > 1:
        return f"it holds {getattr(image, 'n_frames')} frames; expected one image. Export a TIFF"  # noqa: B009
    if image.getexif().get(0x0112, 1) != 1:
        return "its metadata rotate or mirror it; expected an upright image. Save it as it is shown"
    return ""


def _read_npy(path: Path, array: str, preferred: str) -> ImageFile:
    with path.open("rb") as file:
        np.lib.format.read_magic(file)  # np.load would take other formats, too
    values = np.load(path, mmap_mode="r", allow_pickle=False)
    require_size(path, values.shape, values.dtype)
    return ImageFile(values, unnamed_axes(path, values.shape))


CF_DEFAULTS: Mapping[str, float] = {"scale_factor": 1.0, "add_offset": 0.0}
"""Attributes that calibrate values (CF conventions, section 8.1), and what holds without them."""


def _read_hdf5(path: Path, array: str, preferred: str) -> ImageFile:
    name = choose_array(path, sorted(foreign_hdf5.array_shapes(path, min_axes=2)), array, preferred)
    values, attributes = foreign_hdf5.read_array(path, name)
    axes = unnamed_axes(path, values.shape)
    white_is_zero = attributes.get("IMAGE_WHITE_IS_ZERO", 0)
    if np.any(white_is_zero):
        raise InputError(f"{path}: in {name}, 0 is white (IMAGE_WHITE_IS_ZERO); expected 0 for no light. Invert it.")
    fill = attributes.get("_FillValue")
    if fill is not None and (values == fill).any():
        raise InputError(f"{path}: {name} has missing values (_FillValue {fill}); expected a value in every pixel.")
    if attributes.keys() & CF_DEFAULTS.keys():
        scale, offset = (float(np.squeeze(attributes.get(key, default))) for key, default in CF_DEFAULTS.items())
        values = (values * scale + offset).astype(np.float32)
    return ImageFile(values, axes, _element_size(path, attributes))


def _element_size(path: Path, attributes: Mapping[str, Any]) -> float | None:
    """Pixel pitch [um] in the attribute of Fiji's and ilastik's HDF5 files: the sizes of an element in z, y and x."""
    sizes_um = np.atleast_1d(attributes.get("element_size_um", ()))[-2:]
    if sizes_um.size < 2 or not (sizes_um > 0).all():
        return None
    if not np.isclose(sizes_um[0], sizes_um[1], rtol=0.01):
        raise InputError(f"{path}: pixels of {sizes_um[1]:g} x {sizes_um[0]:g} um; expected square ones. Resample it.")
    return float(sizes_um[1])


def _read_mat(path: Path, array: str, preferred: str) -> ImageFile:
    shapes = {name: shape for name, shape in matlab_arrays.array_shapes(path).items() if len(shape) >= 2}
    name = choose_array(path, sorted(shapes), array, preferred)
    axes = unnamed_axes(path, shapes[name])
    return ImageFile(matlab_arrays.read_arrays(path, {name: shapes[name]})[name], axes)


FORMATS: dict[str, Callable[[Path, str, str], ImageFile]] = {
    ".tif": read_tiff,
    ".tiff": read_tiff,
    ".png": _read_png,
    ".npy": _read_npy,
    ".h5": _read_hdf5,
    ".hdf5": _read_hdf5,
    ".mat": _read_mat,
}
"""Decoder of each suffix."""
