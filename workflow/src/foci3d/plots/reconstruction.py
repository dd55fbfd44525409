"""What is written of a user's acquisition: its data, an overview figure, an interactive 3-D view, and its tracks."""

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle
from pandas import Series

from foci3d.io.atomic import atomic_path
from foci3d.plots import style, view3d
from foci3d.plots.style import COLORS
from foci3d.plots.tracking import show_tracks
from foci3d.plots.view_page import ViewFrame, view_page
from foci3d.reconstruction.acquisition import AcquisitionReconstruction
from foci3d.reconstruction.foci import round_foci
from foci3d.reconstruction.tracking import Tracks
from foci3d.reconstruction.truth import Truth
from foci3d.reconstruction.volume import Reconstruction

NOTE_WIDTH = 130
"""Characters in a line of the note below the figure."""

MIN_TICK_DISTANCE = 0.08
"""Share of the largest depth below which two layers have one label."""

MAX_VIEWED = 50
"""Frames in the interactive view, which a browser shows without delay."""

MAX_NUMBERED = 30
"""Cells of which each has its number in the figure."""


def write_reconstruction(result: AcquisitionReconstruction, folder: str | Path) -> None:
    """Write a reconstructed acquisition with its figures.

    Parameters
    ----------
    result : AcquisitionReconstruction
        Result of `foci3d.reconstruct_acquisition`.
    folder : str or Path
        Gets the files of `AcquisitionReconstruction.save`; ``overview.png``, of the first usable frame, with
        measurements, maps and layers in space; ``view.html``, an interactive 3-D view of all frames; of a series with
        tracks also ``tracks/tracks.png``.
    """
    folder, first = Path(folder), result.frames[0]
    result.save(folder)
    style.use_style()
    which = f"frame {result.numbers[0]}: " if result.n_frames > 1 else ""
    notes = [f"{which}{first.quality}", result.compare_with_truth(), str(result.conditioning or "")]
    figure = overview(first, "; ".join(filter(None, notes)), result.truth_of_first, result.name)
    style.save_png(figure, folder / "overview.png")
    write_view(result, folder / "view.html")
    if result.tracks:
        write_tracks(result.tracks, folder / "tracks")


def write_tracks(tracks: Tracks, folder: Path) -> None:
    """Write tracks to a folder: ``tracks.csv``, ``summary.csv`` and ``tracks.png``."""
    tracks.save(folder)
    style.use_style()
    style.save_png(show_tracks(tracks.foci, tracks.summary), folder / "tracks.png")


def write_view(result: AcquisitionReconstruction, path: Path) -> None:
    """Write the interactive 3-D view as HTML, of all frames or of 50 that are evenly spaced."""
    first = result.frames[0]
    numbers = result.numbers
    chosen = np.unique(np.linspace(0, len(numbers) - 1, min(len(numbers), MAX_VIEWED)).round().astype(int)).tolist()
    shown, *others = (_view_frame(result.frames[index], str(numbers[index])) for index in chosen)
    frames = [_show_truth(shown, result), *others]
    title = f"{result.name} in 3-D" if result.name else "Cells in 3-D"
    with atomic_path(path) as temporary:
        page = view_page(title, frames, first.pixel_pitch_um, first.sensor_depths_um, first.threshold)
        temporary.write_text(page, encoding="utf-8")


def _view_frame(frame: Reconstruction, number: str) -> ViewFrame:
    of_layers = slice(0 if frame.is_of_cells else None)
    layers = frame.probability[of_layers], frame.depths_um[of_layers]
    return ViewFrame(*layers, frame.measurement, round_foci(frame.foci), number=number, summary=frame.summary)


def _show_truth(first: ViewFrame, result: AcquisitionReconstruction) -> ViewFrame:
    """The first frame of the view with the truth of the result, if there is one."""
    known: dict[str, Any] = {}
    if truth := result.truth_of_first:
        known = {"true_masks": truth.masks, "true_depths_um": truth.depths_um, "true_cells": truth.cells}
    summary = "; ".join(filter(None, [first.summary, result.compare_with_truth()]))
    return replace(first, **known, summary=summary)


