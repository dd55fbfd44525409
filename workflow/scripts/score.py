"""Score a predictions file.

Reads the predictions of one method on one set (HDF5); writes a CSV of its samples and a CSV of the whole test, with
95 % bootstrap intervals.
"""

from foci3d import job
from foci3d.predictions import Predictions
from foci3d.score import score
from foci3d.store import replacing


def main(predictions: str, samples: str, summary: str, farthest_um: float, bootstrap: int, seed: int) -> None:
    tables = score(Predictions.load(predictions), farthest_um, bootstrap, seed)
    for table, path in zip(tables, (samples, summary), strict=True):
        with replacing(path) as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g")


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.input.predictions,
            snakemake.output.samples,
            snakemake.output.summary,
            snakemake.params.depth_range_um[1],
            snakemake.params.bootstrap,
            snakemake.params.seed,
        )
