"""TIFF, OME-TIFF and the TIFF of ImageJ, with every tag that changes the meaning of the values or of the axes.

A tag is honoured, or the file is refused with its name. Nothing outside of the file is read, and a strip is decoded
into as many bytes as its pixels take.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import imagecodecs  # noqa: F401, with it, tifffile decodes a strip into a buffer of the size of its pixels
import numpy as np
import numpy.typing as npt
import tifffile

from foci3d.errors import InputError
from foci3d.io.image_file import ImageFile, choose_array, require_size

LENGTH_UM = {"nm": 1e-3, "Å": 1e-4, "µm": 1.0, "μm": 1.0, "um": 1.0, "micron": 1.0, "microns": 1.0, "\\u00B5m": 1.0}
LENGTH_UM |= {"mm": 1e3, "cm": 1e4, "m": 1e6, "in": 25400.0, "inch": 25400.0}
"""Units of length. Others, such as ``pixel``, state no length."""

TIME_S = {"ns": 1e-9, "µs": 1e-6, "us": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}

COMPRESSIONS = {1, 5, 8, 32773, 32946, 34925, 34926, 50000}
"""None, LZW, deflate, PackBits, LZMA and Zstandard: without loss, and decoded into a buffer of a given size."""

RESPONSE_TAGS = ("GrayResponseCurve", "TransferFunction", "Decode", "GDAL_METADATA", "GDAL_NODATA")
"""Tags that say that values are not proportional to light, or stand for something else."""

LOST = re.compile("missing|incomplete|corrupt|invalid|fail|truncat", re.IGNORECASE)
"""Words of a warning of tifffile about pages that it replaces by zeros or leaves out."""

ORIENTATIONS = {
    1: lambda image: image,
    2: lambda image: image[..., ::-1],
    3: lambda image: image[..., ::-1, ::-1],
    4: lambda image: image[..., ::-1, :],
    5: lambda image: image.swapaxes(-1, -2),
    6: lambda image: image.swapaxes(-1, -2)[..., ::-1],
    7: lambda image: image.swapaxes(-1, -2)[..., ::-1, ::-1],
    8: lambda image: image.swapaxes(-1, -2)[..., ::-1, :],
}
"""From stored to upright images `(..., Y, X)` by the value of the tag Orientation (TIFF 6.0, page 36)."""


def read_tiff(path: Path, array: str, preferred: str) -> ImageFile:
    """Read an image or series; `array` is the name or the number of one of several."""
    with open_alone(path) as file:
        names = image_names(file)
        index = names.index(choose_array(path, names, array, preferred)) if len(names) > 1 or array else 0
        series = file.series[index]
        require_size(path, series.shape, series.dtype or np.uint8)
        _require_complete(path, file, series)
        page = series.keyframe
        _require_plain_values(path, page)
        values = _mark_missing(_calibrate(path, file, series.asarray()), series)
        values, axes = _orient(path, page, values, series.axes)
        if file.is_ome:
            return _add_ome(path, ImageFile(values, axes), file, index)
        pitch_um, interval_s = _read_imagej(path, file)
        return ImageFile(values, axes, pitch_um, interval_s)


def image_names(file: tifffile.TiffFile) -> list[str]:
    """Names of the images or series in a file, by which a user chooses one: their own where they differ, or numbers."""
    own = [series.name.strip("/ ") for series in file.series]
    return own if all(own) and len(set(own)) == len(own) else [str(index) for index in range(len(own))]


@contextmanager
def open_alone(path: Path) -> Iterator[tifffile.TiffFile]:
    """Open a file, and refuse one that takes images from other files, or that has lost more than single pages."""
    with _report_losses(), tifffile.TiffFile(path, _multifile=False) as file:
        for identifier, name in _file_names(file):
            if name and Path(name).name != path.name and identifier != _own_identifier(file):
                raise InputError(
                    f"{path}: images lie in another file, {name!r}; expected all of them here. Export one file."
                )
        yield file


def _file_names(file: tifffile.TiffFile) -> list[tuple[str, str]]:
    """Identifier and name of each file that the metadata of an OME-TIFF name."""
    if not file.is_ome or not file.ome_metadata:
        return []
    elements = ElementTree.fromstring(file.ome_metadata).iter()
    named = [element for element in elements if element.tag.rpartition("}")[2] in ("UUID", "BinaryOnly")]
    return [(element.text or "", element.get("FileName") or element.get("MetadataFile") or "") for element in named]


def _own_identifier(file: tifffile.TiffFile) -> str:
    return ElementTree.fromstring(file.ome_metadata or "<OME/>").get("UUID", "none")


logging.getLogger("tifffile").addHandler(logging.NullHandler())  # nothing is printed; `_report_losses` listens


class _Raise(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR or LOST.search(record.getMessage()):
            raise ValueError(re.sub("<[^>]*> ", "", record.getMessage()))


@contextmanager
def _report_losses() -> Iterator[None]:
    """Raise ValueError for what tifffile only logs: it would give zeros for pages that a file has lost."""
    logger, handler = logging.getLogger("tifffile"), _Raise(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _require_complete(path: Path, file: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> None:
    """Refuse a series of which most pages, or bytes of pages, are missing; single pages may be."""
    pages = [page for page in series.pages if page is not None]
    planned = max(len(series.pages), int((file.imagej_metadata or {}).get("images", 0)) if file.is_imagej else 0)
    if 2 * len(pages) < planned or (len(series.pages) < planned and not series.is_truncated):
        raise InputError(
            f"{path}: holds {len(pages)} of {planned} frames; the recording may have stopped early. Export the frames "
            "that there are."
        )
    if len({page.offset for page in pages}) < len(pages):
        raise InputError(f"{path}: several frames are one and the same page; expected one each. Export it again.")
    segments = [part for page in pages for part in zip(page.dataoffsets, page.databytecounts, strict=True)]
    if not segments or not all(offset and count for offset, count in segments):
        raise InputError(f"{path}: parts of the image have no values; expected a complete image. Export it again.")
    if max(offset + count for offset, count in segments) > path.stat().st_size:
        raise InputError(f"{path}: the file ends before its pixels; expected a complete image. Export it again.")


def _mark_missing(values: npt.NDArray[Any], series: tifffile.TiffPageSeries) -> npt.NDArray[Any]:
    """Values with NaN in place of frames that the file does not hold, where tifffile gives zeros."""
    missing = [page is None for page in series.pages]
    if not any(missing):
        return values
    values = values.astype(np.float32)
    values.reshape(len(missing), -1)[missing] = np.nan
    return values


def _require_plain_values(path: Path, page: tifffile.TiffPage | tifffile.TiffFrame) -> None:
    """Refuse values that are no grey values proportional to light, and compressions with losses."""
    if page.compression not in COMPRESSIONS:
        name = getattr(page.compression, "name", page.compression)
        raise InputError(
            f"{path}: compressed by {name}; expected no compression, or one without losses: LZW, deflate, PackBits, "
            "LZMA or Zstandard. Export it again."
        )
    photometric = getattr(page.photometric, "name", str(page.photometric)).lower()
    if photometric not in ("minisblack", "miniswhite"):
        raise InputError(f"{path}: the values are colours ({photometric}); expected grey values. Convert the image.")
    if photometric == "miniswhite" and np.dtype(page.dtype).kind != "u":
        raise InputError(f"{path}: low values are white (miniswhite); expected low values for little light. Invert it.")
    for tag in RESPONSE_TAGS:
        if tag in page.tags:
            raise InputError(f"{path}: the tag {tag} changes what the values mean; expected plain readings. Remove it.")


def _calibrate(path: Path, file: tifffile.TiffFile, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Values that the tags mean: not inverted, and calibrated as by ImageJ."""
    page = file.pages.first
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        values = values.dtype.type(2**page.bitspersample - 1) - values
    metadata: Mapping[str, Any] = (file.imagej_metadata or {}) if file.is_imagej else {}
    function = metadata.get("cf", 20)
    if function == 0:
        return (values * float(metadata.get("c1", 1)) + float(metadata.get("c0", 0))).astype(np.float32)
    if function != 20:
        raise InputError(
            f"{path}: ImageJ calibrates the values by its function {function}; expected a straight line or none. Save "
            "the calibrated values as 32-bit numbers."
        )
    return values


