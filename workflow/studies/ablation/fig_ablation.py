"""Draw the validation error of the networks of the ablation against the processor time.

Reads the curves of the networks (CSV files named after the networks).
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, LogLocator

from foci3d.plots import style
from foci3d.plots.style import SERIES
from foci3d.workflow.job import run_job

ERROR_TICKS = (1, 1.2, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)
"""Labelled errors, times powers of 10."""


def error_against_time(curves: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw the validation error of networks against the processor time that their trainings have taken.

    Parameters
    ----------
    curves : mapping of str to DataFrame
        By name of the network, a table with columns processor_seconds and validation_score, an error from 0 to 1.

    Returns
    -------
    Figure
        One line per network, in the legend the highest final error first; both axes are logarithmic.
    """
    names = sorted(curves, key=lambda name: curves[name]["validation_score"].iloc[-1], reverse=True)
    table = pd.concat({name: curves[name] for name in names}, names=["network"]).reset_index("network")
    table["error"] = 100 * table["validation_score"]
    figure = style.new_figure(style.FULL_WIDTH_MM, 90)
    axes = figure.subplots()
    # Colors repeat after six networks, dashes do not.
    palette = {name: SERIES[index % len(SERIES)] for index, name in enumerate(names)}
    sns.lineplot(
        table, x="processor_seconds", y="error", hue="network", style="network", palette=palette, markers=True, ax=axes
    )
    axes.set(xlabel="processor time of the training [s]", ylabel="validation error [%]", xscale="log", yscale="log")
    axes.xaxis.set_major_formatter(LogFormatter())
    axes.xaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.4)))
    axes.yaxis.set_major_locator(LogLocator(subs=ERROR_TICKS))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
    sns.move_legend(axes, "center left", bbox_to_anchor=(1, 0.5), title=None)
    return figure


def main(curves: list[Path], figure: list[Path]) -> None:
    style.use_style()
    style.save(error_against_time({path.stem: pd.read_csv(path) for path in curves}), *figure)


if __name__ == "__main__":
    run_job(main)
