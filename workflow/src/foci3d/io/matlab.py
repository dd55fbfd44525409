"""The MATLAB files of the paper's authors, of version 5 to 7.3.

=====================  ==================  ===========================================================================
variable               axes                content
=====================  ==================  ===========================================================================
tumorImage_noPSF       sample layer y x    unblurred layers, the one next to sensor A first
tumorImage_withPSF_A   sample y x          measurement of sensor A
tumorImage_withPSF_B   sample y x          measurement of sensor B, read if the dataset has two sensors
depth_map              sample layer y x    depth of the layer where it holds cells, else 0, in the unit of zdist_PSF
zdist_PSF              sample layer        distance of each layer from sensor A [mm or um]
=====================  ==================  ===========================================================================

Source: README of the data repository of Najafiaghdam et al., Sci. Rep. 12 (2022).
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from foci3d.config.datasets import DatasetConfig
from foci3d.errors import InputError
from foci3d.io import matlab_arrays
from foci3d.io.hdf5 import MAX_COMPRESSION, Arrays
from foci3d.io.samples import NumpySamples, Samples

LAYERS, DEPTH_MAP, DEPTHS = "tumorImage_noPSF", "depth_map", "zdist_PSF"
MEASUREMENT = "tumorImage_withPSF_{}"
DEPTH_TOLERANCE = 1e-3
"""Relative difference between depths in `depth_map` and in `zdist_PSF` that rounding explains."""


def read_stacks(path: str | Path, dataset: DatasetConfig, n_pixels: int) -> NumpySamples:
    """Read and check a file of stacks.

    Parameters
    ----------
    path : str or Path
        The MATLAB file.
    dataset : DatasetConfig
        Layers, sensors and depths that the file must have; the depths also determine the unit of the file.
    n_pixels : int
        Pixels in y and in x.

    Returns
    -------
    Samples
        With the place in the file as index.

    Raises
    ------
    InputError
        If the file is not a MATLAB file, lacks a variable, or holds one that does not fit.
    """
    with _report_damage(path):
        shapes = matlab_arrays.array_shapes(path)
    problem = _find_shape_problem(shapes, dataset, n_pixels, Path(path).stat().st_size)
    if not problem:
        values = _read_variables(path, {name: shapes[name] for name in _sample_shapes(dataset, n_pixels)})
        problem = _find_value_problem(values, dataset)
    if problem:
        raise InputError(f"{path}: {problem}.")
    measurements = [values[MEASUREMENT.format(sensor)] for sensor in dataset.sensors]
    return Samples(
        layers=values[LAYERS].astype(np.float32),
        masks=(values[DEPTH_MAP] > 0).astype(np.uint8),
        measurements=np.stack(measurements, 1).astype(np.float32),
        depths_um=(values[DEPTHS] * _unit_um(values[DEPTHS], dataset)).astype(np.float32),
        index=np.arange(len(values[DEPTHS])),
    )


@contextmanager
def _report_damage(path: str | Path) -> Iterator[None]:
    """Turn whatever the readers of MATLAB files raise on a damaged one into an InputError: any exception."""
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        raise InputError(
            f"{path}: not a readable MATLAB file ({error}); expected version 5 to 7.3. Export it again."
        ) from error


def _sample_shapes(dataset: DatasetConfig, n_pixels: int) -> dict[str, tuple[int, ...]]:
    """Shape of one sample of each variable that is read."""
    stack = (dataset.n_layers, n_pixels, n_pixels)
    measurements = {MEASUREMENT.format(sensor): (n_pixels, n_pixels) for sensor in dataset.sensors}
    return {LAYERS: stack, **measurements, DEPTH_MAP: stack, DEPTHS: (dataset.n_layers,)}


def _find_shape_problem(
    shapes: Mapping[str, tuple[int, ...]], dataset: DatasetConfig, n_pixels: int, file_size: int
) -> str:
    """What is wrong with the shapes of the variables in a file of `file_size` bytes; empty if nothing is."""
    sample_shapes = _sample_shapes(dataset, n_pixels)
    for name in sample_shapes:
        if name not in shapes:
            return f"there is no variable {name}; expected {', '.join(sample_shapes)}. Add or rename it"
    if not shapes[LAYERS] or 0 in shapes[LAYERS]:
        return f"{LAYERS} is empty; expected at least one sample. Export the file again"
    n_samples = shapes[LAYERS][0]
    for name, sample_shape in sample_shapes.items():
        if shapes[name] != (n_samples, *sample_shape):
            found, expected = (" x ".join(map(str, size)) for size in (shapes[name], (n_samples, *sample_shape)))
            return (
                f"the shape of {name} is {found}; expected {expected} (samples first). Permute the variable, or "
                "correct n_layers of the dataset or imager.n_pixels"
            )
    # A value takes at least one byte, compressed or not.
    if sum(math.prod(shapes[name]) for name in sample_shapes) > MAX_COMPRESSION * file_size:
        return f"{n_samples} samples cannot be in a file of {file_size} bytes; it is damaged. Export it again"
    return ""


def _read_variables(path: str | Path, shapes: Mapping[str, tuple[int, ...]]) -> Arrays:
    with _report_damage(path):
        return {name: values.astype(float) for name, values in matlab_arrays.read_arrays(path, shapes).items()}


def _find_value_problem(values: Arrays, dataset: DatasetConfig) -> str:
    """What is wrong with the values of the variables; empty if nothing is."""
    for name, array in values.items():
        if not np.isfinite(array).all():
            sample = np.argwhere(~np.isfinite(array))[0][0] + 1
            return f"{name} has a value that is not finite in sample {sample}; expected numbers. Replace it"
    depths, depth_map = values[DEPTHS], values[DEPTH_MAP]
    if np.isnan(_unit_um(depths, dataset)):
        low, high = dataset.depth_range_um
        return (
            f"{DEPTHS} goes from {depths.min():g} to {depths.max():g}; expected depths from {low:g} to {high:g} um, or "
            f"from {low / 1000:g} to {high / 1000:g} mm. Correct them or depth_range_um of the dataset"
        )
    if (np.diff(depths) <= 0).any():
        sample = np.argwhere(np.diff(depths) <= 0)[0][0] + 1
        return f"the layers of sample {sample} are not in order; expected increasing {DEPTHS}. Sort layers and depths"
    difference = np.abs(np.where(depth_map > 0, depth_map - depths[..., None, None], 0)).max((1, 2, 3))
    if (difference > DEPTH_TOLERANCE * depths.max()).any() or depth_map.min() < 0:
        sample = np.argmax(difference) + 1
        return (
            f"{DEPTH_MAP} of sample {sample} holds other depths than {DEPTHS}; expected the depth of each layer where "
            "it holds cells, and 0 elsewhere. Correct one of them"
        )
    return ""


def _unit_um(depths: npt.NDArray[np.float64], dataset: DatasetConfig) -> float:
    """Unit of `depths`, 1000 um or 1 um, whichever makes them span the range of the dataset; NaN if neither does."""
    low, high = dataset.depth_range_um
    for unit_um in (1000.0, 1.0):
        # Real depths reach well into the range, so that mm are not taken for um.
        if low <= depths.min() * unit_um and high / 10 <= depths.max() * unit_um <= high * (1 + DEPTH_TOLERANCE):
            return unit_um
    return np.nan
