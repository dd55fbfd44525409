"""Fit the recalibration of a network to validation samples.

Reads the model (JSON and safetensors), the PSF and validation shards (HDF5); writes the recalibration of
probabilities and depths, the confidence below which to abstain, and the references of the flags (JSON).
"""

from pathlib import Path
from typing import Any

import torch

from foci3d.confidence.recalibration import recalibrate_network
from foci3d.config.models import TrustConfig
from foci3d.io.shards import read_shards
from foci3d.learning.model import load_model
from foci3d.simulation.dataset import appearance_numbers
from foci3d.workflow.job import run_job


def main(
    model: Path,
    psf: Path,
    validation: list[Path],
    trust: TrustConfig,
    appearances: list[float],
    inference: dict[str, Any],
    recalibration: Path,
) -> None:
    trained = load_model(model, psf=psf, recalibration=None, **inference)
    samples = read_shards(validation)
    generators = appearance_numbers(torch.from_numpy(samples.index), appearances).numpy()
    recalibrate_network(trained, samples, trust, generators).save(recalibration)


if __name__ == "__main__":
    run_job(main)
