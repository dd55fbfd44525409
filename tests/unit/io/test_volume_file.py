"""The OME-TIFF of a reconstruction, read back by tifffile as Fiji and napari read it."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from foci3d.io.volume_file import CHANNELS, write_volume

DEPTHS_UM = np.array([[110.0, 371.5, 602.0, 861.0], [112.0, 370.0, 601.0, 859.5]])


def draw_volume(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random((*shape, 51, 40), np.float32)


def test_axes_channels_and_sizes(tmp_path: Path) -> None:
    volume, path = draw_volume(2, 3, 4), tmp_path / "volume.ome.tif"
    write_volume(path, volume, DEPTHS_UM, DEPTHS_UM / 10, 55.0, 0.5)
    with tifffile.TiffFile(path) as file:
        assert file.is_ome
        assert file.series[0].axes == "TCZYX"
        np.testing.assert_array_equal(file.asarray(), volume)
        ome = tifffile.xml2dict(file.ome_metadata)["OME"]
    pixels = ome["Image"]["Pixels"]
    assert (pixels["PhysicalSizeX"], pixels["PhysicalSizeY"], pixels["TimeIncrement"]) == (55.0, 55.0, 0.5)
    assert (pixels["PhysicalSizeXUnit"], pixels["TimeIncrementUnit"]) == ("µm", "s")
    assert pixels["PhysicalSizeZ"] == pytest.approx(np.diff(DEPTHS_UM).mean())
    assert tuple(channel["Name"] for channel in pixels["Channel"]) == CHANNELS
    for plane in pixels["Plane"]:
        assert plane["PositionZ"] == DEPTHS_UM[plane["TheT"], plane["TheZ"]]
        assert plane["DeltaT"] == 0.5 * plane["TheT"]
    entries = {entry["K"]: entry["value"] for entry in ome["StructuredAnnotations"]["MapAnnotation"]["Value"]["M"]}
    assert entries["layer 2 depth_um"] == "371.5 370"
    assert entries["layer 2 depth_sd_um"] == "37.15 37"


def test_the_same_bytes_each_time(tmp_path: Path) -> None:
    for name in "ab":
        write_volume(tmp_path / name, draw_volume(2, 3, 4), DEPTHS_UM, DEPTHS_UM, 55.0)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_one_frame_of_one_layer(tmp_path: Path) -> None:
    volume, depth_um = draw_volume(1, 3, 1), np.array([[110.0]])
    write_volume(tmp_path / "volume.ome.tif", volume, depth_um, depth_um, 55.0)
    with tifffile.TiffFile(tmp_path / "volume.ome.tif") as file:
        assert file.series[0].axes == "CYX"
        np.testing.assert_array_equal(file.asarray(), volume[0, :, 0])
