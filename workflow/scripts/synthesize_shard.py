"""Synthesize one shard of each of some splits of a dataset.

Reads the PSF; writes layers and masks (sample, layer, y, x), measurements (sample, sensor, y, x) and depths [um] to
HDF5, block by block.
"""

import logging
from pathlib import Path

from foci3d.config.datasets import DatasetConfig, SceneConfig
from foci3d.config.imager import IlluminationConfig, ImagerConfig, SensorConfig, SpecimenConfig
from foci3d.io import shards
from foci3d.optics.psf import PSF
from foci3d.simulation.dataset import Split, generate_samples
from foci3d.simulation.imager import Imager
from foci3d.workflow.job import run_job

log = logging.getLogger("foci3d")


def main(
    psf: Path,
    dataset: str,
    n_samples: dict[str, int],
    n_shards: int,
    dataset_config: DatasetConfig,
    scenes: list[SceneConfig],
    specimen: SpecimenConfig,
    illumination: IlluminationConfig,
    sensor: SensorConfig,
    psf_width_relative_sd: float,
    imager: ImagerConfig,
    seed: int,
    samples: list[Path],
    shard: int = 0,
) -> None:
    kernels = PSF.load(psf)
    effects = (specimen, illumination, sensor, psf_width_relative_sd)
    simulated = Imager.from_config(kernels, imager, dataset_config.n_sensors, *effects)
    origin = {"source": "synthetic", "psf": kernels.digest}
    for (name, n_split), path in zip(n_samples.items(), samples, strict=True):
        split = Split(seed, dataset, name, dataset_config)
        rows = shards.shard_rows(n_split, n_shards, shard, split.samples_per_scene)
        log.info("samples %d to %d of %s/%s", rows.start, rows.stop - 1, dataset, name)
        attributes = shards.attributes(dataset, name, shard, dataset_config, imager, **origin)
        shards.write(path, generate_samples(split, rows, scenes, simulated), len(rows), attributes)


if __name__ == "__main__":
    run_job(main)
