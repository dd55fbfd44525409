"""A reconstruction as OME-Zarr 0.5, for fields and series that are too large for one file, and for readers in chunks.

The group is an image with the axes time, channel, layer, y, x: the channels are those of `foci3d.io.volume_file`. Its
labels are the mask, and the group `measurement` in it is an image of the sensors with the axes time, channel, y, x.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foci3d.errors import InputError
from foci3d.io.volume_file import CHANNELS, Volume, mean_spacing, with_uncertainty

SMALLEST_LEVEL_PX = 256
"""Pixels in y and in x of the smallest image in a pyramid."""

LABEL_COLORS = [{"label-value": 0, "rgba": [0, 0, 0, 0]}, {"label-value": 1, "rgba": [240, 228, 66, 255]}]


def write_zarr(path: str | Path, volume: Volume) -> None:
    """Write a reconstruction as OME-Zarr.

    Scales and translations are in micrometres and seconds; a translation is the middle of the first pixel and the mean
    depth of the first layer. OME-Zarr has one spacing for all layers, their mean: depths and their standard deviations
    are in the attribute `foci3d`.

    Parameters
    ----------
    path : str or Path
        Folder to write, which must not exist.
    volume : Volume
        The reconstruction.

    Raises
    ------
    InputError
        If the folder exists, or the extra `zarr` is not installed.
    """
    path = Path(path)
    if path.exists():
        raise InputError(f"{path}: found; expected a folder to write that does not exist. Remove it, or rename it.")
    try:
        import zarr
        from ome_zarr.writer import write_image, write_labels
    except ImportError as error:
        raise InputError(
            f"{path}: the package {error.name} is not installed; expected the extra zarr. Run pip install '.[zarr]' in "
            "a clone of foci3d."
        ) from error
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as temporary:
        root = zarr.open_group(Path(temporary) / "root", mode="w", zarr_format=3)
        values = np.stack([with_uncertainty(frame) for frame in volume.probability])
        write_image(
            values, root, name="reconstruction", omero=_omero(CHANNELS, [1.0, 0.5]), **_options(volume, "tczyx")
        )
        _translate(root, volume)
        root.attrs["foci3d"] = _describe(volume)
        options = {"label_metadata": {"colors": LABEL_COLORS}, "scaler": None, **_options(volume, "tzyx")}
        write_labels(np.asarray(volume.mask).astype(np.uint8), root, name="mask", **options)
        labels = root["labels"].attrs
        labels["ome"] = {**labels["ome"], "version": root.attrs["ome"]["version"]}  # which ome-zarr 0.18 leaves out
        _translate(root["labels/mask"], volume)
        if volume.sensor_depths_um:
            names = [f"sensor {name}" for name, _ in zip("AB", volume.sensor_depths_um, strict=False)]
            images = np.asarray(volume.measurement)
            group, largest = root.create_group("measurement"), np.nanmax(images, (0, 2, 3)).tolist()
            options = {"name": "measurement", "omero": _omero(names, largest), **_options(volume, "tcyx")}
            write_image(images.astype(np.float32), group, **options)
            _translate(group, volume)
        (Path(temporary) / "root").replace(path)


def _options(volume: Volume, axes: str) -> dict[str, Any]:
    """Axes, units and scales of an image, and the factors of its smaller copies."""
    scale = {"t": volume.frame_interval_s or 1.0, "c": 1.0, "z": mean_spacing(volume.known_depths_um)}
    scale |= dict.fromkeys("yx", volume.pixel_pitch_um)
    units = {axis: "micrometer" for axis in "zyx" if axis in axes}
    if volume.frame_interval_s is not None:
        units["t"] = "second"
    n_levels = int(np.log2(max(1, min(volume.mask.shape[2:]) / SMALLEST_LEVEL_PX)))
    factors = [2**level for level in range(1, n_levels + 1)]
    return {
        "axes": list(axes),
        "scale": {axis: scale[axis] for axis in axes},
        "axes_units": units,
        "scale_factors": factors,
    }


def _omero(channels: Sequence[str], largest: Sequence[float]) -> dict[str, Any]:
    """How a viewer shows the channels, from 0 to a largest value each."""
    windows = [{"min": 0, "start": 0, "max": value, "end": value} for value in largest]
    return {
        "channels": [
            {"label": name, "color": "FFFFFF", "active": index == 0, "window": window}
            for index, (name, window) in enumerate(zip(channels, windows, strict=True))
        ]
    }


def _translate(group: Any, volume: Volume) -> None:
    """Say for each level of an image where its first pixel is; `write_image` writes scales, and shifts of levels."""
    ome = dict(group.attrs["ome"])
    (image,) = ome["multiscales"]
    names = [axis["name"] for axis in image["axes"]]
    for level in image["datasets"]:
        scale = level["coordinateTransformations"][0]
        first = {"z": float(volume.known_depths_um[:, 0].mean())}
        first |= {axis: step / 2 for axis, step in zip(names, scale["scale"], strict=True) if axis in "yx"}
        translation = [first.get(axis, 0.0) for axis in names]
        level["coordinateTransformations"] = [scale, {"type": "translation", "translation": translation}]
    group.attrs["ome"] = ome


def _describe(volume: Volume) -> dict[str, Any]:
    """What OME-Zarr has no place for."""
    depths = {"depths_um": volume.depths_um, "depth_sds_um": volume.depth_sds_um}
    return {
        **{name: _to_json(values) for name, values in depths.items()},
        "sensor_depths_um": list(volume.sensor_depths_um),
        "threshold": volume.threshold,
    }


def _to_json(values: npt.NDArray[Any]) -> list[list[float | None]]:
    """Values `(T, L)`, None where there is none."""
    return [[None if np.isnan(value) else float(value) for value in row] for row in values]
