"""The folder of a result, read again: for other views of it, and for other programs."""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import pandas as pd

from foci3d.confidence.quality import Quality
from foci3d.config.fields import Specimen
from foci3d.errors import InputError
from foci3d.io.atomic import write_csv
from foci3d.io.tables import read_table
from foci3d.io.unmixing import CHANNEL
from foci3d.io.volume_file import Volume, read_volume
from foci3d.reconstruction.acquisition import AcquisitionReconstruction
from foci3d.reconstruction.cells import BRIGHTNESS_COLUMNS
from foci3d.reconstruction.foci import find_foci
from foci3d.reconstruction.focus_depths import FITTED_NOTE
from foci3d.reconstruction.thick import body_table
from foci3d.reconstruction.volume import Reconstruction

KINDS = [kind for kind in get_args(Specimen) if kind != "auto"]
"""Kinds of specimens of which a reconstruction may be."""

NOT_FITTED_NOTE = "depths of foci not fitted to the measurement at this threshold"
"""Replaces `FITTED_NOTE`, since a fit needs the model."""


def read_result(folder: str | Path, threshold: float | None = None) -> AcquisitionReconstruction:
    """Read the result that `foci3d.write_reconstruction` wrote.

    Parameters
    ----------
    folder : str or Path
        The folder, with ``volume.ome.tif``, ``foci.csv`` and ``quality.csv``.
    threshold : float, optional
        Another probability above which a pixel is a cell. The foci of layers are found again, at the depths that the
        network gives the layers, and so are the bodies of a volume; single cells, which were fitted, stay.

    Returns
    -------
    AcquisitionReconstruction
        The result, without tracks and conditioning, with the name of the folder. Occupancies are 1.

    Raises
    ------
    InputError
        If a file is missing or damaged, or a frame is of no known kind of specimen.
    """
    folder = Path(folder)
    volume = read_volume(folder / "volume.ome.tif")
    foci = read_table(folder / "foci.csv", ["frame", "layer", "depth_um", "depth_sd_um", "y_um", "x_um"])
    quality = _read_quality(folder / "quality.csv")
    if len(quality) != len(volume.probability):
        raise InputError(
            f"{folder}: found {len(quality)} frames in quality.csv and {len(volume.probability)} in volume.ome.tif; "
            "expected the files of one result. Reconstruct the images again."
        )
    is_usable = ~np.isnan(volume.depths_um).all(1)
    notes = [str(note) for note in quality.get("note", [""] * len(quality))]
    return AcquisitionReconstruction(
        tuple(_frame(volume, foci, quality, number, threshold) for number in np.flatnonzero(is_usable).tolist()),
        volume.frame_interval_s,
        skipped={number: notes[number].removeprefix("skipped: ") for number in np.flatnonzero(~is_usable).tolist()},
        name=folder.resolve().name,
        channel=volume.channel,
    )


def join_channels(folders: Sequence[str | Path], out: str | Path) -> None:
    """Write ``foci.csv`` and ``quality.csv`` of all channels, from those in the folder of each, to the folder `out`."""
    for name in ("foci.csv", "quality.csv"):
        tables = [pd.read_csv(Path(folder, name), keep_default_na=False) for folder in folders]
        write_csv(pd.concat(tables, ignore_index=True), Path(out, name))


def _frame(
    volume: Volume, foci: pd.DataFrame, quality: pd.DataFrame, number: int, threshold: float | None
) -> Reconstruction:
    """One frame that is usable; its foci are found again at a threshold that is not that of the result."""
    layers = ~np.isnan(volume.depths_um[number])
    probability = np.asarray(volume.probability)[number, layers]
    depths_um, sds_um = (each[number, layers] for each in (volume.depths_um, volume.depth_sds_um))
    row = quality.iloc[number].to_dict()
    known = {each.name: row[each.name] for each in fields(Quality) if not pd.isna(row.get(each.name))}
    table = foci[foci["frame"] == number]
    specimen = _find_specimen(row.get("specimen"), table)
    others = ["frame", CHANNEL, *([] if specimen == "cells" else BRIGHTNESS_COLUMNS)]
    result = Reconstruction(
        measurement=np.asarray(volume.measurement)[number],
        probability=probability,
        depths_um=tuple(depths_um.tolist()),
        depth_sds_um=tuple(sds_um.tolist()),
        occupancy=(1.0,) * len(probability),
        foci=table.drop(columns=others, errors="ignore").reset_index(drop=True),
        threshold=volume.threshold,
        pixel_pitch_um=volume.pixel_pitch_um,
        sensor_depths_um=volume.sensor_depths_um,
        quality=Quality(**known),
        specimen=specimen,
    )
    return result if threshold in (None, volume.threshold) else _apply_threshold(result, threshold)


def _read_quality(path: Path) -> pd.DataFrame:
    """The table of quality, in which each specimen is of a known kind."""
    table = read_table(path, ["frame"])
    unknown = [kind for kind in table.get("specimen", pd.Series()).dropna() if kind not in KINDS]
    if unknown:
        raise InputError(
            f"{path}: found the specimen {unknown[0]}; expected one of {', '.join(KINDS)}. Correct it, or "
            "reconstruct the images again."
        )
    return table


def _find_specimen(recorded: Any, foci: pd.DataFrame) -> Specimen:
    """Kind of specimen of a frame with these foci, as its table of quality records it."""
    if not pd.isna(recorded):
        return cast(Specimen, recorded)
    # Version 0.3 does not record it, and the columns of the foci show it.
    if "brightness" in foci and foci["brightness"].notna().all():
        return "cells"
    return "volume" if "volume_um3" in foci else "layers"


def _apply_threshold(result: Reconstruction, threshold: float) -> Reconstruction:
    """A frame with another threshold."""
    result = replace(result, threshold=threshold)
    depths_um, pitch_um = np.array(result.depths_um), result.pixel_pitch_um
    if result.specimen == "cells":
        return result
    if result.specimen == "volume":
        return replace(result, foci=body_table(result.probability, threshold, depths_um, pitch_um))
    foci = find_foci(result.probability, threshold, depths_um, result.depth_sds_um, pitch_um)
    note = result.quality.note.replace(FITTED_NOTE, NOT_FITTED_NOTE)
    return replace(result, foci=foci, quality=replace(result.quality, note=note))
