"""Tables for readers: the layout that all share, Table S1 of the paper, the comparison with baselines, and the seeds.

Each table is computed from summaries (`foci3d.evaluation.scores`) as a tidy frame; `*_page` formats it for reading.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd

from foci3d.config.metrics import METRICS
from foci3d.config.tasks import TASKS, TaskSpec
from foci3d.evaluation.uncertainty import relative_error_reduction
from foci3d.io.atomic import atomic_path

ESTIMATE = ["value", "ci_low", "ci_high", "baseline"]
VERDICT_COLORS = {"surpassed": "#cde8dc", "reproduced": "#e3ecf5", "missed": "#f7dccb"}
STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:75em;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse;margin:1em 0;display:block;overflow-x:auto}"
    "td:first-child{min-width:12em}"
    "th,td{padding:.3em .8em;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}"
    "th{border-bottom:2px solid #888}"
)


VIEWPORT = '<meta name="viewport" content="width=device-width, initial-scale=1">'
"""Lets a phone show a page at its own width."""


@dataclass(frozen=True)
class TablePage:
    """A table with its presentation for readers.

    Parameters
    ----------
    title : str
        Heading of the page.
    table : DataFrame
        The numbers.
    sections : mapping of str to DataFrame
        Formatted tables by heading; an empty heading for a table without one.
    """

    title: str
    table: pd.DataFrame
    sections: Mapping[str, pd.DataFrame]

    def html(self, note: str) -> str:
        """The page as self-contained HTML, with colored verdicts."""
        words = re.sub(r"\*(\w+)\*", r"<em>\1</em>", re.sub("`([^`]+)`", r"<code>\1</code>", escape(note)))
        body = [f"<h1>{escape(self.title)}</h1>", *(f"<p>{paragraph}</p>" for paragraph in words.split("\n\n"))]
        for heading, table in self.sections.items():
            body.append(f"<h2>{escape(heading)}</h2>" if heading else "")
            body.append(table.to_html(index=False, border=0, justify="left"))
        text = "\n".join(body)
        for verdict, color in VERDICT_COLORS.items():
            text = text.replace(f"<td>{verdict}</td>", f'<td style="background:{color}">{verdict}</td>')
        head = f'<meta charset="utf-8">{VIEWPORT}<title>{escape(self.title)}</title><style>{STYLE}</style>'
        return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{text}\n</body></html>\n'

    def markdown(self, note: str) -> str:
        """The page as GitHub-flavoured Markdown."""
        parts = [f"# {self.title}", note]
        for heading, table in self.sections.items():
            parts += [f"## {heading}"] if heading else []
            parts.append(table.to_markdown(index=False, disable_numparse=True))
        return "\n\n".join(parts) + "\n"

    def save(self, csv: Path, html: Path, markdown: Path, note: str) -> None:
        """Write the numbers as CSV, and the page with a note, its caption, as HTML and Markdown."""
        with atomic_path(csv) as path:
            self.table.to_csv(path, index=False, float_format="%.6g")
        with atomic_path(html) as path:
            path.write_text(self.html(note), encoding="utf-8")
        with atomic_path(markdown) as path:
            path.write_text(self.markdown(note), encoding="utf-8")


def read_summaries(paths: Iterable[Path]) -> pd.DataFrame:
    """Concatenate the summaries of several tests."""
    return pd.concat([pd.read_csv(path, dtype={"layer": str}) for path in paths], ignore_index=True)


def format_number(value: float) -> str:
    """A number with three significant digits, or all digits before the decimal point; empty for NaN."""
    if np.isnan(value):
        return ""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def format_estimates(
    table: pd.DataFrame, value: str = "value", low: str = "ci_low", high: str = "ci_high"
) -> list[str]:
    """Numbers of a table, from the column `value`, with their intervals where these are not NaN."""
    return [
        format_number(number)
        if np.isnan(lowest)
        else f"{format_number(number)} ({format_number(lowest)} to {format_number(highest)})"
        for number, lowest, highest in zip(table[value], table[low], table[high], strict=True)
    ]


def in_units(summary: pd.DataFrame) -> pd.DataFrame:
    """A summary with its numbers in the units of their metrics.

    >>> in_units(pd.DataFrame({"metric": ["error", "dice"], "value": [0.25, 0.5]}))["value"].tolist()
    [25.0, 0.5]
    """
    columns = summary.columns.intersection(ESTIMATE)
    scales = summary["metric"].map(lambda name: METRICS[name].unit.scale).astype(float)
    return summary.assign(**summary[columns].mul(scales, axis=0))


def spread(table: pd.DataFrame, column: str, rows: str | list[str], across: str = "layer") -> pd.DataFrame:
    """The texts of a column with one row for each value of `rows` and one column for each value of `across`."""
    return table.pivot_table(column, rows, across, aggfunc="first", sort=False)


def with_headings(wide: pd.DataFrame) -> pd.DataFrame:
    """A table by network and layer with spelled-out headings; bins of depth stay as they are."""
    words = {layer: f"Layer {layer}" if layer.isdigit() else layer.replace("all", "Mean") for layer in wide.columns}
    return wide.rename(columns=words).rename_axis(columns=None).reset_index()


def table_s1(one_sensor: pd.DataFrame, two_sensors: pd.DataFrame) -> pd.DataFrame:
    """Table S1 of the paper: error by layer, and its relative reduction by a second sensor.

    Parameters
    ----------
    one_sensor : DataFrame
        Summary of the test with one sensor.
    two_sensors : DataFrame
        Summaries of tests with two sensors, with the same number of layers.

    Returns
    -------
    DataFrame
        Columns network, dataset, layer, error, ci_low, ci_high, baseline, reduction, reduction_low, reduction_high; all
        numbers in %, the reduction relative to the error with one sensor.
    """
    keys = ["network", "dataset", "layer"]
    errors = pd.concat([one_sensor, two_sensors]).query("metric == 'error'").drop_duplicates(keys, ignore_index=True)
    reference = one_sensor.query("metric == 'error'").set_index("layer")
    reductions = 100 * relative_error_reduction(reference.loc[errors["layer"]].reset_index(drop=True), errors)
    reductions = reductions.set_axis(["reduction", "reduction_low", "reduction_high"], axis=1).iloc[len(reference) :]
    return in_units(errors)[[*keys, *ESTIMATE]].join(reductions).rename(columns={"value": "error"})


def table_s1_page(table: pd.DataFrame) -> TablePage:
    """Format Table S1."""
    texts = table.assign(
        error=format_estimates(table, "error"),
        reduction=format_estimates(table, "reduction", "reduction_low", "reduction_high"),
        baseline=table["baseline"].map(format_number),
    )

    def by_layer(rows: pd.DataFrame, column: str) -> pd.DataFrame:
        return with_headings(spread(rows, column, ["network", "dataset"]))

    sections = {
        "Error rate [%]": by_layer(texts, "error"),
        "Error rate of the majority class [%]": by_layer(texts, "baseline"),
        "Reduction of the error by the second sensor [%]": by_layer(texts[table["reduction"].notna()], "reduction"),
    }
    return TablePage("Table S1: error rate by layer, with one sensor and two", table, sections)


def compare(networks: pd.DataFrame, baselines: pd.DataFrame) -> pd.DataFrame:
    """Compare networks with classical methods on the same test datasets.

    Parameters
    ----------
    networks, baselines : DataFrame
        Summaries of tests on the same datasets with the same tasks.

    Returns
    -------
    DataFrame
        The rows of the summaries whose metric is among those of its task, with a column kind (network or classical).
    """
    both = pd.concat([networks.assign(kind="network"), baselines.assign(kind="classical")], ignore_index=True)
    return select_metrics(both, lambda spec: spec.metrics)


def is_among(table: pd.DataFrame, metrics_of: Callable[[TaskSpec], Collection[str]]) -> pd.Series:
    """Which rows of summaries have a metric that is among some of its task."""
    rows = zip(table["task"], table["metric"], strict=True)
    return pd.Series([metric in metrics_of(TASKS[task]) for task, metric in rows], table.index, dtype=bool)


def select_metrics(table: pd.DataFrame, metrics_of: Callable[[TaskSpec], Collection[str]]) -> pd.DataFrame:
    """The rows of summaries whose metric is among some of its task, by dataset, under the task they are compared as."""
    shown = table.assign(task=[TASKS[task].compared_as for task in table["task"]])[is_among(table, metrics_of)]
    return shown.sort_values("dataset", kind="stable", ignore_index=True)


def comparison_page(table: pd.DataFrame) -> TablePage:
    """Format the comparison: one section per dataset and metric, the best method first."""
    scaled = in_units(table)
    texts = scaled.assign(text=format_estimates(scaled), baseline=scaled["baseline"].map(format_number))
    sections = {}
    for (dataset, task, name), part in texts.groupby(["dataset", "task", "metric"], sort=False):
        metric, methods = METRICS[str(name)], ["network", "kind"]
        means = part[part["layer"] == "all"].set_index(methods)["value"]
        text = spread(part, "text", methods).loc[means.sort_values(ascending=metric.better == "lower").index]
        baseline = part.drop_duplicates("layer").set_index("layer")["baseline"].reindex(text.columns)
        if baseline.any():
            text.loc[(TASKS[str(task)].baseline, "baseline"), :] = baseline
        sections[f"{dataset}: {metric.heading}"] = with_headings(text)
    return TablePage("Networks and classical methods", table, sections)
