"""The figure of tracks: a line for each track in both panels, and the unit of the speed."""

import numpy as np
import pandas as pd
import pytest

from foci3d.plots.tracking import show_tracks
from foci3d.reconstruction.tracking import describe_tracks, track_foci


@pytest.mark.parametrize(("interval_s", "label"), [(None, "speed [µm/frame]"), (2.0, "speed [µm/s]")])
def test_tracks_are_drawn_laterally_and_in_depth(interval_s: float | None, label: str) -> None:
    rows = [(frame, 100 * focus + 20 * frame, 50.0, 300.0 + 10 * frame, 1) for frame in range(3) for focus in (1, 9)]
    rows.append((0, 2000.0, 2000.0, 900.0, 4))
    foci = pd.DataFrame(rows, columns=["frame", "x_um", "y_um", "depth_um", "layer"])
    tracks = track_foci(foci, max_lateral_um=50, max_depth_um=50)
    figure = show_tracks(tracks, describe_tracks(tracks, interval_s))
    lateral, axial, colorbar = figure.axes
    assert colorbar.get_ylabel() == label
    drawn = lateral.collections[0].get_segments()
    expected = tracks[tracks["track"] == 1][["x_um", "y_um"]].to_numpy()
    assert any(len(points) == 3 and np.allclose(points, expected) for points in drawn)
    assert sum(map(len, axial.collections[0].get_segments())) == len(foci) - 1
    assert len(axial.lines[0].get_xydata()) == 1
    assert axial.yaxis_inverted()
    moving = tracks["track"].value_counts().loc[lambda counts: counts > 1].index
    for axes in (lateral, axial):
        assert [text.get_text() for text in axes.texts] == [str(track) for track in sorted(moving)]


def test_a_series_without_foci_has_an_empty_figure() -> None:
    foci = pd.DataFrame(columns=["frame", "x_um", "y_um", "depth_um", "layer"])
    tracks = track_foci(foci, max_lateral_um=50, max_depth_um=50)
    figure = show_tracks(tracks, describe_tracks(tracks))
    figure.canvas.draw()
    assert all(len(line.get_xydata()) == 0 for axes in figure.axes[:2] for line in axes.lines)
