"""Compute the bounds that the optics set, which figures draw beside what the networks reach.

Reads the PSF and validation shards of a dataset of single layers and of one of stacks; writes the Cramer-Rao bound of
depth [um] for the noise of the dataset, none for data without noise, and the share of each layer of a stack that a
linear method recovers at an assumed signal-to-noise ratio.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from foci3d.config.imager import SensorConfig, SpecimenConfig
from foci3d.io.atomic import atomic_path
from foci3d.io.shards import read_shards
from foci3d.optics import bounds
from foci3d.optics.forward import ForwardModel
from foci3d.optics.psf import PSF
from foci3d.optics.sensor import Sensor
from foci3d.optics.specimen import apply_specimen
from foci3d.workflow.job import run_job

MAX_STACKS = 200


def main(
    psf: Path,
    depth_shards: list[Path],
    stack_shards: list[Path],
    specimen: SpecimenConfig | None,
    sensor: SensorConfig | None,
    class_width_um: float,
    sensor_separation_um: float,
    power_snr: float,
    depth: Path,
    layers: Path,
) -> None:
    kernels, samples = PSF.load(psf), read_shards(depth_shards)
    # Motion, an uneven beam and an inexact calibration are left out: they only raise the bound. The margin holds
    # scattered light.
    wide = {"margin_pixels": samples.layers.shape[-1]}
    behind_specimen = apply_specimen(kernels, specimen.model_copy(update=wide)) if specimen else kernels
    noise_variance = Sensor.from_config(sensor).variance(float(samples.measurements.mean())) if sensor else 0.0
    depths_um, images = torch.from_numpy(np.unique(samples.depths_um)), torch.from_numpy(samples.layers[:, 0])
    with atomic_path(depth) as path:
        bounds.depth_bound(behind_specimen, images, depths_um, noise_variance, class_width_um).to_csv(path, index=False)

    samples = read_shards(stack_shards)
    n_sensors, n_pixels = samples.measurements.shape[1:3]
    forward = ForwardModel(kernels, n_pixels, n_sensors, sensor_separation_um)
    power = bounds.mean_power(torch.from_numpy(samples.layers).flatten(0, 1))
    depths_um = torch.from_numpy(samples.depths_um[:MAX_STACKS])
    shares = bounds.layer_shares(forward, depths_um, power, float(power.mean()) / power_snr)
    with atomic_path(layers) as path:
        pd.DataFrame({"layer": range(1, len(shares) + 1), "linear_share": shares}).to_csv(path, index=False)


if __name__ == "__main__":
    run_job(main)
