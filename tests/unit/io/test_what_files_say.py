"""What files say of their values and axes is honoured, or refused in one line; no file makes a reader read another."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import imagecodecs
import numpy as np
import pytest
import scipy.io
import tifffile
from PIL import Image, PngImagePlugin

from foci3d.errors import InputError
from foci3d.io.image_formats import read_image_file

V = np.random.default_rng(0).integers(100, 3000, (51, 51)).astype(np.uint16)
SERIES = np.stack([V + index for index in range(60)])


def write_imagej(path: Path, values: np.ndarray, *lines: str, **options: Any) -> None:
    tifffile.imwrite(path, values, description="\n".join(["ImageJ=1.54f", *lines, ""]), metadata=None, **options)


def matlab_7_3(path: Path, **arrays: np.ndarray) -> None:
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in arrays.items():
            file[name] = values.T
            file[name].attrs["MATLAB_class"] = np.bytes_(str(values.dtype))
    with path.open("r+b") as binary:
        binary.write(b"MATLAB 7.3 MAT-file".ljust(116) + bytes(8) + (0x0200).to_bytes(2, "little") + b"IM")


def png_with(path: Path, kind: bytes, content: bytes) -> None:
    info = PngImagePlugin.PngInfo()
    info.add(kind, content)
    Image.fromarray(V).save(path, pnginfo=info)


def cf_scaled(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["v"] = ((V - 10) // 2).astype(np.int16)
        file["v"].attrs.update(scale_factor=2.0, add_offset=10.0)


SAME_AS_V: dict[str, Callable[[Path], None]] = {
    "offset of ImageJ.tif": lambda path: write_imagej(path, V + 32768, "cf=0", "c0=-32768.0", "c1=1.0"),
    "white is zero.tif": lambda path: tifffile.imwrite(path, 65535 - V, photometric="miniswhite"),
    "mirrored.tif": lambda path: tifffile.imwrite(path, V[:, ::-1], extratags=[(274, 3, 1, 2, True)]),
    "rotated.tif": lambda path: tifffile.imwrite(path, np.rot90(V), extratags=[(274, 3, 1, 6, True)]),
    "lzw.tif": lambda path: tifffile.imwrite(path, V, compression="lzw", predictor=True),
    "zstd.tif": lambda path: tifffile.imwrite(path, V, compression="zstd"),
    "12 bits.tif": lambda path: tifffile.imwrite(path, V, bitspersample=12),
    "big endian.tif": lambda path: tifffile.imwrite(path, V, byteorder=">"),
    "new.mat": lambda path: matlab_7_3(path, v=V),
    "second.ome.tif:/Image1": lambda path: write_two_images(path),
}


def write_two_images(path: Path) -> None:
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(V + 1)
        writer.write(V)


@pytest.mark.parametrize("name", SAME_AS_V)
def test_the_same_answer_as_plain_values(tmp_path: Path, name: str) -> None:
    SAME_AS_V[name](tmp_path / name.split(":")[0])
    np.testing.assert_array_equal(read_image_file(tmp_path / name).values, V)


def test_values_that_an_attribute_calibrates(tmp_path: Path) -> None:
    cf_scaled(tmp_path / "a.h5")
    np.testing.assert_array_equal(read_image_file(tmp_path / "a.h5").values, V // 2 * 2)


@pytest.mark.parametrize(
    ("unit", "pixels_per_unit", "pitch_um"),
    [("um", 1 / 55, 55), ("\\u00B5m", 1 / 55, 55), ("mm", 1000 / 55, 55), ("cm", 1e4 / 55, 55), ("pixel", 1, None)],
)
def test_pixel_pitch_of_imagej(tmp_path: Path, unit: str, pixels_per_unit: float, pitch_um: float | None) -> None:
    write_imagej(tmp_path / "a.tif", V, f"unit={unit}", resolution=(pixels_per_unit, pixels_per_unit))
    assert read_image_file(tmp_path / "a.tif").pixel_pitch_um == (
        pytest.approx(pitch_um, rel=1e-5) if pitch_um else None
    )


@pytest.mark.parametrize(
    ("shape", "axes"), [((60, 51, 51), "QYX"), ((51, 51, 10), "YXQ"), ((2, 51, 70), "QYX"), ((60, 2, 51, 51), "QCYX")]
)
def test_axes_that_only_make_sense_in_one_order(tmp_path: Path, shape: tuple[int, ...], axes: str) -> None:
    values = np.random.default_rng(0).integers(0, 9, shape).astype(np.uint16)
    scipy.io.savemat(tmp_path / "a.mat", {"img": values})
    np.save(tmp_path / "a.npy", values)
    for name in ("a.mat", "a.npy"):
        file = read_image_file(tmp_path / name)
        assert file.axes == axes
        np.testing.assert_array_equal(file.values, values)


@pytest.mark.parametrize("shape", [(51, 51, 60), (51, 51, 51, 60), (60, 51, 80), (51,)])
def test_axes_that_cannot_be_told_apart(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = np.ones(shape, np.uint8)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["img"] = np.atleast_2d(values)[None] if len(shape) == 1 else values
    with pytest.raises(InputError, match=r"a.h5: the axes of an array of .* permute\(array, \[3 4 1 2\]\)"):
        read_image_file(tmp_path / "a.h5")


def stopped_early(path: Path) -> None:
    tifffile.imwrite(path, SERIES[:2], ome=True, photometric="minisblack", metadata={"axes": "TYX"})
    path.write_bytes(path.read_bytes().replace(b'SizeT="2"', b'SizeT="9"'))


def write_planes(path: Path, page_of_time: dict[int, int]) -> None:
    """Write an OME-TIFF that plans four times and has three pages."""
    planes = "".join(f'<TiffData IFD="{page}" FirstT="{time}" PlaneCount="1"/>' for time, page in page_of_time.items())
    pixels = 'DimensionOrder="XYCZT" Type="uint16" SizeX="51" SizeY="51" SizeC="1" SizeZ="1" SizeT="4"'
    schema = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
    image = f'<Image ID="Image:0"><Pixels ID="Pixels:0" {pixels}>{planes}</Pixels></Image>'
    with tifffile.TiffWriter(path) as writer:
        for frame in SERIES[[0, 2, 3]]:
            writer.write(frame, description=f'<OME xmlns="{schema}">{image}</OME>', metadata=None, contiguous=False)


def test_a_frame_that_a_series_lacks_is_missing_and_not_dark(tmp_path: Path) -> None:
    write_planes(tmp_path / "a.ome.tif", {0: 0, 2: 1, 3: 2})
    values = read_image_file(tmp_path / "a.ome.tif").values
    np.testing.assert_array_equal(values[[0, 2, 3]], SERIES[[0, 2, 3]])
    assert np.isnan(values[1]).all()
    assert values.dtype == np.float32


def test_a_page_is_one_frame(tmp_path: Path) -> None:
    write_planes(tmp_path / "a.ome.tif", {0: 0, 1: 1, 2: 2, 3: 2})
    with pytest.raises(InputError, match=r"a.ome.tif: several frames are one and the same page"):
        read_image_file(tmp_path / "a.ome.tif")


def stopped_early_imagej(path: Path) -> None:
    write_imagej(path, SERIES[:2], "images=9", "frames=9", photometric="minisblack")


def stopped_early_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("v", (60, 51, 51), "u2", chunks=(1, 51, 51))[:20] = SERIES[:20]


def write_filled(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["v"] = V
        file["v"].attrs["_FillValue"] = V[3, 4]


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "a.ome.tif": (stopped_early, "missing 7 frames|holds 2 of 9 frames"),
    "b.tif": (stopped_early_imagej, "metadata invalid|holds 2 of 9 frames"),
    "c.h5": (stopped_early_hdf5, "20 of 60 chunks were written"),
    "d.h5": (write_filled, "has missing values"),
    "e.ome.tif": (write_two_images, "found 2 images: Image0, Image1; expected one image"),
    "f.tif": (lambda path: write_imagej(path, V, "cf=4", "c0=1.0"), "ImageJ calibrates the values by its function 4"),
    "g.tif": (lambda path: tifffile.imwrite(path, V // 16, compression="jpeg2000"), "compressed by"),
    "h.tif": (lambda path: write_imagej(path, V, "unit=um", resolution=(1 / 55, 1 / 40)), "55 um wide and 40 um high"),
    "i.png": (lambda path: png_with(path, b"gAMA", struct.pack(">I", 45455)), "gamma-corrected"),
    "j.mat": (lambda path: scipy.io.savemat(path, {"v": {"field": V}}), "found no images"),
    "k.mat": (lambda path: scipy.io.savemat(path, {"v": scipy.sparse.csc_matrix(V)}), "found no images"),
    "l.tif": (lambda path: tifffile.imwrite(path, V, extratags=[(42113, 2, 0, "-1", True)]), "GDAL_NODATA"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_honoured_is_refused_with_its_name(tmp_path: Path, name: str) -> None:
    write, message = REFUSED[name]
    write(tmp_path / name)
    with pytest.raises(InputError, match=rf"{name}: .*({message})") as error:
        read_image_file(tmp_path / name)
    assert "\n" not in str(error.value)


def names_another_file(path: Path) -> None:
    tifffile.imwrite(path.with_name("secret.ome.tif"), V, ome=True)
    tifffile.imwrite(path, V, ome=True, metadata={"axes": "YX"})
    content = path.read_bytes()
    planes = b'<TiffData IFD="0" PlaneCount="1"/>'
    assert planes in content
    uuid = b'<TiffData IFD="0" PlaneCount="1"><UUID FileName="../secret.ome.tif">urn:uuid:1</UUID></TiffData>'
    description = tifffile.TiffFile(path).ome_metadata.encode().replace(planes, uuid)
    tifffile.imwrite(path, V, description=description, metadata=None)


def external_storage(path: Path) -> None:
    V.tofile(path.with_name("secret.bin"))
    with h5py.File(path, "w") as file:
        file.create_dataset("v", V.shape, V.dtype, external=[(str(path.with_name("secret.bin")), 0, V.nbytes)])


def matlab_with_external_storage(path: Path) -> None:
    V.tofile(path.with_name("secret.bin"))
    with h5py.File(path, "w", userblock_size=512) as file:
        data = file.create_dataset("v", V.shape, V.dtype, external=[(str(path.with_name("secret.bin")), 0, V.nbytes)])
        data.attrs["MATLAB_class"] = np.bytes_("uint16")


def virtual_of_itself(path: Path) -> None:
    layout = h5py.VirtualLayout(V.shape, V.dtype)
    layout[:] = h5py.VirtualSource(".", "v", V.shape)
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("v", layout)


def link_to_another_file(path: Path) -> None:
    with h5py.File(path.with_name("secret.h5"), "w") as file:
        file["v"] = V
    with h5py.File(path, "w") as file:
        file["v"] = h5py.ExternalLink("secret.h5", "v")


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.ome.tif", names_another_file),
        ("b.h5:/v", external_storage),
        ("c.mat:/v", matlab_with_external_storage),
        ("d.h5:/v", virtual_of_itself),
        ("e.h5:/v", link_to_another_file),
    ],
)
def test_no_file_makes_a_reader_read_another(tmp_path: Path, name: str, write: Callable[[Path], None]) -> None:
    write(tmp_path / name.split(":")[0])
    with pytest.raises(InputError, match=r"another file|found no images"):
        read_image_file(tmp_path / name)


def replace_strip(path: Path, strip: bytes) -> None:
    """Let a TIFF have another compressed strip, behind its own."""
    offset = path.stat().st_size
    path.write_bytes(path.read_bytes() + strip)
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags["StripOffsets"].overwrite(offset)
        file.pages[0].tags["StripByteCounts"].overwrite(len(strip))


def peak_bytes_of_reading(path: Path) -> int:
    """Growth of the peak of the memory while a file is read, in whatever process, or refused."""
    import subprocess
    import sys

    code = (
        "import resource as r, sys; from foci3d.io.image_formats import read_image_file as f\n"
        "from foci3d.errors import InputError\n"
        "peak = lambda: max(r.getrusage(w).ru_maxrss for w in (r.RUSAGE_SELF, r.RUSAGE_CHILDREN))\n"
        "before = peak()\n"
        "try: f(sys.argv[1])\n"
        "except InputError: pass\n"
        "print(peak() - before)"
    )
    run = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    return 1024 * int(run.stdout)


def bomb(n_bytes: int) -> dict[str, bytes]:
    content = V.tobytes() + bytes(n_bytes)
    return {"zlib": zlib.compress(content), "zstd": imagecodecs.zstd_encode(content), "packbits": b"\x81\x00" * 2**21}


@pytest.mark.parametrize("compression", ["zlib", "zstd", "packbits"])
def test_a_strip_that_expands_takes_no_memory(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, V, compression=compression, rowsperstrip=51)
    replace_strip(path, bomb(2**28)[compression])
    assert peak_bytes_of_reading(path) < 100 << 20


def test_a_chunk_that_expands_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("v", V.shape, V.dtype, chunks=V.shape, compression="gzip")
        data.id.write_direct_chunk((0, 0), zlib.compress(bytes(2**30), 1))
    with pytest.raises(InputError, match="not a readable image"):
        read_image_file(path)
    assert peak_bytes_of_reading(path) < 500 << 20


def nested_cells(depth: int) -> bytes:
    """A MATLAB file of version 5 with a cell in a cell, and so on."""
    element = b""
    for _ in range(depth):
        flags = struct.pack("<II", 6, 8) + struct.pack("<II", 1, 0)
        dimensions = struct.pack("<II", 5, 8) + struct.pack("<ii", 1, 1)
        name = struct.pack("<II", 1, 0)
        body = flags + dimensions + name + element
        element = struct.pack("<II", 14, len(body)) + body
    return b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM" + element


def test_a_reader_that_would_crash_is_not_entered(tmp_path: Path) -> None:
    (tmp_path / "a.mat").write_bytes(nested_cells(20000))
    with pytest.raises(InputError, match=r"a\.mat: "):
        read_image_file(tmp_path / "a.mat")
