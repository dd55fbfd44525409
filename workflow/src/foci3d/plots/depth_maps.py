"""Fig. S1: depth maps of two layers without overlap."""

from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase

from foci3d.io.predictions import Predictions
from foci3d.plots import style
from foci3d.plots.style import COLORS

EMPTY = "#BBBBBB"
DEPTHS = mpl.colormaps["viridis"].with_extremes(bad=EMPTY)
"""Color map of depths, with a grey that it does not have where there are no cells."""

EMPTY_BELOW_SHARE = 0.01
"""Share of the largest depth below which a predicted depth is that of no cell; a target is 0 there."""

METHODS = {"empty_error": ("empty map", COLORS["grey"]), "error": ("network", COLORS["blue"])}
"""Label and color of the columns of errors."""


def maps_and_errors(
    predictions: Predictions,
    samples: pd.DataFrame,
    by_coverage: pd.DataFrame,
    shown: int,
    pixel_pitch_um: float,
    max_depth_um: float,
) -> Figure:
    """Show overlaid layers, input, true and predicted depth map above the distributions of the error (Fig. S1).

    Parameters
    ----------
    predictions : Predictions
        Layers `(N, L, Y, X)`, measurements, outputs and targets `(N, 1, Y, X)`.
    samples : DataFrame
        Table of all samples with columns error and empty_error (0 to 1, relative to `max_depth_um`).
    by_coverage : DataFrame
        From `foci3d.evaluation.coverage.error_by_coverage`.
    shown : int
        Index of the sample to show.
    pixel_pitch_um : float
        Distance between neighbouring pixels [um].
    max_depth_um : float
        Depth that errors are relative to [um].

    Returns
    -------
    Figure
        Below: the mean error of each map, the error of single pixels, and the error by coverage of the scene.
    """
    figure = style.new_figure(style.FULL_WIDTH_MM, 120)
    ((above,), (below,)) = figure.subfigures(2, 1, squeeze=False)
    _show_maps(above, predictions, shown, samples["error"].to_numpy()[shown], pixel_pitch_um, max_depth_um)
    deviations = 100 * np.abs(predictions.outputs.output - predictions.target) / max_depth_um
    _show_errors(below, samples, by_coverage, deviations)
    return figure


def _show_maps(
    figure: FigureBase,
    predictions: Predictions,
    shown: int,
    error: float,
    pixel_pitch_um: float,
    max_depth_um: float,
) -> None:
    panels = figure.subplots(1, 4)
    overlaid, measurement, *maps = panels
    style.show_image(overlaid, predictions.samples.layers[shown].sum(0), pixel_pitch_um, bar_um=1000)
    style.show_image(measurement, predictions.samples.measurements[shown, 0], pixel_pitch_um)
    shares = ((predictions.target, 0.0), (predictions.outputs.output, EMPTY_BELOW_SHARE))
    for axes, (depths_um, share) in zip(maps, shares, strict=True):
        cells_um = np.ma.masked_less_equal(depths_um[shown, 0], share * max_depth_um)
        depth = style.show_image(axes, cells_um, pixel_pitch_um, cmap=DEPTHS, limits=(0, max_depth_um))
    figure.colorbar(depth, ax=panels, label="depth [µm]; grey: no cells", shrink=0.8)
    titles = ("overlaid layers", "sensor A", "true depth", f"predicted, error {100 * error:.1f} %")
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title)


def _show_errors(
    figure: FigureBase, samples: pd.DataFrame, by_coverage: pd.DataFrame, deviations: npt.NDArray[Any]
) -> None:
    of_maps, of_pixels, of_scenes = figure.subplots(1, 3)
    style.show_distributions(of_maps, 100 * samples[list(METHODS)], METHODS)
    of_maps.set(xlabel="mean error of a map\n[% of the largest depth]", ylabel="test samples")
    pixels = pd.DataFrame({"error": deviations.ravel()})
    label = f"network, SD {deviations.std():.1f} %"
    style.show_distributions(of_pixels, pixels, {"error": (label, COLORS["blue"])})
    of_pixels.set(xlabel="error of a pixel\n[% of the largest depth]", ylabel="pixels", yscale="log")
    _show_coverage(of_scenes, by_coverage)
    for axes in (of_maps, of_pixels, of_scenes):
        style.legend_above(axes)


def _show_coverage(axes: Axes, table: pd.DataFrame) -> None:
    """Draw the error of networks and of an empty map by coverage, and the error that the paper states."""
    crossings = table[table["metric"] == "coverage_at_paper_error"].set_index("network")["value"]
    bins = table[table["metric"] == "error"].assign(
        coverage=lambda rows: (rows["coverage_low"] + rows["coverage_high"]) / 2
    )
    paper_error = table["paper_error"].iloc[0]
    for color, (network, rows) in zip(style.SERIES, bins.groupby("network", sort=False), strict=False):
        reach = [rows["value"] - rows["ci_low"], rows["ci_high"] - rows["value"]]
        at = f", {paper_error:g} % at {crossings[network]:.0f} %" if crossings.notna()[network] else ""
        axes.errorbar(rows["coverage"], rows["value"], reach, fmt="o-", capsize=2, color=color, label=f"{network}{at}")
    empty = bins.drop_duplicates("coverage").sort_values("coverage")
    axes.plot(empty["coverage"], empty["baseline"], color=COLORS["grey"], label="empty map")
    axes.axhline(paper_error, color=COLORS["black"], linestyle=":", linewidth=0.8, label=f"paper, {paper_error:g} %")
    axes.set(xlabel="coverage of the scene [%]\n(share of pixels with cells)", ylabel="mean error [%]")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
