"""Trace the receiver operating characteristic of each layer and of their mean.

Reads predictions of task masks (HDF5); writes a CSV with the rates at a thousand thresholds, pooled over samples.
"""

from foci3d import job
from foci3d.predictions import Predictions
from foci3d.score import trace_roc
from foci3d.store import replacing


def main(predictions: str, roc: str) -> None:
    with replacing(roc) as temporary:
        trace_roc(Predictions.load(predictions)).to_csv(temporary, index=False, float_format="%.6g")


if __name__ == "__main__":
    with job.running(snakemake):
        main(snakemake.input.predictions, snakemake.output.roc)
