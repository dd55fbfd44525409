"""Synthesize one shard of a dataset.

Reads the PSF; writes layers and masks (sample, layer, y, x), measurements (sample, sensor, y, x) and depths [um] to
HDF5, block by block.
"""

import logging
from pathlib import Path

from foci3d.config.models import (
    DatasetConfig,
    IlluminationConfig,
    ImagerConfig,
    SceneConfig,
    SensorConfig,
    SpecimenConfig,
)
from foci3d.io import shards
from foci3d.optics.psf import PSF
from foci3d.simulation.dataset import Split, generate_samples
from foci3d.simulation.imager import Imager
from foci3d.workflow.job import run_job

log = logging.getLogger("foci3d")


def main(
    psf: Path,
    dataset: str,
    split: str,
    shard: int,
    n_shards: int,
    n_samples: int,
    dataset_config: DatasetConfig,
    scenes: list[SceneConfig],
    specimen: SpecimenConfig,
    illumination: IlluminationConfig,
    sensor: SensorConfig,
    psf_width_relative_sd: float,
    imager: ImagerConfig,
    seed: int,
    samples: Path,
) -> None:
    kernels, described = PSF.load(psf), Split(seed, dataset, split, dataset_config)
    rows = shards.shard_rows(n_samples, n_shards, shard, described.samples_per_scene)
    log.info("samples %d to %d of %s/%s", rows.start, rows.stop - 1, dataset, split)
    origin = {"source": "synthetic", "psf": kernels.digest}
    attributes = shards.attributes(dataset, split, shard, dataset_config, imager, **origin)
    effects = (specimen, illumination, sensor, psf_width_relative_sd)
    simulated = Imager.from_config(kernels, imager, dataset_config.n_sensors, *effects)
    shards.write(samples, generate_samples(described, rows, scenes, simulated), len(rows), attributes)


if __name__ == "__main__":
    run_job(main)
