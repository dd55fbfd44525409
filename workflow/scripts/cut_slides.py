"""Crop the layers of a dataset from a real microscope image.

Reads the PSF and the image (TIFF, or that of scikit-image); writes crops as layers (sample, layer, y, x), their masks,
measurements (sample, sensor, y, x) and depths [um] to HDF5.
"""

from pathlib import Path

from foci3d.config.datasets import DatasetConfig, SlidesConfig
from foci3d.config.imager import IlluminationConfig, ImagerConfig, SensorConfig, SpecimenConfig
from foci3d.io import shards
from foci3d.optics.psf import PSF
from foci3d.simulation.dataset import Split, generate_slides
from foci3d.simulation.imager import Imager
from foci3d.workflow.job import run_job


def main(
    psf: Path,
    nuclei: Path,
    dataset: str,
    dataset_config: DatasetConfig,
    slides: SlidesConfig,
    specimen: SpecimenConfig,
    illumination: IlluminationConfig,
    sensor: SensorConfig,
    psf_width_relative_sd: float,
    imager: ImagerConfig,
    seed: int,
    samples: Path,
) -> None:
    kernels, split = PSF.load(psf), Split(seed, dataset, "test", dataset_config)
    # Nothing is known beyond the edges of a crop.
    effects = (specimen.model_copy(update={"margin_pixels": 0}), illumination, sensor, psf_width_relative_sd)
    simulated = Imager.from_config(kernels, imager, dataset_config.n_sensors, *effects)
    stacks = generate_slides(split, slides, nuclei, simulated)
    origin = {"source": slides.image, "psf": kernels.digest}
    attributes = shards.attributes(dataset, split.name, 0, dataset_config, imager, **origin)
    shards.write(samples, [stacks], len(stacks), attributes)


if __name__ == "__main__":
    run_job(main)
