"""The table of acquisitions to reconstruct."""

import csv
import math
from pathlib import Path
from typing import Literal

from foci3d.config.fields import Positive, Section, Text, key
from foci3d.config.models import ImagerConfig
from foci3d.errors import InputError


class Acquisition(Section):
    """A row of the table: images that the sensors recorded of one specimen.

    Columns may have any order; those with a default may be left out. Paths are relative to the folder in which
    Snakemake runs. ``file.h5:/name`` is an array in an HDF5 or MATLAB file.
    """

    sample: str = key("name, and folder of the results: letters, digits, - and _", pattern="^[A-Za-z_][A-Za-z0-9_-]*$")
    sensor_a: Text = key("image or time series of sensor A: TIFF, OME-TIFF, PNG, NPY, HDF5 or .mat")
    sensor_b: str = key("the same of sensor B, or the same file if it holds both; empty for one sensor", "")
    pixel_pitch_um: Positive = key("pixel pitch of the images; that of the imager [um]")
    mirrored: Literal["yes", "no"] = key("whether the image of sensor B is mirrored in x against sensor A", "no")
    dark_a: str = key("image of sensor A without light, to subtract", "")
    dark_b: str = key("the same of sensor B", "")
    flat_a: str = key("image of sensor A under even light, to divide by", "")
    flat_b: str = key("the same of sensor B", "")
    frame_interval_s: Positive | None = key("time between frames [s]; empty if unknown or in the metadata", None)
    description: str = key("free text", "")

    @property
    def sensors(self) -> list[str]:
        """Image of each sensor."""
        return [path for path in (self.sensor_a, self.sensor_b) if path]

    @property
    def files(self) -> list[str]:
        """Every file of the acquisition, once."""
        locations = [getattr(self, column) for column in PATHS]
        return list(dict.fromkeys(split_array_name(location)[0] for location in locations if location))


def split_array_name(location: str) -> tuple[str, str]:
    """Path of a file, and name of the array in it or nothing, from ``path`` or ``path:/name``."""
    path, separator, name = location.rpartition(":/")
    return (path, name) if separator and Path(path).suffix.lower() in CONTAINERS else (location, "")


CONTAINERS = {".h5", ".hdf5", ".mat"}
"""Suffixes of files that hold several arrays."""

PATHS = ["sensor_a", "sensor_b", "dark_a", "dark_b", "flat_a", "flat_b"]
"""Columns with a path."""

NUMBERS = ["pixel_pitch_um", "frame_interval_s"]
"""Columns with a number."""

COLUMNS = [*Acquisition.model_fields]
REQUIRED = [name for name, field in Acquisition.model_fields.items() if field.is_required()]


def read_samples(path: str | Path, imager: ImagerConfig, sensors: str) -> dict[str, Acquisition]:
    """Read and check the table of acquisitions to reconstruct.

    Parameters
    ----------
    path : str or Path
        Tab-separated file with fields of `Acquisition` as columns; lines that start with # are comments.
    imager : ImagerConfig
        The imager.
    sensors : str
        Sensors that the reconstructing network needs: ``A`` or ``AB``.

    Returns
    -------
    dict of str to Acquisition
        The acquisitions by sample.

    Raises
    ------
    InputError
        If a column, a name, an image or a pitch is missing or does not fit.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
        rows = list(csv.reader((line for line in lines if line and not line.startswith("#")), delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path}: not a readable table ({error}); expected a tab-separated file, correct reconstruct.samples."
        ) from error
    columns = rows[0] if rows else []
    if not set(REQUIRED) <= set(columns) <= set(COLUMNS) or len(set(columns)) < len(columns):
        optional = [name for name in COLUMNS if name not in REQUIRED]
        raise InputError(
            f"{path}: the columns are {', '.join(columns)}; expected {', '.join(REQUIRED)}, and any of "
            f"{', '.join(optional)}, separated by tabs, correct the first line."
        )
    acquisitions: dict[str, Acquisition] = {}
    for number, cells in enumerate(rows[1:], start=1):
        row = dict.fromkeys(COLUMNS, "") | dict(zip(columns, map(str.strip, cells), strict=False))
        name = row["sample"]
        problem = _cells_problem(len(cells), len(columns)) or _row_problem(row, imager, sensors)
        if problem:
            raise InputError(f"{path}: sample {name or number}: {problem}.")
        if name in acquisitions:
            raise InputError(f"{path}: sample {name} is listed twice; expected each name once, rename one.")
        given = {column: value for column, value in row.items() if value}
        numbers = {column: float(given[column]) for column in NUMBERS if column in given}
        acquisitions[name] = Acquisition.model_validate({**given, **numbers})
    return acquisitions


def _cells_problem(n_cells: int, n_columns: int) -> str:
    if n_cells > n_columns:
        return f"the row has {n_cells} cells; expected {n_columns} separated by tabs, remove some"
    return ""


def _row_problem(row: dict[str, str], imager: ImagerConfig, sensors: str) -> str:
    """What is wrong with a row; empty if nothing is."""
    if not row["sample"].replace("-", "_").isidentifier() or not row["sample"].isascii():
        return "the name becomes a folder; expected a letter, then letters, digits, - and _, rename it"
    for column in ["sensor_a", "sensor_b"][: len(sensors)]:
        if not row[column]:
            return (
                f"{column} is empty; expected an image because reconstruct.network sees sensors {sensors}, add its path"
            )
    if len(sensors) == 1 and row["sensor_b"]:
        return "sensor_b has an image, but reconstruct.network sees sensor A alone; leave sensor_b empty"
    if len(sensors) == 1 and (row["dark_b"] or row["flat_b"] or row["mirrored"] == "yes"):
        return "there is no sensor_b for dark_b, flat_b or mirrored; leave them empty"
    for column in PATHS:
        file = split_array_name(row[column])[0]
        if file and not Path(file).is_file():
            return f"{column} is {file}, which does not exist; expected an image, correct the path"
    if row["mirrored"] not in ("", "yes", "no"):
        return f"mirrored is {row['mirrored']}; expected yes or no, correct it"
    interval = row["frame_interval_s"]
    if interval and not _is_positive(interval):
        return f"frame_interval_s is {interval}; expected a positive number of seconds, correct it or leave it empty"
    if not (_is_positive(row["pixel_pitch_um"]) and float(row["pixel_pitch_um"]) == imager.pixel_pitch_um):
        return (
            f"pixel_pitch_um is {row['pixel_pitch_um'] or 'empty'}; expected {imager.pixel_pitch_um:g}, the "
            "imager.pixel_pitch_um that the networks are trained for, correct the one that is wrong"
        )
    return ""


def _is_positive(text: str) -> bool:
    try:
        return 0 < float(text) < math.inf
    except ValueError:
        return False
