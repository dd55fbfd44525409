"""Import one of the authors' MATLAB files as a shard.

Reads un-blurred layers, measurements, depth maps and depths; writes them with axes (sample, layer or sensor, y, x) and
depths [um] to HDF5.
"""

import logging
from pathlib import Path

from foci3d.config.datasets import DatasetConfig
from foci3d.config.imager import ImagerConfig
from foci3d.io import matlab, shards
from foci3d.optics.psf import PSF
from foci3d.workflow.job import run_job

log = logging.getLogger("foci3d")


def main(
    psf: Path,
    mat: Path,
    dataset: str,
    split: str,
    shard: int,
    dataset_config: DatasetConfig,
    imager: ImagerConfig,
    samples: Path,
) -> None:
    stacks = matlab.read_stacks(mat, dataset_config, imager.n_pixels)
    log.info("%d samples from %s", len(stacks), mat)
    origin = {"source": mat.name, "psf": PSF.load(psf).digest}
    attributes = shards.attributes(dataset, split, shard, dataset_config, imager, **origin)
    shards.write(samples, [stacks], len(stacks), attributes)


if __name__ == "__main__":
    run_job(main)
