"""The table of acquisitions to reconstruct."""

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError

from foci3d.config.fields import Positive, Section, Specimen, key
from foci3d.config.imager import ImagerConfig
from foci3d.config.problems import is_file
from foci3d.errors import InputError

Location = Annotated[str, Field(pattern=r"^[^<>{}\x00-\x1f\x7f-\x9f\u2028\u2029]*$")]
"""Path of a file. Reports and wildcards would take these characters for markup."""

NAME = "^[A-Za-z_][A-Za-z0-9_-]{0,99}$"
"""Pattern of a name that becomes a folder."""


class Acquisition(Section):
    """A row of the table: images that the sensors recorded of one specimen.

    Columns may have any order; those with a default may be left out. Paths are relative to the folder in which
    Snakemake runs. ``file.h5:/name`` is one of several images in an HDF5, MATLAB or TIFF file.
    """

    sample: str = key("name, and folder of the results: letters, digits, - and _", pattern=NAME)
    sensor_a: Location = key("image or time series of sensor A: TIFF, OME-TIFF, PNG, NPY, HDF5 or .mat", min_length=1)
    sensor_b: Location = key("the same of sensor B, or the same file if it holds both; empty for one sensor", "")
    pixel_pitch_um: Positive = key("pixel pitch of the images; that of the imager [um]")
    channel: str = key(
        "name of the channel of an acquisition in several, a row each, and of its images in a file",
        "",
        pattern=f"^$|{NAME}",
    )
    mirrored: Literal["yes", "no"] = key("whether the image of sensor B is mirrored in x against sensor A", "no")
    dark_a: Location = key("image of sensor A without light, to subtract", "")
    dark_b: Location = key("the same of sensor B", "")
    flat_a: Location = key("image of sensor A under even light, to divide by", "")
    flat_b: Location = key("the same of sensor B", "")
    defects_a: Location = key("image of sensor A that is not 0 in defective pixels, to fill in", "")
    defects_b: Location = key("the same of sensor B", "")
    frame_interval_s: Positive | None = key("time between frames [s]; empty if unknown or in the metadata", None)
    specimen: Literal["", Specimen] = key("kind of specimen, if not reconstruct.specimen", "")
    truth: Location = key("the true layers (volume.ome.tif) or cells (CSV), to compare with; empty if unknown", "")
    description: str = key("free text", "")

    @property
    def name(self) -> str:
        """Name of the result: the sample and, of several channels, the channel behind a slash."""
        return f"{self.sample}/{self.channel}" if self.channel else self.sample

    @property
    def sensors(self) -> list[str]:
        """Image of each sensor."""
        return [path for path in (self.sensor_a, self.sensor_b) if path]

    @property
    def files(self) -> list[str]:
        """Every file of the acquisition, once."""
        locations = [getattr(self, column) for column in PATHS]
        return list(dict.fromkeys(split_array_name(location)[0] for location in locations if location))


@dataclass(frozen=True)
class Fluorophore:
    """What is seen of one specimen as a weighted sum of its channels.

    Parameters
    ----------
    acquisition : Acquisition
        What is known of the specimen; its channel is the name of the fluorophore.
    channels : tuple of C Acquisitions
        The channels.
    weights : tuple of C floats
        Weight of each.
    """

    acquisition: Acquisition
    channels: tuple[Acquisition, ...]
    weights: tuple[float, ...]

    @property
    def name(self) -> str:
        """Name of the result: the sample and the fluorophore."""
        return self.acquisition.name

    @property
    def files(self) -> list[str]:
        """Every file of the channels, once."""
        return list(dict.fromkeys(file for each in self.channels for file in each.files))


def split_array_name(location: str) -> tuple[str, str]:
    """Path of a file, and name of the array in it or nothing, from ``path``, ``path:/name`` or ``path:name``."""
    path, name = "", ""
    if match := CONTAINED.fullmatch(location):
        path, name = match.groups()
    return path or location, name


CONTAINED = re.compile(r"(.+\.(?:h5|hdf5|mat|tiff?)):/?(.+)", re.IGNORECASE)
"""Path of a file that may hold several images, and the name of one."""

PATHS = ["sensor_a", "sensor_b", "dark_a", "dark_b", "flat_a", "flat_b", "defects_a", "defects_b", "truth"]
"""Columns with a path."""

COLUMNS = [*Acquisition.model_fields]
REQUIRED = [name for name, field in Acquisition.model_fields.items() if field.is_required()]


EXPECTED = {
    "sample": "a letter, then up to 99 letters, digits, - and _, because the name becomes a folder; rename it",
    "channel": "a name like that of a sample; rename it",
    "mirrored": "yes or no; correct it",
    "specimen": f"one of {', '.join(get_args(Specimen))}; correct it or leave it empty",
    "pixel_pitch_um": "a positive number of micrometres; correct it",
    "frame_interval_s": "a positive number of seconds; correct it or leave it empty",
}
"""What a column must hold, and what to do, for messages; the other columns hold paths."""

