"""An image file in memory, and what every reader of images checks."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foci3d.errors import InputError

MAX_BYTES = 2 << 30
"""Memory that the pixels of one file may take, with at least 32 bits for each."""

MAX_COMPRESSION = 1100
"""Decoded bytes for a byte of a file; deflate reaches 1032, with an image of a single value."""

MIN_PIXELS = 16
"""Fewest pixels of an imager in y and in x: a shorter axis holds frames or sensors."""


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
    channels : tuple of str
        Names along the axis C, where the file has them.
    """

    values: npt.NDArray[Any]
    axes: str
    pixel_pitch_um: float | None = None
    frame_interval_s: float | None = None
    channels: tuple[str, ...] = ()


def format_shape(shape: Sequence[int]) -> str:
    """A shape in words: ``2 x 51 x 51``."""
    return " x ".join(map(str, shape))


def require_size(path: Path, shape: Sequence[int], dtype: npt.DTypeLike) -> None:
    """Raise InputError where an array of this shape cannot be in a file, or is too large."""
    n_pixels, item_bytes = math.prod(map(int, shape)), np.dtype(dtype).itemsize
    n_bytes = n_pixels * max(item_bytes, 4)  # computations need 32 bits
    if n_bytes > MAX_BYTES:
        raise InputError(
            f"{path}: the shape is {format_shape(shape)}, {n_bytes / 2**30:.3g} GiB; expected at most "
            f"{MAX_BYTES / 2**30:g} GiB. Split the series, or export the file again if that is not its shape."
        )
    require_content(path, shape, dtype)


def require_content(path: Path, shape: Sequence[int], dtype: npt.DTypeLike) -> None:
    """Raise InputError where a file has too few bytes for an array of this shape, however it is compressed."""
    if math.prod(map(int, shape)) * np.dtype(dtype).itemsize > MAX_COMPRESSION * path.stat().st_size:
        raise InputError(
            f"{path}: the shape is {format_shape(shape)}, more than a file of {path.stat().st_size} bytes holds; "
            "expected a complete image. Export it again."
        )


def require_pitch(path: str | Path, file: ImageFile, pixel_pitch_um: float, source: str) -> None:
    """Raise InputError where the metadata of a file state another pixel pitch than `source` does."""
    if file.pixel_pitch_um and not np.isclose(file.pixel_pitch_um, pixel_pitch_um, rtol=0.01):
        raise InputError(
            f"{path}: the pixel size in its metadata is {file.pixel_pitch_um:g} um; expected {pixel_pitch_um:g} um as "
            f"in {source}. Correct the one that is wrong."
        )


ONE_SERIES = (
    "one image, or one image per time. Split the file, name it for both sensors if it holds both, or name the channel "
    "of several."
)
"""What a file of an acquisition holds, and what to do if it holds more."""


def select_frames(
    path: str | Path, file: ImageFile, channel: int | str = "", *, expected: str = ONE_SERIES
) -> npt.NDArray[Any]:
    """Frames of a file in the order of its axes.

    Parameters
    ----------
    path : str or Path
        The file, for messages.
    file : ImageFile
        Its content.
    channel : int or str
        Number of one of two sensors, or name of a channel, to select; empty for all there is.
    expected : str
        For messages: what a file with several axes beside y and x should hold, and what to do.

    Returns
    -------
    ndarray (T, Y, X)
        The frames.

    Raises
    ------
    InputError
        If the file has colours, no image, not that channel, or frames along several axes.
    """
    values, axes = file.values, file.axes
    found = f"found {format_shape(values.shape)} with the axes {' '.join(axes)}"
    if "S" in axes:
        raise InputError(f"{path}: {found}, which means colours; expected grey images. Convert them.")
    if "Y" not in axes or "X" not in axes or values.size == 0:
        raise InputError(f"{path}: {found}; expected images with the axes y and x. Export them again.")
    if isinstance(channel, int):
        axes = axes if "C" in axes or len(axes) != 3 else "CYX"
        if "C" not in axes or values.shape[axes.index("C")] != 2:
            raise InputError(f"{path}: {found}; expected two channels, as sensor_a and sensor_b name one file.")
        values, axes = values.take(channel, axes.index("C")), axes.replace("C", "")
    elif channel and "C" in axes and values.shape[axes.index("C")] > 1:
        if file.channels.count(channel) != 1:
            named = ", ".join(filter(None, file.channels)) or "no names"
            raise InputError(
                f"{path}: found several channels with {named}; expected {channel} once. Correct the name of the "
                "channel, or export a file for each channel."
            )
        values, axes = values.take(file.channels.index(channel), axes.index("C")), axes.replace("C", "")
    frames = [axis for axis, length in zip(axes, values.shape, strict=True) if axis not in "YX" and length > 1]
    if len(frames) > 1 or "C" in frames:
        raise InputError(f"{path}: {found}; expected {expected}")
    order = [*(index for index, axis in enumerate(axes) if axis not in "YX"), axes.index("Y"), axes.index("X")]
    return values.transpose(order).reshape(-1, values.shape[order[-2]], values.shape[order[-1]])


def choose_array(path: Path, names: Iterable[str], array: str, preferred: str) -> str:
    """Name of the array to read: the one that is asked for, the preferred one, or the only one.

    Raises
    ------
    InputError
        If there is no such array, or several and none is asked for.
    """
    found = list(names)
    for name in filter(None, (array.strip("/"), "" if array else preferred)):
        if name in found:
            return name
    if array or len(found) != 1:
        listed = ", ".join(found[:10]) + (", ..." if len(found) > 10 else "")
        what = f"found {len(found)} images: {listed}" if found else "found no images"
        raise InputError(
            f"{path}: {what}; expected {array.strip('/') or 'one image'}. Write the name of the image behind the path, "
            f"as in {path.name}:/{found[0] if found else 'name'}."
        )
    return found[0]


def unnamed_axes(path: Path, shape: Sequence[int]) -> str:
    """Axes of an array of a format that has no names for them.

    Two axes are y and x; four are frames, sensors, y and x. Of three, frames come first if the last two are equal, or
    if only so both axes of an image have the pixels of one; MATLAB's habit of frames in the end is recognized where
    the last axis is too short for pixels.

    Raises
    ------
    InputError
        If the axes are ambiguous: no guess is made that may be wrong.
    """
    n_axes = len(shape)
    if n_axes == 2:
        return "YX"
    if n_axes == 4 and shape[1] in (1, 2) and min(shape[2:]) >= MIN_PIXELS:
        return "QCYX"
    if n_axes == 3:
        if min(shape[1:]) >= MIN_PIXELS and (shape[1] == shape[2] or shape[0] < MIN_PIXELS):
            return "QYX"
        if min(shape[:2]) >= MIN_PIXELS > shape[2]:
            return "YXQ"
    raise InputError(
        f"{path}: the axes of an array of {format_shape(shape)} are not named and ambiguous; expected "
        "(y, x), square images as (frame, y, x), or (frame, sensor, y, x). If frames are the last axis, write "
        "permute(array, [3 4 1 2]) in MATLAB or array.transpose(2, 0, 1)[:, None] in Python; or export a TIFF."
    )
