"""Make the scorecard: the paper's claims, our numbers and verdicts.

Reads the summaries of all tests and the claims (CSV); writes CSV, HTML and Markdown.
"""

import pandas as pd

from foci3d import job, tables


def main(summaries: list[str], claims: str, csv: str, html: str, markdown: str) -> None:
    table = tables.scorecard(pd.read_csv(claims, dtype={"layer": str}), tables.read_summaries(summaries))
    tables.save(table, tables.scorecard_page(table), csv, html, markdown)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.input.summaries,
            snakemake.input.claims,
            snakemake.output.csv,
            snakemake.output.html,
            snakemake.output.markdown,
        )
