"""Make Table S1: the error rate of each layer with one sensor, with two, and with the ResNet.

Reads the summaries of these tests (CSV); writes CSV, HTML and Markdown.
"""

from pathlib import Path

from foci3d.evaluation.tables import read_summaries, table_s1, table_s1_page
from foci3d.workflow.job import run_job


def main(one_sensor: Path, two_sensors: list[Path], note: str, csv: Path, html: Path, markdown: Path) -> None:
    table = table_s1(read_summaries([one_sensor]), read_summaries(two_sensors))
    table_s1_page(table).save(csv, html, markdown, note)


if __name__ == "__main__":
    run_job(main)
