"""The folder of a result, read again: for other views of it, and for other programs."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd

from foci3d.confidence.quality import Quality
from foci3d.errors import InputError
from foci3d.io.atomic import write_csv
from foci3d.io.tables import read_table
from foci3d.io.unmixing import CHANNEL
from foci3d.io.volume_file import Volume, read_volume
from foci3d.reconstruction.acquisition import AcquisitionReconstruction
from foci3d.reconstruction.foci import find_foci
from foci3d.reconstruction.volume import Reconstruction


def read_result(folder: str | Path, threshold: float | None = None) -> AcquisitionReconstruction:
    """Read the result that `foci3d.write_reconstruction` wrote.

    Parameters
    ----------
    folder : str or Path
        The folder, with ``volume.ome.tif``, ``foci.csv`` and ``quality.csv``.
    threshold : float, optional
        Another probability above which a pixel is a cell; the foci of layers are found again.

    Returns
    -------
    AcquisitionReconstruction
        The result, without tracks and conditioning, with the name of the folder. Occupancies are 1.

    Raises
    ------
    InputError
        If a file is missing or damaged.
    """
    folder = Path(folder)
    volume = read_volume(folder / "volume.ome.tif")
    foci = read_table(folder / "foci.csv", ["frame", "layer", "depth_um", "depth_sd_um", "y_um", "x_um"])
    quality = read_table(folder / "quality.csv", ["frame"])
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
    """One frame that is usable."""
    layers = ~np.isnan(volume.depths_um[number])
    probability = np.asarray(volume.probability)[number, layers]
    depths_um, sds_um = (each[number, layers] for each in (volume.depths_um, volume.depth_sds_um))
    table = foci[foci["frame"] == number].drop(columns=["frame", CHANNEL], errors="ignore").reset_index(drop=True)
    if threshold is not None and "brightness" not in table:
        table = find_foci(probability, threshold, depths_um, sds_um, volume.pixel_pitch_um)
    row = quality.iloc[number].to_dict()
    known = {each.name: row[each.name] for each in fields(Quality) if not pd.isna(row.get(each.name))}
    return Reconstruction(
        measurement=np.asarray(volume.measurement)[number],
        probability=probability,
        depths_um=tuple(depths_um.tolist()),
        depth_sds_um=tuple(sds_um.tolist()),
        occupancy=(1.0,) * len(probability),
        foci=table,
        threshold=volume.threshold if threshold is None else threshold,
        pixel_pitch_um=volume.pixel_pitch_um,
        sensor_depths_um=volume.sensor_depths_um,
        quality=Quality(**known),
    )
