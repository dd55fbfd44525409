"""Fig. 3: how sharp a network makes the blurred picture of one layer."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from foci3d.plots import style
from foci3d.plots.style import COLOURS


def examples(
    arrays: Mapping[str, npt.NDArray[Any]], samples: pd.DataFrame, shown: Sequence[int], pixel_pitch_um: float
) -> Figure:
    """Show input, output and truth of some test samples (Fig. 3a).

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Arrays sensors, output and target of the predictions, each `(N, 1, Y, X)` [a.u.].
    samples : DataFrame
        Table of all samples with columns depth_um and error (0 to 1).
    shown : sequence of int
        Numbers of the samples to show, a column each.
    pixel_pitch_um : float
        Distance of neighbouring pixels [um].

    Returns
    -------
    Figure
        The three pictures of a column share their scale of intensity.
    """
    depths_um, errors = (samples[name].to_numpy() for name in ("depth_um", "error"))
    kinds = {"sensors": "input", "output": "output", "target": "truth"}
    figure = style.new_figure(style.FULL_WIDTH_MM, 0.86 * style.FULL_WIDTH_MM)
    grid = figure.subplots(3, len(shown), squeeze=False)
    for column, sample in zip(grid.T, shown, strict=True):
        limits = style.value_range(arrays["target"][sample])
        for axes, kind in zip(column, kinds, strict=True):
            bar_um = 1000 if axes is grid[-1, 0] else None
            image = style.show_picture(axes, arrays[kind][sample, 0], pixel_pitch_um, limits=limits, bar_um=bar_um)
        column[0].set_title(f"depth {depths_um[sample]:.0f} µm")
        column[1].set_title(f"error {100 * errors[sample]:.1f} %")
        figure.colorbar(image, ax=column[-1], location="bottom", label="intensity [a.u.]", aspect=30)
    for axes, label in zip(grid[:, 0], kinds.values(), strict=True):
        style.label_row(axes, label)
    return figure


def errors(samples: pd.DataFrame) -> Figure:
    """Draw the distribution of the pixel error, and the error against depth, beside those of the input (Fig. 3b).

    Parameters
    ----------
    samples : DataFrame
        Table of samples with columns depth_um, error and identity_error (both 0 to 1).

    Returns
    -------
    Figure
        Lines across depth are means in ten equal parts.
    """
    figure = style.new_figure(style.FULL_WIDTH_MM, 62)
    distribution, by_depth = figure.subplots(1, 2)
    part = pd.cut(samples["depth_um"], 10)
    methods = {"identity_error": ("input, not deblurred", COLOURS["grey"]), "error": ("network", COLOURS["blue"])}
    percent = 100 * samples[list(methods)]
    bins = np.linspace(0, np.nanmax(percent), 41)
    for column, (label, colour) in methods.items():
        style.show_distribution(distribution, percent[column], bins, f"{label}: mean {{mean:.1f}} %", colour)
        by_depth.plot(samples["depth_um"], percent[column], ".", color=colour, markersize=1.5, alpha=0.4)
        means = percent[column].groupby(part, observed=True).mean()
        by_depth.plot([interval.mid for interval in means.index], means, color=colour, label=label)
    distribution.set(xlabel="mean pixel error [% of the truth's range]", ylabel="test samples")
    by_depth.set(xlabel="depth [µm]", ylabel="mean pixel error\n[% of the truth's range]", ylim=(0, None))
    for axes in (distribution, by_depth):
        style.legend_above(axes)
    return figure
