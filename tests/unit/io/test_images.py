"""Acquisitions: checks, dark and flat images, mirroring and frames of both sensors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from foci3d.config.samples import Acquisition
from foci3d.errors import InputError
from foci3d.io.images import Measurements, read_acquisition
from foci3d.learning.tasks import compute_logits

Read = Callable[..., np.ndarray]


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(100, 3000, (51, 51)).astype(np.uint16)


@pytest.fixture
def read_all(tmp_path: Path) -> Callable[..., Measurements]:
    """Write arrays, one for each column, and read them as an acquisition."""

    def read_arrays(min_pixels: int = 51, mirrored: str = "no", **images: Any) -> Measurements:
        for column, values in images.items():
            np.save(tmp_path / f"{column}.npy", values)
        paths = {column: str(tmp_path / f"{column}.npy") for column in images}
        row = Acquisition(sample="x", pixel_pitch_um=55.0, mirrored=mirrored, **paths)
        return read_acquisition(row, min_pixels)

    return read_arrays


@pytest.fixture
def read(read_all: Callable[..., Measurements]) -> Read:
    """The values of the acquisition alone."""
    return lambda *arguments, **images: read_all(*arguments, **images).values


def test_one_image_and_a_series_of_two_sensors(read: Read, image: np.ndarray) -> None:
    assert read(sensor_a=image).shape == (1, 1, 51, 51)
    series = np.stack([image, image + 1])
    values = read(sensor_a=series, sensor_b=2 * series)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, np.stack([series, 2 * series], 1))


def test_fields_larger_than_the_imager_are_accepted_and_smaller_ones_refused(read: Read, image: np.ndarray) -> None:
    assert read(sensor_a=np.tile(image, (2, 3))).shape == (1, 1, 102, 153)
    with pytest.raises(InputError, match="50 x 51 pixels; expected at least 51 x 51"):
        read(sensor_a=image[:50])


def test_mirrored_sensor_b(read: Read, image: np.ndarray) -> None:
    values = read(sensor_a=image, sensor_b=image, mirrored="yes")[0]
    np.testing.assert_array_equal(values[0], image)
    np.testing.assert_array_equal(values[1], image[:, ::-1])


def test_dark_and_flat_images_recover_the_light(read: Read) -> None:
    rng = np.random.default_rng(0)
    light, sensitivity = rng.uniform(10, 100, (2, 51, 51)), rng.uniform(0.5, 1.5, (2, 51, 51))
    offset = rng.uniform(200, 300, (2, 51, 51))
    images = light * sensitivity + offset
    flats, darks = 800 * sensitivity + offset, np.stack([offset - 1, offset + 1], 1)
    values = read(
        sensor_a=images[0], dark_a=darks[0], flat_a=flats[0], sensor_b=images[1], dark_b=darks[1], flat_b=flats[1]
    )
    np.testing.assert_allclose(
        values[0] / values.mean(), light * sensitivity.mean((1, 2), keepdims=True) / values.mean(), rtol=1e-4
    )


@pytest.mark.parametrize("dark", [False, True])
def test_integer_types_give_one_answer(read: Read, dark: bool) -> None:
    """8, 16 and 32 bits of one image, and of its dark image: networks divide by the mean."""
    rng = np.random.default_rng(0)
    image, offset = rng.integers(40, 256, (51, 51)), rng.integers(20, 30, (51, 51))
    torch.manual_seed(0)
    network = torch.nn.Conv2d(1, 4, 9, padding=4)
    outputs = []
    for dtype, scale in (("uint8", 1), ("uint16", 257), ("uint32", 16843009), ("int32", 8000000), ("float64", 1 / 255)):
        darks = {"dark_a": (scale * offset).astype(dtype)} if dark else {}
        values = read(sensor_a=(scale * image).astype(dtype), **darks)
        with torch.no_grad():
            outputs.append(compute_logits(network, torch.from_numpy(values)))
    for output in outputs[1:]:
        torch.testing.assert_close(output, outputs[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("broken", "parts"),
    [
        (lambda image: np.where(image > 2900, np.nan, image).astype(np.float32), ["not finite"]),
        (lambda image: image * 1e300, ["not finite in 32 bits"]),
        (lambda image: image * 1j, ["the type of the values is complex128"]),
        (lambda image: image > 1000, ["the type of the values is bool"]),
        (lambda image: np.full_like(image, 7), ["every pixel is 7", "contrast"]),
        (lambda image: image.clip(0, 2500), ["have the largest value", "saturated"]),
        (lambda image: np.stack([[image] * 3] * 2), ["2 x 3 x 51 x 51", "(frame, sensor, y, x)"]),
    ],
)
def test_unsuitable_image_is_explained(
    read: Read, image: np.ndarray, broken: Callable[..., Any], parts: list[str]
) -> None:
    with pytest.raises(InputError) as error:
        read(sensor_a=image, sensor_b=broken(image))
    for part in ["sensor_b.npy: ", *parts]:
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (lambda image: np.zeros_like(image), "frame 1: every pixel is 0"),
        (lambda image: image - 2500.0, "frame 1: the mean is -"),
        (lambda image: np.full(image.shape, np.nan), "frame 1: 2601 pixels are not finite"),
        (lambda image: image.clip(0, 2500), "frame 1: 18% of the pixels have the largest value"),
    ],
)
def test_one_unusable_frame_of_a_series_is_skipped_or_refused(
    tmp_path: Path, image: np.ndarray, caplog: pytest.LogCaptureFixture, broken: Callable[..., Any], reason: str
) -> None:
    np.save(tmp_path / "a.npy", [image, broken(image), image + 1, image + 2])
    np.save(tmp_path / "b.npy", [image + 3] * 4)
    paths = {f"sensor_{name}": str(tmp_path / f"{name}.npy") for name in "ab"}
    row = Acquisition(sample="x", pixel_pitch_um=55.0, **paths)
    measurements = read_acquisition(row, 51)
    np.testing.assert_array_equal(measurements.values[:, 0], [image, image + 1, image + 2])
    assert [*measurements.skipped] == [1]
    assert f"a.npy: {reason}" in measurements.skipped[1]
    assert caplog.messages == [f"{measurements.skipped[1]}; the frame is skipped"]
    with pytest.raises(InputError, match=f"{reason}.*; in all, 1 of 4 frames are unusable"):
        read_acquisition(row, 51, "refuse")


def test_a_series_of_which_most_frames_are_unusable_is_refused(read: Read, image: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"frame 0: every pixel is 5; .* in all, 2 of 3 frames are unusable"):
        read(sensor_a=np.stack([np.full_like(image, 5), image, np.full_like(image, 5)]))


def test_images_that_do_not_fit_together(read: Read, image: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"sensor_b.npy: found 2 x 51 x 51 .* but 1 x 51 x 51 in sensor_a"):
        read(sensor_a=image, sensor_b=np.stack([image] * 2))
    with pytest.raises(InputError, match=r"dark_a.npy: found 1 x 40 x 51 .* expected finite values in 51 x 51 pixels"):
        read(sensor_a=image, dark_a=image[:40])
    with pytest.raises(InputError, match=r"sensor_a.npy: the mean without the dark image is -\d+; expected"):
        read(sensor_a=image, dark_a=image + 100)
    flat = image.copy()
    flat[:4] = 0
    with pytest.raises(InputError, match=r"flat_a.npy: 204 pixels of the flat image are hardly brighter"):
        read(sensor_a=image, flat_a=flat)


def test_a_frame_that_is_not_finite_leaves_the_hot_pixels_of_the_others(
    read_all: Callable[..., Measurements], image: np.ndarray
) -> None:
    dark, series = np.full((51, 51), 50.0), np.stack([image.astype(np.float32)] * 3)
    dark[10, 11], series[1, 3, 4] = 2000, np.nan
    measured = read_all(sensor_a=series, dark_a=dark)
    assert [*measured.skipped] == [1]
    assert np.argwhere(measured.defects).tolist() == [[0, 10, 11]]
    with pytest.raises(InputError, match="2601 pixels are not finite"):
        read_all(sensor_a=np.full((51, 51), np.nan, np.float32), dark_a=dark)


def test_defects_of_a_mask_and_of_dark_and_flat_images(
    read_all: Callable[..., Measurements], image: np.ndarray
) -> None:
    mask, dark, flat = np.zeros((51, 51), bool), np.full((51, 51), 50.0), np.full((51, 51), 900.0)
    mask[1, 2], dark[10, 11], flat[20, 21] = True, 2000, 50
    measured = read_all(sensor_a=image, dark_a=dark, flat_a=flat, sensor_b=image, defects_b=mask, mirrored="yes")
    assert np.argwhere(measured.defects).tolist() == [[0, 10, 11], [0, 20, 21], [1, 1, 48]]
    assert np.isfinite(measured.values).all()
    with pytest.raises(InputError, match=r"defects_a.npy: 100% of the pixels are not 0; expected .* Correct the mask"):
        read_all(sensor_a=image, defects_a=~mask)
    with pytest.raises(InputError, match=r"defects_a.npy: found 1 x 50 x 51"):
        read_all(sensor_a=image, defects_a=mask[1:])


def ome(path: Path, values: np.ndarray, axes: str, **metadata: Any) -> None:
    tifffile.imwrite(path, values, ome=True, photometric="minisblack", metadata={"axes": axes, **metadata})


def test_ome_tiff_with_both_sensors_and_times(tmp_path: Path, image: np.ndarray) -> None:
    path = tmp_path / "both.ome.tif"
    series = np.stack([image + 10 * index for index in range(6)]).reshape(3, 2, 51, 51)
    ome(path, series, "TCYX", PhysicalSizeX=0.055, PhysicalSizeXUnit="mm", TimeIncrement=500.0, TimeIncrementUnit="ms")
    row = Acquisition(sample="x", sensor_a=str(path), sensor_b=str(path), pixel_pitch_um=55.0)
    measurements = read_acquisition(row, 51)
    np.testing.assert_array_equal(measurements.values, series)
    assert measurements.frame_interval_s == 0.5
    assert read_acquisition(row.model_copy(update={"frame_interval_s": 2.0}), 51).frame_interval_s == 2.0
    with pytest.raises(InputError, match=r"both.ome.tif: the pixel size in its metadata is 55 um; expected 40 um"):
        read_acquisition(row.model_copy(update={"pixel_pitch_um": 40.0}), 51)
    with pytest.raises(InputError, match="axes T C Y X; expected one image, or one image per time"):
        read_acquisition(row.model_copy(update={"sensor_b": ""}), 51)
    ome(path, series[:, 0], "TYX")
    with pytest.raises(InputError, match="expected two channels, as sensor_a and sensor_b name one file"):
        read_acquisition(row, 51)
