"""Fig. S1: two layers without overlap, as a map of depth."""

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure, FigureBase

from foci3d.plots import style
from foci3d.plots.style import COLOURS

DEPTHS = mpl.colormaps["viridis"].with_extremes(under=COLOURS["black"])
"""Colour map of depths; black, below its lower end, is empty."""

EMPTY_BELOW_SHARE = 0.01
"""Share of the farthest depth below which a map is shown as empty."""


def maps_and_errors(
    arrays: Mapping[str, npt.NDArray[Any]],
    samples: pd.DataFrame,
    shown: int,
    pixel_pitch_um: float,
    farthest_um: float,
) -> Figure:
    """Show overlaid layers, input, true and predicted depth map above the distributions of the error (Fig. S1).

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Arrays of the predictions: layers `(N, L, Y, X)`, sensors, output and target `(N, 1, Y, X)`.
    samples : DataFrame
        Table of all samples with columns error and base_error (0 to 1, relative to `farthest_um`).
    shown : int
        Number of the sample to show.
    pixel_pitch_um : float
        Distance of neighbouring pixels [um].
    farthest_um : float
        Depth that errors are relative to [um].

    Returns
    -------
    Figure
        Left, the error averaged over each picture; right, the error of single pixels.
    """
    figure = style.new_figure(style.FULL_WIDTH_MM, 110)
    ((above,), (below,)) = figure.subfigures(2, 1, squeeze=False)
    sample = {name: values[shown] for name, values in arrays.items()}
    _show_maps(above, sample, samples["error"].to_numpy()[shown], pixel_pitch_um, farthest_um)
    deviations = 100 * np.abs(arrays["output"] - arrays["target"]) / farthest_um
    _show_errors(below, samples, deviations)
    return figure


def _show_maps(
    figure: FigureBase,
    sample: Mapping[str, npt.NDArray[Any]],
    error: float,
    pixel_pitch_um: float,
    farthest_um: float,
) -> None:
    panels = figure.subplots(1, 4)
    overlaid, blurred, *maps = panels
    style.show_picture(overlaid, sample["layers"].sum(0), pixel_pitch_um, bar_um=1000)
    style.show_picture(blurred, sample["sensors"][0], pixel_pitch_um)
    limits = (EMPTY_BELOW_SHARE * farthest_um, farthest_um)
    for axes, kind in zip(maps, ("target", "output"), strict=True):
        depth = style.show_picture(axes, sample[kind][0], pixel_pitch_um, cmap=DEPTHS, limits=limits)
    figure.colorbar(depth, ax=panels, label="depth [µm], black: empty", shrink=0.8, extend="min")
    titles = ("layers overlaid", "sensor A", "true depth", f"predicted, error {100 * error:.1f} %")
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title)


def _show_errors(figure: FigureBase, samples: pd.DataFrame, deviations: npt.NDArray[Any]) -> None:
    of_pictures, of_pixels = figure.subplots(1, 2)
    methods = {"base_error": ("empty everywhere", COLOURS["grey"]), "error": ("network", COLOURS["blue"])}
    percent = 100 * samples[list(methods)]
    bins = np.linspace(0, percent.to_numpy().max(), 41)
    for column, (label, colour) in methods.items():
        style.show_distribution(of_pictures, percent[column], bins, f"{label}: mean {{mean:.1f}} %", colour)
    of_pictures.set(xlabel="mean error of a picture [% of the farthest depth]", ylabel="test samples")
    label = f"network: mean {{mean:.1f}} %, sd {deviations.std():.1f} %"
    style.show_distribution(of_pixels, deviations.ravel(), np.linspace(0, 100, 41), label, COLOURS["blue"])
    of_pixels.set(xlabel="error of a pixel [% of the farthest depth]", ylabel="pixels", yscale="log")
    for axes in (of_pictures, of_pixels):
        style.legend_above(axes)
