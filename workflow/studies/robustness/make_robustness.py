"""Make the table of errors on imagers and specimens that differ from those that networks were trained for.

Reads the scores of the networks by perturbation (CSV); writes CSV, HTML and Markdown.
"""

from pathlib import Path

import pandas as pd

from foci3d.config.metrics import METRICS
from foci3d.config.perturbations import PERTURBATIONS
from foci3d.evaluation.tables import TablePage, format_estimates, in_units, is_among, read_summaries, spread
from foci3d.workflow.job import run_job


def robustness_table(scores: pd.DataFrame) -> pd.DataFrame:
    """The means over layers among the scores of `assess_robustness`."""
    shown = (scores["layer"] == "all") & is_among(scores, lambda spec: spec.robustness_metrics)
    keys = ["network", "dataset", "metric", "perturbation", "amount"]
    return scores.loc[shown, [*keys, "value", "ci_low", "ci_high", "n"]].reset_index(drop=True)


def robustness_page(table: pd.DataFrame) -> TablePage:
    """Format the table: one section per dataset and metric, one row per perturbation, one column per network."""
    described = zip(table["perturbation"], table["amount"], strict=True)
    texts = table.assign(
        text=format_estimates(in_units(table)),
        Measurement=[PERTURBATIONS[name].describe(amount) for name, amount in described],
    )
    sections = {}
    for (dataset, metric), part in texts.groupby(["dataset", "metric"], sort=False):
        wide = spread(part, "text", "Measurement", across="network")
        sections[f"{dataset}: {METRICS[str(metric)].heading}"] = wide.fillna("").rename_axis(columns=None).reset_index()
    return TablePage("Robustness", table, sections)


def main(scores: list[Path], note: str, csv: Path, html: Path, markdown: Path) -> None:
    robustness_page(robustness_table(read_summaries(scores))).save(csv, html, markdown, note)


if __name__ == "__main__":
    run_job(main)
