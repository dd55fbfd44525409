"""Make the table of the benchmark: new entries beside the present ones.

Reads the summaries of the new entries and the scores of the present ones (CSV); writes CSV, HTML and Markdown, and the
table to the log.
"""

import logging
from pathlib import Path

from foci3d.evaluation.tables import read_summaries
from foci3d.workflow.job import run_job
from frozen_datasets import benchmark_page

log = logging.getLogger("foci3d")


def main(present: Path, note: str, csv: Path, html: Path, markdown: Path, summaries: list[Path] = []) -> None:  # noqa: B006
    page = benchmark_page(read_summaries([present, *summaries]).fillna({"kind": "entry"}))
    page.save(csv, html, markdown, note)
    log.info("%s", page.markdown(note))


if __name__ == "__main__":
    run_job(main)
