"""What a file holds: kind, attributes and arrays, for every file that foci3d reads or writes."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tifffile
from PIL import Image
from safetensors import safe_open

from foci3d.config.problems import is_file
from foci3d.errors import InputError
from foci3d.io import hdf5, matlab_arrays
from foci3d.io.foreign_hdf5 import walk
from foci3d.io.image_formats import read_image_file
from foci3d.io.tiff import image_names, open_alone

MAX_JSON_BYTES = 10 << 20


@dataclass(frozen=True)
class ArraySummary:
    """Shape, type, axes, unit and digest of an array; text is empty where the file does not state it."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    axes: str = ""
    unit: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class FileSummary:
    """What a file holds.

    Parameters
    ----------
    kind : str
        What the file is, with its version.
    attributes : mapping
        Facts about the whole file by name; names carry units.
    arrays : tuple of ArraySummary
        The arrays.
    """

    kind: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    arrays: tuple[ArraySummary, ...] = ()


def inspect_file(path: str | Path) -> FileSummary:
    """Describe a file, and verify the digests of its arrays where it holds any.

    Parameters
    ----------
    path : str or Path
        HDF5 (point-spread function, shard, predictions), JSON or safetensors of a model, an image (TIFF, PNG, NPY), or
        a MATLAB file.

    Returns
    -------
    FileSummary
        Its kind, attributes and arrays.

    Raises
    ------
    InputError
        If the file is missing, damaged, or of a format that foci3d does not know.
    """
    path = Path(path)
    if not is_file(path):
        raise InputError(f"{path}: file not found; expected a file to inspect. Correct the path.")
    read = _inspect_hdf5 if h5py.is_hdf5(path) else READERS.get(path.suffix.lower())
    if read is None:
        raise InputError(
            f"{path}: unknown format; expected HDF5, {', '.join(READERS)}. Inspect a file of one of these formats."
        )
    try:
        return read(path)
    except InputError:
        raise
    except Exception as error:  # what decoders raise for damaged bytes is without limits
        reason = " ".join(str(error).split())[:150] or type(error).__name__
        raise InputError(
            f"{path}: not a readable {path.suffix} file ({reason}); it is damaged or of another format."
        ) from error


def _inspect_hdf5(path: Path) -> FileSummary:
    with h5py.File(path, "r") as file:
        attributes = hdf5.read_attributes(file)
        arrays = [_describe(name, data) for name, data in walk(file)]
    kind, version = attributes.pop("kind", None), attributes.pop("version", None)
    if kind is None:
        return FileSummary("HDF5 file, not written by foci3d", _plain(attributes), tuple(arrays))
    hdf5.memmap_arrays(path, hdf5.FileFormat(kind, version), [array.name for array in arrays])
    return FileSummary(f"{kind}, version {version}", _plain(attributes), tuple(arrays))


def _describe(name: str, data: h5py.Dataset) -> ArraySummary:
    labels = hdf5.read_attributes(data)
    text = (str(labels.get(key, "")) for key in ("axes", "unit", "sha256"))
    return ArraySummary(name, data.shape or (), str(data.dtype), *text)


def _inspect_json(path: Path) -> FileSummary:
    if path.stat().st_size > MAX_JSON_BYTES:
        raise ValueError("it is too large for a description")
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError("expected an object at the top level")
    kind, version = content.pop("kind", None), content.pop("version", None)
    return FileSummary("JSON file" if kind is None else f"{kind}, version {version}", _flatten(content))


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values of a nested mapping by dotted key."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            is_nested = isinstance(value, list) and any(isinstance(each, list | dict) for each in value)
            flat[f"{prefix}{key}"] = json.dumps(value) if is_nested else value
    return flat


def _inspect_safetensors(path: Path) -> FileSummary:
    with safe_open(path, framework="np") as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118, no mapping
        arrays = [ArraySummary(name, tuple(part.get_shape()), part.get_dtype()) for name, part in slices.items()]
    return FileSummary("weights of a network", {"values": sum(map(_count, arrays))}, tuple(arrays))


def _count(array: ArraySummary) -> int:
    return int(np.prod(array.shape, dtype=np.int64))


def _inspect_tiff(path: Path) -> FileSummary:
    with open_alone(path) as file:
        kind = "OME-TIFF image" if file.is_ome else "ImageJ TIFF" if file.is_imagej else "TIFF image"
        arrays = tuple(
            ArraySummary(name, series.shape, str(series.dtype), " ".join(series.axes.lower()))
            for name, series in zip(image_names(file), file.series, strict=True)
        )
        sizes = _pixel_sizes(file.ome_metadata) if file.is_ome else {}
    return FileSummary(kind, {**sizes, **_statistics(path, len(arrays))}, arrays)


def _pixel_sizes(ome_metadata: str | None) -> dict[str, str]:
    """Sizes of the pixels of the first image."""
    images = tifffile.xml2dict(ome_metadata or "")["OME"]["Image"]
    pixels = (images[0] if isinstance(images, list) else images)["Pixels"]
    return {
        f"pixel_size_{axis.lower()}": f"{pixels[f'PhysicalSize{axis}']} {pixels.get(f'PhysicalSize{axis}Unit', 'µm')}"
        for axis in "XYZ"
        if f"PhysicalSize{axis}" in pixels
    }


def _inspect_png(path: Path) -> FileSummary:
    with Image.open(path, formats=["PNG"]) as image:
        axes = "y x" if len(image.getbands()) == 1 else "y x color"
        summary = ArraySummary("image", image.size[::-1], image.mode, axes)
    return FileSummary("PNG image", _statistics(path), (summary,))


def _inspect_npy(path: Path) -> FileSummary:
    values = np.load(path, mmap_mode="r", allow_pickle=False)
    summary = ArraySummary("image", values.shape, str(values.dtype))
    return FileSummary("NumPy array", _statistics(path), (summary,))


def _statistics(path: Path, n_images: int = 1) -> dict[str, Any]:
    """Statistics of the values of an image, or why it is no measurement."""
    if n_images > 1:
        return {}
    try:
        values = read_image_file(path).values
    except InputError as error:
        return {"not_a_measurement": str(error).removeprefix(f"{path}: ")}
    return {
        "minimum": values.min().item(),
        "mean": float(values.mean()),
        "maximum": values.max().item(),
        "share_of_pixels_at_maximum": float((values == values.max()).mean()),
    }


def _inspect_matlab(path: Path) -> FileSummary:
    shapes = matlab_arrays.array_shapes(path)
    return FileSummary("MATLAB file", {}, tuple(ArraySummary(name, shape, "number") for name, shape in shapes.items()))


def _plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes with NumPy scalars and arrays as plain values."""
    return {name: value.tolist() if hasattr(value, "tolist") else value for name, value in attributes.items()}


READERS: dict[str, Callable[[Path], FileSummary]] = {
    ".json": _inspect_json,
    ".safetensors": _inspect_safetensors,
    ".tif": _inspect_tiff,
    ".tiff": _inspect_tiff,
    ".png": _inspect_png,
    ".npy": _inspect_npy,
    ".mat": _inspect_matlab,
}
"""Readers by suffix, for files that are not HDF5."""