def _orient(
    path: Path, page: tifffile.TiffPage | tifffile.TiffFrame, values: npt.NDArray[Any], axes: str
) -> tuple[npt.NDArray[Any], str]:
    """Upright images, as the tag Orientation says."""
    orientation = page.tags.valueof("Orientation", 1)
    if orientation == 1 or orientation not in ORIENTATIONS:
        return values, axes
    if not axes.endswith("YX"):
        raise InputError(f"{path}: the tag Orientation is {orientation}; expected upright images. Rotate the image.")
    return ORIENTATIONS[orientation](values), axes


def _add_ome(path: Path, image: ImageFile, file: tifffile.TiffFile, index: int) -> ImageFile:
    """An image in an OME-TIFF with what that says about pixel pitch, time between frames and channels."""
    images = tifffile.xml2dict(file.ome_metadata or "")["OME"]["Image"]
    pixels = (images[index] if isinstance(images, list | tuple) else images)["Pixels"]

    def quantity(name: str, unit: str, units: Mapping[str, float]) -> float | None:
        factor = units.get(pixels.get(f"{name}Unit", unit))
        return float(pixels[name]) * factor if name in pixels and factor else None

    pitches_um = [quantity(f"PhysicalSize{axis}", "µm", LENGTH_UM) for axis in "XY"]
    found = pixels.get("Channel", ())
    channels = found if isinstance(found, list | tuple) else [found]
    return replace(
        image,
        pixel_pitch_um=_common_pitch(path, *pitches_um),
        frame_interval_s=quantity("TimeIncrement", "s", TIME_S),
        channels=tuple(str(each.get("Name", "")) for each in channels),
    )


def _read_imagej(path: Path, file: tifffile.TiffFile) -> tuple[float | None, float | None]:
    """Read the same from the TIFF of ImageJ; in others, the resolution is that of a print."""
    if not file.is_imagej:
        return None, None
    metadata, tags = file.imagej_metadata or {}, file.pages.first.tags
    factor = LENGTH_UM.get(str(metadata.get("unit", "")))
    densities = [tags.valueof(name, (0, 1)) for name in ("XResolution", "YResolution")]
    pitches_um = [factor * unit / pixels if factor and pixels else None for pixels, unit in densities]
    interval, second = metadata.get("finterval"), TIME_S.get(str(metadata.get("tunit", "s")))
    return _common_pitch(path, *pitches_um), float(interval) * second if interval and second else None


def _common_pitch(path: Path, x_um: float | None, y_um: float | None) -> float | None:
    if x_um and y_um and not np.isclose(x_um, y_um, rtol=0.01):
        raise InputError(
            f"{path}: pixels are {x_um:g} um wide and {y_um:g} um high in its metadata; expected square pixels. "
            "Resample the image, or correct the metadata."
        )
    return x_um or y_um
