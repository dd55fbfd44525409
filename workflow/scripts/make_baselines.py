"""Compare networks with classical methods on the same test datasets.

Reads the summaries of both (CSV); writes CSV, HTML and Markdown.
"""

from pathlib import Path

from foci3d.evaluation.tables import compare, comparison_page, read_summaries
from foci3d.workflow.job import run_job


def main(networks: list[Path], baselines: list[Path], note: str, csv: Path, html: Path, markdown: Path) -> None:
    comparison_page(compare(read_summaries(networks), read_summaries(baselines))).save(csv, html, markdown, note)


if __name__ == "__main__":
    run_job(main)
