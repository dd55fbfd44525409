"""Make Table 1: the average accuracy of each module beside the paper's and that of related work.

Reads the scorecard and the paper's table (CSV); writes CSV, HTML and Markdown.
"""

import pandas as pd

from foci3d import job, tables


def main(scorecard: str, layout: str, csv: str, html: str, markdown: str) -> None:
    table = tables.table1(pd.read_csv(layout), pd.read_csv(scorecard))
    tables.save(table, tables.table1_page(table), csv, html, markdown)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.input.scorecard,
            snakemake.input.layout,
            snakemake.output.csv,
            snakemake.output.html,
            snakemake.output.markdown,
        )
