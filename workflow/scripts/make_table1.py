"""Make Table 1: the average accuracy of each module beside the paper's and that of related work.

Reads the scorecard and the paper's table (CSV); writes CSV, HTML and Markdown.
"""

from pathlib import Path

import pandas as pd

from foci3d.evaluation.scorecard import table1, table1_page
from foci3d.workflow.job import run_job


def main(scorecard: Path, layout: Path, note: str, csv: Path, html: Path, markdown: Path) -> None:
    table1_page(table1(pd.read_csv(layout), pd.read_csv(scorecard))).save(csv, html, markdown, note)


if __name__ == "__main__":
    run_job(main)
