"""The overview of an acquisition: its labels and its note."""

from collections.abc import Callable

import numpy as np

from foci3d.plots.reconstruction import overview
from foci3d.reconstruction.volume import Reconstruction


def test_labels_and_note(make_reconstruction: Callable[..., Reconstruction]) -> None:
    """Close layers have one label; depths have their standard deviations."""
    rng = np.random.default_rng(0)
    images, probability = rng.random((2, 20, 20)), rng.random((3, 20, 20))
    note = "residual 31% of the contrast; " * 6
    figure = overview(make_reconstruction(images, probability, (100.0, 700.0, 720.0), (12.4, 80.0, 9.0)), note)
    (space,) = [axes for axes in figure.axes if axes.name == "3d"]
    assert [label.get_text() for label in space.get_zticklabels()] == ["100 µm", "700, 720 µm"]
    assert list(space.get_zticks()) == [100.0, 710.0]
    titles = [axes.get_title() for axes in figure.axes]
    assert [title for title in titles if "µm" in title] == ["100 ± 12 µm", "700 ± 80 µm", "720 ± 9 µm"]
    lines = figure.get_supxlabel().splitlines()
    assert len(lines) == 2
    assert " ".join(lines) == note.strip()
