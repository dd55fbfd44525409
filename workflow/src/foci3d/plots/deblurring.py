"""Fig. 3: deblurred images of one layer."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from foci3d.io.predictions import Predictions
from foci3d.plots import style
from foci3d.plots.style import COLORS

METHODS = {"identity_error": ("input, not deblurred", COLORS["grey"]), "error": ("network", COLORS["blue"])}
"""Label and color of the columns of errors."""


def examples(predictions: Predictions, samples: pd.DataFrame, shown: Sequence[int], pixel_pitch_um: float) -> Figure:
    """Show input, output and target of some test samples (Fig. 3a).

    Parameters
    ----------
    predictions : Predictions
        Measurements, outputs and targets `(N, 1, Y, X)` [a.u.].
    samples : DataFrame
        Table of all samples with columns depth_um and error (0 to 1).
    shown : sequence of int
        Indices of the samples to show, one per column.
    pixel_pitch_um : float
        Distance between neighbouring pixels [um].

    Returns
    -------
    Figure
        The three images of a column share their scale of intensity.
    """
    depths_um, errors = (samples[name].to_numpy() for name in ("depth_um", "error"))
    rows = {
        "input": predictions.samples.measurements,
        "output": predictions.outputs.output,
        "target": predictions.target,
    }
    figure = style.new_figure(style.FULL_WIDTH_MM, 0.86 * style.FULL_WIDTH_MM)
    grid = figure.subplots(3, len(shown), squeeze=False)
    for column, sample in zip(grid.T, shown, strict=True):
        limits = style.intensity_limits(predictions.target[sample])
        for axes, images in zip(column, rows.values(), strict=True):
            bar_um = 1000 if axes is grid[-1, 0] else None
            image = style.show_image(axes, images[sample, 0], pixel_pitch_um, limits=limits, bar_um=bar_um)
        column[0].set_title(f"depth {depths_um[sample]:.0f} µm")
        column[1].set_title(f"error {100 * errors[sample]:.1f} %")
        figure.colorbar(image, ax=column[-1], location="bottom", label="intensity [a.u.]", aspect=30)
    for axes, label in zip(grid[:, 0], rows, strict=True):
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
        Curves against depth are means in ten equal bins with 1.96 standard errors.
    """
    figure = style.new_figure(style.FULL_WIDTH_MM, 62)
    distribution, by_depth = figure.subplots(1, 2)
    percent = 100 * samples[list(METHODS)]
    style.show_distributions(distribution, percent, METHODS)
    distribution.set(xlabel="mean pixel error [% of the target's range]", ylabel="test samples")

    centers_um = pd.cut(samples["depth_um"], 10).map(lambda interval: interval.mid).astype(float)
    for column, (label, color) in METHODS.items():
        by_depth.plot(samples["depth_um"], percent[column], ".", color=color, markersize=1.5, alpha=0.4)
        sns.lineplot(x=centers_um, y=percent[column], errorbar=("se", 1.96), color=color, label=label, ax=by_depth)
    top = np.nanmax(percent)
    by_depth.set(xlabel="depth [µm]", ylabel="mean pixel error\n[% of the target's range]", ylim=(0, 1.05 * top))
    for axes in (distribution, by_depth):
        style.legend_above(axes)
    return figure
