"""Fig. S1: depth maps of two layers without overlap."""

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure, FigureBase

from foci3d.plots import style
from foci3d.plots.style import COLORS

DEPTHS = mpl.colormaps["viridis"].with_extremes(under=COLORS["black"])
"""Color map of depths; black, below its lower end, is empty."""

EMPTY_BELOW_SHARE = 0.01
"""Share of the largest depth below which a map is shown as empty."""

METHODS = {"empty_error": ("empty map", COLORS["grey"]), "error": ("network", COLORS["blue"])}
"""Label and color of the columns of errors."""


def maps_and_errors(
    arrays: Mapping[str, npt.NDArray[Any]],
    samples: pd.DataFrame,
    shown: int,
    pixel_pitch_um: float,
    max_depth_um: float,
) -> Figure:
    """Show overlaid layers, input, true and predicted depth map above the distributions of the error (Fig. S1).

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Arrays of the predictions: layers `(N, L, Y, X)`, sensors, output and target `(N, 1, Y, X)`.
    samples : DataFrame
        Table of all samples with columns error and empty_error (0 to 1, relative to `max_depth_um`).
    shown : int
        Index of the sample to show.
    pixel_pitch_um : float
        Distance between neighbouring pixels [um].
    max_depth_um : float
        Depth that errors are relative to [um].

    Returns
    -------
    Figure
        Left, the mean error of each map; right, the error of single pixels.
    """
    figure = style.new_figure(style.FULL_WIDTH_MM, 110)
    ((above,), (below,)) = figure.subfigures(2, 1, squeeze=False)
    sample = {name: values[shown] for name, values in arrays.items()}
    _show_maps(above, sample, samples["error"].to_numpy()[shown], pixel_pitch_um, max_depth_um)
    deviations = 100 * np.abs(arrays["output"] - arrays["target"]) / max_depth_um
    _show_errors(below, samples, deviations)
    return figure


def _show_maps(
    figure: FigureBase,
    sample: Mapping[str, npt.NDArray[Any]],
    error: float,
    pixel_pitch_um: float,
    max_depth_um: float,
) -> None:
    panels = figure.subplots(1, 4)
    overlaid, measurement, *maps = panels
    style.show_image(overlaid, sample["layers"].sum(0), pixel_pitch_um, bar_um=1000)
    style.show_image(measurement, sample["sensors"][0], pixel_pitch_um)
    limits = (EMPTY_BELOW_SHARE * max_depth_um, max_depth_um)
    for axes, name in zip(maps, ("target", "output"), strict=True):
        depth = style.show_image(axes, sample[name][0], pixel_pitch_um, cmap=DEPTHS, limits=limits)
    figure.colorbar(depth, ax=panels, label="depth [µm], black: empty", shrink=0.8, extend="min")
    titles = ("overlaid layers", "sensor A", "true depth", f"predicted, error {100 * error:.1f} %")
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title)


def _show_errors(figure: FigureBase, samples: pd.DataFrame, deviations: npt.NDArray[Any]) -> None:
    of_maps, of_pixels = figure.subplots(1, 2)
    style.show_distributions(of_maps, 100 * samples[list(METHODS)], METHODS)
    of_maps.set(xlabel="mean error of a map [% of the largest depth]", ylabel="test samples")
    pixels = pd.DataFrame({"error": deviations.ravel()})
    label = f"network, SD {deviations.std():.1f} %"
    style.show_distributions(of_pixels, pixels, {"error": (label, COLORS["blue"])})
    of_pixels.set(xlabel="error of a pixel [% of the largest depth]", ylabel="pixels", yscale="log")
    for axes in (of_maps, of_pixels):
        style.legend_above(axes)
