"""Errors of networks on imagers and specimens that differ from those they were trained for."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foci3d.evaluation.robustness import HEADINGS, PERTURBATIONS
from foci3d.plots import style
from foci3d.plots.style import SERIES

SHOWN = {"error": 100.0, "mean_error_um": 1.0, "depth_error_um": 1.0}
"""Metrics that are drawn, with their factors."""

AXES = {
    "psf_width_error": "PSF width,\nerror [%]",
    "full_well_electrons": "full well\n[electrons]",
    "scatter_per_mm": "scatter\n[1/mm]",
    "layer_spacing_um": "distance of\nlayers [µm]",
    "lateral_offset_um": "sensor B,\noffset [µm]",
    "separation_error_um": "separation,\nerror [µm]",
}
"""Label of the horizontal axis of each perturbation; errors are real minus calibrated or assumed."""

WITHOUT_ZERO = {"full_well_electrons", "layer_spacing_um"}
"""Perturbations for which an amount of 0 is not the unperturbed measurement."""


def robustness(table: pd.DataFrame) -> Figure:
    """Draw the error of networks against each perturbation.

    Parameters
    ----------
    table : DataFrame
        From `foci3d.evaluation.robustness.robustness_table`.

    Returns
    -------
    Figure
        One row per dataset and metric, one column per perturbation. Bars are 95 % intervals; dotted lines are errors
        without perturbation.
    """
    table = table[table["metric"].isin(SHOWN)]
    rows = list(table.groupby(["dataset", "metric"], sort=False))
    columns = [kind for kind in AXES if kind in set(table["perturbation"])]
    colors = {name: SERIES[index % len(SERIES)] for index, name in enumerate(table["network"].unique())}
    figure = style.new_figure(style.FULL_WIDTH_MM, 15 + 45 * len(rows))
    panels = figure.subplots(len(rows), len(columns), sharey="row", squeeze=False)
    for (names, part), line in zip(rows, panels, strict=True):
        dataset, metric = map(str, names)
        scaled = part.assign(**{name: SHOWN[metric] * part[name] for name in ("value", "ci_low", "ci_high")})
        for axes, kind in zip(line, columns, strict=True):
            for network, scores in scaled.groupby("network", sort=False):
                _draw_network(axes, kind, scores, colors[str(network)])
            axes.set_visible((scaled["perturbation"] == kind).any())
            axes.set_xlabel(AXES[kind])
        line[0].set_ylabel(f"{dataset}:\n{HEADINGS[metric].replace('um', 'µm')}")
        line[0].set_ylim(bottom=0)
    handles = [panels[0, 0].plot([], [], "o-", color=color, label=name)[0] for name, color in colors.items()]
    figure.legend(handles=handles, loc="outside upper left", ncols=3)
    return figure


def _draw_network(axes: Axes, kind: str, scores: pd.DataFrame, color: str) -> None:
    """Draw the errors of one network under one perturbation, and on the calibrated imager."""
    calibrated = scores[scores["perturbation"] == "none"]
    perturbed = scores[scores["perturbation"] == kind]
    points = perturbed if kind in WITHOUT_ZERO else pd.concat([perturbed, calibrated])
    points = points.drop_duplicates("amount").sort_values("amount")
    reach = points[["value", "ci_low", "ci_high"]].to_numpy().T
    _, factor, _ = PERTURBATIONS[kind]
    axes.errorbar(
        factor * points["amount"],
        reach[0],
        [reach[0] - reach[1], reach[2] - reach[0]],
        fmt="o-",
        capsize=2,
        color=color,
    )
    axes.axhline(calibrated["value"].item(), color=color, linestyle=":", linewidth=0.8)
    if kind == "full_well_electrons":
        axes.set_xscale("log")