def overview(result: Reconstruction, note: str = "", truth: Truth | None = None, title: str = "") -> Figure:
    """Show the measurements, the map of each layer or the single cells, the truth where it is known, and all in space.

    Parameters
    ----------
    result : Reconstruction
        One frame of an acquisition.
    note : str
        Line below the figure.
    truth : Truth, optional
        The truth.
    title : str
        Line above the figure.

    Returns
    -------
    Figure
        Measurements at the left; of layers, their maps and the truth or the uncertainty, of cells, their places in the
        image and in depth, of a volume, its projections; all in space at the right.
    """
    figure = style.new_figure(style.FULL_WIDTH_MM, 95)
    figure.supxlabel(textwrap.fill(note, NOTE_WIDTH), fontsize=7)
    if title:
        figure.suptitle(title, fontsize=9, fontweight="bold")
    ((flat, space),) = figure.subfigures(1, 2, squeeze=False, width_ratios=(5, 2))
    if result.is_of_cells:
        _show_cells(flat, result, truth)
    elif not result.is_of_layers:
        _show_volume(flat, result)
    else:
        _show_layers(flat, result, truth)
    _show_space(space, result)
    return figure


def _show_measurement(axes: Axes, result: Reconstruction, index: int) -> None:
    """The image of a sensor with outlines of flagged tiles, or nothing where there is none."""
    axes.set_axis_off()
    if index < len(result.measurement):
        image = result.measurement[index]
        style.show_image(axes, image, result.pixel_pitch_um, limits=(image.min(), image.max()), bar_um=1000)
        axes.set_title(f"sensor {'AB'[index]}")
        for y, x, n_pixels in result.tiles[np.logical_or(*result.quality.flag_tiles(result.tiles)), :3]:
            place_um = (x * result.pixel_pitch_um, y * result.pixel_pitch_um)
            size_um = n_pixels * result.pixel_pitch_um
            axes.add_patch(
                Rectangle(place_um, size_um, size_um, edgecolor=COLORS["vermilion"], fill=False, linewidth=0.7)
            )


def _show_layers(figure: SubFigure, result: Reconstruction, truth: Truth | None) -> None:
    """Measurements in the first column; then a column for each layer: its map above the truth or the uncertainty."""
    grid = figure.subplots(2, 1 + len(result.probability), squeeze=False)
    for index in range(2):
        _show_measurement(grid[index, 0], result, index)
    columns = zip(grid.T[1:], result.probability, result.mask, strict=True)
    for layer, ((above, below), probability, mask) in enumerate(columns):
        depth_um, sd_um, pitch_um = result.depths_um[layer], result.depth_sds_um[layer], result.pixel_pitch_um
        cells = style.show_image(above, probability, pitch_um, cmap=style.CELLS, limits=(0, 1))
        style.show_outline(above, mask, pitch_um)
        above.set_title(f"{depth_um:.0f} ± {sd_um:.0f} µm")
        below.set_axis_off()
        if truth is None:
            style.show_image(below, result.uncertainty[layer], pitch_um, cmap=style.CELLS, limits=(0, 1))
            below.set_title("uncertainty")
        elif layer < len(truth.masks):
            style.show_image(below, truth.masks[layer], pitch_um, cmap=style.CELLS, limits=(0, 1))
            style.show_outline(below, mask, pitch_um)
            below.set_title(f"truth, {truth.depths_um[layer]:.0f} µm")
    label = f"probability of a cell; outline: above {result.threshold:g}; ±: standard deviation of the depth"
    figure.colorbar(cells, ax=grid, label=label, location="bottom", shrink=0.6, aspect=60)


