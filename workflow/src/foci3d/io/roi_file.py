"""Regions of interest for Fiji and ImageJ: a file of its ROI Manager."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from roifile import ROI_TYPE, ImagejRoi

from foci3d.io.atomic import atomic_path

LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""Time of all entries, so that equal regions give equal bytes."""


@dataclass(frozen=True)
class Region:
    """A region in one image of a stack.

    Parameters
    ----------
    name : str
        Its name.
    points : ndarray (N, 2)
        Corners x, y of its outline, or one point [pixels, from the upper left corner of the image].
    layer, frame : int
        Image in which it lies, both from 1.
    """

    name: str
    points: npt.NDArray[np.floating[Any]]
    layer: int
    frame: int


def write_rois(path: str | Path, regions: Sequence[Region]) -> None:
    """Write regions of the second image of ``volume.ome.tif``, its mask, or of any stack with its layers and frames."""
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as file:
        for number, region in enumerate(regions, 1):
            roi = ImagejRoi.frompoints(
                region.points.astype(np.float32), name=region.name, c=0, z=region.layer - 1, t=region.frame - 1
            )
            roi.roitype = ROI_TYPE.POINT if len(region.points) == 1 else ROI_TYPE.POLYGON
            file.writestr(zipfile.ZipInfo(f"{number:05d} {region.name}.roi", LONG_AGO), roi.tobytes())
