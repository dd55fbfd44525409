"""Make the table of networks that were trained with several seeds.

Reads the summaries of their tests (CSV); writes CSV, HTML and Markdown.
"""

from pathlib import Path

import pandas as pd

from foci3d.config.metrics import ERROR
from foci3d.evaluation.tables import (
    TablePage,
    format_estimates,
    format_number,
    in_units,
    read_summaries,
    spread,
    with_headings,
)
from foci3d.workflow.job import run_job


def seed_errors(summaries: pd.DataFrame, root_seed: int) -> pd.DataFrame:
    """Errors of networks that were trained with several seeds.

    Parameters
    ----------
    summaries : DataFrame
        Summaries of the tests; the network of a replicate is named by the network, a hyphen and the seed.
    root_seed : int
        Seed of the networks whose names hold no seed.

    Returns
    -------
    DataFrame
        Columns network, seed, dataset, layer, error, ci_low, ci_high; the last three in %.
    """
    table = in_units(summaries.query("metric == 'error'").reset_index(drop=True))
    names = table["network"].str.partition("-")
    table = table.assign(network=names[0], seed=names[2].replace("", str(root_seed)).astype(int), error=table["value"])
    return table[["network", "seed", "dataset", "layer", "error", "ci_low", "ci_high"]]


def seeds_page(table: pd.DataFrame) -> TablePage:
    """Format the errors by seed: one section per network, its mean and standard deviation last."""
    sections = {}
    for (network, dataset), part in table.groupby(["network", "dataset"], sort=False):
        wide = spread(part.assign(text=format_estimates(part, "error")), "text", "seed")
        by_layer = part.groupby("layer")["error"]
        wide.loc["mean"] = by_layer.mean().map(format_number)
        wide.loc["standard deviation"] = by_layer.std().map(format_number)
        sections[f"{network} on {dataset}: {ERROR.axis_label}"] = with_headings(wide)
    return TablePage("Sensitivity to the training seed", table, sections)


def main(summaries: list[Path], root_seed: int, note: str, csv: Path, html: Path, markdown: Path) -> None:
    seeds_page(seed_errors(read_summaries(summaries), root_seed)).save(csv, html, markdown, note)


if __name__ == "__main__":
    run_job(main)
