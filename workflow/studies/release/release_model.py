"""Pack a trained network for release, with its card.

Reads the model (JSON and safetensors), its curves and summaries of its tests (CSV); writes the model with weights in
half precision, the curves and the card (Markdown).
"""

import shutil
from pathlib import Path

import pandas as pd

from foci3d.io.atomic import atomic_path
from foci3d.learning.model_card import round_weights, write_card
from foci3d.learning.model_file import read_model, save_weights
from foci3d.workflow.job import run_job
from foci3d.workflow.run_record import find_commit


def main(
    model: Path,
    weights: Path,
    curves: Path,
    summaries: list[Path],
    command: str,
    released_model: Path,
    released_weights: Path,
    released_curves: Path,
    card: Path,
) -> None:
    description, values = read_model(model, weights)
    save_weights(round_weights(values), description, released_model, released_weights)
    released, _ = read_model(released_model, released_weights)
    with atomic_path(released_curves) as path:
        shutil.copyfile(curves, path)
    summary = pd.concat(map(pd.read_csv, summaries), ignore_index=True)
    with atomic_path(card) as path:
        path.write_text(write_card(released, summary, find_commit(Path(__file__).parent), command))


if __name__ == "__main__":
    run_job(main, snakemake)
