"""Make the table of errors on imagers that differ from the calibrated one.

Reads the scores of the networks by perturbation (CSV); writes CSV, HTML and Markdown.
"""

from pathlib import Path

from foci3d.evaluation.robustness import robustness_page, robustness_table
from foci3d.evaluation.tables import read_summaries
from foci3d.workflow.job import run_job


def main(scores: list[Path], csv: Path, html: Path, markdown: Path) -> None:
    robustness_page(robustness_table(read_summaries(scores))).save(csv, html, markdown)


if __name__ == "__main__":
    run_job(main, snakemake)