def _show_cells(figure: SubFigure, result: Reconstruction, truth: Truth | None) -> None:
    """Measurements with the single cells and, if they are few, their numbers; below, the cells from two sides."""
    (top, bottom), foci = figure.subplots(2, 2, height_ratios=(3, 2)), result.foci
    for index, axes in enumerate(top):
        _show_measurement(axes, result, index)
        if index < len(result.measurement):
            axes.scatter(foci["x_um"], foci["y_um"], 25, style.MARK, marker="+", linewidths=1)
            _number_cells(axes, foci["x_um"], foci["y_um"], style.MARK)
    for side, name, pixels in zip(bottom, "xy", result.measurement.shape[:0:-1], strict=True):
        place_um, depth_um = foci[f"{name}_um"], foci["depth_um"]
        if truth is not None:
            options = {"facecolors": "none", "edgecolors": COLORS["grey"], "label": "truth"}
            side.scatter(truth.cells[f"{name}_um"], truth.cells["depth_um"], 60, **options)
        bars = {"yerr": foci["depth_sd_um"], "xerr": foci[f"{name}_sd_um"]}
        side.errorbar(place_um, depth_um, **bars, fmt=".", color=COLORS["blue"], label="found, ± 1 s.d.")
        _number_cells(side, place_um, depth_um, COLORS["black"])
        for sensor_um in result.sensor_depths_um:
            side.axhline(sensor_um, color=COLORS["vermilion"], linewidth=1.5)
        side.set(xlim=(0, pixels * result.pixel_pitch_um), xlabel=f"{name} [µm]", ylabel="depth [µm]", aspect="equal")
        side.invert_yaxis()
    bottom[0].legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)


def _show_volume(figure: SubFigure, result: Reconstruction) -> None:
    """Measurements; below, the brightest voxels from two sides."""
    top, bottom = figure.subplots(2, 2, height_ratios=(3, 2))
    for index, axes in enumerate(top):
        _show_measurement(axes, result, index)
    half_um = result.depths_um[0]  # of the distance between planes
    for side, name, axis in zip(bottom, "xy", (1, 2), strict=True):
        seen = result.probability.max(axis)
        extent = (0.0, seen.shape[1] * result.pixel_pitch_um, result.depths_um[-1] + half_um, 0.0)
        image = side.imshow(seen, cmap=style.CELLS, vmin=0, vmax=1, extent=extent)
        side.contour(seen > result.threshold, [0.5], colors=style.MARK, linewidths=0.7, extent=extent, origin="upper")
        side.set(xlabel=f"{name} [µm]", ylabel="depth [µm]")
    label = f"light relative to a cell's; outline: above {result.threshold:g}"
    figure.colorbar(image, ax=bottom, label=label, location="bottom", shrink=0.6, aspect=60)


def _number_cells(axes: Axes, x_um: Series, y_um: Series, color: str) -> None:
    """Write the number of each cell, its row in ``foci.csv``, beside it."""
    for number, place in enumerate(zip(x_um, y_um, strict=True), 1):
        if len(x_um) <= MAX_NUMBERED:
            axes.annotate(str(number), place, (3, 3), textcoords="offset points", color=color, fontsize=7)


def _show_space(figure: SubFigure, result: Reconstruction) -> None:
    """Layers, or single cells, between the sensors."""
    axes = figure.add_subplot(projection="3d")
    masks, depths_um = (result.mask[:0], ()) if result.is_of_cells else (result.mask, result.depths_um)
    view3d.draw_layers(axes, masks, depths_um, result.pixel_pitch_um, result.sensor_depths_um)
    for image, depth_um in zip(result.measurement, result.sensor_depths_um, strict=False):
        view3d.draw_image(axes, image, depth_um, result.pixel_pitch_um)
    view3d.name_sensors(axes, result.sensor_depths_um)
    if result.is_of_cells:
        view3d.draw_points(axes, result.foci)
        depths_um = tuple(result.foci["depth_um"])
    if not result.is_of_layers and not result.is_of_cells:
        depths_um = result.sensor_depths_um
    nearest_um = MIN_TICK_DISTANCE * max([*result.sensor_depths_um, *depths_um])
    axes.set(xticks=[], yticks=[])
    axes.set_zticks(*_join_labels(depths_um, nearest_um), ha="left")


def _join_labels(depths_um: Sequence[float], nearest_um: float) -> tuple[list[float], list[str]]:
    """Positions and labels of depths, with one label for depths that are closer than `nearest_um`."""
    groups: list[list[float]] = []
    for depth_um in sorted(depths_um):
        if groups and depth_um - groups[-1][-1] < nearest_um:
            groups[-1].append(depth_um)
        else:
            groups.append([depth_um])
    labels = [", ".join(f"{depth_um:.0f}" for depth_um in group) + " µm" for group in groups]
    return [float(np.mean(group)) for group in groups], labels
