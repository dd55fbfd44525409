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
    note = (
        "Errors of trained networks on imagers and specimens that differ from those they were trained for. The "
        "networks are not trained again, and are given the point-spread function of the calibrated imager. The same "
        "layers are measured through a wider or narrower point-spread function, with shot and read noise, through "
        "tissue that scatters, at equal distances from each other, or by a sensor B that is displaced sideways or "
        "stands at another distance. With 95 % intervals over test samples; the resamples are the same in "
        "all rows, so differences between rows are more certain than the intervals suggest."
    )
    return TablePage("Robustness", note, table, sections)


def main(scores: list[Path], csv: Path, html: Path, markdown: Path) -> None:
    robustness_page(robustness_table(read_summaries(scores))).save(csv, html, markdown)


if __name__ == "__main__":
    run_job(main, snakemake)
