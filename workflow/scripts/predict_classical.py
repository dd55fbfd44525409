"""Apply a classical method to the test split of a dataset, tuned on the validation split.

Reads the PSF and shards (HDF5); writes outputs, targets and inputs of each sample to HDF5, as `predict` does.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from foci3d.classical.tuning import inexact_depths, tune
from foci3d.config.classical_methods import CLASSICAL_METHODS, ClassicalMethod
from foci3d.config.tasks import TASKS
from foci3d.io.hdf5 import Attribute
from foci3d.io.predictions import Predictions
from foci3d.io.samples import Outputs
from foci3d.io.shards import read_shards
from foci3d.optics.forward import ForwardModel
from foci3d.optics.psf import PSF
from foci3d.workflow.job import run_job

# Enough to choose among a few candidates, because each sample has thousands of pixels.
MAX_VALIDATION_SAMPLES = 200


def main(
    psf: Path,
    validation: list[Path],
    test: list[Path],
    network: str,
    dataset: str,
    task: str,
    method: Annotated[ClassicalMethod, CLASSICAL_METHODS],
    smoothing_sigma_px: tuple[float, ...],
    depth_sd_um: float,
    depth_range_um: tuple[float, float],
    sensor_separation_um: float,
    seed: int,
    predictions: Path,
) -> None:
    spec, kernels = TASKS[task], PSF.load(psf)
    samples = read_shards(validation)[:MAX_VALIDATION_SAMPLES]
    given_um = inexact_depths(samples.depths_um, depth_sd_um, depth_range_um, [seed, *b"validation"])
    n_sensors, n_pixels = samples.measurements.shape[1:3]
    forward = ForwardModel(kernels, n_pixels, n_sensors, sensor_separation_um)
    tuned = tune(method, spec, smoothing_sigma_px, forward, replace(samples, depths_um=given_um))
    samples = read_shards(test)
    given_um = inexact_depths(samples.depths_um, depth_sd_um, depth_range_um, [seed, *b"test"])
    output = tuned.predict(forward, samples.measurements, given_um)
    attributes: dict[str, Attribute] = {"method": tuned.name, **tuned.parameters, "depth_sd_um": depth_sd_um}
    attributes |= {"smoothing_sigma_px": tuned.smoothing_sigma_px, "psf": kernels.digest}
    target = samples.arrays()[spec.classical_target]
    outputs = Outputs(output=output)
    Predictions(network, dataset, task, samples, outputs, target, attributes=attributes).save(predictions)


if __name__ == "__main__":
    run_job(main)
