"""Make one shard from one of the authors' MATLAB files.

Reads un-blurred layers, pictures of the sensors, depth maps and depths; writes them with axes (sample, layer or sensor,
y, x) and depths in um to HDF5.
"""

import logging
from pathlib import Path
from typing import Any

from foci3d import job, matlab, shards
from foci3d.optics import Psf

log = logging.getLogger("foci3d")


def main(mat: str, shard: str, entry: dict[str, Any], pixels: int, attributes: dict[str, Any]) -> None:
    arrays = matlab.read_stacks(mat, entry, pixels)
    log.info("%d samples from %s", len(arrays["index"]), mat)
    shards.write(shard, arrays, attributes)


if __name__ == "__main__":
    with job.running(snakemake):
        params, names, source = snakemake.params, snakemake.wildcards, snakemake.input.mat
        main(
            source,
            snakemake.output.shard,
            params.entry,
            params.imager["pixels"],
            shards.attributes(
                names.set,
                names.split,
                int(names.shard),
                params.entry,
                params.imager,
                source=Path(source).name,
                psf=Psf.load(snakemake.input.psf).digest,
                code=params.code,
            ),
        )
