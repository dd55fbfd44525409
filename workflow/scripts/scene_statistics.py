"""Compute statistics of synthetic layers, and compare them with the published sample.

Reads shards (layers and masks, axes sample, layer, y, x) and a CSV of published values; writes a CSV with one row per
layer and a CSV with one row per statistic.
"""

from pathlib import Path

import pandas as pd

from foci3d.io.atomic import atomic_path
from foci3d.io.shards import read_shards
from foci3d.simulation.statistics import compare_layers, measure_layers
from foci3d.workflow.job import run_job


def main(shards: list[Path], published: Path, layers: Path, statistics: Path) -> None:
    samples = read_shards(shards)
    measured = measure_layers(samples.layers, samples.masks)
    with atomic_path(layers) as path:
        measured.to_csv(path, index=False)
    with atomic_path(statistics) as path:
        compare_layers(measured, pd.read_csv(published)).to_csv(path, index=False)


if __name__ == "__main__":
    run_job(main)
