"""3-D views of layers of cells between the sensors: a static figure and an interactive page.

Both take the probability of a cell in each pixel of each layer; they show the paper's Fig. 4c and the reconstructions
of a user's images.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.typing import ColorType
from mpl_toolkits.mplot3d import Axes3D
from mpl_toolkits.mplot3d.art3d import Poly3DCollection
from skimage.measure import block_reduce

from foci3d.plots import style
from foci3d.plots.style import COLORS

Depths = Sequence[float] | npt.NDArray[Any]

EMPTY, CELLS, SENSORS = COLORS["black"], COLORS["yellow"], COLORS["vermilion"]
"""Colors as in the paper: black is empty, yellow holds cells, red are the sensors."""

MAX_SQUARES = 25_000
"""Squares that an interactive view may draw, about 100 bytes each; of more, blocks of pixels are averaged."""

UNSHADED = {"ambient": 1, "diffuse": 0, "specular": 0}


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
    for depth_um in sensor_planes_um:
        _draw_plane(axes, width_um, height_um, depth_um, to_rgba(SENSORS, 0.25), edgecolors=SENSORS)
    for layer, depth_um in zip(cells, layer_depths_um, strict=True):
        _draw_plane(axes, width_um, height_um, depth_um, EMPTY)
        draw_mask(axes, layer, depth_um, pixel_pitch_um, CELLS)
    axes.set(xlim=(0, width_um), ylim=(height_um, 0), zlim=(max(sensor_planes_um[-1], *layer_depths_um), 0))
    axes.set_box_aspect((width_um, height_um, 1.3 * width_um), zoom=0.9)
    axes.view_init(elev=14, azim=-62)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.pane.set_visible(False)
    axes.grid(visible=False)


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
        axes.text(x_um, y_um, depth_um + shift_um, f"sensor {name}", color=SENSORS, fontsize=7, ha="center", va=side)


def view_html(
    probability: npt.NDArray[Any],
    layer_depths_um: Depths,
    pixel_pitch_um: float,
    sensor_planes_um: Sequence[float],
    threshold: float,
) -> str:
    """Interactive 3-D view of a reconstruction as a self-contained HTML page.

    Parameters
    ----------
    probability, layer_depths_um, pixel_pitch_um, sensor_planes_um, threshold
        See `figure_3d`.

    Returns
    -------
    str
        HTML; equal inputs give equal pages. A click in the legend hides a layer or a sensor.
    """
    height_um, width_um = (pixels * pixel_pitch_um for pixels in probability.shape[1:])
    size_um = (width_um, height_um)
    probability, binning = _limit_squares(probability, threshold)
    pixel_pitch_um *= binning
    view = go.Figure()
    for name, depth_um in zip("AB", sensor_planes_um, strict=False):
        view.add_trace(_plane_trace(size_um, depth_um, SENSORS, opacity=0.5, name=f"sensor {name}", showlegend=True))
    for layer, (image, depth_um) in enumerate(zip(probability, layer_depths_um, strict=True), 1):
        group = {"legendgroup": f"layer {layer}", "name": style.layer_title(layer, depth_um)}
        view.add_trace(_plane_trace(size_um, depth_um, EMPTY, opacity=0.7, showlegend=True, **group))
        view.add_trace(_cells_trace(image, depth_um, pixel_pitch_um, threshold, **group))
    view.update_layout(
        coloraxis={
            "cmin": threshold,
            "cmax": 1,
            "colorscale": [[0, COLORS["orange"]], [1, CELLS]],
            "colorbar": {"title": "probability of a cell", "len": 0.5},
        },
        legend={"x": 0, "y": 1},
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        scene={
            "xaxis": {"title": "x [µm]", "nticks": 4},
            "yaxis": {"title": "y [µm]", "autorange": "reversed", "nticks": 4},
            "zaxis": {"title": "depth from sensor A [µm]", "autorange": "reversed"},
            "aspectmode": "manual",
            "aspectratio": {"x": 1, "y": height_um / width_um, "z": 1.3},
            "camera": {"eye": {"x": -1.2, "y": -2.4, "z": 1.0}, "center": {"x": 0, "y": 0, "z": -0.12}},
        },
    )
    return str(view.to_html(include_plotlyjs=True, div_id="foci3d-view"))


def _limit_squares(probability: npt.NDArray[Any], threshold: float) -> tuple[npt.NDArray[Any], int]:
    """Means over the smallest blocks of pixels of which few enough are above the threshold, and their width."""
    binning, means = 1, probability
    while (means > threshold).sum() > MAX_SQUARES:
        binning += 1
        means = block_reduce(probability, (1, binning, binning), np.mean)
    return means, binning


def _plane_trace(size_um: tuple[float, float], depth_um: float, color: str, **options: Any) -> go.Mesh3d:
    width_um, height_um = size_um
    return go.Mesh3d(
        x=[0, width_um, width_um, 0],
        y=[0, 0, height_um, height_um],
        z=[depth_um] * 4,
        i=[0, 0],
        j=[1, 2],
        k=[2, 3],
        color=color,
        lighting=UNSHADED,
        hoverinfo="name",
        **options,
    )


def _cells_trace(
    probability: npt.NDArray[Any], depth_um: float, pixel_pitch_um: float, threshold: float, **options: Any
) -> go.Mesh3d:
    """Two triangles for each pixel above the threshold, just above the plane of their layer."""
    rows, columns = np.nonzero(probability > threshold)
    corners = 4 * np.arange(len(rows))
    return go.Mesh3d(
        x=(columns[:, None] + [0, 1, 1, 0]).ravel() * pixel_pitch_um,
        y=(rows[:, None] + [0, 0, 1, 1]).ravel() * pixel_pitch_um,
        z=np.full(4 * len(rows), depth_um - 1),
        i=np.repeat(corners, 2),
        j=np.stack([corners + 1, corners + 2], -1).ravel(),
        k=np.stack([corners + 2, corners + 3], -1).ravel(),
        intensity=np.repeat(probability[rows, columns], 2),
        intensitymode="cell",
        coloraxis="coloraxis",
        lighting=UNSHADED,
        hovertemplate="x %{x} µm, y %{y} µm",
        **options,
    )
