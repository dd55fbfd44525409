"""Record all networks and classical methods as entries of the benchmark.

Reads their summaries (CSV), the test shards (HDF5) and the fingerprints of the frozen datasets (YAML); writes CSV, HTML
and Markdown.
"""

from itertools import groupby
from pathlib import Path

from foci3d.evaluation.tables import compare, read_summaries
from foci3d.io.shards import read_shards
from foci3d.workflow.job import run_job
from frozen_datasets import benchmark_page, read_frozen, require_frozen


def main(
    networks: list[Path],
    baselines: list[Path],
    tests: list[Path],
    frozen: Path,
    note: str,
    csv: Path,
    html: Path,
    markdown: Path,
) -> None:
    datasets = read_frozen(frozen)
    for folder, paths in groupby(tests, key=lambda path: path.parent):
        require_frozen(datasets, folder.name, read_shards(list(paths)))
    benchmark_page(compare(read_summaries(networks), read_summaries(baselines))).save(csv, html, markdown, note)


if __name__ == "__main__":
    run_job(main)
