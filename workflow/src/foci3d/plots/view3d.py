"""3-D views of layers of cells between the sensors, for print: the paper's Fig. 4c and overviews of reconstructions."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import Normalize, to_rgba
from matplotlib.figure import Figure
from matplotlib.typing import ColorType
from mpl_toolkits.mplot3d import Axes3D
from mpl_toolkits.mplot3d.art3d import Poly3DCollection

from foci3d.plots import style
from foci3d.plots.blocks import average_blocks, block_edges
from foci3d.plots.style import COLORS

Depths = Sequence[float] | npt.NDArray[Any]

EMPTY, CELLS, SENSORS = COLORS["black"], COLORS["yellow"], COLORS["vermilion"]
"""Colors as in the paper: black is empty, yellow holds cells, red are the sensors."""


MAX_IMAGE_PIXELS = 64
"""Pixels of an image on the plane of a sensor, in y and in x."""


def figure_3d(
    probability: npt.NDArray[Any],
    layer_depths_um: Depths,
    pixel_pitch_um: float,
    sensor_planes_um: Sequence[float],
    threshold: float,
) -> Figure:
    """Draw a reconstruction in space, for print (Fig. 4c).

    Parameters
    ----------
    probability : ndarray (L, Y, X)
        Probability of a cell, 0 to 1.
    layer_depths_um : sequence of L floats
        Depth of each layer from sensor A [um].
    pixel_pitch_um : float
        Distance between neighbouring pixels [um].
    sensor_planes_um : sequence of float
        Depths of the sensors [um], sensor A first.
    threshold : float
        Probability above which a pixel is drawn as a cell.

    Returns
    -------
    Figure
        Depth points down, and is stretched.
    """
    figure = style.new_figure(120, 110)
    axes = figure.add_subplot(projection="3d")
    draw_layers(axes, probability > threshold, layer_depths_um, pixel_pitch_um, sensor_planes_um)
    name_sensors(axes, sensor_planes_um)
    axes.set(xlabel="x [µm]", ylabel="y [µm]", xticks=(0, 1000, 2000), yticks=(0, 1000, 2000))
    titles = [style.layer_title(layer, depth_um) for layer, depth_um in enumerate(layer_depths_um, 1)]
    axes.set_zticks(layer_depths_um, titles, ha="left")
    axes.text2D(0.98, 0.9, "depth from sensor A", transform=axes.transAxes, fontsize=8, ha="right")
    return figure


def draw_layers(
    axes: Axes3D,
    cells: npt.NDArray[np.bool_],
    layer_depths_um: Depths,
    pixel_pitch_um: float,
    sensor_planes_um: Sequence[float],
) -> None:
    """Draw layers `cells (L, Y, X)` and the planes of the sensors in axes of kind 3d; see `figure_3d`."""
    height_um, width_um = (pixels * pixel_pitch_um for pixels in cells.shape[1:])
    # Planes do not cross, so seen from above the painter's order is the order of depth.
    axes.computed_zorder = False
    for index, depth_um in enumerate(sensor_planes_um):  # sensor A would tint the layer below it
        _draw_plane(axes, width_um, height_um, depth_um, to_rgba(SENSORS, 0.25 if index else 0), edgecolors=SENSORS)
    for layer, depth_um in zip(cells, layer_depths_um, strict=True):
        _draw_plane(axes, width_um, height_um, depth_um, EMPTY)
        draw_mask(axes, layer, depth_um, pixel_pitch_um, CELLS)
    axes.set(xlim=(0, width_um), ylim=(height_um, 0), zlim=(max(sensor_planes_um[-1], *layer_depths_um, 1.0), 0))
    axes.set_box_aspect((width_um, height_um, 1.3 * width_um), zoom=0.9)
    axes.view_init(elev=14, azim=-62)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.pane.set_visible(False)
    axes.grid(visible=False)


def draw_image(axes: Axes3D, image: npt.NDArray[Any], depth_um: float, pixel_pitch_um: float) -> None:
    """Draw the image `(Y, X)` of a sensor on its plane, averaged over blocks of pixels if it is large."""
    block = math.ceil(max(image.shape) / MAX_IMAGE_PIXELS)
    shown = average_blocks(image, block)
    y, x = np.indices(shown.shape).reshape(2, -1, 1) + np.array([[[0, 0, 1, 1]], [[0, 1, 1, 0]]])
    edges_y, edges_x = (block_edges(n_pixels, block) for n_pixels in image.shape)
    corners_um = np.stack([edges_x[x], edges_y[y]], -1) * pixel_pitch_um
    squares = np.concatenate([corners_um, np.full_like(corners_um[..., :1], depth_um)], -1)
    colors = colormaps[style.INTENSITY](Normalize()(shown).ravel(), alpha=0.8)
    drawn = Poly3DCollection(squares, facecolors=colors, edgecolors="none", antialiaseds=False, zorder=0.1 - depth_um)
    axes.add_collection3d(drawn)


def draw_points(axes: Axes3D, foci: pd.DataFrame) -> None:
    """Draw single cells with bars of one standard deviation in depth, and lines down from sensor A to see where."""
    for x_um, y_um, depth_um, sd_um in foci[["x_um", "y_um", "depth_um", "depth_sd_um"]].itertuples(index=False):
        axes.plot([x_um] * 2, [y_um] * 2, [0, depth_um], color=COLORS["grey"], linewidth=0.5)
        axes.plot([x_um] * 2, [y_um] * 2, [depth_um - sd_um, depth_um + sd_um], color=EMPTY, linewidth=1.5)
        axes.plot([x_um], [y_um], [depth_um], "o", color=CELLS, markeredgecolor=EMPTY, markersize=4)


def draw_mask(
    axes: Axes3D, mask: npt.NDArray[np.bool_], depth_um: float, pixel_pitch_um: float, color: ColorType
) -> None:
    """Fill the pixels of `mask (Y, X)` at one depth, in front of the plane of that layer."""
    corners_um = pixel_pitch_um * pixel_runs(mask)
    runs = np.concatenate([corners_um, np.full_like(corners_um[..., :1], depth_um)], -1)
    axes.add_collection3d(
        Poly3DCollection(runs, facecolors=color, edgecolors=color, linewidths=0.2, zorder=0.5 - depth_um)
    )


def pixel_runs(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int_]:
    """Corners `(R, 4, 2)` in x and y [pixels] of the R runs of true pixels in the rows of a mask `(Y, X)`."""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    x = np.stack([starts, ends, ends, starts], -1)
    y = np.stack([rows, rows, rows + 1, rows + 1], -1)
    return np.stack([x, y], -1)


def _draw_plane(
    axes: Axes3D, width_um: float, height_um: float, depth_um: float, color: ColorType, **options: Any
) -> None:
    corners = [(0, 0, depth_um), (width_um, 0, depth_um), (width_um, height_um, depth_um), (0, height_um, depth_um)]
    axes.add_collection3d(Poly3DCollection([corners], facecolors=color, zorder=-depth_um, **options))


def name_sensors(axes: Axes3D, sensor_planes_um: Sequence[float]) -> None:
    """Write the name of sensor A above its plane, and of sensor B below, in axes that `draw_layers` has drawn."""
    x_um = np.mean(axes.get_xlim())
    near_um, far_um = axes.get_ylim()
    gap_um = 0.03 * np.ptp(axes.get_zlim())
    places = (("A", far_um, -gap_um, "bottom"), ("B", near_um, gap_um, "top"))
    for depth_um, (name, y_um, shift_um, side) in zip(sensor_planes_um, places, strict=False):
        label = f"sensor {name}, {depth_um:.0f} µm"
        axes.text(x_um, y_um, depth_um + shift_um, label, color=SENSORS, fontsize=7, ha="center", va=side)
