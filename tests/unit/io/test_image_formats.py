"""Every format of image, and damaged or forged files of each."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import tifffile
from PIL import Image

from foci3d.errors import InputError
from foci3d.io.image_file import MAX_BYTES
from foci3d.io.image_formats import read_image_file

IMAGE = np.random.default_rng(0).integers(100, 3000, (51, 61)).astype(np.uint16)
SERIES = np.stack([IMAGE, IMAGE[::-1]])


def write_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["entry/images"] = SERIES
        file["entry/times"] = [0.0, 1.0]


def write_compressed(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=SERIES, chunks=(1, 51, 61), compression="gzip")


WRITERS: dict[str, Callable[[Path], None]] = {
    "plain.tif": lambda path: tifffile.imwrite(path, SERIES, photometric="minisblack"),
    "deflate.tif": lambda path: tifffile.imwrite(path, SERIES, photometric="minisblack", compression="zlib"),
    "imagej.tif": lambda path: tifffile.imwrite(path, SERIES, imagej=True, metadata={"axes": "TYX"}),
    "a.ome.tif": lambda path: tifffile.imwrite(
        path, SERIES, ome=True, photometric="minisblack", metadata={"axes": "TYX"}
    ),
    "a.npy": lambda path: np.save(path, SERIES),
    "a.h5": write_hdf5,
    "compressed.hdf5": write_compressed,
    "a.mat": lambda path: scipy.io.savemat(path, {"images": SERIES}),
    "compressed.mat": lambda path: scipy.io.savemat(path, {"images": SERIES}, do_compression=True),
    "a.png": lambda path: Image.fromarray(IMAGE).save(path),
}


@pytest.fixture(params=WRITERS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file of each format."""
    WRITERS[request.param](tmp_path / request.param)
    return tmp_path / request.param


def test_values_of_every_format(path: Path) -> None:
    file = read_image_file(path)
    np.testing.assert_array_equal(file.values, IMAGE if path.suffix == ".png" else SERIES)
    assert file.axes[-2:] == "YX"


def test_truncated_file(path: Path) -> None:
    content = path.read_bytes()
    for share in (0, 0.02, 0.3, 0.6, 0.9):
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(InputError, match=f"{path.name}: .*expected"):
            read_image_file(path)


def test_damaged_bytes_give_values_or_one_line(path: Path) -> None:
    content, rng = path.read_bytes(), np.random.default_rng(1)
    for _ in range(60 if path.suffix in (".tif", ".npy", ".png") else 6):
        damaged = bytearray(content)
        for place in rng.integers(0, min(len(content), 2000), 8):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        with suppress(InputError):
            assert read_image_file(path).values.nbytes <= MAX_BYTES


def forge_tiff(path: Path) -> None:
    tifffile.imwrite(path, IMAGE, compression="zlib")
    with tifffile.TiffFile(path, mode="r+b") as file:
        for tag in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            file.pages[0].tags[tag].overwrite(400_000)


def forge_npy(path: Path) -> None:
    np.save(path, IMAGE)
    path.write_bytes(path.read_bytes().replace(b"(51, 61), }    ", b"(510000, 61000)"))


def forge_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("images", (400_000, 400_000), "u2", chunks=(100, 100), compression="gzip")[:51, :61] = IMAGE


def forge_png(path: Path) -> None:
    Image.fromarray(IMAGE).save(path)
    content = bytearray(path.read_bytes())
    content[16:24] = (20_000).to_bytes(4, "big") * 2
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "forge"), [("a.tif", forge_tiff), ("a.npy", forge_npy), ("a.h5", forge_hdf5), ("a.png", forge_png)]
)
def test_forged_sizes_cost_no_memory(tmp_path: Path, name: str, forge: Callable[[Path], None]) -> None:
    forge(tmp_path / name)
    with pytest.raises(InputError, match=f"{name}: "):
        read_image_file(tmp_path / name)


def test_arrays_by_name(tmp_path: Path) -> None:
    path = tmp_path / "two.h5"
    with h5py.File(path, "w") as file:
        file["a"], file["group/b"] = IMAGE, IMAGE + 1
        file["elsewhere"] = h5py.ExternalLink("other.h5", "a")
    np.testing.assert_array_equal(read_image_file(f"{path}:/group/b").values, IMAGE + 1)
    np.testing.assert_array_equal(read_image_file(path, "a").values, IMAGE)
    with pytest.raises(InputError, match=r"two.h5: found 2 images: a, group/b; expected one image. .* two.h5:/a"):
        read_image_file(path)
    with pytest.raises(InputError, match=r"two.h5: found 2 images: a, group/b; expected c"):
        read_image_file(f"{path}:/c", "a")


def test_values_of_another_file_are_refused(tmp_path: Path) -> None:
    WRITERS["a.h5"](tmp_path / "a.h5")
    layout = h5py.VirtualLayout((2, 51, 61), "u2")
    layout[:] = h5py.VirtualSource(tmp_path / "a.h5", "entry/images", (2, 51, 61))
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_virtual_dataset("images", layout)
    with pytest.raises(InputError, match="lies in another file"):
        read_image_file(tmp_path / "v.h5")


def test_version_7_3_of_matlab(tmp_path: Path) -> None:
    path = tmp_path / "new.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        data = file.create_dataset("tumorImage_withPSF_A", data=SERIES.transpose(2, 1, 0))  # MATLAB's order
        data.attrs["MATLAB_class"] = np.bytes_("uint16")
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(116) + bytes(8) + (0x0200).to_bytes(2, "little") + b"IM")
    np.testing.assert_array_equal(read_image_file(path).values, SERIES)


def test_unknown_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a.tif: file not found"):
        read_image_file(tmp_path / "a.tif")
    (tmp_path / "a.czi").write_text("")
    with pytest.raises(InputError, match=r"a.czi: the suffix is .czi; expected one of .tif, .tiff, .png"):
        read_image_file(tmp_path / "a.czi")
    np.save(tmp_path / "a.npy", np.array([{}], object))
    with pytest.raises(InputError, match=r"a.npy: not a readable image \(.*Python objects"):
        read_image_file(tmp_path / "a.npy")


def test_png_with_a_palette_has_colours(tmp_path: Path) -> None:
    Image.fromarray((IMAGE // 16).astype(np.uint8)).convert("P").save(tmp_path / "a.png")
    assert read_image_file(tmp_path / "a.png").axes == "YXS"
