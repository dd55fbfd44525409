"""Tracks of foci over a time series, seen from above and as depth against time."""

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from foci3d.plots import style

SPEED_COLORS = "viridis"

MAX_NUMBERED = 30
"""Tracks of which each has its number in the figure."""


def show_tracks(tracks: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """Draw the tracks in the plane of the image and their depth in each frame, coloured by speed.

    Parameters
    ----------
    tracks : DataFrame
        Foci with their tracks, by track and frame, see `foci3d.reconstruction.tracking.track_foci`.
    summary : DataFrame
        Speed of each track, see `foci3d.reconstruction.tracking.describe_tracks`.

    Returns
    -------
    Figure
        Lateral positions at the left, where a circle marks the start of a track; depth against frame at the right.
        Numbers are those of the column track of the tables; tracks of one focus are grey points.
    """
    speed = next(column for column in map(str, summary) if column.startswith("speed_"))
    data = tracks.merge(summary[["track", speed]], on="track")
    moving, single = data[data[speed].notna()], data[data[speed].isna()]
    colors = ScalarMappable(Normalize(0, max(moving[speed].max(), 1e-9) if len(moving) else 1), SPEED_COLORS)
    figure = style.new_figure(style.FULL_WIDTH_MM, 80)
    lateral, axial = figure.subplots(1, 2)
    for axes, x, y in ((lateral, "x_um", "y_um"), (axial, "frame", "depth_um")):
        lines = np.split(moving[[x, y]].to_numpy(), np.flatnonzero(np.diff(moving["track"])) + 1)
        axes.add_collection(
            LineCollection(lines, colors=colors.to_rgba(summary[speed].dropna().to_numpy())), autolim=True
        )
        axes.scatter(moving[x], moving[y], c=colors.to_rgba(moving[speed].to_numpy()), s=6 if axes is axial else 0)
        axes.plot(single[x], single[y], ".", color=style.COLORS["grey"])
        axes.invert_yaxis()
    starts = moving.groupby("track").first()
    lateral.scatter(starts["x_um"], starts["y_um"], c=colors.to_rgba(starts[speed].to_numpy()), s=14)
    if len(starts) <= MAX_NUMBERED:
        for axes, x, y in ((lateral, "x_um", "y_um"), (axial, "frame", "depth_um")):
            for track, place in zip(starts.index, starts[[x, y]].to_numpy(), strict=True) if len(starts) else ():
                axes.annotate(str(track), place, (3, 3), textcoords="offset points", fontsize=7)
    lateral.set(xlabel="x [µm]", ylabel="y [µm]", aspect="equal")
    axial.set(xlabel="frame", ylabel="depth [µm]")
    axial.xaxis.get_major_locator().set_params(integer=True)
    unit = speed.removeprefix("speed_um_per_")
    figure.colorbar(colors, ax=axial, label=f"speed [µm/{unit}]")
    return figure
