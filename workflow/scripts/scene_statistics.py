"""Measure the synthetic layers, and compare them with the published sample.

Reads shards (layers and masks, axes sample, layer, y, x) and a CSV of published values; writes a CSV with a row for
each layer and a CSV with a row for each statistic.
"""

import pandas as pd

from foci3d import job, store
from foci3d.layer_statistics import compare_layers, measure_layers
from foci3d.shards import read_shards


def main(shards: list[str], published: str, layers: str, statistics: str) -> None:
    arrays = read_shards(shards, ["layers", "masks"])
    measured = measure_layers(arrays["layers"], arrays["masks"])
    with store.replacing(layers) as path:
        measured.to_csv(path, index=False)
    with store.replacing(statistics) as path:
        compare_layers(measured, pd.read_csv(published)).to_csv(path, index=False)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            list(snakemake.input.shards),
            snakemake.input.published,
            snakemake.output.layers,
            snakemake.output.statistics,
        )
