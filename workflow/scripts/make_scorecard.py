"""Compare the claims of the paper with the scores, and make Table 1 of this comparison.

Reads the summaries of all tests, the claims and the layout of the paper's table (CSV). Writes numbers, intervals,
baselines and verdicts, and the average accuracy of each module beside the paper's and that of related work, both as
CSV, HTML and Markdown.
"""

from pathlib import Path

import pandas as pd

from foci3d.evaluation.scorecard import scorecard, scorecard_page, table1_page
from foci3d.evaluation.scorecard import table1 as table1_accuracies
from foci3d.evaluation.tables import read_summaries
from foci3d.workflow.job import run_job


def main(
    summaries: list[Path],
    claims: Path,
    layout: Path,
    classical: list[str],
    note: str,
    table1_note: str,
    csv: Path,
    html: Path,
    markdown: Path,
    table1: tuple[Path, Path, Path],
) -> None:
    scores = scorecard(pd.read_csv(claims, dtype={"layer": str}), read_summaries(summaries), classical)
    scorecard_page(scores).save(csv, html, markdown, note)
    table1_page(table1_accuracies(pd.read_csv(layout), scores)).save(*table1, table1_note)


if __name__ == "__main__":
    run_job(main)
