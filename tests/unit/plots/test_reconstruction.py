"""The overview of an acquisition: its labels and its note."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection

from foci3d.confidence.quality import Quality
from foci3d.plots.reconstruction import MAX_VIEWED, overview, write_reconstruction, write_view
from foci3d.reconstruction.acquisition import AcquisitionReconstruction
from foci3d.reconstruction.cells import FieldFit, cell_table
from foci3d.reconstruction.foci import find_foci
from foci3d.reconstruction.thick import body_table
from foci3d.reconstruction.truth import Truth
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


def test_the_truth_is_below_the_layers(make_reconstruction: Callable[..., Reconstruction]) -> None:
    rng = np.random.default_rng(0)
    images, probability = rng.random((2, 20, 20)), rng.random((2, 20, 20))
    result = make_reconstruction(images, probability, (100.0, 700.0), (12.4, 80.0))
    assert "uncertainty" in [axes.get_title() for axes in overview(result).axes]
    truth = Truth.of_layers(probability > 0.4, (110.0, 690.0))
    titles = [axes.get_title() for axes in overview(result, truth=truth).axes]
    assert "truth, 690 µm" in titles
    assert "uncertainty" not in titles


def test_single_cells_are_points_with_error_bars(make_reconstruction: Callable[..., Reconstruction]) -> None:
    images = np.random.default_rng(0).random((2, 20, 20))
    foci = pd.DataFrame({"x_um": [300.0, 800], "y_um": [200.0, 700], "depth_um": [150.0, 640], "brightness": 1.0})
    foci = foci.assign(x_sd_um=2.0, y_sd_um=3.0, depth_sd_um=40.0)
    result = replace(make_reconstruction(images, np.zeros((1, 20, 20)), (500.0,), (1.0,)), foci=foci, specimen="cells")
    figure = overview(result, truth=Truth.of_cells(foci))
    (side,) = [axes for axes in figure.axes if axes.get_xlabel() == "x [µm]"]
    bars = np.concatenate([each.get_segments() for each in side.collections if isinstance(each, LineCollection)])
    assert {tuple(np.ptp(bar, 0)) for bar in bars} == {(4.0, 0.0), (0.0, 80.0)}
    assert [text.get_text() for text in side.texts] == ["1", "2"]
    assert [text.get_text() for text in side.get_legend().get_texts()] == ["truth", "found, ± 1 s.d."]


def reconstruct_kind(kind: str, n_sensors: int, n_found: int) -> Reconstruction:
    """Some cells of a kind of specimen, seen by some sensors."""
    n_layers, probability = (1 if kind == "layers" else 6), np.zeros((6, 20, 20), np.float32)
    for number in range(n_found):
        probability[min(3 * number, n_layers - 1), 4 + 8 * number, 6] = 1
    probability, depths_um, sds_um = probability[:n_layers], 100.0 + 150 * np.arange(n_layers), (40.0,) * n_layers
    points = np.array([[4.0 + 8 * number, 6, 100 + 450 * number, 1, 0] for number in range(n_found)]).reshape(-1, 5)
    foci = {
        "layers": lambda: find_foci(probability, 0.5, depths_um, sds_um, 55.0),
        "cells": lambda: cell_table(
            FieldFit(points, np.ones_like(points), False, 1.0), np.arange(n_found), pixel_pitch_um=55.0
        ),
        "volume": lambda: body_table(probability, 0.5, depths_um, 55.0),
    }
    images = np.random.default_rng(0).random((n_sensors, 20, 20))
    layers = (probability, tuple(depths_um.tolist()), sds_um, (1.0,) * n_layers)
    sensor_depths_um = (0.0, 1000.0)[:n_sensors]
    return Reconstruction(images, *layers, foci[kind](), 0.5, 55.0, sensor_depths_um, Quality(), specimen=kind)


@pytest.mark.parametrize("n_found", [0, 2])
@pytest.mark.parametrize("n_sensors", [1, 2])
@pytest.mark.parametrize("kind", ["layers", "cells", "volume"])
def test_every_kind_is_drawn_with_any_sensors_and_cells(kind: str, n_sensors: int, n_found: int) -> None:
    result = reconstruct_kind(kind, n_sensors, n_found)
    assert len(result.foci) == n_found
    figure = overview(result, "a note")
    figure.canvas.draw()
    assert "sensor A" in [axes.get_title() for axes in figure.axes]
    (space,) = [axes for axes in figure.axes if axes.name == "3d"]
    labels = {"layers": ["100 µm"], "cells": ["100 µm", "550 µm"][:n_found], "volume": ["0 µm", "1000 µm"][:n_sensors]}
    assert [label.get_text() for label in space.get_zticklabels()] == labels[kind]


@pytest.mark.parametrize("is_skipped", [False, True])
def test_the_truth_is_shown_with_frame_0_alone(is_skipped: bool, tmp_path: Path) -> None:
    frame = reconstruct_kind("layers", 2, 2)
    skipped = {0: "it is dark"} if is_skipped else {1: "it is dark"}
    truth = Truth.of_layers(frame.mask, frame.depths_um)
    write_reconstruction(AcquisitionReconstruction((frame, frame), skipped=skipped, truth=truth), tmp_path)
    page = (tmp_path / "view.html").read_text()
    assert ('"name":"truth"' in page) != is_skipped
    assert page.count("against the truth: 0.0%") == (0 if is_skipped else 1)
    reason = "not compared with the truth: it is that of frame 0, which was skipped: it is dark"
    assert page.count(reason) == is_skipped


def test_flagged_tiles_are_outlined(make_reconstruction: Callable[..., Reconstruction]) -> None:
    images, probability = np.random.default_rng(0).random((2, 60, 60)), np.zeros((1, 60, 60))
    tiles = np.array([[0, 0, 51, 1.0, 0.1], [-8, 9, 51, 3.0, 0.1], [-8, 9, 51, 1.0, 0.3]])
    result = replace(make_reconstruction(images, probability, (100.0,), (12.4,)), tiles=tiles)
    result = replace(result, quality=Quality(score=1.0, score_threshold=2.0, error_threshold=0.2))
    (axes, *_) = [axes for axes in overview(result).axes if axes.get_title() == "sensor A"]
    assert [outline.get_bbox().bounds for outline in axes.patches] == [(9 * 55, -8 * 55, 51 * 55, 51 * 55)] * 2


def test_the_view_of_a_long_series_has_few_frames(
    make_reconstruction: Callable[..., Reconstruction], tmp_path: Path
) -> None:
    images, probability = np.random.default_rng(0).random((2, 5, 5)), np.zeros((1, 5, 5))
    frame = make_reconstruction(images, probability, (100.0,), (12.4,))
    write_view(AcquisitionReconstruction((frame,) * 120, skipped={3: "dark"}), tmp_path / "view.html")
    numbers = re.findall(r'"number":\s*"(\d+)"', (tmp_path / "view.html").read_text())
    assert len(numbers) == MAX_VIEWED
    assert (numbers[0], numbers[-1]) == ("0", "120")
