"""3-D views: what the figure shows, and what the interactive page holds."""

import base64
import json
import re

import numpy as np
from matplotlib.colors import to_hex
from mpl_toolkits.mplot3d.art3d import Poly3DCollection

from foci3d.plots import view3d

PIXELS, PITCH_UM = 16, 55.0
DEPTHS_UM = np.array([110.0, 371.0, 602.0, 861.0])
PLANES_UM = (0.0, 1000.0)


def probability(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((4, PIXELS, PIXELS))


def test_runs_cover_exactly_the_pixels_of_the_mask():
    mask = np.random.default_rng(10).random((PIXELS, PIXELS)) < 0.6
    covered = np.zeros_like(mask, int)
    for (left, top), _, (right, bottom), _ in view3d.pixel_runs(mask):
        covered[top:bottom, left:right] += 1
    np.testing.assert_array_equal(covered, mask)


def test_planes_are_black_yellow_and_red():
    axes = view3d.figure_3d(probability(11), DEPTHS_UM, PITCH_UM, PLANES_UM, 0.5).axes[0]
    found = [to_hex(part.get_facecolor()[0]) for part in axes.findobj(Poly3DCollection)]
    assert [found.count(colour.lower()) for colour in (view3d.SENSORS, view3d.EMPTY, view3d.CELLS)] == [2, 4, 4]
    assert axes.get_zticklabels()[0].get_text() == "layer 1, 110 µm"


def html_traces(page: str) -> list[dict]:
    start = page.index('"foci3d-view",', page.index("Plotly.newPlot")) + len('"foci3d-view",')
    return json.JSONDecoder().raw_decode(page[start:].lstrip())[0]


def test_camera_keeps_the_labels_inside_a_window_of_1200_by_900_pixels():
    page = view3d.view_html(probability(13), DEPTHS_UM, PITCH_UM, PLANES_UM, 0.5)
    eye = json.loads(re.search(r'"eye":(\{[^}]*\})', page)[1])
    # In Chromium, labels are cut off at a distance of 2.2.
    assert np.linalg.norm([eye["x"], eye["y"], eye["z"]]) > 2.6


def test_page_is_self_contained_and_the_same_twice():
    page, again = (view3d.view_html(probability(12), DEPTHS_UM, PITCH_UM, PLANES_UM, 0.5) for _ in range(2))
    assert page == again
    assert len(page) > 1e6
    assert not re.search(r"<(script|link)[^>]*(src|href)=", page)


def test_view_shows_each_pixel_above_the_threshold():
    cells = np.zeros((2, 4, 5))
    cells[0, 1, 2], cells[1, :2, 3] = 0.9, 0.7
    traces = html_traces(view3d.view_html(cells, [100.0, 400.0], 10.0, [0.0], 0.6))
    assert [trace["name"] for trace in traces if trace.get("showlegend")] == [
        "sensor A",
        "layer 1, 100 µm",
        "layer 2, 400 µm",
    ]
    corners = [np.frombuffer(base64.b64decode(trace["x"]["bdata"])) for trace in traces if "intensity" in trace]
    np.testing.assert_array_equal(corners[0], [20, 30, 30, 20])
    assert len(corners[1]) == 2 * 4


def test_a_page_of_a_large_field_stays_small():
    """Its squares are blocks of pixels, as many as are needed; each stands for as much of the field."""
    large = np.random.default_rng(0).random((4, 600, 500))
    assert len(view3d.view_html(large, DEPTHS_UM, PITCH_UM, PLANES_UM, 0.5)) < 10e6
    means, binning = view3d._limit_squares(large, 0.5)
    assert binning > 1
    np.testing.assert_allclose(means[1, 3, 4], large[1, 3 * binning : 4 * binning, 4 * binning : 5 * binning].mean())
    few = np.zeros((2, 600, 500))
    few[0, 5, 5] = 1
    assert view3d._limit_squares(few, 0.5)[1] == 1
