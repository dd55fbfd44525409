"""The OME-TIFF of a reconstruction, which Fiji and napari open: three images with the axes time, channel, layer, y, x.

The first has the channels probability of a cell and uncertainty, the second is the mask (uint8), the third the
measurement (a channel for each sensor), as it was reconstructed.
"""

import hashlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from foci3d.errors import InputError, one_line
from foci3d.io.atomic import atomic_path

CHANNELS = ("probability", "uncertainty")
"""Channels of the first image, in order."""


@dataclass(frozen=True)
class FrameArray:
    """An array of frames, of which each is made when it is read: a series of any length needs the memory of one.

    Parameters
    ----------
    shape : tuple of int
        Of the array `(T, ...)`.
    dtype : dtype
        Of its values.
    read : callable
        From the number of a frame to its values.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[int], npt.NDArray[Any]]

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        return map(self.read, range(len(self)))

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """All frames, in memory."""
        return np.stack([*self]).astype(dtype or self.dtype, copy=False)


Frames = npt.NDArray[Any] | FrameArray


@dataclass(frozen=True)
class Volume:
    """Reconstructed frames in arrays; NaN, or an empty mask, is in the frames and layers that do not exist.

    Parameters
    ----------
    probability : ndarray or FrameArray (T, L, Y, X), float32
        Probability of a cell, 0 to 1.
    mask : ndarray or FrameArray (T, L, Y, X), bool
        Whether a pixel is classified as a cell.
    measurement : ndarray or FrameArray (T, S, Y, X)
        Images of the sensors; of none, S is 0.
    depths_um, depth_sds_um : ndarray (T, L)
        Depth of each layer with its standard deviation in each frame [um].
    pixel_pitch_um : float
        Distance between neighbouring pixels [um].
    sensor_depths_um : tuple of S floats
        Depths of the sensors [um].
    threshold : float
        Probability above which a pixel is classified as a cell.
    frame_interval_s : float, optional
        Time between frames [s].
    channel : str
        Name of the channel of an acquisition in several.
    """

    probability: Frames
    mask: Frames
    measurement: Frames
    depths_um: npt.NDArray[np.floating]
    depth_sds_um: npt.NDArray[np.floating]
    pixel_pitch_um: float
    sensor_depths_um: tuple[float, ...] = ()
    threshold: float = 0.5
    frame_interval_s: float | None = None
    channel: str = ""

    @property
    def known_depths_um(self) -> npt.NDArray[np.floating]:
        """Depths (T, L), with the mean over the others in a frame without values [um]."""
        return np.where(np.isnan(self.depths_um), np.nanmean(self.depths_um, 0), self.depths_um)


def write_volume(path: str | Path, volume: Volume) -> None:
    """Write a reconstruction as OME-TIFF; the same volume gives the same bytes.

    The depth of a layer is the position of its planes, and depths with their standard deviations are in an annotation
    of keys and values. OME-TIFF has one spacing for all layers: their mean.
    """
    (n_frames, n_layers, *extents), n_sensors = volume.probability.shape, volume.measurement.shape[1]
    annotation = {"Namespace": "foci3d", "Value": _describe(volume)}
    shared = {"MapAnnotation": annotation, "UUID": str(_identify(volume))}
    with atomic_path(path) as temporary, tifffile.TiffWriter(temporary, ome=True) as file:

        def write(
            name: str, frames: Iterator[npt.NDArray[Any]], shape: tuple[int, ...], channels: Sequence[str], **more: Any
        ) -> None:
            depths_um = None if name == "measurement" else volume.known_depths_um
            names = [f"{volume.channel} {each}".strip() for each in channels]
            metadata = {**_metadata(name, names, shape, volume, depths_um), **more}
            planes = (plane for frame in frames for plane in frame.reshape(-1, *extents))
            dtype = np.uint8 if name == "mask" else np.float32
            options = {"photometric": "minisblack", "compression": "zlib", "metadata": metadata}
            file.write(planes, shape=shape, dtype=dtype, **options)

        shape = (n_frames, len(CHANNELS), n_layers, *extents)
        write("reconstruction", map(with_uncertainty, volume.probability), shape, CHANNELS, **shared)
        masks = (frame.astype(np.uint8) for frame in volume.mask)
        write("mask", masks, (n_frames, 1, n_layers, *extents), ["mask"])
        if volume.sensor_depths_um:
            sensors = [f"sensor {name}" for name, _ in zip("AB", volume.sensor_depths_um, strict=False)]
            images = (frame.astype(np.float32) for frame in volume.measurement)
            write("measurement", images, (n_frames, n_sensors, 1, *extents), sensors)


def with_uncertainty(probability: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Values `(2, L, Y, X)` of the channels of the first image, of a frame."""
    return np.stack([probability, np.minimum(probability, 1 - probability)], dtype=np.float32)


