"""Make the table of errors against the number of layers and of sensors.

Reads the summaries of the tests of networks (CSV); writes CSV, HTML and Markdown.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from foci3d.config.metrics import DEPTH_ERROR, ERROR, METRICS
from foci3d.evaluation.tables import (
    ESTIMATE,
    TablePage,
    format_estimates,
    format_number,
    in_units,
    read_summaries,
    spread,
    with_headings,
)
from foci3d.workflow.job import run_job

SHOWN = (ERROR, DEPTH_ERROR)
"""Metrics of a summary that the table has."""


def layers_table(summaries: pd.DataFrame, n_sensors: Mapping[str, int]) -> pd.DataFrame:
    """Errors of networks by layer, with the number of layers and of sensors.

    Parameters
    ----------
    summaries : DataFrame
        Summaries of the tests (`foci3d.evaluation.scores`), one dataset per network.
    n_sensors : mapping of str to int
        Number of sensors by name of the network.

    Returns
    -------
    DataFrame
        Columns network, n_sensors, n_layers, metric (error [%] or depth_error_um [um]), layer (``all`` for their mean),
        value, ci_low, ci_high and baseline; sorted by the numbers of sensors and of layers.
    """
    shown = [metric.name for metric in SHOWN]
    table = in_units(summaries[summaries["metric"].isin(shown)].reset_index(drop=True))
    table["n_layers"] = table["network"].map(table[table["layer"] != "all"].groupby("network")["layer"].nunique())
    table["n_sensors"] = table["network"].map(n_sensors)
    table = table.sort_values(["n_sensors", "n_layers"], kind="stable", ignore_index=True)
    return table[["network", "n_sensors", "n_layers", "metric", "layer", *ESTIMATE]]


def layers_page(table: pd.DataFrame) -> TablePage:
    """Format the table: one section per metric, one row per network."""
    texts = table.assign(
        text=format_estimates(table),
        baseline=table["baseline"].map(format_number),
    ).rename(columns={"n_sensors": "Sensors", "n_layers": "Layers", "network": "Network"})
    row = ["Sensors", "Layers", "Network"]
    sections = {}
    for metric, part in texts.groupby("metric", sort=False):
        wide = spread(part, "text", row).fillna("")
        means = part[part["layer"] == "all"].set_index(row)["baseline"]
        layers = sorted(name for name in wide.columns if name != "all")
        wide = wide[["all", *layers]].assign(**{"Mean, baseline": means})
        sections[METRICS[str(metric)].heading] = with_headings(wide)
    return TablePage("Number of layers and of sensors", table, sections)


def main(summaries: list[Path], n_sensors: dict[str, int], note: str, csv: Path, html: Path, markdown: Path) -> None:
    layers_page(layers_table(read_summaries(summaries), n_sensors)).save(csv, html, markdown, note)


if __name__ == "__main__":
    run_job(main)
