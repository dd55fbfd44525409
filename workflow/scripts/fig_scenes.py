"""Compute statistics of synthetic layers, and draw them beside those of the published sample, with an example.

Reads shards (layers and masks, axes sample, layer, y, x), of which the first sample is shown, and a CSV of published
values; writes a CSV with one row per layer and a CSV with one row per statistic.
"""

from pathlib import Path

import pandas as pd

from foci3d.io.atomic import atomic_path
from foci3d.io.shards import read_attributes, read_shards
from foci3d.plots import scenes, style
from foci3d.simulation.statistics import compare_layers, measure_layers
from foci3d.workflow.job import run_job


def main(shards: list[Path], published: Path, layers: Path, statistics: Path, figure: list[Path]) -> None:
    samples = read_shards(shards)
    measured = measure_layers(samples.layers, samples.masks)
    compared = compare_layers(measured, pd.read_csv(published))
    for table, path in ((measured, layers), (compared, statistics)):
        with atomic_path(path) as temporary:
            table.to_csv(temporary, index=False)
    style.use_style()
    style.save(scenes.scenes(samples[0], measured, compared, read_attributes(shards[0])["pixel_pitch_um"]), *figure)


if __name__ == "__main__":
    run_job(main)
