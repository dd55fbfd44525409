"""Fig. 2: how well a network tells the depth of one layer."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import binomtest

from foci3d.plots import style
from foci3d.plots.style import COLOURS


def predictions_by_depth(samples: pd.DataFrame) -> Figure:
    """Draw predicted against true depth of every test sample, and the share of each class (Fig. 2a).

    Parameters
    ----------
    samples : DataFrame
        Table of samples with columns depth_um and predicted_um, which are multiples of one step.

    Returns
    -------
    Figure
        Shades are shares of the samples of one true depth. Points are samples, scattered inside their field.
    """
    truth, called = (samples[name].to_numpy() for name in ("depth_um", "predicted_um"))
    classes = np.union1d(truth, called)
    step_um = np.diff(classes).min()
    edges = np.arange(classes[0] - step_um / 2, classes[-1] + step_um, step_um)
    counts, _, _ = np.histogram2d(truth, called, bins=(edges, edges))
    share = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)

    figure = style.new_figure(110, 92)
    axes = figure.subplots()
    shades = axes.pcolormesh(edges, edges, share.T, cmap="Blues", vmin=0, vmax=100)
    scatter = np.random.default_rng(0).uniform(-0.4 * step_um, 0.4 * step_um, (2, len(samples)))
    axes.plot(truth + scatter[0], called + scatter[1], ".", color=COLOURS["vermilion"], markersize=1.5)
    for shift_um, linestyle in ((-step_um, ":"), (0, "-"), (step_um, ":")):
        axes.axline((0, shift_um), slope=1, color=COLOURS["black"], linewidth=0.6, linestyle=linestyle)
    ends = edges[0], edges[-1]
    axes.set(xlabel="true depth [µm]", ylabel="predicted depth [µm]", xlim=ends, ylim=ends, aspect="equal")
    figure.colorbar(shades, ax=axes, label="share of the samples of a depth [%]", shrink=0.8)
    return figure


def accuracy_by_depth(samples: pd.DataFrame, bound: pd.DataFrame) -> Figure:
    """Draw accuracy and loss against depth, each with its 95 % interval, and what the optics allow (Fig. 2b).

    Parameters
    ----------
    samples : DataFrame
        Table of samples with columns depth_um, exact, within_one (both 0 or 1) and loss.
    bound : DataFrame
        Columns depth_um and class_accuracy, the share of exact classes at the Cramer-Rao bound of depth (0 to 1).

    Returns
    -------
    Figure
        Accuracies with Wilson's interval, mean losses with 1.96 standard errors.
    """
    by_depth = samples.groupby("depth_um")
    depths_um = np.array(list(by_depth.groups))
    figure = style.new_figure(110, 92)
    accuracy, loss = figure.subplots(2, sharex=True)
    for column, label, colour in (
        ("within_one", "within one class", COLOURS["orange"]),
        ("exact", "exact class", COLOURS["blue"]),
    ):
        tests = [binomtest(int(values.sum()), len(values)) for _, values in by_depth[column]]
        low, high = 100 * np.transpose([test.proportion_ci(method="wilson") for test in tests])
        accuracy.fill_between(depths_um, low, high, color=colour, alpha=0.25, linewidth=0)
        mean = 100 * samples[column].mean()
        accuracy.plot(depths_um, 100 * by_depth[column].mean(), "o-", color=colour, label=f"{label}, mean {mean:.1f} %")
    label = "exact class at the Cramér-Rao bound"
    accuracy.plot(bound["depth_um"], 100 * bound["class_accuracy"], "--", color=COLOURS["black"], label=label)
    accuracy.set(ylabel="accuracy [%]", ylim=(None, 102))
    style.legend_above(accuracy)
    mean_loss = by_depth["loss"].mean()
    loss.errorbar(depths_um, mean_loss, 1.96 * by_depth["loss"].sem(), fmt="o-", color=COLOURS["green"], elinewidth=0.8)
    loss.set(xlabel="true depth [µm]", ylabel="loss (cross-entropy) [nat]", ylim=(0, None))
    return figure
