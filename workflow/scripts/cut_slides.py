"""Make the shard of a set of real pictures.

Reads the point-spread function and a picture of scikit-image; writes crops of it as layers (sample, layer, y, x), their
masks, the sensors' pictures (sample, sensor, y, x) and depths [um] to HDF5.
"""

from typing import Any

import torch

from foci3d import job, scene, shards, slides
from foci3d.optics import Psf
from foci3d.render import Camera, take_pictures
from foci3d.tissue import Tissue


def main(shard: str, entry: dict[str, Any], slide: dict[str, Any], camera: Camera, attributes: dict[str, Any]) -> None:
    label = slides.load_label(slide["picture"], slide["microscope_pixels"])
    generators = [
        scene.sample_generator(attributes["seed"], attributes["set"], attributes["split"], stack)
        for stack in range(slide["stacks"])
    ]
    arrays = slides.cut_stacks(label, generators, entry, camera.pixels)
    arrays["index"] = torch.arange(slide["stacks"])
    arrays["sensors"] = take_pictures(camera, arrays["layers"], arrays["depths_um"], entry["sensors"], generators)
    shards.write(shard, {name: values.numpy() for name, values in arrays.items()}, attributes)


if __name__ == "__main__":
    with job.running(snakemake):
        params = snakemake.params
        psf = Psf.load(snakemake.input.psf)
        # A crop ends at the picture's edges.
        tissue = Tissue(**{**params.tissue, "margin_pixels": 0})
        main(
            snakemake.output.shard,
            params.entry,
            params.slides,
            Camera.of(psf, params.imager, tissue),
            shards.attributes(
                snakemake.wildcards.set,
                "test",
                0,
                params.entry,
                params.imager,
                source=params.slides["picture"],
                psf=psf.digest,
                code=params.code,
                seed=params.seed,
            ),
        )
