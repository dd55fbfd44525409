"""Overview of a user's acquisition: the measurements, the cells in each layer, and the layers in space."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy.typing as npt
from matplotlib.figure import Figure

from foci3d.plots import style, view3d

NOTE_WIDTH = 130
"""Characters in a line of the note below the figure."""

MIN_TICK_DISTANCE = 0.08
"""Share of the largest depth below which two layers have one label."""


def overview(
    measurements: npt.NDArray[Any],
    probability: npt.NDArray[Any],
    layer_depths_um: Sequence[float],
    pixel_pitch_um: float,
    sensor_planes_um: Sequence[float],
    threshold: float,
    *,
    layer_depth_sds_um: Sequence[float] | None = None,
    note: str = "",
) -> Figure:
    """Show the measurements, the probability map of each layer with the outline of its cells, and all layers in space.

    Parameters
    ----------
    measurements : ndarray (S, Y, X)
        Images that the sensors record.
    probability, layer_depths_um, pixel_pitch_um, sensor_planes_um, threshold
        See `view3d.figure_3d`.
    layer_depth_sds_um : sequence of L floats, optional
        Standard deviations of the depths of the layers [um].
    note : str
        Line below the figure.

    Returns
    -------
    Figure
        Measurements above the maps of the layers, the layers in space at the right.
    """
    figure = style.new_figure(style.FULL_WIDTH_MM, 90)
    figure.supxlabel(textwrap.fill(note, NOTE_WIDTH), fontsize=7)
    ((flat, space),) = figure.subfigures(1, 2, squeeze=False, width_ratios=(3, 2))
    grid = flat.subplots(2, len(probability), squeeze=False)
    for axes, image, name in zip(grid[0], measurements, "AB", strict=False):
        style.show_image(axes, image, pixel_pitch_um, limits=(image.min(), image.max()), bar_um=1000)
        axes.set_title(f"sensor {name}")
    for axes in grid[0, len(measurements) :]:
        axes.set_axis_off()
    sds_um = (
        [""] * len(probability) if layer_depth_sds_um is None else [f" ± {sd_um:.0f}" for sd_um in layer_depth_sds_um]
    )
    for axes, layer, depth_um, sd_um in zip(grid[1], probability, layer_depths_um, sds_um, strict=True):
        cells = style.show_image(axes, layer, pixel_pitch_um, cmap=style.CELLS, limits=(0, 1))
        style.show_outline(axes, layer > threshold, pixel_pitch_um)
        axes.set_title(f"{depth_um:.0f}{sd_um} µm")
    flat.colorbar(cells, ax=grid[1], label="probability of a cell", location="bottom", shrink=0.6, aspect=40)
    axes_3d = space.add_subplot(projection="3d")
    view3d.draw_layers(axes_3d, probability > threshold, layer_depths_um, pixel_pitch_um, sensor_planes_um)
    view3d.name_sensors(axes_3d, sensor_planes_um)
    axes_3d.set(xticks=[], yticks=[])
    nearest_um = MIN_TICK_DISTANCE * max(*sensor_planes_um, *layer_depths_um)
    axes_3d.set_zticks(*_join_labels(layer_depths_um, nearest_um), ha="left")
    return figure


def _join_labels(depths_um: Sequence[float], nearest_um: float) -> tuple[list[float], list[str]]:
    """Positions and labels of depths, with one label for depths that are closer than `nearest_um`."""
    groups: list[list[float]] = []
    for depth_um in sorted(depths_um):
        if groups and depth_um - groups[-1][-1] < nearest_um:
            groups[-1].append(depth_um)
        else:
            groups.append([depth_um])
    labels = [", ".join(f"{depth_um:.0f}" for depth_um in group) + " µm" for group in groups]
    return [sum(group) / len(group) for group in groups], labels
