"""OME-Zarr of a reconstruction, read by the reader of ome-zarr, and checked against the models of its metadata."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from foci3d.errors import InputError
from foci3d.io.volume_file import Volume
from foci3d.io.zarr_file import write_zarr

DEPTHS_UM = np.array([[110.0, 371.5, 602.0], [112.0, np.nan, np.nan]])


def draw_volume(shape: tuple[int, int] = (51, 40), interval_s: float | None = 0.5) -> Volume:
    rng = np.random.default_rng(0)
    probability, measurement = rng.random((2, 3, *shape), np.float32), rng.random((2, 2, *shape), np.float32)
    return Volume(
        probability, probability > 0.4, measurement, DEPTHS_UM, DEPTHS_UM / 10, 55.0, (0.0, 1000.0), 0.4, interval_s
    )


@pytest.fixture
def zarr_is_installed() -> None:
    pytest.importorskip("ome_zarr", reason="the extra zarr is not installed")


@pytest.mark.usefixtures("zarr_is_installed")
def test_images_labels_and_places_are_read_by_others(tmp_path: Path) -> None:
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    volume = draw_volume()
    write_zarr(tmp_path / "volume.ome.zarr", volume)
    nodes = {node.zarr.basename(): node for node in Reader(parse_url(tmp_path / "volume.ome.zarr"))()}
    image, mask = nodes["volume.ome.zarr"], nodes["mask"]
    np.testing.assert_array_equal(np.asarray(image.data[0])[:, 0], volume.probability)
    np.testing.assert_array_equal(np.asarray(mask.data[0]), volume.mask)
    assert image.metadata["channel_names"] == ["probability", "uncertainty"]
    assert [axis.get("unit") for axis in image.metadata["axes"]] == ["second", None, *["micrometer"] * 3]
    (scale, translation) = image.metadata["coordinateTransformations"][0]
    assert scale["scale"] == pytest.approx([0.5, 1, (602 - 110) / 2, 55, 55], rel=0.01)
    assert translation["translation"] == [0, 0, 111, 27.5, 27.5]


@pytest.mark.usefixtures("zarr_is_installed")
def test_the_measurement_and_what_has_no_place_elsewhere(tmp_path: Path) -> None:
    import zarr

    volume = draw_volume(interval_s=None)
    write_zarr(tmp_path / "volume.ome.zarr", volume)
    root = zarr.open_group(tmp_path / "volume.ome.zarr", mode="r")
    group = root["measurement"]
    np.testing.assert_array_equal(
        group[group.attrs["ome"]["multiscales"][0]["datasets"][0]["path"]], volume.measurement
    )
    labels = [channel["label"] for channel in group.attrs["ome"]["omero"]["channels"]]
    assert labels == ["sensor A", "sensor B"]
    assert "unit" not in group.attrs["ome"]["multiscales"][0]["axes"][0]
    assert root.attrs["foci3d"]["depths_um"] == [[110.0, 371.5, 602.0], [112.0, None, None]]
    json.dumps(dict(root.attrs), allow_nan=False)


@pytest.mark.usefixtures("zarr_is_installed")
def test_metadata_are_valid_and_large_fields_have_smaller_copies(tmp_path: Path) -> None:
    models = pytest.importorskip("ome_zarr_models.v05", reason="ome-zarr-models comes with ome-zarr")
    import zarr

    write_zarr(tmp_path / "volume.ome.zarr", draw_volume((520, 1040)))
    root = zarr.open_group(tmp_path / "volume.ome.zarr", mode="r")
    image = models.Image.from_zarr(root)
    assert [root[each.path].shape[2:] for each in image.ome_attributes.multiscales[0].datasets] == [
        (3, 520, 1040),
        (3, 260, 520),
    ]
    models.Image.from_zarr(root["measurement"])
    models.ImageLabel.from_zarr(root["labels/mask"])


def test_errors_are_one_line_and_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "volume.ome.zarr"
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "ome_zarr.writer", None)
        with pytest.raises(InputError, match=r"is not installed; expected the extra zarr. Run pip install"):
            write_zarr(folder, draw_volume())
    folder.mkdir()
    with pytest.raises(InputError, match="expected a folder to write that does not exist"):
        write_zarr(folder, replace(draw_volume(), threshold=0.3))
    assert list(tmp_path.iterdir()) == [folder]
    assert list(folder.iterdir()) == []
