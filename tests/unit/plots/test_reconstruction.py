"""The overview of an acquisition: its labels and its note."""

import numpy as np

from foci3d.plots.reconstruction import overview


def test_close_layers_have_one_label_and_the_note_is_shown() -> None:
    images = np.random.default_rng(0).random((2, 20, 20))
    probability = np.random.default_rng(1).random((3, 20, 20))
    note = "residual 31% of the contrast; " * 6
    figure = overview(images, probability, (100.0, 700.0, 720.0), 55.0, (0.0, 1000.0), 0.5, note=note)
    (space,) = [axes for axes in figure.axes if axes.name == "3d"]
    assert [label.get_text() for label in space.get_zticklabels()] == ["100 µm", "700, 720 µm"]
    assert list(space.get_zticks()) == [100.0, 710.0]
    lines = figure.get_supxlabel().splitlines()
    assert len(lines) == 2
    assert " ".join(lines) == note.strip()


def test_depths_have_their_standard_deviations() -> None:
    images, probability = np.random.default_rng(0).random((2, 2, 20, 20))
    titles = [
        [axes.get_title() for axes in overview(images, probability, (100.0, 700.0), 55.0, (0.0,), 0.5, **sds).axes]
        for sds in ({}, {"layer_depth_sds_um": (12.4, 80.0)})
    ]
    assert [title for title in titles[0] if "µm" in title] == ["100 µm", "700 µm"]
    assert [title for title in titles[1] if "µm" in title] == ["100 ± 12 µm", "700 ± 80 µm"]
