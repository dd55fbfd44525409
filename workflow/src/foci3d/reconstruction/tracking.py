r"""Cells followed over a time series: linked from frame to frame, with speed, direction and their standard errors.

Foci that are one cell in several layers are joined. The cells of a frame continue the tracks of earlier frames such
that the total cost is minimal (linear assignment). The cost of a link is the squared distance relative to gates, which
hold the largest motion :math:`m` and the errors :math:`\sigma` of both positions,

.. math:: c = \frac{\Delta x^2 + \Delta y^2}{g_{xy}^2} + \frac{\Delta z^2}{g_z^2} , \quad
    g^2 = m^2 + 3^2 (\sigma_1^2 + \sigma_2^2) .

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
from scipy.special import chdtrc

from foci3d.config.models import TrackingConfig
from foci3d.errors import InputError
from foci3d.io.atomic import write_csv
from foci3d.io.tables import read_table, require_numbers
from foci3d.reconstruction.foci import round_foci

MAX_LINKS = 2_000_000
"""Pairs of foci in two frames that may be linked, which take a minute and 200 MB."""

MAX_FRAMES = 10_000
"""Frames of a series."""

POSITION = ["x_um", "y_um", "depth_um"]
ERRORS = ["x_sd_um", "y_sd_um", "depth_sd_um"]
"""Columns of the position of a focus, and of its standard deviations."""

MIN_SD_UM = 0.1
"""Least standard deviation of a position [um]: the digit to which it is written."""

GATE_DEVIATIONS = 3.0
"""Standard deviations of the distance of two positions of a cell that does not move, at most."""


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
        write_csv(round_foci(self.foci), folder / "tracks.csv")
        write_csv(round_foci(self.summary), folder / "summary.csv")

    @staticmethod
    def remove(folder: Path) -> None:
        """Remove tracks, and their figure, from a folder, and the folder if nothing else is in it."""
        for name in ("tracks.csv", "summary.csv", "tracks.png"):
            (folder / name).unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()


def join_foci(foci: pd.DataFrame) -> pd.DataFrame:
    """One row per cell and frame, of foci with the column cell; without this column, each focus is a cell.

    Foci of cell 0, which have no light, are left out. Of a cell in several layers, the layer is that of its most
    probable focus, the area that of the largest, and other values are means weighted with probability.
    """
    if "cell" not in foci:
        return foci
    foci = foci[foci["cell"] > 0].reset_index(drop=True)
    keys = ["frame", "cell"]
    if not foci.duplicated(keys).any():
        return foci
    groups, weight = foci.groupby(keys), foci["probability"]
    total = weight.groupby([foci[key] for key in keys]).transform("sum")
    names = [*POSITION, "probability"]
    weighted = foci.assign(**{name: foci[name] * weight / total for name in names})
    means = weighted.groupby(keys)[names].transform("sum")
    joined = foci.assign(area_um2=groups["area_um2"].transform("max"))
    joined[names] = means
    return joined.loc[groups["probability"].idxmax()].reset_index(drop=True)


def track_foci(foci: pd.DataFrame, *, max_lateral_um: float, max_depth_um: float, max_gap: int = 0) -> pd.DataFrame:
    """Link cells across frames and layers to tracks.

    Parameters
    ----------
    foci : DataFrame
        Foci of all frames: the columns of `foci3d.reconstruction.foci.find_foci`, and frame (integer). Without standard
        deviations, the gates are the largest motion alone; see `join_foci` for the column cell.
    max_lateral_um, max_depth_um : float
        Largest lateral distance, and largest distance in depth, that a cell moves in a frame [um].
    max_gap : int
        Frames for which a cell may be missing and is still the same cell afterwards.

    Returns
    -------
    DataFrame
        The cells by track and frame, with the column track (from 1, by first frame).

    Raises
    ------
    InputError
        If a column is missing or holds other than numbers, a gate is not above 0, or more than `MAX_LINKS` pairs of
        cells in two frames are within the gates.
    """
    known = [name for name in ERRORS if name in foci]
    foci = require_numbers(foci, ["frame", *POSITION, *known], "foci")
    fractional = np.flatnonzero(foci["frame"] % 1)
    if len(fractional):
        raise InputError(f"foci: frame {foci['frame'].iloc[fractional[0]]:g} is no whole number. Number the frames.")
    if not (max_lateral_um > 0 and max_depth_um > 0 and max_gap >= 0):
        raise InputError(
            f"tracking: the gates are {max_lateral_um:g} um and {max_depth_um:g} um, the gap is {max_gap}; expected "
            "gates above 0 and a gap of at least 0. Correct them."
        )
    foci = join_foci(foci)
    if foci["frame"].nunique() > MAX_FRAMES:
        raise InputError(f"foci: found over {MAX_FRAMES} frames; expected at most as many. Split the series.")
    foci = foci.assign(frame=foci["frame"].astype(int))
    gates = np.array([max_lateral_um, max_lateral_um, max_depth_um])
    positions, variances = foci[POSITION].to_numpy(float) / gates, (_errors(foci).fillna(0).to_numpy() / gates) ** 2
    frames = foci["frame"].to_numpy()
    tracks = np.zeros(len(foci), int)
    candidates, n_tracks = np.zeros(0, int), 0  # rows of the last foci of tracks that may go on
    order = np.argsort(frames, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(frames[order])) + 1) if len(order) else ():
        candidates = candidates[frames[rows[0]] - frames[candidates] <= max_gap + 1]
        previous, current = _assign(positions[candidates], positions[rows], variances[candidates], variances[rows])
        tracks[rows[current]] = tracks[candidates[previous]]
        started = np.delete(rows, current)
        tracks[started] = n_tracks + 1 + np.arange(len(started))
        n_tracks += len(started)
        candidates = np.concatenate([np.delete(candidates, previous), rows])
    return foci.assign(track=tracks).sort_values(["track", "frame"], kind="stable", ignore_index=True)


def _errors(foci: pd.DataFrame) -> pd.DataFrame:
    """Standard deviations of the positions, NaN where they are not known."""
    return foci.reindex(columns=ERRORS).astype(float)


def _assign(
    previous: npt.NDArray[np.floating],
    current: npt.NDArray[np.floating],
    previous_variances: npt.NDArray[np.floating],
    current_variances: npt.NDArray[np.floating],
) -> tuple[npt.NDArray[Any], ...]:
    """Indices of linked positions `(N, 3)` and `(M, 3)` with variances, in units of the largest motion.

    A sparse assignment, in which a position may also go to a place of its own: [[links, ends], [beginnings, links']].
    """
    n_previous, n_current = len(previous), len(current)
    if not n_previous or not n_current:
        return np.zeros(0, int), np.zeros(0, int)
    widest = np.sqrt(1 + GATE_DEVIATIONS**2 * (previous_variances.max(0) + current_variances.max(0)))
    before, after = KDTree(previous / widest), KDTree(current / widest)
    n_links = before.count_neighbors(after, 1.0)
    if n_links > MAX_LINKS:
        raise InputError(
            f"tracking: {n_links} pairs of {n_previous} and {n_current} foci are within the gates; expected at most "
            f"{MAX_LINKS}. Narrow the gates."
        )
    pairs = before.sparse_distance_matrix(after, 1.0, output_type="ndarray")
    first, second = pairs["i"], pairs["j"]
    gates = 1 + GATE_DEVIATIONS**2 * (previous_variances[first] + current_variances[second])
    costs = ((previous[first] - current[second]) ** 2 / gates).sum(1)
    within = costs <= 1
    first, second, costs = first[within], second[within], costs[within]
    # A full assignment has N + M entries, so 1 in each changes nothing; 0 would be no entry.
    links = sparse.coo_array((1 + costs, (first, second)), shape=(n_previous, n_current))
    places = sparse.coo_array((np.ones(len(costs)), (second, first)), shape=(n_current, n_previous))
    ends, beginnings = (sparse.diags_array(np.full(number, 1.5)) for number in (n_previous, n_current))
    blocks: Any = [[links, ends], [beginnings, places]]
    rows, columns = min_weight_full_bipartite_matching(sparse.block_array(blocks, format="csr"))
    linked = (rows < n_previous) & (columns < n_current)
    return rows[linked], columns[linked]


def describe_tracks(tracks: pd.DataFrame, frame_interval_s: float | None = None) -> pd.DataFrame:
    """Duration, speed and direction of each track.

    The velocity is the slope of a straight line that is fitted to the positions by weighted least squares, so that
    noise of the positions does not add to the speed as it adds to the length of the path. Its standard errors follow
    from those of the positions, and from the deviations from the line where these are larger or are all that is known.

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
        first to the last focus; path_um, along the links; speed in um_per_s or um_per_frame, with its standard
        deviation; p_static, the probability that a cell at rest seems to move as much; azimuth_deg, direction in the
        image from +x (right) towards +y (down), -180 to 180; elevation_deg, -90 to 90, positive away from sensor A.
        Speed and direction are missing where a track has one focus, the direction where the speed is 0.
    """
    unit, interval = ("um_per_frame", 1.0) if frame_interval_s is None else ("um_per_s", frame_interval_s)
    by_track, track = tracks.groupby("track"), tracks["track"]
    first, last = by_track.head(1).set_index("track"), by_track.tail(1).set_index("track")
    velocity, error = _fit_lines(tracks, interval)
    speed = _length(velocity)
    x, y, depth = velocity.where(speed > 0).to_numpy().T
    deviates = ((velocity / error.clip(lower=1e-9)) ** 2).sum(axis=1, skipna=False)
    columns = {
        "n_foci": by_track.size(),
        "first_frame": first["frame"],
        "last_frame": last["frame"],
        "first_layer": first["layer"],
        "last_layer": last["layer"],
        "displacement_um": _length(last[POSITION] - first[POSITION]),
        "path_um": _length(by_track[POSITION].diff()).groupby(track).sum(),
        f"speed_{unit}": speed,
        f"speed_sd_{unit}": _length(velocity * error) / speed.where(speed > 0),
        "p_static": chdtrc(len(POSITION), deviates),
        "azimuth_deg": np.degrees(np.arctan2(y, x)),
        "elevation_deg": np.degrees(np.arctan2(depth, np.hypot(x, y))),
    }
    return pd.DataFrame(columns).rename_axis("track").reset_index()


def _fit_lines(tracks: pd.DataFrame, interval: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Slope of the positions of each track over time, and its standard error, by axis; NaN of a single focus."""
    track, times = tracks["track"], interval * tracks["frame"].astype(float)
    n_free = track.groupby(track).size() - 2
    slopes, errors = {}, {}
    for name, sd_um in zip(POSITION, _errors(tracks).to_numpy().T, strict=True):
        is_known = np.isfinite(sd_um).all() and len(tracks) > 0
        weight = pd.Series(np.maximum(sd_um, MIN_SD_UM) ** -2 if is_known else 1.0, tracks.index)
        total = weight.groupby(track).transform("sum")

        def deviate(values: pd.Series, weight: pd.Series = weight, total: pd.Series = total) -> pd.Series:
            return values - (weight * values).groupby(track).transform("sum") / total

        time, place = deviate(times), deviate(tracks[name].astype(float))
        spread = (weight * time**2).groupby(track).sum().replace(0, np.nan)
        slope = (weight * time * place).groupby(track).sum() / spread
        residual = (weight * (place - time * slope.reindex(track).to_numpy()) ** 2).groupby(track).sum()
        scatter = residual / n_free.where(n_free > 0)
        slopes[name] = slope
        errors[name] = np.sqrt((scatter.clip(lower=1).fillna(1) if is_known else scatter) / spread)
    return pd.DataFrame(slopes), pd.DataFrame(errors)


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
        If a file cannot be read or lacks a column, has several channels, or one of several has several frames.
    """
    tables = []
    for path in paths:
        table = read_table(path, ["layer", *POSITION])
        if "channel" in table and len(table["channel"].unique()) > 1:
            raise InputError(f"{path}: found the foci of several channels; expected one. Give the file of a channel.")
        n_frames = table["frame"].nunique() if "frame" in table else 1
        if n_frames > 1 and len(paths) > 1:
            raise InputError(
                f"{path}: found {n_frames} frames; expected one, as several files are given, one for each frame. Give "
                "one file with all frames, or split it."
            )
        tables.append(table)
    return tables[0] if len(paths) == 1 and "frame" in tables[0] else join_frames(tables)
