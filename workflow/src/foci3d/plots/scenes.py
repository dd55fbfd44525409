"""Synthetic layers: an example, and their statistics beside those of the published sample."""

from typing import Any

import numpy.typing as npt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foci3d.io.samples import NumpySamples
from foci3d.plots import style
from foci3d.plots.style import COLORS

LABELS = {
    "coverage": "share of cell pixels",
    "intensity_cv": "cells: SD / mean",
    "median_to_mean": "cells: median / mean",
    "q90_to_mean": "cells: q90 / mean",
    "q99_to_mean": "cells: q99 / mean",
    "tumour_to_background": "means: cells / background",
    "background_cv": "background: SD / mean",
    "focus_width_px": "widest focus [pixels]",
}
"""Axis label of each statistic."""


def scenes(sample: NumpySamples, layers: pd.DataFrame, statistics: pd.DataFrame, pixel_pitch_um: float) -> Figure:
    """Show one stack, and the distribution of each statistic over all layers with its published range.

    Parameters
    ----------
    sample : Samples
        One sample, without the axis of samples.
    layers : DataFrame
        One row per layer, one column per statistic.
    statistics : DataFrame
        Columns statistic, published_low and published_high.
    pixel_pitch_um : float
        Distance between neighbouring pixels [um].

    Returns
    -------
    Figure
        A row of images above two rows of histograms.
    """
    figure = style.new_figure(style.FULL_WIDTH_MM, 118)
    ((above,), (below,)) = figure.subfigures(2, 1, squeeze=False, height_ratios=(1, 2.1))
    _show_stack(above.subplots(1, len(sample.layers) + len(sample.measurements)), sample, pixel_pitch_um)
    panels = below.subplots(2, 4)
    for axes, (_, row) in zip(panels.flat, statistics.iterrows(), strict=True):
        _show_statistic(axes, layers[row["statistic"]], row)
    for axes in panels[:, 0]:
        axes.set_ylabel("layers")
    below.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _show_stack(panels: npt.NDArray[Any], sample: NumpySamples, pixel_pitch_um: float) -> None:
    n_layers = len(sample.layers)
    stack = zip(panels, sample.layers, sample.masks, sample.depths_um, strict=False)
    for number, (axes, layer, mask, depth_um) in enumerate(stack, 1):
        style.show_image(axes, layer, pixel_pitch_um, bar_um=1000 if number == 1 else None)
        style.show_outline(axes, mask, pixel_pitch_um)
        axes.set_title(style.layer_title(number, depth_um))
    for name, axes, image in zip("AB", panels[n_layers:], sample.measurements, strict=False):
        style.show_image(axes, image, pixel_pitch_um)
        axes.set_title(f"sensor {name}")


def _show_statistic(axes: Axes, values: pd.Series, row: pd.Series) -> None:
    sns.histplot(values, bins=20, color=COLORS["blue"], alpha=1, linewidth=0, label="synthetic", ax=axes)
    low, high = row["published_low"], row["published_high"]
    if low < high:
        axes.axvspan(low, high, color=COLORS["orange"], alpha=0.5, linewidth=0, zorder=0, label="published")
    else:
        axes.axvline(low, color=COLORS["orange"], label="published")
    axes.set(xlabel=LABELS[row["statistic"]], ylabel="")
