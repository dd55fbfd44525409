"""Figs. 4, S2 and S4: cells in overlapping layers, as measured by the sensors and as separated by a network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy.typing as npt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure, FigureBase
from matplotlib.transforms import blended_transform_factory

from foci3d.evaluation.metrics import CELL_THRESHOLD, Confusion
from foci3d.io.predictions import Predictions
from foci3d.plots import style
from foci3d.plots.style import COLORS

METHODS = {"empty_error": ("no cells predicted", COLORS["grey"]), "error": ("network", COLORS["blue"])}
"""Label and color of the columns of errors."""


@dataclass(frozen=True)
class Stack:
    """One test sample of layers.

    Parameters
    ----------
    layers : ndarray (L, Y, X)
        Layers before the blur [a.u.].
    measurements : ndarray (S, Y, X)
        Images that the sensors record [a.u.].
    output : ndarray (L, Y, X)
        Predicted probability of a cell, 0 to 1.
    target : ndarray (L, Y, X)
        Whether there is a cell, 0 or 1.
    depths_um : ndarray (L,)
        Depth of each layer from sensor A [um].
    """

    layers: npt.NDArray[Any]
    measurements: npt.NDArray[Any]
    output: npt.NDArray[Any]
    target: npt.NDArray[Any]
    depths_um: npt.NDArray[Any]

    @classmethod
    def from_predictions(cls, predictions: Predictions, index: int) -> Self:
        """One sample of a predictions file."""
        sample, output = predictions.samples[index], predictions.outputs.output[index]
        return cls(sample.layers, sample.measurements, output, predictions.target[index], sample.depths_um)

    @property
    def error(self) -> npt.NDArray[Any]:
        """Share `(L,)` of misclassified pixels."""
        return Confusion.from_masks(self.output > CELL_THRESHOLD, self.target > 0).error


def example(stacks: Mapping[str, Stack], pixel_pitch_um: float) -> Figure:
    """Show a test sample: overlaid layers, measurements, and each layer with its outputs and target (Fig. 4a).

    Parameters
    ----------
    stacks : mapping of str to Stack
        The sample with the output of each network.
    pixel_pitch_um : float
        Distance between neighbouring pixels [um].

    Returns
    -------
    Figure
        A row for the output of each network.
    """
    figure = style.new_figure(style.FULL_WIDTH_MM, 80 + 40 * len(stacks))
    show_stack(figure, stacks, pixel_pitch_um)
    return figure


def errors_by_layer(samples: pd.DataFrame, linear_shares: Sequence[float]) -> Figure:
    """Draw the distribution of the error in each layer beside that of predicting no cells (Fig. 4b).

    Parameters
    ----------
    samples : DataFrame
        Table of samples with columns layer, error and empty_error (both 0 to 1).
    linear_shares : sequence of float
        Share of the power of each layer that a linear method recovers, 0 to 1.

    Returns
    -------
    Figure
        One violin per layer, with the means of both halves.
    """
    figure = style.new_figure(style.FULL_WIDTH_MM, 68)
    show_errors(figure, samples, [f"linear estimate: {100 * share:.0f} %" for share in linear_shares])
    return figure


def example_and_errors(stack: Stack, samples: pd.DataFrame, pixel_pitch_um: float) -> Figure:
    """Show a test sample above the distribution of the error in each layer (Figs. S2 and S4)."""
    figure = style.new_figure(style.FULL_WIDTH_MM, 180)
    ((above,), (below,)) = figure.subfigures(2, 1, squeeze=False, height_ratios=(2, 1))
    show_stack(above, {"output": stack}, pixel_pitch_um)
    show_errors(below, samples)
    return figure


def show_stack(figure: FigureBase, stacks: Mapping[str, Stack], pixel_pitch_um: float) -> None:
    """Show a test sample in a figure or a part of one, see `example`.

    The first column holds the overlaid layers and the measurements, each other one a layer, its outputs and target.
    """
    stack = next(iter(stacks.values()))
    grid = figure.subplots(2 + len(stacks), 1 + len(stack.layers))
    images = [stack.layers.sum(0), *stack.measurements]
    for axes, image, title in zip(grid[:, 0], images, ("overlaid", "sensor A", "sensor B"), strict=False):
        bar_um = 1000 if axes is grid[len(stack.measurements), 0] else None
        style.show_image(axes, image, pixel_pitch_um, bar_um=bar_um)
        axes.set_title(title)
    for axes in grid[len(images) :, 0]:
        axes.set_axis_off()
    options: dict[str, Any] = {"cmap": style.CELLS, "limits": (0, 1)}
    for index, (above, *outputs, below) in enumerate(grid.T[1:]):
        style.show_image(above, stack.layers[index], pixel_pitch_um)
        above.set_title(f"layer {index + 1}\n{stack.depths_um[index]:.0f} µm")
        for axes, each in zip(outputs, stacks.values(), strict=True):
            style.show_image(axes, each.output[index], pixel_pitch_um, **options)
            axes.set_title(f"error {100 * each.error[index]:.1f} %")
        cells = style.show_image(below, stack.target[index], pixel_pitch_um, **options)
    for axes, label in zip(grid[:, 1], ("layer", *stacks, "target"), strict=True):
        style.label_row(axes, label)
    figure.colorbar(cells, ax=grid[:, 1:], label="probability of a cell", shrink=0.6)


def show_errors(figure: FigureBase, samples: pd.DataFrame, notes: Sequence[str] = ()) -> None:
    """Draw the distributions of `errors_by_layer` in a figure or a part of one, with a note below each layer."""
    axes = figure.subplots()
    table = samples.melt("layer", [*METHODS], var_name="method", value_name="percent")
    table = table.assign(percent=100 * table["percent"], method=table["method"].map(lambda name: METHODS[name][0]))
    palette = dict(METHODS.values())
    options = {"split": True, "inner": "quart", "cut": 0, "density_norm": "width", "linewidth": 0.6, "saturation": 1}
    sns.violinplot(table, x="layer", y="percent", hue="method", palette=palette, **options, ax=axes)
    on_top = blended_transform_factory(axes.transData, axes.transAxes)
    means = samples.groupby("layer")[[*METHODS]].mean()
    for position, row in enumerate(means.to_numpy()):
        for mean, color, side, shift in zip(row, palette.values(), ("right", "left"), (-0.03, 0.03), strict=True):
            text = f"{100 * mean:.1f} %"
            axes.text(position + shift, 1, text, transform=on_top, ha=side, va="bottom", color=color)
    labels = [f"layer {layer}" for layer in means.index]
    axes.set_xticks(
        range(len(labels)), ["\n".join(part) for part in zip(labels, notes, strict=True)] if notes else labels
    )
    axes.set(xlabel="", ylabel="misclassified pixels [%]", ylim=(0, None))
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), title="lines: quartiles\nnumbers: means", title_fontsize=7)
