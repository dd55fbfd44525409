"""The table of acquisitions that a user wants reconstructed."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from foci3d.errors import InputError

COLUMNS = ["sample", "sensor_a", "sensor_b", "pixel_pitch_um", "description"]


def read_samples(path: str | Path, imager: Mapping[str, Any], sensors: str) -> pd.DataFrame:
    """Read and check the table of acquisitions to reconstruct.

    Parameters
    ----------
    path : str or Path
        Tab-separated file with the columns sample, sensor_a, sensor_b, pixel_pitch_um [um] and description. Paths of
        pictures are relative to the folder in which Snakemake runs.
    imager : mapping
        The section `imager` of the configuration.
    sensors : str
        What the reconstructing network sees: ``A``, or ``AB`` for a picture of both sensors.

    Returns
    -------
    DataFrame
        The table, indexed by sample; `sensor_b` is empty where there is no such picture.

    Raises
    ------
    InputError
        If a column, a name, a picture or a pitch is missing or does not fit.
    """
    try:
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, comment="#")
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(
            f"{path}: not a readable table ({error}); expected a tab-separated file, correct reconstruct.samples."
        ) from error
    if list(table.columns) != COLUMNS:
        raise InputError(
            f"{path}: the columns are {', '.join(table.columns)}; expected {', '.join(COLUMNS)} separated by tabs, "
            "correct the first line."
        )
    table = table.apply(lambda column: column.str.strip())
    for place, row in enumerate(table.to_dict("records"), start=1):
        problem = _sample_problem(row, imager, sensors)
        if problem:
            raise InputError(f"{path}: sample {row['sample'] or place}: {problem}.")
    repeated = table["sample"][table["sample"].duplicated()]
    if len(repeated):
        raise InputError(f"{path}: sample {repeated.iloc[0]} is there twice; expected each name once, rename one.")
    return table.astype({"pixel_pitch_um": float}).set_index("sample")


def _sample_problem(row: Mapping[str, str], imager: Mapping[str, Any], sensors: str) -> str:
    """What is wrong with a row of the table of samples; empty if nothing is."""
    if not row["sample"].replace("-", "_").isidentifier() or not row["sample"].isascii():
        return "its name becomes a folder; expected a letter, then letters, digits, - and _, rename it"
    pictures = {"sensor_a": row["sensor_a"], "sensor_b": row["sensor_b"]}
    for column in ["sensor_a", "sensor_b"][: len(sensors)]:
        if not pictures[column]:
            return f"{column} is empty; expected a picture since reconstruct.net sees sensors {sensors}, add its path"
    if len(sensors) == 1 and pictures["sensor_b"]:
        return "there is a picture of sensor B, but reconstruct.net sees sensor A alone; leave sensor_b empty"
    for column, picture in pictures.items():
        if picture and not Path(picture).is_file():
            return f"{column} is {picture}, and there is no such file; expected a TIFF or PNG picture, correct the path"
    try:
        pitch_um = float(row["pixel_pitch_um"])
    except ValueError:
        pitch_um = math.nan
    if pitch_um != imager["pixel_pitch_um"]:
        return (
            f"pixel_pitch_um is {row['pixel_pitch_um'] or 'empty'}; expected {imager['pixel_pitch_um']} as the "
            "networks were trained for imager.pixel_pitch_um, correct the one that is wrong"
        )
    return ""
