"""Make one shard of a synthetic set.

Reads the point-spread function; writes layers and masks (sample, layer, y, x), the sensors' pictures
(sample, sensor, y, x) and depths [um] to HDF5, page by page.
"""

import logging
from typing import Any

from foci3d import job, shards
from foci3d.optics import Psf
from foci3d.render import Camera, Split, synthesize
from foci3d.scene import SceneConfig
from foci3d.tissue import Tissue

log = logging.getLogger("foci3d")


def main(shard: str, split: Split, rows: range, camera: Camera, attributes: dict[str, Any]) -> None:
    layers, sensors = split.entry["layers"], len(split.entry["sensors"])
    described = shards.layouts(len(rows), layers, sensors, camera.pixels, moving=split.entry["scene"] == "moving")
    log.info("samples %d to %d of %s/%s", rows.start, rows.stop - 1, split.set, split.split)
    with shards.writing(shard, described, attributes) as writer:
        for page in synthesize(split, rows, camera):
            for name, values in page.items():
                writer.put(name, values)


if __name__ == "__main__":
    with job.running(snakemake):
        params, names = snakemake.params, snakemake.wildcards
        split = Split(params.seed, names.set, names.split, params.entry, SceneConfig(**params.scene))
        psf = Psf.load(snakemake.input.psf)
        main(
            snakemake.output.shard,
            split,
            shards.shard_rows(params.samples, params.shards, int(names.shard), split.together),
            Camera.of(psf, params.imager, Tissue(**params.tissue)),
            shards.attributes(
                names.set,
                names.split,
                int(names.shard),
                params.entry,
                params.imager,
                source="synthetic",
                psf=psf.digest,
                code=params.code,
                seed=params.seed,
            ),
        )
