"""The OME-TIFF of a reconstruction, read back by tifffile as Fiji and napari read it, and by the library."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import tifffile

from foci3d.errors import InputError
from foci3d.io import volume_file
from foci3d.io.volume_file import CHANNELS, Volume, read_volume, write_volume

DEPTHS_UM = np.array([[110.0, 371.5, 602.0, 861.0], [112.0, 370.0, 601.0, 859.5]])


def draw_volume(n_frames: int = 2, n_layers: int = 4, n_sensors: int = 2, interval_s: float | None = 0.5) -> Volume:
    rng = np.random.default_rng(0)
    probability = rng.random((n_frames, n_layers, 51, 40), np.float32)
    measurement = rng.random((n_frames, n_sensors, 51, 40), np.float32)
    depths_um = DEPTHS_UM[:n_frames, :n_layers]
    sensors_um = (0.0, 1000.0)[:n_sensors]
    geometry = (depths_um, depths_um / 10, 55.0, sensors_um)
    return Volume(probability, probability > 0.4, measurement, *geometry, 0.4, interval_s)


def test_axes_channels_and_sizes(tmp_path: Path) -> None:
    volume, path = draw_volume(), tmp_path / "volume.ome.tif"
    write_volume(path, volume)
    with tifffile.TiffFile(path) as file:
        assert file.is_ome
        assert [(each.name, each.axes, each.dtype) for each in file.series] == [
            ("reconstruction", "TCZYX", np.float32),
            ("mask", "TZYX", np.uint8),
            ("measurement", "TCYX", np.float32),
        ]
        np.testing.assert_array_equal(file.asarray()[:, 0], volume.probability)
        ome = tifffile.xml2dict(file.ome_metadata)["OME"]
    for image in ome["Image"]:
        pixels = image["Pixels"]
        assert (pixels["PhysicalSizeX"], pixels["PhysicalSizeY"], pixels["TimeIncrement"]) == (55.0, 55.0, 0.5)
        assert (pixels["PhysicalSizeXUnit"], pixels["TimeIncrementUnit"]) == ("µm", "s")
        assert all(plane["DeltaT"] == 0.5 * plane["TheT"] for plane in pixels["Plane"])
    pixels = ome["Image"][0]["Pixels"]
    assert pixels["PhysicalSizeZ"] == pytest.approx(np.diff(DEPTHS_UM).mean())
    assert tuple(channel["Name"] for channel in pixels["Channel"]) == CHANNELS
    for plane in pixels["Plane"]:
        assert plane["PositionZ"] == DEPTHS_UM[plane["TheT"], plane["TheZ"]]
    assert [channel["Name"] for channel in ome["Image"][2]["Pixels"]["Channel"]] == ["sensor A", "sensor B"]
    entries = {entry["K"]: entry["value"] for entry in ome["StructuredAnnotations"]["MapAnnotation"]["Value"]["M"]}
    assert entries["layer 2 depth_um"] == "371.5 370"
    assert entries["layer 2 depth_sd_um"] == "37.15 37"


@pytest.mark.parametrize("shape", [(2, 4, 2, 0.5), (1, 4, 1, None), (1, 1, 2, None), (2, 1, 0, None)])
def test_what_is_written_is_read(tmp_path: Path, shape: tuple[int, int, int, float | None]) -> None:
    volume = draw_volume(*shape)
    write_volume(tmp_path / "volume.ome.tif", volume)
    read = read_volume(tmp_path / "volume.ome.tif")
    for each in fields(Volume):
        if each.name != "measurement" or volume.sensor_depths_um:
            np.testing.assert_array_equal(getattr(read, each.name), getattr(volume, each.name))


def test_the_same_bytes_each_time(tmp_path: Path) -> None:
    for name in "ab":
        write_volume(tmp_path / name, draw_volume())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("limit", "is_big"), [(volume_file.MAX_CLASSIC_BYTES, False), (179_520, False), (179_519, True)]
)
def test_volumes_beyond_the_offsets_of_a_tiff_are_bigtiff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, is_big: bool
) -> None:
    """Of 51 x 40 pixels, 2 frames of 4 layers have 9 bytes, and those of 2 sensors 4 bytes."""
    monkeypatch.setattr(volume_file, "MAX_CLASSIC_BYTES", limit)
    volume, path = draw_volume(), tmp_path / "volume.ome.tif"
    write_volume(path, volume)
    with tifffile.TiffFile(path) as file:
        assert file.is_bigtiff == is_big
        assert [each.name for each in file.series] == ["reconstruction", "mask", "measurement"]
    np.testing.assert_array_equal(read_volume(path).probability, volume.probability)


def test_one_frame_of_one_layer(tmp_path: Path) -> None:
    write_volume(tmp_path / "volume.ome.tif", draw_volume(1, 1))
    with tifffile.TiffFile(tmp_path / "volume.ome.tif") as file:
        assert [each.axes for each in file.series] == ["CYX", "YX", "CYX"]


def test_another_file_is_refused_in_one_line(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((2, 3, 4)), ome=True)
    (tmp_path / "b.tif").write_text("no image")
    for name in ("a.tif", "b.tif", "none.tif"):
        with pytest.raises(InputError, match=rf"{name}: no volume of a reconstruction \(.*expected a volume.ome.tif"):
            read_volume(tmp_path / name)


def test_damaged_files_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "volume.ome.tif"
    write_volume(path, draw_volume())
    content, rng = path.read_bytes(), np.random.default_rng(0)
    with tifffile.TiffFile(path) as file:
        pixels, description = file.pages.first.dataoffsets[0], file.pages.first.tags["ImageDescription"].valueoffset
    for start in (pixels, description + 200):
        path.write_bytes(content[:start] + rng.bytes(40) + content[start + 40 :])
        with pytest.raises(
            InputError, match=r"volume.ome.tif: no volume of a reconstruction \(.*Reconstruct the images"
        ):
            read_volume(path)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"volume.ome.tif: "):
        read_volume(path)
