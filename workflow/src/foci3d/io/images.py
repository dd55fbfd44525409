"""A user's images, read and checked, and volumes written for Fiji and napari."""

import hashlib
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

from foci3d.errors import InputError
from foci3d.io.hdf5 import atomic_path

MAX_SHARE_OF_MAXIMUM = 0.01
"""Share of the pixels at exactly the largest value above which an image counts as saturated."""


def read_image(path: str | Path, n_pixels: int) -> npt.NDArray[np.float32]:
    """Read one image of a sensor, as TIFF or PNG.

    Parameters
    ----------
    path : str or Path
        The file. Its values are linear in light; only their ratios matter.
    n_pixels : int
        Pixels of the imager in y and in x.

    Returns
    -------
    ndarray (Y, X), float32
        The image [sensor readings].

    Raises
    ------
    InputError
        If the file is missing or not an image, or the image has another shape, colours, frames, values that are not
        finite, no contrast, or saturated pixels.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: file not found; expected a TIFF or PNG image. Correct its path.")
    try:
        image = _decode(Path(path))
    except (OSError, ValueError, SyntaxError, tifffile.TiffFileError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: not a readable image; expected TIFF or PNG. Export it again.") from error
    problem = _find_problem(image, n_pixels)
    if problem:
        raise InputError(f"{path}: {problem}.")
    return np.asarray(image, np.float32)


def _decode(path: Path) -> npt.NDArray[Any]:
    if path.suffix.lower() in {".tif", ".tiff"}:
        return np.asarray(tifffile.imread(path))
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB") if image.mode == "P" else image)  # P: numbers of colours, not values


def _find_problem(image: npt.NDArray[Any], n_pixels: int) -> str:
    """What is wrong with an image; empty if nothing is."""
    size = " x ".join(map(str, image.shape))
    if image.ndim != 2:
        return f"the shape is {size}, which means colours or frames; expected one grey image. Split or convert it"
    if image.shape != (n_pixels, n_pixels):
        return f"the image has {size} pixels; expected {n_pixels} x {n_pixels} as imager.n_pixels. Crop or bin it"
    if not np.isfinite(image).all():
        count = image.size - np.isfinite(image).sum()
        return f"{count} pixels are not finite; expected a number in every pixel. Replace them"
    if image.min() == image.max():
        return f"every pixel is {image.min()}; expected an image with contrast. Check the acquisition"
    share = (image == image.max()).mean()
    if share > MAX_SHARE_OF_MAXIMUM:
        return f"{share:.0%} of the pixels have the largest value; expected no saturated pixels. Reduce the exposure"
    return ""


def write_volume(
    path: str | Path, volume: npt.NDArray[np.float32], layer_depths_um: Sequence[float], pixel_pitch_um: float
) -> None:
    """Write layers as OME-TIFF; the same volume gives the same bytes.

    Parameters
    ----------
    path : str or Path
        The file to write.
    volume : ndarray (L, Y, X), float32
        Layers.
    layer_depths_um : sequence of L floats
        Depth of each layer [um], written as its position. OME-TIFF has one spacing for all layers: their mean.
    pixel_pitch_um : float
        Distance between neighbouring pixels [um].
    """
    spacing_um = float(np.diff(layer_depths_um).mean()) if len(layer_depths_um) > 1 else 1.0
    metadata = {
        "axes": "ZYX",
        "PhysicalSizeX": pixel_pitch_um,
        "PhysicalSizeY": pixel_pitch_um,
        "PhysicalSizeZ": spacing_um,
        **{f"PhysicalSize{axis}Unit": "µm" for axis in "XYZ"},
        "Plane": {"PositionZ": list(layer_depths_um), "PositionZUnit": ["µm"] * len(layer_depths_um)},
        "UUID": str(uuid.UUID(bytes=hashlib.sha256(volume.tobytes()).digest()[:16])),
    }
    with atomic_path(path) as temporary:
        tifffile.imwrite(temporary, volume, ome=True, photometric="minisblack", metadata=metadata)
