"""The OME-TIFF of a reconstruction, which Fiji and napari open: three images with the axes time, channel, layer, y, x.

The first has the channels probability of a cell and uncertainty, the second is the mask (uint8), the third the
measurement (a channel for each sensor), as it was reconstructed.
"""

import hashlib
import math
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from foci3d.errors import InputError
from foci3d.io.atomic import atomic_path
from foci3d.io.image_file import require_content
from foci3d.io.tiff import open_alone

CHANNELS = ("probability", "uncertainty")
"""Channels of the first image, in order."""

MAX_CLASSIC_BYTES = 2**32 - 2**25
"""Uncompressed bytes above which a file is a BigTIFF: offsets in a TIFF have 32 bits, and metadata take some space."""


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
    of keys and values. OME-TIFF has one spacing for all layers: their mean. A volume that might not fit into 4 GiB is
    written as BigTIFF.
    """
    (n_frames, n_layers, *extents), n_sensors = volume.probability.shape, volume.measurement.shape[1]
    annotation = {"Namespace": "foci3d", "Value": _describe(volume)}
    shared = {"MapAnnotation": annotation, "UUID": str(_identify(volume))}
    is_big = _count_bytes(volume) > MAX_CLASSIC_BYTES
    with atomic_path(path) as temporary, tifffile.TiffWriter(temporary, ome=True, bigtiff=is_big) as file:

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


def _count_bytes(volume: Volume) -> int:
    """Bytes of all values that `write_volume` writes, before their compression."""
    n_bytes = len(CHANNELS) * np.dtype(np.float32).itemsize + np.dtype(np.uint8).itemsize
    n_measured = math.prod(volume.measurement.shape) if volume.sensor_depths_um else 0
    return math.prod(volume.probability.shape) * n_bytes + n_measured * np.dtype(np.float32).itemsize


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
        If the file is missing or damaged, or is not such a file.
    """
    try:
        return _read_volume(Path(path))
    except InputError:
        raise
    except Exception as error:  # what decoders raise for damaged bytes is without limits
        detail = " ".join(str(error).split())[:150] or type(error).__name__
        raise InputError(
            f"{path}: no volume of a reconstruction ({detail}); expected a volume.ome.tif that foci3d "
            "reconstruct wrote. Reconstruct the images again."
        ) from error


def _read_volume(path: Path) -> Volume:
    with open_alone(path) as file:
        metadata = tifffile.xml2dict(file.ome_metadata or "<OME/>")["OME"]
        for each in file.series:
            require_content(path, each.shape, each.dtype or np.uint8)
        images = {each.name: each.asarray().reshape(each.get_shape(False)[:5]) for each in file.series}
    entries = metadata["StructuredAnnotations"]["MapAnnotation"]["Value"]["M"]
    texts = {entry["K"]: str(entry.get("value", "")) for entry in entries}
    channel = texts.pop("channel", "")
    values = {name: [float(value) for value in text.split()] for name, text in texts.items()}
    pixels = metadata["Image"][0]["Pixels"]
    n_frames, _, n_layers = images["mask"].shape[:3]
    depths_um, depth_sds_um = (
        np.array([values[f"layer {layer} {name}"] for layer in range(1, n_layers + 1)]).T.reshape(n_frames, n_layers)
        for name in ("depth_um", "depth_sd_um")
    )
    measurement = images.get("measurement", np.zeros((n_frames, 0, 1, 1, 1), np.float32))
    return Volume(
        images["reconstruction"][:, 0],
        images["mask"][:, 0] > 0,
        measurement[:, :, 0],
        depths_um,
        depth_sds_um,
        pixels["PhysicalSizeX"],
        tuple(values["sensor_depths_um"]),
        values["threshold"][0],
        pixels.get("TimeIncrement"),
        channel,
    )
