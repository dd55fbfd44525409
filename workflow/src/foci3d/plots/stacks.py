"""Figs. 4, S2 and S4: cells in overlaid layers, as the sensors see them and as a network takes them apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure, FigureBase

from foci3d.measures import CELL_THRESHOLD, Confusion
from foci3d.plots import style
from foci3d.plots.style import COLOURS


@dataclass(frozen=True)
class Stack:
    """One test sample of layers.

    Parameters
    ----------
    layers : ndarray (L, Y, X)
        Layers as they are [a.u.].
    sensors : ndarray (S, Y, X)
        Pictures of the sensors [a.u.].
    output : ndarray (L, Y, X)
        Probability of a cell, 0 to 1.
    target : ndarray (L, Y, X)
        Whether there is a cell, 0 or 1.
    depths_um : ndarray (L,)
        Depth of each layer from sensor A [um].
    """

    layers: npt.NDArray[Any]
    sensors: npt.NDArray[Any]
    output: npt.NDArray[Any]
    target: npt.NDArray[Any]
    depths_um: npt.NDArray[Any]

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]], sample: int) -> Self:
        """Take one sample out of the arrays of the predictions."""
        return cls(**{name: arrays[name][sample] for name in cls.__dataclass_fields__})

    @property
    def error(self) -> npt.NDArray[Any]:
        """Share `(L,)` of pixels on the wrong side of the threshold."""
        return Confusion.of(self.output > CELL_THRESHOLD, self.target > 0).error


def example(stack: Stack, pixel_pitch_um: float) -> Figure:
    """Show a test sample: overlaid layers, sensors' pictures, each layer, its output and its truth (Fig. 4a)."""
    figure = style.new_figure(style.FULL_WIDTH_MM, 120)
    show_stack(figure, stack, pixel_pitch_um)
    return figure


def errors_by_layer(samples: pd.DataFrame, linear_shares: Sequence[float]) -> Figure:
    """Draw the distribution of the error of each layer with its mean, beside that of calling no cell (Fig. 4b).

    Parameters
    ----------
    samples : DataFrame
        Table of samples with columns layer, error and base_empty (both 0 to 1).
    linear_shares : sequence of float
        Share of each layer that a linear method recovers, 0 to 1.

    Returns
    -------
    Figure
        A panel a layer.
    """
    figure = style.new_figure(style.FULL_WIDTH_MM, 64)
    titles = [f"layer {layer}, linear: {100 * share:.0f} %" for layer, share in enumerate(linear_shares, 1)]
    show_errors(figure, samples, titles)
    return figure


def example_and_errors(stack: Stack, samples: pd.DataFrame, pixel_pitch_um: float) -> Figure:
    """Show a test sample above the distribution of the error of each layer (Figs. S2 and S4)."""
    figure = style.new_figure(style.FULL_WIDTH_MM, 180)
    ((above,), (below,)) = figure.subfigures(2, 1, squeeze=False, height_ratios=(2, 1))
    show_stack(above, stack, pixel_pitch_um)
    show_errors(below, samples, [f"layer {layer}" for layer in sorted(samples["layer"].unique())])
    return figure


def show_stack(figure: FigureBase, stack: Stack, pixel_pitch_um: float, *, compact: bool = False) -> npt.NDArray[Any]:
    """Show a test sample in a figure or a part of one.

    Parameters
    ----------
    figure : FigureBase
        Where to draw.
    stack : Stack
        The sample.
    pixel_pitch_um : float
        Distance of neighbouring pixels [um].
    compact : bool
        Short titles and no colour bar, for a figure with many samples.

    Returns
    -------
    ndarray (L, 3) of Axes
        For each layer the pictures of the layer, the output and the truth.
    """
    grid = figure.subplots(3, 1 + len(stack.layers))
    pictures = [stack.layers.sum(0), *stack.sensors]
    for axes, picture, title in zip(grid[:, 0], pictures, ("overlaid", "sensor A", "sensor B"), strict=False):
        bar_um = 1000 if axes is grid[len(stack.sensors), 0] else None
        style.show_picture(axes, picture, pixel_pitch_um, bar_um=bar_um)
        axes.set_title(title)
    for axes in grid[len(pictures) :, 0]:
        axes.set_axis_off()
    columns = grid.T[1:]
    for index, column in enumerate(columns):
        style.show_picture(column[0], stack.layers[index], pixel_pitch_um)
        style.show_picture(column[1], stack.output[index], pixel_pitch_um, cmap=style.CELLS, limits=(0, 1))
        cells = style.show_picture(column[2], stack.target[index], pixel_pitch_um, cmap=style.CELLS, limits=(0, 1))
        column[0].set_title(f"layer {index + 1}\n{stack.depths_um[index]:.0f} µm")
        column[1].set_title(f"{'' if compact else 'error '}{100 * stack.error[index]:.1f} %")
    for axes, label in zip(columns[0], ("layer", "output", "truth"), strict=True):
        style.label_row(axes, label)
    if not compact:
        figure.colorbar(cells, ax=columns[-1], label="probability of a cell", shrink=0.6)
    return columns


def show_errors(figure: FigureBase, samples: pd.DataFrame, titles: Sequence[str]) -> None:
    """Draw the distributions of `errors_by_layer` in a figure or a part of one, with a title for each layer."""
    methods = {"base_empty": ("all empty", COLOURS["grey"]), "error": ("network", COLOURS["blue"])}
    percent = samples[["layer"]].join(100 * samples[list(methods)])
    bins = np.linspace(0, percent[list(methods)].to_numpy().max(), 41)
    panels = figure.subplots(1, percent["layer"].nunique(), sharex=True, sharey=True, squeeze=False)[0]
    for axes, title, (_, part) in zip(panels, titles, percent.groupby("layer"), strict=True):
        for column, (label, colour) in methods.items():
            style.show_distribution(axes, part[column], bins, f"{label}, mean {{mean:.1f}} %", colour)
        axes.set_xlabel("wrong pixels [%]")
        style.legend_above(axes, title)
    panels[0].set_ylabel("test samples")
