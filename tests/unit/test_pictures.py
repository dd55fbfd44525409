from pathlib import Path

import numpy as np
import pytest
import tifffile
from skimage.io import imsave

from foci3d.errors import InputError
from foci3d.pictures import read_picture, write_volume


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(100, 3000, (51, 51)).astype(np.uint16)


@pytest.mark.parametrize("suffix", ["tif", "png"])
def test_reads_tiff_and_png(tmp_path: Path, picture: np.ndarray, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    imsave(path, picture, check_contrast=False)
    found = read_picture(path, 51)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, picture)


def test_reads_float(tmp_path: Path, picture: np.ndarray) -> None:
    values = picture.astype(np.float32) / 7 - 50
    tifffile.imwrite(tmp_path / "a.tif", values)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif", 51), values)


@pytest.mark.parametrize(
    ("broken", "parts"),
    [
        (lambda picture: picture[:50], ["50 x 51 pixels", "51 x 51"]),
        (lambda picture: np.stack([picture] * 3, -1), ["51 x 51 x 3", "colours or frames"]),
        (lambda picture: np.stack([picture] * 2), ["colours or frames"]),
        (lambda picture: np.where(picture > 2900, np.nan, picture).astype(np.float32), ["not finite"]),
        (lambda picture: np.full_like(picture, 7), ["every pixel is 7", "contrast"]),
        (lambda picture: picture.clip(0, 2500), ["have the largest value", "saturated"]),
    ],
)
def test_picture_that_does_not_fit(tmp_path: Path, picture: np.ndarray, broken: object, parts: list[str]) -> None:
    tifffile.imwrite(tmp_path / "a.tif", broken(picture))
    with pytest.raises(InputError) as error:
        read_picture(tmp_path / "a.tif", 51)
    for part in ["a.tif: ", *parts]:
        assert part in str(error.value)


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
def test_no_file_and_no_picture(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        read_picture(tmp_path / name, 51)
    (tmp_path / name).write_text("not a picture")
    with pytest.raises(InputError, match="not a readable picture"):
        read_picture(tmp_path / name, 51)


def test_truncated_picture(tmp_path: Path, picture: np.ndarray) -> None:
    for suffix in ("tif", "png"):
        path = tmp_path / f"a.{suffix}"
        imsave(path, picture, check_contrast=False)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(InputError, match="not a readable picture"):
            read_picture(path, 51)


def test_volume_is_ome_tiff(tmp_path: Path) -> None:
    volume = np.random.default_rng(0).random((4, 51, 51), np.float32)
    path = tmp_path / "volume.ome.tif"
    write_volume(path, volume, [110.0, 371.5, 602.0, 861.0], 55.0)
    with tifffile.TiffFile(path) as file:
        assert file.is_ome
        assert file.series[0].axes == "ZYX"
        np.testing.assert_array_equal(file.asarray(), volume)
        pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
    assert (pixels["PhysicalSizeX"], pixels["PhysicalSizeY"]) == (55.0, 55.0)
    assert pixels["PhysicalSizeXUnit"] == "µm"
    assert [plane["PositionZ"] for plane in pixels["Plane"]] == [110.0, 371.5, 602.0, 861.0]
    first = path.read_bytes()
    write_volume(path, volume, [110.0, 371.5, 602.0, 861.0], 55.0)
    assert path.read_bytes() == first


def test_volume_of_one_layer(tmp_path: Path) -> None:
    path = tmp_path / "volume.ome.tif"
    write_volume(path, np.ones((1, 51, 51), np.float32), [110.0], 55.0)
    assert tifffile.imread(path).shape in {(1, 51, 51), (51, 51)}
