"""Channels and fluorophores of an acquisition."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from foci3d.config.samples import Acquisition
from foci3d.errors import InputError
from foci3d.io.images import read_acquisition, read_measurements
from foci3d.io.unmixing import find_sources, read_matrix, unmix

MATRIX = "channel,gfp,rfp\ngreen,1,0.25\nred,0.5,1\n"


@pytest.fixture
def light() -> np.ndarray:
    """Images `(fluorophore, frame, y, x)`."""
    return np.random.default_rng(0).uniform(100, 200, (2, 3, 20, 20)).astype(np.float32)


def rows(folder: Path, values: np.ndarray, names: tuple[str, ...] = ("green", "red")) -> list[Acquisition]:
    """Write channels `(C, T, Y, X)` to a file, and the row of each."""
    path = folder / "a.ome.tif"
    tifffile.imwrite(path, values.swapaxes(0, 1), metadata={"axes": "TCYX", "Channel": {"Name": list(names)}})
    return [Acquisition(sample="x", sensor_a=str(path), pixel_pitch_um=55.0, channel=each) for each in ("red", "green")]


def mix(light: np.ndarray) -> np.ndarray:
    return np.tensordot(np.array([[1, 0.25], [0.5, 1]]), light, 1).astype(np.float32)


def test_a_channel_of_a_file_is_found_by_its_name(tmp_path: Path, light: np.ndarray) -> None:
    red, green = rows(tmp_path, light)
    np.testing.assert_array_equal(read_acquisition(green, 20).values[:, 0], light[0])
    np.testing.assert_array_equal(read_measurements(red, 20).values[:, 0], light[1])
    with pytest.raises(InputError, match="found several channels with a, a; expected red once"):
        read_acquisition(rows(tmp_path, light, ("a", "a"))[0], 20)


def test_a_dark_image_may_have_channels_too(tmp_path: Path, light: np.ndarray) -> None:
    dark = tmp_path / "dark.ome.tif"
    tifffile.imwrite(
        dark, np.ones((2, 20, 20), np.float32), metadata={"axes": "CYX", "Channel": {"Name": ["red", "x"]}}
    )
    red, green = (row.model_copy(update={"dark_a": str(dark)}) for row in rows(tmp_path, light))
    np.testing.assert_array_equal(read_acquisition(red, 20).values[:, 0], light[1] - 1)
    with pytest.raises(InputError, match="red, x; expected green once"):
        read_acquisition(green, 20)


def test_fluorophores_are_unmixed(tmp_path: Path, light: np.ndarray) -> None:
    path = tmp_path / "matrix.csv"
    path.write_text(MATRIX)
    found = unmix(rows(tmp_path, mix(light)), path)
    assert list(found) == ["x/gfp", "x/rfp"]
    for fluorophore, expected in zip(found.values(), light, strict=True):
        assert fluorophore.files == [str(tmp_path / "a.ome.tif")]
        np.testing.assert_allclose(read_measurements(fluorophore, 20).values[:, 0], expected, rtol=1e-5)


def test_a_frame_that_a_channel_lacks_is_skipped(tmp_path: Path, light: np.ndarray) -> None:
    path = tmp_path / "matrix.csv"
    path.write_text(MATRIX)
    mixed = mix(light)
    mixed[1, 1] = 7.0
    found = read_measurements(unmix(rows(tmp_path, mixed), path)["x/gfp"], 20)
    assert list(found.skipped) == [1]
    np.testing.assert_allclose(found.values[:, 0], light[0, [0, 2]], rtol=1e-5)


def test_a_fluorophore_without_light_is_refused(tmp_path: Path, light: np.ndarray) -> None:
    path = tmp_path / "matrix.csv"
    path.write_text(MATRIX)
    light[1] *= -0.1
    with pytest.raises(InputError, match="x/rfp: no light is left after unmixing"):
        read_measurements(unmix(rows(tmp_path, mix(light)), path)["x/rfp"], 20)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gfp,rfp\n1,2\n", "found the columns gfp, rfp in 1 rows; expected channel"),
        ("channel,gfp\ngreen,1\ngreen,2\n", "with each channel once"),
        ("channel,a b\ngreen,1\n", "a fluorophore is named 'a b'"),
        ("channel,gfp,rfp\ngreen,1,2\n", "1 channels do not tell 2 fluorophores apart"),
        ("channel,gfp,rfp\ngreen,1,2\nred,1,x\n", "rfp of row 2 is x; expected a number"),
    ],
)
def test_a_matrix_that_is_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "matrix.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_matrix(path)


def test_a_matrix_of_other_channels_is_refused(tmp_path: Path, light: np.ndarray) -> None:
    path = tmp_path / "matrix.csv"
    path.write_text("channel,gfp\nblue,1\n")
    with pytest.raises(InputError, match="found the channels blue; expected red, green, as sample x has"):
        unmix(rows(tmp_path, light), path)


def test_a_file_of_both_sensors_holds_one_channel(tmp_path: Path) -> None:
    """The sensors in it are no channels, so that two channels would have the same images."""
    path = tmp_path / "both.npy"
    np.save(path, np.random.default_rng(0).uniform(1, 2, (2, 20, 20)))
    both = {"sensor_a": str(path), "sensor_b": str(path), "pixel_pitch_um": 55.0}
    green, red = (Acquisition(sample="x", channel=name, **both) for name in ("green", "red"))
    assert list(find_sources([green])) == ["x/green"]
    with pytest.raises(InputError, match=r"both.npy: found one channel"):
        find_sources([green, red])
