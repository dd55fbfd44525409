"""Trace the receiver operating characteristic of each layer and of their mean.

Reads predictions of task masks (HDF5); writes the rates at a thousand thresholds, pooled over samples (CSV).
"""

from pathlib import Path

from foci3d.evaluation.roc import trace_roc
from foci3d.io.atomic import atomic_path
from foci3d.io.predictions import Predictions
from foci3d.workflow.job import run_job


def main(predictions: Path, roc: Path) -> None:
    with atomic_path(roc) as temporary:
        trace_roc(Predictions.load(predictions)).to_csv(temporary, index=False, float_format="%.6g")


if __name__ == "__main__":
    run_job(main)