NEEDED = "a path without < > { } and control characters; add it or rename the file"


def read_samples(path: str | Path, imager: ImagerConfig, sensors: str) -> dict[str, Acquisition]:
    """Read and check the table of acquisitions to reconstruct.

    Parameters
    ----------
    path : str or Path
        Tab-separated file with fields of `Acquisition` as columns, as editors and spreadsheets write it; lines that
        start with # are comments, quotes are text.
    imager : ImagerConfig
        The imager.
    sensors : str
        Sensors that the reconstructing network needs: ``A`` or ``AB``.

    Returns
    -------
    dict of str to Acquisition
        The acquisitions by `Acquisition.name`.

    Raises
    ------
    InputError
        If a column, a name, an image or a pitch is missing or does not fit.
    """
    rows = _read_rows(path)
    columns = next(rows, [])
    if not set(REQUIRED) <= set(columns) <= set(COLUMNS) or len(set(columns)) < len(columns):
        optional = [name for name in COLUMNS if name not in REQUIRED]
        raise InputError(
            f"{path}: the columns are {', '.join(columns)}; expected {', '.join(REQUIRED)}, and any of "
            f"{', '.join(optional)}, separated by tabs, correct the first line."
        )
    acquisitions: dict[str, Acquisition] = {}
    for number, cells in enumerate(rows, start=1):
        given = {column: cell for column, cell in zip(columns, cells, strict=False) if cell}
        name = given.get("sample", number)
        try:
            if len(cells) > len(columns):
                raise InputError(f"{len(cells)} cells; expected {len(columns)} separated by tabs, remove some")
            acquisition = make_acquisition(given)
            _require_fit(acquisition, imager, sensors)
        except InputError as error:
            raise InputError(f"{path}: sample {name}: {error}.") from error
        if acquisition.name in acquisitions:
            raise InputError(f"{path}: sample {acquisition.name} is listed twice; expected each name once, rename one.")
        acquisitions[acquisition.name] = acquisition
    for acquisition in acquisitions.values():
        if acquisition.channel and acquisition.sample in acquisitions:
            raise InputError(
                f"{path}: sample {acquisition.sample} has rows with a channel and one without; expected a channel in "
                "each of them, add it."
            )
    return acquisitions


def _read_rows(path: str | Path) -> Iterator[list[str]]:
    """Cells of each row that has any, without empty ones at its end."""
    try:
        content = Path(path).read_bytes()
        is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = content.decode("utf-16" if is_utf_16 else "utf-8-sig")
    except (OSError, ValueError) as error:  # ValueError: text that is not UTF-8, or a path with a NUL
        raise InputError(
            f"{path}: not a readable table ({error}); expected tab-separated UTF-8, correct reconstruct.samples."
        ) from error
    # Not splitlines, for which a line also ends at characters that may be part of a text.
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        cells = [cell.strip() for cell in line.rstrip().split("\t")]
        if any(cells) and not line.startswith("#"):
            yield cells


def make_acquisition(given: Mapping[str, Any]) -> Acquisition:
    """Acquisition of the columns that are not empty; numbers may be text.

    Raises
    ------
    InputError
        If a column holds what it must not.
    """
    try:
        return Acquisition.model_validate(given, strict=False)
    except ValidationError as error:
        column = str(error.errors()[0]["loc"][0])
        found = given.get(column, "empty")
        raise InputError(f"{column} is {found}; expected {EXPECTED.get(column, NEEDED)}") from error


def _require_fit(acquisition: Acquisition, imager: ImagerConfig, sensors: str) -> None:
    """Raise InputError where an acquisition does not fit the imager, the network or the disk."""
    only_a = len(sensors) == 1
    if not only_a and not acquisition.sensor_b:
        raise InputError(
            f"sensor_b is empty; expected an image because reconstruct.network sees sensors {sensors}, add its path"
        )
    if only_a and acquisition.sensor_b:
        raise InputError("sensor_b has an image, but reconstruct.network sees sensor A alone; leave sensor_b empty")
    if only_a and (acquisition.dark_b or acquisition.flat_b or acquisition.defects_b or acquisition.mirrored == "yes"):
        raise InputError("there is no sensor_b for dark_b, flat_b, defects_b or mirrored; leave them empty")
    for column in PATHS:
        file = split_array_name(getattr(acquisition, column))[0]
        if file and not is_file(file):
            raise InputError(f"{column} is {file}, which does not exist; expected a file, correct the path")
    if acquisition.pixel_pitch_um != imager.pixel_pitch_um:
        raise InputError(
            f"pixel_pitch_um is {acquisition.pixel_pitch_um:g}; expected {imager.pixel_pitch_um:g}, the "
            "imager.pixel_pitch_um that the networks are trained for, correct the one that is wrong"
        )
