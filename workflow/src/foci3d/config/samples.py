"""The table of acquisitions to reconstruct."""

import csv
from pathlib import Path

from pydantic import Field

from foci3d.config.fields import Positive, Section, Text
from foci3d.config.models import ImagerConfig
from foci3d.errors import InputError


class Acquisition(Section):
    """A row of the table: images that the sensors recorded of one specimen."""

    sample: str = Field(
        pattern="^[A-Za-z_][A-Za-z0-9_-]*$", description="name, and folder of the results: letters, digits, - and _"
    )
    sensor_a: Text = Field(description="image of sensor A, TIFF or PNG; relative to the folder in which Snakemake runs")
    sensor_b: str = Field(description="image of sensor B; empty for an imager with one sensor")
    pixel_pitch_um: Positive = Field(description="pixel pitch of the images; that of the imager [um]")
    description: str = Field(description="free text")

    @property
    def images(self) -> list[str]:
        """Path of the image of each sensor."""
        return [path for path in (self.sensor_a, self.sensor_b) if path]


COLUMNS = [*Acquisition.model_fields]


def read_samples(path: str | Path, imager: ImagerConfig, sensors: str) -> dict[str, Acquisition]:
    """Read and check the table of acquisitions to reconstruct.

    Parameters
    ----------
    path : str or Path
        Tab-separated file whose columns are the fields of `Acquisition`; lines that start with # are comments.
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
    if columns != COLUMNS:
        raise InputError(
            f"{path}: the columns are {', '.join(columns)}; expected {', '.join(COLUMNS)} separated by tabs, "
            "correct the first line."
        )
    acquisitions: dict[str, Acquisition] = {}
    for number, cells in enumerate(rows[1:], start=1):
        row = dict.fromkeys(COLUMNS, "") | dict(zip(COLUMNS, map(str.strip, cells), strict=False))
        name = row["sample"]
        problem = _row_problem(row, len(cells), imager, sensors)
        if problem:
            raise InputError(f"{path}: sample {name or number}: {problem}.")
        if name in acquisitions:
            raise InputError(f"{path}: sample {name} is listed twice; expected each name once, rename one.")
        acquisitions[name] = Acquisition.model_validate({**row, "pixel_pitch_um": float(row["pixel_pitch_um"])})
    return acquisitions


def _row_problem(row: dict[str, str], n_cells: int, imager: ImagerConfig, sensors: str) -> str:
    """What is wrong with a row; empty if nothing is."""
    if n_cells > len(COLUMNS):
        return f"the row has {n_cells} cells; expected {len(COLUMNS)} separated by tabs, remove some"
    if not row["sample"].replace("-", "_").isidentifier() or not row["sample"].isascii():
        return "the name becomes a folder; expected a letter, then letters, digits, - and _, rename it"
    for column in ["sensor_a", "sensor_b"][: len(sensors)]:
        if not row[column]:
            return (
                f"{column} is empty; expected an image because reconstruct.network sees sensors {sensors}, add its path"
            )
    if len(sensors) == 1 and row["sensor_b"]:
        return "sensor_b has an image, but reconstruct.network sees sensor A alone; leave sensor_b empty"
    for column in ("sensor_a", "sensor_b"):
        image = row[column]
        if image and not Path(image).is_file():
            return f"{column} is {image}, which does not exist; expected a TIFF or PNG image, correct the path"
    try:
        fits = float(row["pixel_pitch_um"]) == imager.pixel_pitch_um
    except ValueError:
        fits = False
    if not fits:
        return (
            f"pixel_pitch_um is {row['pixel_pitch_um'] or 'empty'}; expected {imager.pixel_pitch_um:g}, the "
            "imager.pixel_pitch_um that the networks are trained for, correct the one that is wrong"
        )
    return ""
