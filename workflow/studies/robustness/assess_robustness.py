"""Score a trained network on measurements by imagers, and of specimens, that differ from those it was trained for.

Reads the model (JSON and safetensors), the PSF and the test shards of its dataset (HDF5); writes the scores by
perturbation, with 95 % bootstrap intervals (CSV). The network is given the calibrated imager. The noise and the
bootstrap resamples are the same for all perturbations.
"""

import logging
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from foci3d.config.imager import SensorConfig
from foci3d.config.studies import RobustnessConfig
from foci3d.evaluation.scores import score
from foci3d.io.atomic import write_csv
from foci3d.io.shards import read_shards
from foci3d.learning.model import load_model
from foci3d.learning.prediction import predict_samples
from foci3d.simulation.perturbations import EFFECTS, CalibratedImager, list_perturbations
from foci3d.workflow.job import run_job

log = logging.getLogger("foci3d")


def main(
    model: Path,
    psf: Path,
    test: list[Path],
    dataset_name: str,
    robustness: RobustnessConfig,
    sensor: SensorConfig,
    max_depth_um: float,
    inference: dict[str, Any],
    n_bootstrap: int,
    seed: int,
    scores: Path,
) -> None:
    trained = load_model(model, psf=psf, recalibration=None, **inference)
    first = read_shards(test)[: robustness.n_samples].map(torch.from_numpy)
    noisy = sensor.model_copy(update={"read_noise_electrons": robustness.read_noise_electrons})
    parts = []
    for perturbation, amount in list_perturbations(robustness, first.depths_um, trained.forward_model):
        log.info("%s %g", perturbation.name, amount)
        generator = torch.Generator().manual_seed(seed)
        imager = CalibratedImager(trained.required_psf, trained.forward_model, noisy, generator)
        perturbed = EFFECTS[perturbation.name](first, imager, amount).map(Tensor.numpy)
        predictions = predict_samples(trained, perturbed, dataset_name)
        _, summary = score(predictions, max_depth_um, n_bootstrap, seed)
        parts.append(summary.assign(perturbation=perturbation.name, amount=amount))
    write_csv(pd.concat(parts, ignore_index=True), scores, "%.6g")


if __name__ == "__main__":
    run_job(main)
