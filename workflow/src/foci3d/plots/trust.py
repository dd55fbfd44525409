"""Reliability of predicted probabilities, risk by coverage, and scores of out-of-distribution inputs."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from foci3d.plots import style
from foci3d.plots.style import COLORS

INPUTS = {
    "test": "test samples",
    "wider_psf": "wider PSF",
    "narrower_psf": "narrower PSF",
    "extra_layer": "one more layer",
    "no_cells": "no cells",
    "gradient": "gradients",
    "noise": "uniform noise",
}
"""Labels of the kinds of inputs, in the order in which they are drawn."""

WHEN = {"before": ("as predicted", "calibration_error_before"), "after": ("recalibrated", "calibration_error")}
"""Title of the panel, and metric of its calibration errors."""


def reliability(table: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """Draw the deviation of the share of cells from the predicted probability, before and after recalibration.

    Parameters
    ----------
    table : DataFrame
        Columns recalibration (before, after), layer (from 1), predicted and observed (0 to 1).
    summary : DataFrame
        Columns metric, layer and value: the calibration errors of the layers (0 to 1).

    Returns
    -------
    Figure
        One panel before recalibration, and one after it.
    """
    figure = style.new_figure(style.FULL_WIDTH_MM, 70)
    panels = figure.subplots(1, 2, sharey=True)
    errors = 100 * summary.set_index(["metric", "layer"])["value"]
    for axes, (when, (title, metric)) in zip(panels, WHEN.items(), strict=True):
        axes.axhline(0, color=COLORS["grey"], linestyle=":", linewidth=0.8)
        for layer, rows in table[table["recalibration"] == when].groupby("layer"):
            deviation = rows["observed"] - rows["predicted"]
            label = f"layer {layer}, {errors[metric, str(layer)]:.2g} %"
            axes.plot(100 * rows["predicted"], 100 * deviation, "o-", label=label)
        axes.set(xlabel="predicted probability of a cell [%]", title=title, xlim=(0, 100))
        axes.legend(title="calibration error", title_fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    panels[0].set(ylabel="share of cells − predicted [%]")
    return figure


def risk_coverage(curve: pd.DataFrame, coverage: float) -> Figure:
    """Draw the error among the pixels of highest confidence against their share.

    Parameters
    ----------
    curve : DataFrame
        Columns coverage, risk and ideal_risk (0 to 1), coverage increasing.
    coverage : float
        Coverage to mark (0 to 1).

    Returns
    -------
    Figure
        Risk of the network and of the ideal order of the pixels.
    """
    figure = style.new_figure(90, 70)
    axes = figure.subplots()
    percent = 100 * curve[["coverage", "risk", "ideal_risk"]]
    axes.plot(percent["coverage"], percent["risk"], color=COLORS["blue"], label="by predicted confidence")
    axes.plot(percent["coverage"], percent["ideal_risk"], ":", color=COLORS["grey"], label="errors last (ideal)")
    marked = 100 * coverage, np.interp(100 * coverage, percent["coverage"], percent["risk"])
    axes.plot(*marked, "o", color=COLORS["vermilion"])
    axes.annotate(f"{marked[1]:.2g} %", marked, (-3, 3), textcoords="offset points", ha="right", va="bottom")
    axes.set(xlabel="coverage: share of pixels kept [%]", ylabel="risk: error among them [%]", xlim=(0, 100))
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper left")
    return figure


def scores(table: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """Draw the distributions of the scores of test samples and of out-of-distribution inputs.

    Parameters
    ----------
    table : DataFrame
        Columns inputs (of `INPUTS`), score [standard deviations], and threshold, above which samples are flagged.
    summary : DataFrame
        Columns metric, inputs and value: the area under the ROC of each kind of inputs.

    Returns
    -------
    Figure
        One row per kind; flagged samples are right of the line.
    """
    figure = style.new_figure(style.FULL_WIDTH_MM, 80)
    axes = figure.subplots()
    areas = summary[summary["metric"] == "auroc"].set_index("inputs")["value"]
    labels = {kind: f"{label}, AUROC {areas[kind]:.2f}" if kind in areas else label for kind, label in INPUTS.items()}
    named = table.assign(inputs=table["inputs"].map(labels))
    colors = {label: COLORS["blue" if kind == "test" else "orange"] for kind, label in labels.items()}
    sns.boxplot(
        named,
        x="score",
        y="inputs",
        order=[*labels.values()],
        hue="inputs",
        palette=colors,
        fliersize=1.5,
        legend=False,
        ax=axes,
    )
    threshold = table["threshold"].iloc[0]
    axes.axvline(threshold, color=COLORS["vermilion"], linewidth=0.8)
    label = f" flagged above {threshold:.1f}"
    axes.text(threshold, 1, label, color=COLORS["vermilion"], va="bottom", transform=axes.get_xaxis_transform())
    axes.set_xscale("symlog", linthresh=5)
    axes.set(xlabel="score: standard deviations above the mean of validation samples", ylabel="input")
    return figure
