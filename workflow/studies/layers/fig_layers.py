"""Draw the errors of networks against the number of layers and of sensors.

Reads the table of rule make_layers (CSV).
"""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foci3d.plots import style
from foci3d.plots.style import SERIES
from foci3d.workflow.job import run_job
from make_layers import SHOWN


def errors_against_layers(table: pd.DataFrame) -> Figure:
    """Draw the mean errors of masks and of depths against the number of layers, one line per number of sensors.

    Parameters
    ----------
    table : DataFrame
        From `make_layers.layers_table`.

    Returns
    -------
    Figure
        One panel per metric. Bars are 95 % intervals; dotted lines are the baselines.
    """
    means = table[table["layer"] == "all"]
    metrics = [metric for metric in SHOWN if metric.name in set(means["metric"])]
    figure = style.new_figure(style.FULL_WIDTH_MM, 75)
    panels = figure.subplots(1, len(metrics), squeeze=False)[0]
    for axes, metric in zip(panels, metrics, strict=True):
        by_sensors = means[means["metric"] == metric.name].groupby("n_sensors")
        for color, (n_sensors, part) in zip(SERIES, by_sensors, strict=False):
            _draw_line(axes, part, f"{n_sensors} sensor{'s' if n_sensors != 1 else ''}", color)
        axes.set(xlabel="layers", ylabel=metric.axis_label)
        axes.set(xticks=sorted(set(means["n_layers"])), ylim=(0, None))
    panels[0].legend()
    return figure


def _draw_line(axes: Axes, part: pd.DataFrame, label: str, color: str) -> None:
    """Draw the errors for one number of sensors, and the baseline."""
    reach = [part["value"] - part["ci_low"], part["ci_high"] - part["value"]]
    axes.errorbar(part["n_layers"], part["value"], reach, fmt="o-", capsize=2, color=color, label=label)
    axes.plot(part["n_layers"], part["baseline"], ":", color=color, linewidth=0.8)


def main(table: Path, figure: list[Path]) -> None:
    style.use_style()
    style.save(errors_against_layers(pd.read_csv(table)), *figure)


if __name__ == "__main__":
    run_job(main)
