"""Figs. 5 and 6: a cluster of cells that moves through the layers, and its reconstruction."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from foci3d.evaluation.metrics import CELL_THRESHOLD
from foci3d.io.predictions import Predictions
from foci3d.plots import stacks, style, view3d
from foci3d.plots.stacks import Stack
from foci3d.plots.style import COLORS

CLUSTER = COLORS["sky"]
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
    figure = style.new_figure(style.FULL_WIDTH_MM, 62)
    panels = figure.subplots(1, len(steps), subplot_kw={"projection": "3d"})
    for index, (axes, stack, cluster) in enumerate(zip(panels, steps, clusters, strict=True)):
        view3d.draw_layers(axes, stack.target > 0, stack.depths_um, pixel_pitch_um, sensor_planes_um)
        view3d.draw_mask(axes, cluster > 0, stack.depths_um[index] - 1, pixel_pitch_um, CLUSTER)
        view3d.name_sensors(axes, sensor_planes_um)
        axes.set_title(f"step {index + 1}")
        axes.set_axis_off()
        axes.set_box_aspect(axes.get_box_aspect(), zoom=1.05)
    return figure


def step_by_step(steps: Sequence[Stack], clusters: npt.NDArray[Any], pixel_pitch_um: float) -> Figure:
    """Show layers, measurements, outputs and targets of every step, with the cluster outlined (Fig. 5b).

    Parameters
    ----------
    steps, clusters, pixel_pitch_um
        See `scheme`.

    Returns
    -------
    Figure
        One block per step. Solid outlines mark the cluster in its layer, dashed ones its footprint in other images.
    """
    figure = style.new_figure(style.FULL_WIDTH_MM, 150)
    blocks = figure.subfigures(-(-len(steps) // 2), 2, squeeze=False, wspace=0.04, hspace=0.04).flat
    for index, (block, stack, cluster) in enumerate(zip(blocks, steps, clusters, strict=False)):
        grid = stacks.show_stack(block, stack, pixel_pitch_um, compact=True)
        for (_, column), axes in np.ndenumerate(grid):
            here = column == index + 1
            linestyle = HERE if here else ELSEWHERE
            style.show_outline(axes, cluster, pixel_pitch_um, CLUSTER, linestyle=linestyle, halo=here)
        block.suptitle(f"step {index + 1}: cluster in layer {index + 1}", fontsize=8, weight="bold")
    lines = [
        Line2D([], [], color=CLUSTER, label="moving cluster, in the layer that holds it"),
        Line2D([], [], color=CLUSTER, linestyle=ELSEWHERE, label="footprint of the cluster elsewhere"),
    ]
    figure.legend(handles=lines, loc="outside lower center", ncols=2)
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
