"""The interactive 3-D view of a reconstruction: one self-contained HTML page for a monitor or a phone."""

import html
import math
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go
from matplotlib import colormaps
from matplotlib.colors import to_hex
from plotly.io.json import to_json_plotly
from plotly.offline import get_plotlyjs
from skimage.measure import find_contours

from foci3d.plots import style
from foci3d.plots.blocks import average_blocks, block_edges
from foci3d.plots.style import COLORS, SERIES

TEMPLATE = Path(__file__).with_name("view_template.html")

MAX_SQUARES = 25_000
"""Squares that a view may draw, about 100 bytes each; of more, blocks of pixels are averaged."""

MAX_IMAGE_PIXELS = 200
"""Pixels of the image of a sensor, in y and in x."""

FAINT = 0.2
"""Probability from which pixels below the threshold are drawn on demand."""

HEIGHT_TO_WIDTH = 1.3
"""Height of the box in units of its width, unless its true proportions are shown."""

UNSHADED = {"ambient": 1, "diffuse": 0, "specular": 0}


@dataclass(frozen=True)
class ViewFrame:
    """What the view shows of one frame.

    Parameters
    ----------
    probability : ndarray (L, Y, X)
        Probability of a cell in the layers, 0 to 1; of single cells, L is 0.
    depths_um : sequence of L floats
        Depth of each layer from sensor A [um].
    measurement : ndarray (S, Y, X)
        Images of the sensors.
    foci : DataFrame, optional
        Foci, see `foci3d.reconstruction.foci.find_foci`, drawn as points.
    true_masks, true_depths_um, true_cells
        The truth, where it is known, see `foci3d.reconstruction.truth.Truth`.
    number, summary : str
        Name of the frame, and the line above the view.
    """

    probability: npt.NDArray[Any]
    depths_um: Sequence[float]
    measurement: npt.NDArray[Any]
    foci: pd.DataFrame | None = None
    true_masks: npt.NDArray[Any] = field(default_factory=lambda: np.zeros((0, 1, 1), bool))
    true_depths_um: Sequence[float] = ()
    true_cells: pd.DataFrame | None = None
    number: str = ""
    summary: str = ""


