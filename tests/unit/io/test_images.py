from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage.io import imsave

from foci3d.errors import InputError
from foci3d.io.images import read_image, write_volume


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(100, 3000, (51, 51)).astype(np.uint16)


@pytest.mark.parametrize("suffix", ["tif", "png"])
def test_reads_tiff_and_png(tmp_path: Path, image: np.ndarray, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    imsave(path, image, check_contrast=False)
    read = read_image(path, 51)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, image)


def test_reads_float(tmp_path: Path, image: np.ndarray) -> None:
    values = image.astype(np.float32) / 7 - 50
    tifffile.imwrite(tmp_path / "a.tif", values)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", 51), values)


@pytest.mark.parametrize(
    ("broken", "parts"),
    [
        (lambda image: image[:50], ["50 x 51 pixels", "51 x 51"]),
        (lambda image: np.stack([image] * 3, -1), ["51 x 51 x 3", "colours or frames"]),
        (lambda image: np.stack([image] * 2), ["colours or frames"]),
        (lambda image: np.where(image > 2900, np.nan, image).astype(np.float32), ["not finite"]),
        (lambda image: np.full_like(image, 7), ["every pixel is 7", "contrast"]),
        (lambda image: image.clip(0, 2500), ["have the largest value", "saturated"]),
    ],
)
def test_unsuitable_image_is_explained(tmp_path: Path, image: np.ndarray, broken: object, parts: list[str]) -> None:
    tifffile.imwrite(tmp_path / "a.tif", broken(image))
    with pytest.raises(InputError) as error:
        read_image(tmp_path / "a.tif", 51)
    for part in ["a.tif: ", *parts]:
        assert part in str(error.value)


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
def test_missing_file_and_other_content(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="file not found"):
        read_image(tmp_path / name, 51)
    (tmp_path / name).write_text("not a image")
    with pytest.raises(InputError, match="not a readable image"):
        read_image(tmp_path / name, 51)


def test_truncated_image(tmp_path: Path, image: np.ndarray) -> None:
    for suffix in ("tif", "png"):
        path = tmp_path / f"a.{suffix}"
        imsave(path, image, check_contrast=False)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(InputError, match="not a readable image"):
            read_image(path, 51)


def test_png_with_a_palette_has_colours(tmp_path: Path, image: np.ndarray) -> None:
    Image.fromarray((image // 16).astype(np.uint8)).convert("P").save(tmp_path / "a.png")
    with pytest.raises(InputError, match="51 x 51 x 3, which means colours or frames"):
        read_image(tmp_path / "a.png", 51)


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
    layer = np.random.default_rng(0).random((1, 51, 51), np.float32)
    write_volume(tmp_path / "volume.ome.tif", layer, [110.0], 55.0)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "volume.ome.tif").reshape(1, 51, 51), layer)
