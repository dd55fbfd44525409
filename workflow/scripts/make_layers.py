"""Make the table of errors against the number of layers and of sensors.

Reads the summaries of the tests of networks (CSV); writes CSV, HTML and Markdown.
"""

from pathlib import Path

from foci3d.evaluation.layers import layers_page, layers_table
from foci3d.evaluation.tables import read_summaries
from foci3d.workflow.job import run_job


def main(summaries: list[Path], n_sensors: dict[str, int], csv: Path, html: Path, markdown: Path) -> None:
    layers_page(layers_table(read_summaries(summaries), n_sensors)).save(csv, html, markdown)


if __name__ == "__main__":
    run_job(main, snakemake)
