"""Fig. 2: depth classes of one layer."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from scipy.stats import binomtest

from foci3d.plots import style
from foci3d.plots.style import COLORS

CRITERIA = {"within_one": ("within one class", COLORS["orange"]), "exact": ("exact class", COLORS["blue"])}
"""Label and color of the columns of correct predictions."""


def predictions_by_depth(samples: pd.DataFrame) -> Figure:
    """Draw predicted against true depth, as the shares of each predicted class and as points (Fig. 2a).

    Parameters
    ----------
    samples : DataFrame
        Table of samples with columns depth_um and predicted_um, which are multiples of one step.

    Returns
    -------
    Figure
        Shades are shares of the samples of one true depth. Points are samples, jittered within their class.
    """
    classes_um = np.unique(samples[["depth_um", "predicted_um"]])
    step_um = np.diff(classes_um).min()
    edges_um = np.arange(classes_um[0] - step_um / 2, classes_um[-1] + step_um, step_um)
    figure = style.new_figure(110, 92)
    axes = figure.subplots()
    sns.histplot(
        x=samples["depth_um"],
        y=samples["predicted_um"],
        weights=100 / samples.groupby("depth_um")["depth_um"].transform("size"),
        bins=(edges_um, edges_um),
        cmap="Blues",
        vmin=0,
        vmax=100,
        cbar=True,
        cbar_kws={"label": "share of the samples of a depth [%]", "shrink": 0.8},
        ax=axes,
    )
    jitter_um = np.random.default_rng(0).uniform(-0.4 * step_um, 0.4 * step_um, (2, len(samples)))
    x, y = samples["depth_um"] + jitter_um[0], samples["predicted_um"] + jitter_um[1]
    inside = "a sample, anywhere in the square of its classes"
    axes.plot(x, y, ".", color=COLORS["vermilion"], markersize=1.5, label=inside)
    for offset_um, linestyle, label in ((0, "-", "exact"), (step_um, ":", "one class off"), (-step_um, ":", "")):
        axes.axline((0, offset_um), slope=1, color=COLORS["black"], linewidth=0.6, linestyle=linestyle, label=label)
    ends = edges_um[0], edges_um[-1]
    axes.set(xlabel="true depth [µm]", ylabel="predicted depth [µm]", xlim=ends, ylim=ends, aspect="equal")
    style.legend_above(axes)
    return figure


def accuracy_by_depth(samples: pd.DataFrame, bounds: pd.DataFrame) -> Figure:
    """Draw accuracy and loss against depth with 95 % intervals, and the Cramer-Rao bound if there is one (Fig. 2b).

    Parameters
    ----------
    samples : DataFrame
        Table of samples with columns depth_um, exact, within_one (both 0 or 1) and loss.
    bounds : DataFrame
        Columns depth_um and class_accuracy, the share of exact classes at the Cramer-Rao bound of depth (0 to 1) for
        the noise of the dataset. Without rows, as for a dataset without noise, no bound is drawn.

    Returns
    -------
    Figure
        Accuracies with Wilson's interval, mean losses with 1.96 standard errors.
    """
    figure = style.new_figure(110, 92)
    accuracy, loss = figure.subplots(2, sharex=True)
    for column, (label, color) in CRITERIA.items():
        sns.lineplot(
            x=samples["depth_um"],
            y=100 * samples[column],
            errorbar=_wilson_interval,
            marker="o",
            markeredgewidth=0,
            color=color,
            label=f"{label}, mean {100 * samples[column].mean():.1f} %",
            ax=accuracy,
        )
    if len(bounds):
        label = "exact class at the Cramér-Rao bound"
        accuracy.plot(bounds["depth_um"], 100 * bounds["class_accuracy"], "--", color=COLORS["black"], label=label)
    accuracy.set(ylabel="accuracy [%]", ylim=(None, 102))
    style.legend_above(accuracy, "bands and bars: 95 % intervals")
    sns.lineplot(
        data=samples,
        x="depth_um",
        y="loss",
        errorbar=("se", 1.96),
        err_style="bars",
        marker="o",
        markeredgewidth=0,
        color=COLORS["green"],
        ax=loss,
    )
    loss.set(xlabel="true depth [µm]", ylabel="loss (cross-entropy) [nat]", ylim=(0, None))
    return figure


def _wilson_interval(percent: npt.ArrayLike) -> tuple[float, float]:
    """Wilson's 95 % interval [%] of a share, from values of 0 and 100."""
    correct = np.asarray(percent) > 0
    interval = binomtest(int(correct.sum()), len(correct)).proportion_ci(method="wilson")
    return 100 * interval.low, 100 * interval.high
