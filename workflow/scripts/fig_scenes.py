"""Draw an example of the synthetic stacks, and the statistics of their layers beside the published ones.

Reads shards, of which the first sample is shown, a CSV with a row for each layer and one with a row for each statistic;
writes a figure as PNG and SVG.
"""

import pandas as pd
import torch

from foci3d import job, shards
from foci3d.plots import scenes, style


def main(paths: list[str], layers: pd.DataFrame, statistics: pd.DataFrame, figure: tuple[str, str]) -> None:
    style.use_style()
    pixel_pitch_um = shards.read_attributes(paths[0])["pixel_pitch_um"]
    arrays = shards.map_shards(paths, ["layers", "masks", "sensors", "depths_um"], torch.device("cpu"))
    example = {name: rows[torch.tensor(0)].numpy() for name, rows in arrays.items()}
    style.save(scenes.scenes(example, layers, statistics, pixel_pitch_um), *figure)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            list(snakemake.input.shards),
            pd.read_csv(snakemake.input.layers),
            pd.read_csv(snakemake.input.statistics),
            (snakemake.output.fig_scenes, snakemake.output.fig_scenes_svg),
        )
