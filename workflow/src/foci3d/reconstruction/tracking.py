r"""Foci followed over a time series: linked from frame to frame, with speed and direction.

The foci of a frame continue the tracks of earlier frames such that the total cost is minimal (linear assignment). The
cost of a link is the squared distance relative to a gate, which is wider in depth than laterally because depth is known
less precisely,

.. math:: c = \frac{\Delta x^2 + \Delta y^2}{g_{xy}^2} + \frac{\Delta z^2}{g_z^2} .

A link with a cost of 1 or more is not made: the track ends, and a new one begins. Capping all costs at 1 before the
assignment gives the optimum among all partial assignments in which an end and a beginning together cost 1. This is the
frame-to-frame step of Jaqaman et al., Nature Methods 5, 695 (2008).
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import KDTree

from foci3d.config.models import TrackingConfig
from foci3d.errors import InputError
from foci3d.io.atomic import write_csv
from foci3d.io.tables import read_table, require_numbers

MAX_LINKS = 2_000_000
"""Pairs of foci in two frames that may be linked, which take a minute and 200 MB."""

MAX_FRAMES = 10_000
"""Frames of a series."""

POSITION = ["x_um", "y_um", "depth_um"]
"""Columns of the position of a focus."""


@dataclass(frozen=True)
class Tracks:
    """Foci followed over a time series.

    Parameters
    ----------
    foci : DataFrame
        The foci with their tracks, see `track_foci`.
    summary : DataFrame
        One row per track, see `describe_tracks`.
    """

    foci: pd.DataFrame
    summary: pd.DataFrame

    @classmethod
    def from_foci(cls, foci: pd.DataFrame, tracking: TrackingConfig, frame_interval_s: float | None = None) -> Self:
        """Follow the `foci` of all frames, whose times are `frame_interval_s` [s] apart, if that is known."""
        tracks = track_foci(foci, **tracking.model_dump())
        return cls(tracks, describe_tracks(tracks, frame_interval_s))

    def save(self, folder: Path) -> None:
        """Write ``tracks.csv`` and ``summary.csv`` to a folder."""
        write_csv(self.foci, folder / "tracks.csv")
        write_csv(self.summary, folder / "summary.csv")

    @staticmethod
    def remove(folder: Path) -> None:
        """Remove tracks, and their figure, from a folder, and the folder if nothing else is in it."""
        for name in ("tracks.csv", "summary.csv", "tracks.png"):
            (folder / name).unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()


def track_foci(foci: pd.DataFrame, *, max_lateral_um: float, max_depth_um: float, max_gap: int = 0) -> pd.DataFrame:
    """Link foci across frames and layers to tracks.

    Parameters
    ----------
    foci : DataFrame
        Foci of all frames: the columns of `foci3d.reconstruction.foci.find_foci`, and frame (integer).
    max_lateral_um, max_depth_um : float
        Gates [um]: the largest lateral distance, and the largest distance in depth, that a focus moves in a frame.
    max_gap : int
        Frames for which a focus may be missing and is still the same focus afterwards.

    Returns
    -------
    DataFrame
        The foci by track and frame, with the column track (from 1, by first frame).

    Raises
    ------
    InputError
        If a column is missing or holds other than numbers, a gate is not above 0, or more than `MAX_LINKS` pairs of
        foci in two frames are within the gates.
    """
    foci = require_numbers(foci, ["frame", *POSITION], "foci")
    fractional = np.flatnonzero(foci["frame"] % 1)
    if len(fractional):
        raise InputError(f"foci: frame {foci['frame'].iloc[fractional[0]]:g} is no whole number. Number the frames.")
    if not (max_lateral_um > 0 and max_depth_um > 0 and max_gap >= 0):
        raise InputError(
            f"tracking: the gates are {max_lateral_um:g} um and {max_depth_um:g} um, the gap is {max_gap}; expected "
            "gates above 0 and a gap of at least 0. Correct them."
        )
    scaled = foci[POSITION].to_numpy(float) / (max_lateral_um, max_lateral_um, max_depth_um)
    if foci["frame"].nunique() > MAX_FRAMES:
        raise InputError(f"foci: found over {MAX_FRAMES} frames; expected at most as many. Split the series.")
    foci = foci.assign(frame=foci["frame"].astype(int))
    frames = foci["frame"].to_numpy()
    tracks = np.zeros(len(foci), int)
    candidates, n_tracks = np.zeros(0, int), 0  # rows of the last foci of tracks that may go on
    order = np.argsort(frames, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(frames[order])) + 1) if len(order) else ():
        candidates = candidates[frames[rows[0]] - frames[candidates] <= max_gap + 1]
        previous, current = _assign(scaled[candidates], scaled[rows])
        tracks[rows[current]] = tracks[candidates[previous]]
        started = np.delete(rows, current)
        tracks[started] = n_tracks + 1 + np.arange(len(started))
        n_tracks += len(started)
        candidates = np.concatenate([np.delete(candidates, previous), rows])
    return foci.assign(track=tracks).sort_values(["track", "frame"], kind="stable", ignore_index=True)


def _assign(previous: npt.NDArray[np.floating], current: npt.NDArray[np.floating]) -> tuple[npt.NDArray[Any], ...]:
    """Indices of linked positions `(N, 3)` and `(M, 3)`, in units of the gates.

    A sparse assignment, in which a position may also go to a place of its own: [[links, ends], [beginnings, links']].
    """
    n_previous, n_current = len(previous), len(current)
    if not n_previous or not n_current:
        return np.zeros(0, int), np.zeros(0, int)
    before, after = KDTree(previous), KDTree(current)
    n_links = before.count_neighbors(after, 1.0)
    if n_links > MAX_LINKS:
        raise InputError(
            f"tracking: {n_links} pairs of {n_previous} and {n_current} foci are within the gates; expected at most "
            f"{MAX_LINKS}. Narrow the gates."
        )
    distances: Any = before.sparse_distance_matrix(after, 1.0, output_type="coo_matrix")
    # A full assignment has N + M entries, so 1 in each changes nothing; 0 would be no entry.
    links, places = sparse.csr_array(distances), sparse.csr_array(distances.T)
    links.data, places.data = 1 + links.data**2, np.ones(places.nnz)
    ends, beginnings = (sparse.diags_array(np.full(number, 1.5)) for number in (n_previous, n_current))
    blocks: Any = [[links, ends], [beginnings, places]]
    rows, columns = min_weight_full_bipartite_matching(sparse.block_array(blocks, format="csr"))
    linked = (rows < n_previous) & (columns < n_current)
    return rows[linked], columns[linked]


def describe_tracks(tracks: pd.DataFrame, frame_interval_s: float | None = None) -> pd.DataFrame:
    """Duration, speed and direction of each track.

    The velocity is the slope of a straight line that is fitted to the positions by least squares, so that noise of the
    positions does not add to the speed as it adds to the length of the path.

    Parameters
    ----------
    tracks : DataFrame
        Result of `track_foci`.
    frame_interval_s : float, optional
        Time between frames [s]; speeds are in um per second then, and in um per frame without it.

    Returns
    -------
    DataFrame
        One row per track: track; n_foci; first_frame; last_frame; first_layer; last_layer; displacement_um, from the
        first to the last focus; path_um, along the links; speed in um_per_s or um_per_frame; azimuth_deg, direction in
        the image from +x (right) towards +y (down), -180 to 180; elevation_deg, -90 to 90, positive away from sensor A.
        Speed and direction are missing where a track has one focus, the direction where the speed is 0.
    """
    unit, interval = ("um_per_frame", 1.0) if frame_interval_s is None else ("um_per_s", frame_interval_s)
    by_track, track = tracks.groupby("track"), tracks["track"]
    first, last = by_track.head(1).set_index("track"), by_track.tail(1).set_index("track")
    times = interval * tracks["frame"]
    deviations = times - times.groupby(track).transform("mean")
    spread = (deviations**2).groupby(track).sum().replace(0, np.nan)  # of one focus
    velocity = tracks[POSITION].mul(deviations, axis=0).groupby(track).sum().div(spread, axis=0)
    speed = _length(velocity)
    x, y, depth = velocity.where(speed > 0).to_numpy().T
    columns = {
        "n_foci": by_track.size(),
        "first_frame": first["frame"],
        "last_frame": last["frame"],
        "first_layer": first["layer"],
        "last_layer": last["layer"],
        "displacement_um": _length(last[POSITION] - first[POSITION]),
        "path_um": _length(by_track[POSITION].diff()).groupby(track).sum(),
        f"speed_{unit}": speed,
        "azimuth_deg": np.degrees(np.arctan2(y, x)),
        "elevation_deg": np.degrees(np.arctan2(depth, np.hypot(x, y))),
    }
    return pd.DataFrame(columns).rename_axis("track").reset_index()


def _length(vectors: pd.DataFrame) -> pd.Series:
    """Length of the vector in each row."""
    return np.sqrt((vectors**2).sum(axis=1, skipna=False))


def join_frames(tables: Sequence[pd.DataFrame | None]) -> pd.DataFrame:
    """Foci of a time series as one table, with the first column frame (from 0), from a table or None for each frame."""
    numbered = [table.assign(frame=frame) for frame, table in enumerate(tables) if table is not None]
    joined = pd.concat(numbered, ignore_index=True)
    return joined[["frame", *joined.columns.drop("frame")]]


def read_frames(paths: Sequence[str | Path]) -> pd.DataFrame:
    """Read the foci of a time series: one table that has the column frame, or a table for each frame.

    Raises
    ------
    InputError
        If a file cannot be read or lacks a column, or one of several tables has several frames.
    """
    tables = []
    for path in paths:
        table = read_table(path, ["layer", *POSITION])
        n_frames = table["frame"].nunique() if "frame" in table else 1
        if n_frames > 1 and len(paths) > 1:
            raise InputError(
                f"{path}: found {n_frames} frames; expected one, as several files are given, one for each frame. Give "
                "one file with all frames, or split it."
            )
        tables.append(table)
    return tables[0] if len(paths) == 1 and "frame" in tables[0] else join_frames(tables)
