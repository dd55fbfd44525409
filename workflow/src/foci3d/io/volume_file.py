"""The OME-TIFF of a reconstruction, with the axes time, channel, layer, y and x; Fiji and napari open it as it is."""

import hashlib
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from foci3d.io.atomic import atomic_path

CHANNELS = ("probability", "mask", "uncertainty")
"""Channels of the file, in order."""


def write_volume(
    path: str | Path,
    volume: npt.NDArray[np.float32],
    depths_um: npt.NDArray[np.floating],
    depth_sds_um: npt.NDArray[np.floating],
    pixel_pitch_um: float,
    frame_interval_s: float | None = None,
) -> None:
    """Write a reconstruction as OME-TIFF; the same volume gives the same bytes.

    Parameters
    ----------
    path : str or Path
        The file to write.
    volume : ndarray (T, C, L, Y, X), float32
        Frames of the `CHANNELS` of the layers.
    depths_um, depth_sds_um : ndarray (T, L)
        Depth of each layer with its standard deviation in each frame [um]. The depth is the position of a plane, and
        both are in an annotation of keys and values. OME-TIFF has one spacing for all layers: their mean. They
        may be NaN in a frame without values, which gets the mean depths over the others as positions.
    pixel_pitch_um : float
        Distance between neighbouring pixels [um].
    frame_interval_s : float, optional
        Time between frames [s].
    """
    n_frames, n_channels, n_layers = volume.shape[:3]
    known_um = np.where(np.isnan(depths_um), np.nanmean(depths_um, 0), depths_um)
    positions = np.repeat(known_um[:, None], n_channels, 1).ravel().tolist()
    planes: dict[str, list[Any]] = {"PositionZ": positions, "PositionZUnit": ["µm"] * len(positions)}
    sizes = {"X": pixel_pitch_um, "Y": pixel_pitch_um, "Z": _mean_spacing(known_um)}
    metadata: dict[str, Any] = {
        "axes": "TCZYX",
        "Channel": {"Name": list(CHANNELS)},
        **{f"PhysicalSize{axis}": size for axis, size in sizes.items()},
        **{f"PhysicalSize{axis}Unit": "µm" for axis in sizes},
        "MapAnnotation": {"Namespace": "foci3d", "Value": _describe_layers(depths_um, depth_sds_um)},
        "UUID": str(uuid.UUID(bytes=hashlib.sha256(volume.tobytes()).digest()[:16])),
    }
    if frame_interval_s is not None:
        metadata |= {"TimeIncrement": frame_interval_s, "TimeIncrementUnit": "s"}
        times = np.repeat(frame_interval_s * np.arange(n_frames), n_channels * n_layers)
        planes |= {"DeltaT": times.tolist(), "DeltaTUnit": ["s"] * len(times)}
    with atomic_path(path) as temporary:
        tifffile.imwrite(temporary, volume, ome=True, photometric="minisblack", metadata={**metadata, "Plane": planes})


def _mean_spacing(depths_um: npt.NDArray[np.floating]) -> float:
    """Mean distance of neighbouring layers [um], which OME requires to be positive; 1 for a single layer."""
    spacing_um = float(np.diff(depths_um).mean()) if depths_um.shape[1] > 1 else 1.0
    return spacing_um if spacing_um > 0 else 1.0


def _describe_layers(depths_um: npt.NDArray[np.floating], depth_sds_um: npt.NDArray[np.floating]) -> dict[str, str]:
    """Depths and standard deviations of each layer, those of all frames in one text."""
    texts = {}
    for name, values in (("depth_um", depths_um), ("depth_sd_um", depth_sds_um)):
        for layer, over_frames in enumerate(values.T, 1):
            texts[f"layer {layer} {name}"] = " ".join(f"{value:.6g}" for value in over_frames)
    return texts
