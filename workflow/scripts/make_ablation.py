"""Make the table of the ablation: what differs between networks, training time and lowest validation error.

Reads the descriptions (JSON) and curves (CSV) of models, named after the networks; writes CSV, HTML and Markdown.
"""

import json
from pathlib import Path

import pandas as pd

from foci3d.evaluation.ablation import ablation_page, compare_trainings
from foci3d.workflow.job import run_job


def main(models: list[Path], curves: list[Path], csv: Path, html: Path, markdown: Path) -> None:
    descriptions = {path.stem: json.loads(path.read_text()) for path in models}
    table = compare_trainings(descriptions, {path.stem: pd.read_csv(path) for path in curves})
    ablation_page(table).save(csv, html, markdown)


if __name__ == "__main__":
    run_job(main, snakemake)
