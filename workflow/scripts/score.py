"""Score a predictions file.

Reads the predictions of one method on one dataset (HDF5); writes a table of its samples and a summary with 95 %
bootstrap intervals (CSV).
"""

from pathlib import Path

from foci3d.evaluation import scores
from foci3d.io.atomic import atomic_path
from foci3d.io.predictions import Predictions
from foci3d.workflow.job import run_job


def main(predictions: Path, max_depth_um: float, n_bootstrap: int, seed: int, samples: Path, summary: Path) -> None:
    tables = scores.score(Predictions.load(predictions), max_depth_um, n_bootstrap, seed)
    for table, path in zip(tables, (samples, summary), strict=True):
        with atomic_path(path) as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g")


if __name__ == "__main__":
    run_job(main)
