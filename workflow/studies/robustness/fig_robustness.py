"""Draw the errors of networks against the errors of the imager.

Reads the table of rule make_robustness (CSV).
"""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foci3d.config.metrics import METRICS
from foci3d.config.perturbations import PERTURBATIONS, UNPERTURBED, Perturbation
from foci3d.evaluation.tables import in_units
from foci3d.plots import style
from foci3d.plots.style import SERIES
from foci3d.workflow.job import run_job


def robustness(table: pd.DataFrame) -> Figure:
    """Draw the error of networks against each perturbation.

    Parameters
    ----------
    table : DataFrame
        From `make_robustness.robustness_table`.

    Returns
    -------
    Figure
        One row per dataset and metric that is an error, one column per perturbation. Bars are 95 % intervals; dotted
        lines are errors without perturbation.
    """
    is_error = table["metric"].map(lambda name: METRICS[name].better == "lower")
    table = in_units(table[is_error])
    rows = list(table.groupby(["dataset", "metric"], sort=False))
    perturbed = set(table["perturbation"]) - {UNPERTURBED.name}
    columns = [perturbation for name, perturbation in PERTURBATIONS.items() if name in perturbed]
    colors = {name: SERIES[index % len(SERIES)] for index, name in enumerate(table["network"].unique())}
    figure = style.new_figure(style.FULL_WIDTH_MM, 15 + 45 * len(rows))
    panels = figure.subplots(len(rows), len(columns), sharey="row", squeeze=False)
    for (names, part), line in zip(rows, panels, strict=True):
        dataset, metric = map(str, names)
        for axes, perturbation in zip(line, columns, strict=True):
            for network, scores in part.groupby("network", sort=False):
                _draw_network(axes, perturbation, scores, colors[str(network)])
            axes.set_visible((part["perturbation"] == perturbation.name).any())
            axes.set_xlabel(perturbation.axis_label)
        line[0].set_ylabel(f"{dataset}:\n{METRICS[metric].axis_label}")
        line[0].set_ylim(bottom=0)
    handles = [panels[0, 0].plot([], [], "o-", color=color, label=name)[0] for name, color in colors.items()]
    figure.legend(handles=handles, loc="outside upper left", ncols=3)
    return figure


def _draw_network(axes: Axes, perturbation: Perturbation, scores: pd.DataFrame, color: str) -> None:
    """Draw the errors of one network under one perturbation, and on the calibrated imager."""
    calibrated = scores[scores["perturbation"] == UNPERTURBED.name]
    perturbed = scores[scores["perturbation"] == perturbation.name]
    points = pd.concat([perturbed, calibrated]) if perturbation.zero_is_calibrated else perturbed
    points = points.drop_duplicates("amount").sort_values("amount")
    reach = [points["value"] - points["ci_low"], points["ci_high"] - points["value"]]
    amounts = perturbation.unit.scale * points["amount"]
    axes.errorbar(amounts, points["value"], reach, fmt="o-", capsize=2, color=color)
    axes.axhline(calibrated["value"].item(), color=color, linestyle=":", linewidth=0.8)
    if perturbation.is_logarithmic:
        axes.set_xscale("log")


def main(table: Path, figure: list[Path]) -> None:
    style.use_style()
    style.save(robustness(pd.read_csv(table)), *figure)


if __name__ == "__main__":
    run_job(main)
