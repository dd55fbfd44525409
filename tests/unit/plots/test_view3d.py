"""3-D views for print: what the figure shows."""

import numpy as np
import pytest
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


def test_a_large_image_is_even_up_to_its_edges(monkeypatch: pytest.MonkeyPatch):
    drawn = {}

    def draw(corners_um: np.ndarray, *, facecolors: np.ndarray, **options: object) -> Poly3DCollection:
        drawn.update(corners_um=corners_um, colors=facecolors.reshape(43, 34, 4))
        return Poly3DCollection(corners_um, facecolors=facecolors, **options)

    axes = view3d.figure_3d(probability(11), DEPTHS_UM, PITCH_UM, PLANES_UM, 0.5).axes[0]
    image = np.full((129, 100), 3.0)  # blocks of 3 pixels, the last of 1 in x
    image[:, :3] = 4.0
    monkeypatch.setattr(view3d, "Poly3DCollection", draw)
    view3d.draw_image(axes, image, 0.0, PITCH_UM)
    assert (drawn["colors"][:, 1:] == drawn["colors"][0, 1]).all()
    assert (drawn["colors"][:, 0] != drawn["colors"][0, 1]).any()
    np.testing.assert_allclose(drawn["corners_um"].max((0, 1)), [100 * PITCH_UM, 129 * PITCH_UM, 0])


def test_planes_are_black_yellow_and_red():
    axes = view3d.figure_3d(probability(11), DEPTHS_UM, PITCH_UM, PLANES_UM, 0.5).axes[0]
    found = [to_hex(part.get_facecolor()[0]) for part in axes.findobj(Poly3DCollection)]
    assert [found.count(colour.lower()) for colour in (view3d.SENSORS, view3d.EMPTY, view3d.CELLS)] == [2, 4, 4]
    assert axes.get_zticklabels()[0].get_text() == "layer 1, 110 µm"
