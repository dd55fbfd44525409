"""The interactive view: what its page holds. How it looks is seen in a browser."""

import base64
import json
import re
from typing import Any

import numpy as np
import pandas as pd

from foci3d.plots import view_page
from foci3d.plots.style import SERIES
from foci3d.plots.view_page import ViewFrame

PITCH_UM = 10.0
IMAGE = np.arange(20.0).reshape(1, 4, 5)
CELLS = np.zeros((2, 4, 5))
CELLS[0, 1, 2], CELLS[1, :2, 3], CELLS[1, 3, 3] = 0.9, 0.7, 0.3
FOCI = pd.DataFrame({"x_um": [25.0], "y_um": [15.0], "depth_um": [100.0], "depth_sd_um": [12.0]})


def page_of(*frames: ViewFrame) -> str:
    return view_page.view_page("a < b", frames, PITCH_UM, (0.0, 1000.0)[: len(frames[0].measurement)], 0.6)


def frames_of(page: str) -> list[dict[str, Any]]:
    start = page.index("const frames = ") + len("const frames = ")
    return json.JSONDecoder().raw_decode(page[start:])[0]


def numbers(array: dict[str, str]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(array["bdata"]), array["dtype"])


def squares(traces: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [trace for trace in traces if "intensity" in trace]


def test_page_is_self_contained_and_the_same_twice() -> None:
    page, again = (page_of(ViewFrame(CELLS, [100.0, 400.0], IMAGE)) for _ in range(2))
    assert page == again
    assert len(page) > 1e6
    assert not re.search(r"<(script|link)[^>]*(src|href)=", page)
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
    assert "<title>a &lt; b</title>" in page
    assert "$" not in re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)


def test_each_pixel_above_the_threshold_is_drawn_and_those_below_on_demand() -> None:
    (frame,) = frames_of(page_of(ViewFrame(CELLS, [100.0, 400.0], IMAGE)))
    first, second, faint = squares(frame["traces"])
    np.testing.assert_array_equal(numbers(first["x"]), [20, 30, 30, 20])
    assert len(numbers(second["x"])) == 2 * 4
    assert ("meta" in first, "meta" in second, faint["meta"]) == (False, False, "faint")
    np.testing.assert_array_equal(numbers(faint["y"]), [30, 30, 40, 40])


def test_the_legend_has_the_colors_of_what_it_names() -> None:
    (frame,) = frames_of(page_of(ViewFrame(CELLS, [100.0, 400.0], IMAGE, FOCI)))
    entries = {trace["name"]: trace for trace in frame["traces"] if trace.get("showlegend")}
    assert list(entries) == ["sensor A", "layer 1, 100 µm", "layer 2, 400 µm", "foci, depth ± 1 s.d."]
    assert [entries[f"layer {n}, {n**2}00 µm"]["marker"]["color"] for n in (1, 2)] == SERIES[:2]
    for entry, drawn in zip(list(entries.values())[1:3], squares(frame["traces"]), strict=False):
        assert drawn["colorscale"][-1][1] == entry["marker"]["color"]
    foci = entries["foci, depth ± 1 s.d."]
    assert (numbers(foci["z"]), numbers(foci["error_z"]["array"])) == (100, 12)


def test_the_image_of_a_sensor_is_on_its_plane() -> None:
    (frame,) = frames_of(page_of(ViewFrame(CELLS, [100.0, 400.0], IMAGE)))
    (surface,) = [trace for trace in frame["traces"] if trace["type"] == "surface"]
    shown = numbers(surface["surfacecolor"]).reshape(5, 6)  # values at corners; the last are not drawn
    np.testing.assert_array_equal(shown[:-1, :-1], IMAGE[0])
    assert set(numbers(surface["z"])) == {0}
    assert numbers(surface["x"])[-1] == 50


def test_the_truth_is_outlined() -> None:
    masks = np.zeros((1, 4, 5), bool)
    masks[0, 1, 2] = True
    (frame,) = frames_of(page_of(ViewFrame(CELLS, [100.0, 400.0], IMAGE, true_masks=masks, true_depths_um=[110.0])))
    (truth,) = [trace for trace in frame["traces"] if trace["name"] == "truth"]
    np.testing.assert_allclose([np.nanmean(numbers(truth[axis])[:-2]) for axis in "xyz"], [25, 15, 110])
    (frame,) = frames_of(page_of(ViewFrame(CELLS[:0], [], IMAGE, FOCI, true_cells=FOCI)))
    (truth,) = [trace for trace in frame["traces"] if trace["name"] == "truth"]
    assert numbers(truth["x"]) == 25


def test_a_series_has_its_frames_with_their_numbers() -> None:
    frames = [ViewFrame(CELLS, [100.0, 400.0], IMAGE, number=number, summary=f"</script>{number}") for number in "02"]
    found = frames_of(page_of(*frames))
    assert [frame["number"] for frame in found] == ["0", "2"]
    assert found[1]["summary"] == "</script>2"


def test_pixels_at_the_far_edges_of_a_large_field_are_as_bright_and_as_wide_as_they_are() -> None:
    image = np.full((1, 301, 203), 7.0)  # blocks of 2 pixels, the last of 1
    (frame,) = frames_of(page_of(ViewFrame(CELLS[:0], [], image)))
    (surface,) = [trace for trace in frame["traces"] if trace["type"] == "surface"]
    assert set(numbers(surface["surfacecolor"])) == {7.0}
    np.testing.assert_allclose(numbers(surface["x"])[[0, 1, -2, -1]], [0, 20, 2020, 2030])
    np.testing.assert_allclose(numbers(surface["y"])[[0, 1, -2, -1]], [0, 20, 3000, 3010])
    probability = np.full((1, 301, 203), 0.9)  # more squares than are drawn
    (frame,) = frames_of(page_of(ViewFrame(probability, [100.0], image)))
    (drawn,) = squares(frame["traces"])
    np.testing.assert_allclose(numbers(drawn["intensity"]), 0.9)
    assert (numbers(drawn["x"]).max(), numbers(drawn["y"]).max()) == (2030, 3010)


def test_a_page_of_a_large_field_stays_small() -> None:
    """Its squares are blocks of pixels, as many as are needed; each stands for as much of the field."""
    large = np.random.default_rng(0).random((4, 600, 500))
    page = view_page.view_page("large", [ViewFrame(large, [1.0, 2, 3, 4], large[:1])], PITCH_UM, [0.0], 0.5)
    assert len(page) < 10e6
    means, binning = view_page._limit_squares(large, 0.5, view_page.MAX_SQUARES)
    assert binning > 1
    np.testing.assert_allclose(means[1, 3, 4], large[1, 3 * binning : 4 * binning, 4 * binning : 5 * binning].mean())
    few = np.zeros((2, 600, 500))
    few[0, 5, 5] = 1
    assert view_page._limit_squares(few, 0.5, view_page.MAX_SQUARES)[1] == 1
