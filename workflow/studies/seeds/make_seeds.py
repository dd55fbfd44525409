"""Make the table of networks that were trained with several seeds.

Reads the summaries of their tests (CSV); writes CSV, HTML and Markdown.
"""

from pathlib import Path

from foci3d.evaluation.tables import read_summaries, seed_errors, seeds_page
from foci3d.workflow.job import run_job


def main(summaries: list[Path], root_seed: int, csv: Path, html: Path, markdown: Path) -> None:
    seeds_page(seed_errors(read_summaries(summaries), root_seed)).save(csv, html, markdown)


if __name__ == "__main__":
    run_job(main, snakemake)