def _identify(volume: Volume) -> uuid.UUID:
    """A number that is the same for the same values."""
    digest = hashlib.sha256()
    for frames in (map(with_uncertainty, volume.probability), iter(volume.measurement)):
        for frame in frames:
            digest.update(np.ascontiguousarray(frame).tobytes())
    return uuid.UUID(bytes=digest.digest()[:16])


def _metadata(
    name: str,
    channels: Sequence[str],
    shape: tuple[int, ...],
    volume: Volume,
    depths_um: npt.NDArray[np.floating] | None,
) -> dict[str, Any]:
    """OME metadata of an image of `shape (T, C, L, Y, X)`, whose planes are at depths `(T, L)` or at one without."""
    n_frames, n_channels, n_layers = shape[:3]
    sizes = {"X": volume.pixel_pitch_um, "Y": volume.pixel_pitch_um}
    planes: dict[str, list[Any]] = {}
    if depths_um is not None:
        sizes["Z"] = mean_spacing(depths_um)
        positions = np.repeat(depths_um[:, None], n_channels, 1).ravel().tolist()
        planes = {"PositionZ": positions, "PositionZUnit": ["µm"] * len(positions)}
    metadata: dict[str, Any] = {"axes": "TCZYX", "Name": name, "Channel": {"Name": list(channels)}}
    for axis, size in sizes.items():
        metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "µm"}
    if volume.frame_interval_s is not None:
        metadata |= {"TimeIncrement": volume.frame_interval_s, "TimeIncrementUnit": "s"}
        times = np.repeat(volume.frame_interval_s * np.arange(n_frames), n_channels * n_layers)
        planes |= {"DeltaT": times.tolist(), "DeltaTUnit": ["s"] * len(times)}
    return {**metadata, "Plane": planes} if planes else metadata


def mean_spacing(depths_um: npt.NDArray[np.floating]) -> float:
    """Mean distance of neighbouring layers [um], which OME requires to be positive; 1 for a single layer."""
    spacing_um = float(np.diff(depths_um).mean()) if depths_um.shape[1] > 1 else 1.0
    return spacing_um if spacing_um > 0 else 1.0


def _describe(volume: Volume) -> dict[str, str]:
    """Depths and standard deviations of each layer, those of all frames in one text; sensors and threshold."""
    texts = {"threshold": f"{volume.threshold:g}", "sensor_depths_um": _join(volume.sensor_depths_um)}
    if volume.channel:
        texts["channel"] = volume.channel
    for name, values in (("depth_um", volume.depths_um), ("depth_sd_um", volume.depth_sds_um)):
        for layer, over_frames in enumerate(values.T, 1):
            texts[f"layer {layer} {name}"] = _join(over_frames)
    return texts


def _join(values: Sequence[float] | npt.NDArray[np.floating]) -> str:
    return " ".join(f"{value:.6g}" for value in values)


def read_volume(path: str | Path) -> Volume:
    """Read what `write_volume` wrote.

    Raises
    ------
    InputError
        If the file is missing or is not such a file.
    """
    try:
        with tifffile.TiffFile(path) as file:
            metadata = tifffile.xml2dict(file.ome_metadata or "<OME/>")["OME"]
            images = {each.name: each.asarray().reshape(each.get_shape(False)[:5]) for each in file.series}
        entries = metadata["StructuredAnnotations"]["MapAnnotation"]["Value"]["M"]
        texts = {entry["K"]: str(entry.get("value", "")) for entry in entries}
        channel = texts.pop("channel", "")
        values = {name: [float(value) for value in text.split()] for name, text in texts.items()}
        pixels = metadata["Image"][0]["Pixels"]
        n_layers = images["mask"].shape[2]
        layers = range(1, n_layers + 1)
        measurement = images.get("measurement", np.zeros((len(images["mask"]), 0, 1, 1, 1), np.float32))
        return Volume(
            images["reconstruction"][:, 0],
            images["mask"][:, 0] > 0,
            measurement[:, :, 0],
            np.array([values[f"layer {layer} depth_um"] for layer in layers]).T,
            np.array([values[f"layer {layer} depth_sd_um"] for layer in layers]).T,
            pixels["PhysicalSizeX"],
            tuple(values["sensor_depths_um"]),
            values["threshold"][0],
            pixels.get("TimeIncrement"),
            channel,
        )
    except (OSError, ValueError, KeyError, IndexError, TypeError, tifffile.TiffFileError) as error:
        raise InputError(
            f"{path}: no volume of a reconstruction ({one_line(str(error))}); expected a volume.ome.tif that foci3d "
            "reconstruct wrote. Reconstruct the images again."
        ) from error
