"""Train a network, or pretrain an encoder.

Reads shards of the training and validation splits, the PSF and, where the network starts from one, a pretrained
encoder (safetensors) or a model (JSON and safetensors); writes weights (safetensors), the description of the model
(JSON) and curves (CSV, one row per validation). For several devices, Lightning runs this script once for each.
"""

from pathlib import Path

from foci3d.learning.run import TrainingInputs, TrainingRun, run_training
from foci3d.workflow.job import run_job


def main(
    run: TrainingRun,
    train: list[Path],
    validation: list[Path],
    psf: Path,
    code: str,
    weights: Path,
    model: Path,
    curves: Path,
    devices: int = 1,
    encoder: list[Path] = [],  # noqa: B006
    initial_model: list[Path] = [],  # noqa: B006
) -> None:
    inputs = TrainingInputs(train, validation, psf, code, next(iter(encoder), None), next(iter(initial_model), None))
    run_training(run, inputs, weights.parent, devices).save(weights, model, curves)


if __name__ == "__main__":
    run_job(main)
