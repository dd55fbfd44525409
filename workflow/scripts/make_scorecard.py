"""Compare the claims of the paper with the scores: numbers, intervals, baselines and verdicts.

Reads the summaries of all tests and the claims (CSV); writes CSV, HTML and Markdown.
"""

from pathlib import Path

import pandas as pd

from foci3d.evaluation.scorecard import scorecard, scorecard_page
from foci3d.evaluation.tables import read_summaries
from foci3d.workflow.job import run_job


def main(
    summaries: list[Path], claims: Path, classical: list[str], note: str, csv: Path, html: Path, markdown: Path
) -> None:
    table = scorecard(pd.read_csv(claims, dtype={"layer": str}), read_summaries(summaries), classical)
    scorecard_page(table).save(csv, html, markdown, note)


if __name__ == "__main__":
    run_job(main)
