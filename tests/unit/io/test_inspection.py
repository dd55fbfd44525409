"""Inspection: what every kind of file is said to hold, and one line for files that cannot be read."""

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import tifffile
from PIL import Image
from safetensors.numpy import save_file

from foci3d.errors import InputError
from foci3d.io import hdf5
from foci3d.io.inspection import READERS, inspect_file
from foci3d.io.volume_file import Volume, write_volume
from foci3d.optics.psf import PSF


def test_a_point_spread_function(tmp_path: Path, make_psf: Callable[..., PSF]) -> None:
    make_psf(13).save(tmp_path / "psf.h5")
    summary = inspect_file(tmp_path / "psf.h5")
    assert summary.kind == "foci3d-psf, version 2"
    assert summary.attributes == {"source": "optics", "pixel_pitch_um": 55.0}
    arrays = {array.name: array for array in summary.arrays}
    assert (arrays["kernels"].shape, arrays["kernels"].axes, arrays["kernels"].unit) == ((11, 25, 25), "depth y x", "1")
    assert (arrays["depths_um"].dtype, arrays["depths_um"].unit) == ("float32", "um")
    assert all(len(array.sha256) == 64 for array in summary.arrays)


def test_a_changed_value_is_noticed(tmp_path: Path, make_psf: Callable[..., PSF]) -> None:
    import h5py

    make_psf(13).save(tmp_path / "psf.h5")
    with h5py.File(tmp_path / "psf.h5", "r+") as file:
        file["kernels"][0, 0, 0] += 1
    with pytest.raises(InputError, match="'kernels' does not match its digest"):
        inspect_file(tmp_path / "psf.h5")


def test_attributes_of_any_kind_and_foreign_hdf5(tmp_path: Path) -> None:
    import h5py

    labelled = {"values": hdf5.LabelledArray(np.arange(3), "sample", "um")}
    hdf5.write(tmp_path / "own.h5", hdf5.FileFormat("foci3d-other", 7), labelled, {"seed": 5})
    summary = inspect_file(tmp_path / "own.h5")
    assert (summary.kind, summary.attributes) == ("foci3d-other, version 7", {"seed": 5})
    with h5py.File(tmp_path / "kernels.h5", "w") as file:
        file["group/kernels"] = np.zeros((2, 3, 3))
    summary = inspect_file(tmp_path / "kernels.h5")
    assert summary.kind == "HDF5 file, not written by foci3d"
    assert [(array.name, array.shape) for array in summary.arrays] == [("group/kernels", (2, 3, 3))]


def test_a_model(tmp_path: Path) -> None:
    content = {"kind": "foci3d-model", "version": 2, "seed": 3, "digests": {"psf": "abc"}, "classes_um": [1.0]}
    (tmp_path / "model.json").write_text(json.dumps(content))
    summary = inspect_file(tmp_path / "model.json")
    assert summary.kind == "foci3d-model, version 2"
    assert summary.attributes == {"seed": 3, "digests.psf": "abc", "classes_um": [1.0]}
    save_file({"weight": np.zeros((2, 3), np.float32)}, tmp_path / "model.safetensors")
    summary = inspect_file(tmp_path / "model.safetensors")
    assert summary.attributes == {"values": 6}
    assert [(array.name, array.shape, array.dtype) for array in summary.arrays] == [("weight", (2, 3), "F32")]


def test_images(tmp_path: Path) -> None:
    image = np.arange(12, dtype=np.uint16).reshape(3, 4)
    tifffile.imwrite(tmp_path / "image.tif", image)
    Image.fromarray(image.astype(np.uint8)).save(tmp_path / "image.png")
    np.save(tmp_path / "image.npy", image)
    for suffix, axes in ((".tif", "y x"), (".png", "y x"), (".npy", "")):
        summary = inspect_file(tmp_path / f"image{suffix}")
        assert summary.arrays[0].shape == (3, 4)
        assert summary.arrays[0].axes == axes
        assert summary.attributes["maximum"] == 11
        assert summary.attributes["share_of_pixels_at_maximum"] == pytest.approx(1 / 12)


def test_a_reconstructed_volume(tmp_path: Path) -> None:
    probability, depths_um = np.random.default_rng(0).random((2, 3, 4, 5), np.float32), np.array([[10.0, 30, 50]] * 2)
    volume = Volume(probability, probability > 0.5, probability[:, :0], depths_um, depths_um / 10, 55.0)
    write_volume(tmp_path / "volume.ome.tif", volume)
    summary = inspect_file(tmp_path / "volume.ome.tif")
    assert summary.kind == "OME-TIFF image"
    assert (summary.arrays[0].shape, summary.arrays[0].axes) == ((2, 2, 3, 4, 5), "t c z y x")
    assert (summary.attributes["pixel_size_x"], summary.attributes["pixel_size_z"]) == ("55.0 µm", "20.0 µm")


def test_a_matlab_file(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "data.mat", {"zdist_PSF": np.zeros((2, 4))})
    summary = inspect_file(tmp_path / "data.mat")
    assert [(array.name, array.shape) for array in summary.arrays] == [("zdist_PSF", (2, 4))]


@pytest.mark.parametrize("suffix", [*READERS, ".h5"])
@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00\xff", b"II*\x00\x08\x00\x00\x00\xff", b"[1]", bytes(300)])
def test_a_damaged_file_is_one_line(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged") as error:
        inspect_file(path)
    assert "\n" not in str(error.value)


def write_deep(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_group("/".join("a" * 30))


def write_loop(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_group("a")["b"] = file["/"]


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("deep.h5", write_deep, "20 groups within each other"),
        ("loop.h5", write_loop, "20 groups within each other"),
        ("large.json", lambda path: path.write_text('{"a": "' + "x" * (10 << 20) + '"}'), "too large"),
        ("archive.npy", lambda path: np.savez(path.open("wb"), x=np.ones(2)), "not a readable .npy file"),
    ],
)
def test_files_without_bounds_are_refused(
    tmp_path: Path, name: str, write: Callable[[Path], object], message: str
) -> None:
    write(tmp_path / name)
    with pytest.raises(InputError, match=message):
        inspect_file(tmp_path / name)


def test_nested_lists_are_text(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": {"b": [[1], {"c": 2}], "d": [1, 2]}}')
    assert inspect_file(tmp_path / "a.json").attributes == {"a.b": '[[1], {"c": 2}]', "a.d": [1, 2]}


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="file not found"):
        inspect_file(tmp_path / "none.tif")
