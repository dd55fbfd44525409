"""Figs. 5 and 6: a cluster of cells that moves through the layers, and its reconstruction."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from foci3d.evaluation.metrics import CELL_THRESHOLD
from foci3d.io.predictions import Predictions
from foci3d.plots import style, view3d
from foci3d.plots.stacks import Stack
from foci3d.plots.style import COLORS

CLUSTER, TARGET = COLORS["sky"], COLORS["vermilion"]
HERE: Literal["solid"] = "solid"
ELSEWHERE: Literal["dashed"] = "dashed"
"""Line styles of the outline of the cluster, in its own layer and in other images."""


def read_sequence(predictions: Predictions, sequence: int) -> tuple[list[Stack], npt.NDArray[Any]]:
    """The samples of one sequence in order of their steps, and its `clusters (steps, Y, X)`."""
    samples = predictions.samples
    assert samples.step is not None
    assert samples.cluster is not None
    rows = np.flatnonzero(samples.sequence == sequence)
    rows = rows[np.argsort(samples.step[rows])]
    return [Stack.from_predictions(predictions, int(row)) for row in rows], samples.cluster[rows]


def scheme(
    steps: Sequence[Stack],
    clusters: npt.NDArray[Any],
    pixel_pitch_um: float,
    sensor_planes_um: Sequence[float],
) -> Figure:
    """Draw the true cells of a sequence in space, step by step, and mark the cluster (Fig. 5a).

    Parameters
    ----------
    steps : sequence of K Stacks
        Samples of the sequence in order; in step k the cluster is in layer k.
    clusters : ndarray (K, Y, X)
        Mask of the cluster, 0 or 1.
    pixel_pitch_um : float
        Distance between neighbouring pixels [um].
    sensor_planes_um : sequence of float
        Depths of the sensors [um], sensor A first.

    Returns
    -------
    Figure
        One panel per step.
    """
    figure = style.new_figure(style.FULL_WIDTH_MM, 72)
    panels = figure.subplots(1, len(steps), subplot_kw={"projection": "3d"})
    for index, (axes, stack, cluster) in enumerate(zip(panels, steps, clusters, strict=True)):
        view3d.draw_layers(axes, stack.target > 0, stack.depths_um, pixel_pitch_um, sensor_planes_um)
        view3d.draw_mask(axes, cluster > 0, stack.depths_um[index] - 1, pixel_pitch_um, CLUSTER)
        view3d.name_sensors(axes, sensor_planes_um)
        axes.set_title(f"step {index + 1}: layer {index + 1},\n{stack.depths_um[index]:.0f} µm")
        axes.set_axis_off()
        axes.set_box_aspect(axes.get_box_aspect(), zoom=1.05)
    colors = {"cells": view3d.CELLS, "no cells": view3d.EMPTY, "moving cluster": CLUSTER}
    handles = [Patch(facecolor=color, label=label) for label, color in colors.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def step_by_step(steps: Sequence[Stack], clusters: npt.NDArray[Any], pixel_pitch_um: float) -> Figure:
    """Show measurements and outputs of every step, with the target and the cluster outlined (Fig. 5b).

    Parameters
    ----------
    steps, clusters, pixel_pitch_um
        See `scheme`.

    Returns
    -------
    Figure
        One row per step. Solid outlines mark the cluster in its layer, dashed ones its footprint in other images.
    """
    n_sensors = len(steps[0].measurements)
    figure = style.new_figure(style.FULL_WIDTH_MM, 36 * len(steps))
    grid = figure.subplots(len(steps), n_sensors + len(steps[0].output), squeeze=False)
    for index, (row, stack, cluster) in enumerate(zip(grid, steps, clusters, strict=True)):
        style.label_row(row[0], f"step {index + 1}: layer {index + 1}")
        for name, axes, image in zip("AB", row, stack.measurements, strict=False):
            style.show_image(axes, image, pixel_pitch_um, bar_um=1000 if index == len(steps) - 1 else None)
            axes.set_title(f"sensor {name}")
        for layer, axes in enumerate(row[n_sensors:]):
            style.show_image(axes, stack.output[layer], pixel_pitch_um, cmap=style.CELLS, limits=(0, 1))
            style.show_outline(axes, stack.target[layer], pixel_pitch_um, TARGET)
            error = f"error {100 * stack.error[layer]:.1f} %"
            axes.set_title(f"layer {layer + 1}, {stack.depths_um[layer]:.0f} µm\n{error}" if index == 0 else error)
        for column, axes in enumerate(row):
            here = column == n_sensors + index
            style.show_outline(axes, cluster, pixel_pitch_um, CLUSTER, linestyle=HERE if here else ELSEWHERE, halo=here)
    lines = [
        Line2D([], [], color=CLUSTER, label="moving cluster, in the layer that holds it"),
        Line2D([], [], color=CLUSTER, linestyle=ELSEWHERE, label="footprint of the cluster elsewhere"),
        Line2D([], [], color=TARGET, label="target"),
    ]
    figure.legend(handles=lines, loc="outside lower center", ncols=len(lines))
    return figure


def rates(summary: pd.DataFrame) -> Figure:
    """Draw sensitivity and specificity of each layer with their 95 % intervals (Fig. 6a).

    Parameters
    ----------
    summary : DataFrame
        Summary of a test of moving clusters with columns metric, layer (1 to L, or all), value, ci_low and ci_high (0
        to 1).

    Returns
    -------
    Figure
        One panel for all cells and one for the footprint of the cluster.
    """
    figure = style.new_figure(style.FULL_WIDTH_MM, 62)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, prefix, title in zip(panels, ("", "cluster_"), ("all cells", "moving cluster"), strict=True):
        for name, color, shift in (("sensitivity", COLORS["blue"], -0.08), ("specificity", COLORS["orange"], 0.08)):
            rows = summary[summary["metric"] == prefix + name]
            low, value, high = (100 * rows[column].to_numpy() for column in ("ci_low", "value", "ci_high"))
            x = np.arange(len(rows)) + shift
            axes.errorbar(x, value, (value - low, high - value), fmt="o", color=color, label=name, capsize=2)
        axes.set_xticks(range(len(rows)), rows["layer"].replace("all", "mean"))
        axes.set(xlabel="layer", title=title)
    panels[0].set(ylabel="share of pixels [%]", ylim=(None, 102))
    panels[0].legend()
    return figure


def roc(curves: pd.DataFrame) -> Figure:
    """Draw the receiver operating characteristic of each layer and their mean (Fig. 6b).

    Parameters
    ----------
    curves : DataFrame
        Columns layer (1 to L, and mean), threshold, false_positive_rate, true_positive_rate (0 to 1) and auc.

    Returns
    -------
    Figure
        Points mark the threshold above which a pixel is classified as a cell.
    """
    figure = style.new_figure(90, 86)
    axes = figure.subplots()
    axes.plot((0, 100), (0, 100), ":", color=COLORS["grey"], linewidth=0.8)
    for layer, curve in curves.groupby("layer"):
        percent = 100 * curve[["false_positive_rate", "true_positive_rate"]].to_numpy()
        area = f"area {curve['auc'].iloc[0]:.3f}"
        if layer == "mean":
            axes.plot(*percent.T, color=COLORS["black"], linewidth=1.8, label=f"mean, {area}")
        else:
            (line,) = axes.plot(*percent.T, linewidth=0.8, alpha=0.7, label=f"layer {layer}, {area}")
            at_threshold = (curve["threshold"] - CELL_THRESHOLD).abs().argmin()
            axes.plot(*percent[at_threshold], "o", color=line.get_color())
    axes.set(
        xlabel="false-positive rate, 100 % − specificity [%]",
        ylabel="sensitivity [%]",
        xlim=(0, 100),
        ylim=(0, 100),
        aspect="equal",
    )
    axes.legend(loc="lower right")
    return figure