def view_page(
    title: str, frames: Sequence[ViewFrame], pixel_pitch_um: float, sensor_depths_um: Sequence[float], threshold: float
) -> str:
    """Interactive 3-D view as a self-contained HTML page.

    Parameters
    ----------
    title : str
        Title of the page.
    frames : sequence of ViewFrame
        At least one; several have a slider.
    pixel_pitch_um : float
        Distance between neighbouring pixels [um].
    sensor_depths_um : sequence of float
        Depths of the sensors [um], sensor A first.
    threshold : float
        Probability above which a pixel is drawn as a cell.

    Returns
    -------
    str
        HTML; equal inputs give equal pages.
    """
    height_um, width_um = (pixels * pixel_pitch_um for pixels in frames[0].measurement.shape[1:])
    depths_um = [*sensor_depths_um, *(depth for frame in frames for depth in _depths(frame))]
    drawn = [
        {
            "number": frame.number,
            "summary": frame.summary,
            "traces": _traces(frame, pixel_pitch_um, sensor_depths_um, threshold, MAX_SQUARES // len(frames)),
        }
        for frame in frames
    ]
    values = {
        "title": html.escape(title),
        "faint": f"{FAINT:g}",
        "depth_to_width": f"{np.ptp(depths_um) / width_um:.4g}",
        "frames": _to_json(drawn),
        "layout": _to_json(_layout(width_um, height_um)),
        "plotly": get_plotlyjs(),
    }
    return string.Template(TEMPLATE.read_text(encoding="utf-8")).substitute(values)


def _to_json(content: Any) -> str:
    """JSON that ends no script."""
    return str(to_json_plotly(content)).replace("</", "<\\/")


def _depths(frame: ViewFrame) -> list[float]:
    foci = [] if frame.foci is None else frame.foci["depth_um"].tolist()
    return [*frame.depths_um, *frame.true_depths_um, *foci]


def _layout(width_um: float, height_um: float) -> dict[str, Any]:
    return {
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
        "uirevision": "same",
        "scene": {
            "xaxis": {"title": {"text": "x [µm]"}, "nticks": 4, "range": [0, width_um]},
            "yaxis": {"title": {"text": "y [µm]"}, "nticks": 4, "range": [height_um, 0]},
            "zaxis": {"title": {"text": "depth [µm]"}, "autorange": "reversed", "nticks": 6},
            "aspectmode": "manual",
            "aspectratio": {"x": 1, "y": height_um / width_um, "z": HEIGHT_TO_WIDTH},
        },
    }


def _traces(
    frame: ViewFrame, pixel_pitch_um: float, sensor_depths_um: Sequence[float], threshold: float, max_squares: int
) -> list[dict[str, Any]]:
    """Everything that is drawn of a frame."""
    traces: list[Any] = []
    for name, image, depth_um in zip("AB", frame.measurement, sensor_depths_um, strict=False):
        traces += _sensor_traces(f"sensor {name}", image, depth_um, pixel_pitch_um)
    shape = frame.measurement.shape[1:]
    extent_um = [pixels * pixel_pitch_um for pixels in shape]
    means, binning = _limit_squares(frame.probability, min(FAINT, threshold), max_squares)
    edges_um = [pixel_pitch_um * block_edges(pixels, binning) for pixels in shape]
    for layer, (image, depth_um) in enumerate(zip(means, frame.depths_um, strict=True)):
        color = SERIES[layer % len(SERIES)]
        group = {"legendgroup": f"layer {layer}", "name": style.layer_title(layer + 1, depth_um)}
        bounds: Any = ((threshold, 1.0, {}), (FAINT, threshold, {"meta": "faint", "opacity": 0.4}))
        traces += [_legend_entry(color, "square", group), _plane_trace(extent_um, depth_um, color, group)]
        for low, high, options in bounds:
            squares = _squares_trace(image, (low, high), depth_um, edges_um, color)
            traces += [squares.update(**group, **options)] if squares is not None else []
    if frame.foci is not None and len(frame.foci):
        traces.append(_foci_trace(frame.foci))
    traces += _truth_traces(frame, pixel_pitch_um)
    return list(go.Figure(traces).to_dict()["data"])  # arrays become base64


def _limit_squares(probability: npt.NDArray[Any], lowest: float, max_squares: int) -> tuple[npt.NDArray[Any], int]:
    """Means over the smallest blocks of pixels of which few enough are above `lowest`, and their width."""
    binning, means = 1, probability
    while (means > lowest).sum() > max_squares:
        binning += 1
        means = average_blocks(probability, binning)
    return means, binning


def _legend_entry(color: str, symbol: str, group: dict[str, str]) -> go.Scatter3d:
    """An entry of the legend with the color of what it stands for, where a mesh or a surface has none."""
    marker = {"color": color, "symbol": symbol, "size": 8}
    return go.Scatter3d(x=[None], y=[None], z=[None], mode="markers", marker=marker, showlegend=True, **group)


def _sensor_traces(name: str, image: npt.NDArray[Any], depth_um: float, pixel_pitch_um: float) -> list[Any]:
    """The image of a sensor on its plane, with a frame in the color of sensors."""
    low, high = float(image.min()), float(image.max())
    block = math.ceil(max(image.shape) / MAX_IMAGE_PIXELS)
    shown = average_blocks(image, block)
    y_um, x_um = ((pixel_pitch_um * block_edges(pixels, block)).astype(np.float32) for pixels in image.shape)
    corners = np.pad(shown, ((0, 1), (0, 1)), mode="edge").astype(np.float32)
    group = {"legendgroup": name, "name": name}
    scale = [[share, to_hex(colormaps[style.INTENSITY](share))] for share in np.linspace(0, 1, 9).tolist()]
    surface = go.Surface(
        x=x_um,
        y=y_um,
        z=np.full(corners.shape, depth_um, np.float32),
        surfacecolor=corners,
        cmin=low,
        cmax=high,
        colorscale=scale,
        showscale=False,
        lighting={"ambient": 1, "diffuse": 0, "specular": 0},
        opacity=0.9,
        hovertemplate="x %{x:.0f} µm, y %{y:.0f} µm, light %{surfacecolor:.3g}",
        **group,
    )
    x, y = np.array([0, 1, 1, 0, 0]) * x_um[-1], np.array([0, 0, 1, 1, 0]) * y_um[-1]
    line = {"color": COLORS["vermilion"], "width": 4}
    border = go.Scatter3d(x=x, y=y, z=[depth_um] * 5, mode="lines", line=line, hoverinfo="skip", showlegend=True)
    return [surface, border.update(**group)]


def _plane_trace(extent_um: Sequence[float], depth_um: float, color: str, group: dict[str, str]) -> go.Mesh3d:
    height_um, width_um = extent_um
    return go.Mesh3d(
        x=[0, width_um, width_um, 0],
        y=[0, 0, height_um, height_um],
        z=[depth_um] * 4,
        i=[0, 0],
        j=[1, 2],
        k=[2, 3],
        color=color,
        opacity=0.12,
        lighting=UNSHADED,
        hoverinfo="skip",
        **group,
    )


def _squares_trace(
    probability: npt.NDArray[Any],
    bounds: tuple[float, float],
    depth_um: float,
    edges_um: Sequence[npt.NDArray[np.floating]],
    color: str,
) -> go.Mesh3d | None:
    """Two triangles for each pixel above the first and up to the second bound, just above the plane of their layer.

    Pixels have `edges_um` in y and in x.
    """
    (low, high), (edges_y_um, edges_x_um) = bounds, edges_um
    rows, columns = np.nonzero((probability > low) & (probability <= high))
    if not len(rows):
        return None
    corners = 4 * np.arange(len(rows), dtype=np.int32)
    return go.Mesh3d(
        x=edges_x_um[columns[:, None] + [0, 1, 1, 0]].ravel().astype(np.float32),
        y=edges_y_um[rows[:, None] + [0, 0, 1, 1]].ravel().astype(np.float32),
        z=np.full(4 * len(rows), depth_um - 1, np.float32),
        i=np.repeat(corners, 2),
        j=np.stack([corners + 1, corners + 2], -1).ravel(),
        k=np.stack([corners + 2, corners + 3], -1).ravel(),
        intensity=np.repeat(probability[rows, columns], 2).round(2).astype(np.float32),
        intensitymode="cell",
        cmin=low,
        cmax=high,
        colorscale=[[0, style.lighten(color, 0.6)], [1, color]],
        showscale=False,
        lighting=UNSHADED,
        hovertemplate="x %{x:.0f} µm, y %{y:.0f} µm, probability %{intensity:.2f}",
    )


def _foci_trace(foci: pd.DataFrame) -> go.Scatter3d:
    """Foci as points, with bars of one standard deviation."""
    bars = {
        f"error_{axis}": {"array": foci[column].to_numpy(float), "color": COLORS["black"], "thickness": 3, "width": 4}
        for axis, column in (("x", "x_sd_um"), ("y", "y_sd_um"), ("z", "depth_sd_um"))
        if column in foci
    }
    return go.Scatter3d(
        x=foci["x_um"].to_numpy(float),
        y=foci["y_um"].to_numpy(float),
        z=foci["depth_um"].to_numpy(float),
        mode="markers",
        marker={"color": COLORS["black"], "size": 4},
        name="foci, depth ± 1 s.d.",
        customdata=foci["depth_sd_um"].to_numpy(float),
        hovertemplate="depth %{z:.1f} ± %{customdata:.1f} µm, y %{y:.0f} µm, x %{x:.0f} µm",
        showlegend=True,
        **bars,
    )


def _truth_traces(frame: ViewFrame, pixel_pitch_um: float) -> list[go.Scatter3d]:
    """Outlines of the true layers, or true cells."""
    options = {"name": "truth", "showlegend": True, "hoverinfo": "name"}
    if frame.true_cells is not None and len(frame.true_cells):
        cells, marker = frame.true_cells, {"color": COLORS["grey"], "symbol": "circle-open", "size": 9}
        return [
            go.Scatter3d(
                x=cells["x_um"], y=cells["y_um"], z=cells["depth_um"], mode="markers", marker=marker, **options
            )
        ]
    lines = [
        np.column_stack([contour[:, ::-1] * pixel_pitch_um, np.full(len(contour), depth_um)])
        for mask, depth_um in zip(frame.true_masks, frame.true_depths_um, strict=True)
        for contour in find_contours(np.pad(mask, 1).astype(float), 0.5)
    ]
    if not lines:
        return []
    parts = [
        part for line in lines for part in (line - [pixel_pitch_um / 2, pixel_pitch_um / 2, 0], np.full((1, 3), np.nan))
    ]
    x, y, z = np.concatenate(parts).astype(np.float32).T
    return [go.Scatter3d(x=x, y=y, z=z, mode="lines", line={"color": COLORS["grey"], "width": 3}, **options)]
