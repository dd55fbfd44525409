"""The MATLAB files of the paper's authors, of version 5 to 7.3.

=====================  ==================  ===========================================================================
variable               axes                content
=====================  ==================  ===========================================================================
tumorImage_noPSF       sample layer y x    un-blurred layers, from near sensor A to far
tumorImage_withPSF_A   sample y x          picture of sensor A
tumorImage_withPSF_B   sample y x          picture of sensor B, read where the set has two sensors
depth_map              sample layer y x    depth of the layer where it holds cells, else 0, in the unit of zdist_PSF
zdist_PSF              sample layer        distance of each layer from sensor A, in mm or um
=====================  ==================  ===========================================================================

Source: README of the data repository of Najafiaghdam et al., Sci. Rep. 12 (2022).
"""

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pymatreader
from scipy.io.matlab import MatReadError

from foci3d.errors import InputError

LAYERS, DEPTH_MAP, DEPTHS = "tumorImage_noPSF", "depth_map", "zdist_PSF"
PICTURE = "tumorImage_withPSF_{}"
DEPTH_TOLERANCE = 1e-3
"""Relative difference of depths in `depth_map` and `zdist_PSF` that rounding explains."""

Arrays = dict[str, npt.NDArray[Any]]


def read_stacks(path: str | Path, entry: Mapping[str, Any], pixels: int) -> Arrays:
    """Read and check a file of stacks.

    Parameters
    ----------
    path : str or Path
        The MATLAB file.
    entry : mapping
        The set's configuration: layers, sensors and depth_range_um, which also tells the unit of the depths.
    pixels : int
        Pixels in y and x.

    Returns
    -------
    dict of str to ndarray
        layers (N, L, Y, X) float32 [a.u.], masks (N, L, Y, X) uint8, sensors (N, S, Y, X) float32 [a.u.],
        depths_um (N, L) float32 and index (N,) int64, the place in the file; see `foci3d.shards`.

    Raises
    ------
    InputError
        If the file is no MATLAB file, lacks a variable, or holds one that does not fit.
    """
    try:
        shapes = {name: tuple(shape) for name, shape, _ in pymatreader.whosmat(path)}
        problem = _shape_problem(shapes, entry, pixels)
        if not problem:
            values = _read(path, {name: shapes[name] for name in _axes(entry, pixels)})
            problem = _value_problem(values, entry)
    except (OSError, ValueError, TypeError, KeyError, zlib.error, MatReadError) as error:
        raise InputError(
            f"{path}: not a readable MATLAB file ({error}); expected one of version 5 to 7.3, export it again."
        ) from error
    if problem:
        raise InputError(f"{path}: {problem}.")
    return {
        "layers": values[LAYERS].astype(np.float32),
        "masks": (values[DEPTH_MAP] > 0).astype(np.uint8),
        "sensors": np.stack([values[PICTURE.format(sensor)] for sensor in entry["sensors"]], 1).astype(np.float32),
        "depths_um": (values[DEPTHS] * _micrometres(values[DEPTHS], entry)).astype(np.float32),
        "index": np.arange(len(values[DEPTHS])),
    }


def _axes(entry: Mapping[str, Any], pixels: int) -> dict[str, tuple[int, ...]]:
    """Shape of one sample of each variable that is read."""
    stack = (entry["layers"], pixels, pixels)
    pictures = {PICTURE.format(sensor): (pixels, pixels) for sensor in entry["sensors"]}
    return {LAYERS: stack, **pictures, DEPTH_MAP: stack, DEPTHS: (entry["layers"],)}


def _shape_problem(shapes: Mapping[str, tuple[int, ...]], entry: Mapping[str, Any], pixels: int) -> str:
    """What is wrong with the variables' shapes; empty if nothing is."""
    axes = _axes(entry, pixels)
    for name in axes:
        if name not in shapes:
            return f"there is no variable {name}; expected {', '.join(axes)}, add it or rename the one that is meant"
    samples = shapes[LAYERS][0]
    if 0 in shapes[LAYERS]:
        return f"{LAYERS} is empty; expected at least one sample, export the file again"
    for name, shape in axes.items():
        if shapes[name] != (samples, *shape):
            found, expected = (" x ".join(map(str, size)) for size in (shapes[name], (samples, *shape)))
            return (
                f"the shape of {name} is {found}; expected {expected} (samples first), permute the variable or correct "
                "layers of the set or imager.pixels"
            )
    return ""


def _read(path: str | Path, shapes: Mapping[str, tuple[int, ...]]) -> Arrays:
    """Variables in their full shape: the reader drops axes of length 1."""
    values = pymatreader.read_mat(path, variable_names=list(shapes))
    return {name: np.asarray(values[name], float).reshape(shape) for name, shape in shapes.items()}


def _value_problem(values: Arrays, entry: Mapping[str, Any]) -> str:
    """What is wrong with the variables' values; empty if nothing is."""
    for name, array in values.items():
        if not np.isfinite(array).all():
            sample = np.argwhere(~np.isfinite(array))[0][0] + 1
            return f"{name} has a value that is not finite in sample {sample}; expected numbers, replace it"
    depths, depth_map = values[DEPTHS], values[DEPTH_MAP]
    if np.isnan(_micrometres(depths, entry)):
        low, high = entry["depth_range_um"]
        return (
            f"{DEPTHS} goes from {depths.min():g} to {depths.max():g}; expected depths from {low:g} to {high:g} um, or "
            f"{low / 1000:g} to {high / 1000:g} mm, correct them or depth_range_um of the set"
        )
    if (np.diff(depths) <= 0).any():
        sample = np.argwhere(np.diff(depths) <= 0)[0][0] + 1
        return f"the layers of sample {sample} are not in order; expected {DEPTHS} to increase, sort layers and depths"
    difference = np.abs(np.where(depth_map > 0, depth_map - depths[..., None, None], 0)).max((1, 2, 3))
    if (difference > DEPTH_TOLERANCE * depths.max()).any() or depth_map.min() < 0:
        sample = np.argmax(difference) + 1
        return (
            f"{DEPTH_MAP} of sample {sample} holds other depths than {DEPTHS}; expected the depth of each layer where "
            "it holds cells, and 0 elsewhere, correct one of them"
        )
    return ""


def _micrometres(depths: npt.NDArray[Any], entry: Mapping[str, Any]) -> float:
    """Micrometres in the unit of `depths`: 1000 or 1, whichever makes them fill the set's range; NaN if neither."""
    low, high = entry["depth_range_um"]
    for factor in (1000.0, 1.0):
        # Real depths reach well into the range, so that mm are not taken for um.
        if low <= depths.min() * factor and high / 10 <= depths.max() * factor <= high * (1 + DEPTH_TOLERANCE):
            return factor
    return np.nan
