"""A user's own pictures, read and checked, and the volumes that are made from them, written for Fiji and napari."""

import hashlib
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from skimage.io import imread

from foci3d.errors import InputError
from foci3d.store import replacing

# Of a picture that is not clipped, this share of the pixels never has exactly the largest value.
LARGEST_SHARE = 0.01


def read_picture(path: str | Path, pixels: int) -> npt.NDArray[np.float32]:
    """Read one picture of a sensor, as TIFF or PNG.

    Parameters
    ----------
    path : str or Path
        The file. Its values are linear in light; only their ratios matter.
    pixels : int
        Pixels of the imager in y and in x.

    Returns
    -------
    ndarray (Y, X), float32
        The picture [readings of the sensor].

    Raises
    ------
    InputError
        If there is no such file, it is no picture, it has another shape, colours or frames, values that are not
        finite, no contrast, or pixels that are saturated.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: there is no such file; expected a TIFF or PNG picture, correct its path.")
    try:
        picture = imread(path)
    except (OSError, ValueError, SyntaxError, tifffile.TiffFileError) as error:
        raise InputError(f"{path}: not a readable picture; expected TIFF or PNG, export it again.") from error
    problem = _picture_problem(picture, pixels)
    if problem:
        raise InputError(f"{path}: {problem}.")
    return np.asarray(picture, np.float32)


def _picture_problem(picture: npt.NDArray[Any], pixels: int) -> str:
    """What is wrong with a picture; empty if nothing is."""
    if picture.ndim != 2:
        shape = " x ".join(map(str, picture.shape))
        return f"the shape is {shape}, so it has colours or frames; expected one grey picture, split or convert it"
    if picture.shape != (pixels, pixels):
        found = f"the picture has {picture.shape[0]} x {picture.shape[1]} pixels"
        return f"{found}; expected {pixels} x {pixels} as imager.pixels, crop or bin it"
    if not np.isfinite(picture).all():
        count = np.size(picture) - np.isfinite(picture).sum()
        return f"{count} pixels are not finite; expected a number in each pixel, replace them"
    if picture.min() == picture.max():
        return f"every pixel is {picture.min()}; expected a picture with contrast, check the acquisition"
    largest = (picture == picture.max()).mean()
    if largest > LARGEST_SHARE:
        return f"{largest:.0%} of the pixels have the largest value; expected no saturated pixels, expose it for less"
    return ""


def write_volume(
    path: str | Path, volume: npt.NDArray[np.float32], layer_depths_um: Sequence[float], pixel_pitch_um: float
) -> None:
    """Write layers at known depths as OME-TIFF; the same volume gives the same bytes.

    Parameters
    ----------
    path : str or Path
        The file to write.
    volume : ndarray (L, Y, X), float32
        Layers.
    layer_depths_um : sequence of L floats
        Depth of each layer [um], written as its position. OME-TIFF has one distance for all layers, their mean.
    pixel_pitch_um : float
        Distance of neighbouring pixels [um].
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
    with replacing(path) as temporary:
        tifffile.imwrite(temporary, volume, ome=True, photometric="minisblack", metadata=metadata)
