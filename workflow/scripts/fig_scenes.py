"""Draw an example of the synthetic stacks, and the statistics of their layers beside the published ones.

Reads shards (HDF5), of which the first sample is shown, a table of layers and a table of statistics (CSV).
"""

from pathlib import Path

import pandas as pd

from foci3d.io import shards as shard_files
from foci3d.plots import scenes, style
from foci3d.workflow.job import run_job


def main(shards: list[Path], layers: Path, statistics: Path, figure: list[Path]) -> None:
    style.use_style()
    pixel_pitch_um = shard_files.read_attributes(shards[0])["pixel_pitch_um"]
    example = shard_files.read_shards(shards[:1])[0]
    style.save(scenes.scenes(example, pd.read_csv(layers), pd.read_csv(statistics), pixel_pitch_um), *figure)


if __name__ == "__main__":
    run_job(main)
