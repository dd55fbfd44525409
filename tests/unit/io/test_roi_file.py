"""Regions for Fiji, read back by roifile."""

from pathlib import Path

import numpy as np
from roifile import ROI_TYPE, roiread

from foci3d.io.roi_file import Region, write_rois

SQUARE = Region("focus 1, 110 um", np.array([[2.0, 3], [5, 3], [5, 8], [2, 8]]), 2, 3)
POINT = Region("focus 2, 90 um", np.array([[4.5, 1.25]]), 1, 1)


def test_regions_are_read_as_they_were(tmp_path: Path) -> None:
    write_rois(tmp_path / "foci.roi.zip", [SQUARE, POINT])
    square, point = roiread(tmp_path / "foci.roi.zip")
    np.testing.assert_allclose(square.coordinates(), SQUARE.points)
    np.testing.assert_allclose(point.coordinates(), POINT.points)
    assert (square.name, square.c_position, square.z_position, square.t_position) == ("focus 1, 110 um", 1, 2, 3)
    assert (square.roitype, point.roitype) == (ROI_TYPE.POLYGON, ROI_TYPE.POINT)
    write_rois(tmp_path / "again.zip", [SQUARE, POINT])
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "foci.roi.zip").read_bytes()
