"""A small training on several processes: `python train_on_devices.py FOLDER N_DEVICES FAIL_AT`.

Writes the state at the end to FOLDER; the first process fails before step FAIL_AT.
"""

import sys
from pathlib import Path
from types import SimpleNamespace

import torch
from unit.learning.test_training import ARCHITECTURE, CPU, MASKS, TRAINING, VALIDATION, samples_of

from foci3d.learning.batches import Batch
from foci3d.learning.distributed import local_rank
from foci3d.learning.networks import build_network
from foci3d.learning.training import TrainingSetup, TrainingState, fit
from foci3d.workflow.job import job_context


def train(folder: Path, n_devices: int, fail_at: int) -> TrainingState:
    """Train a network with batch normalization, two optimizers and averaged weights."""

    def batches(step: int) -> Batch:
        if step == fail_at and local_rank() == 0:
            raise RuntimeError("fails in the first process")
        return samples_of(step)

    torch.manual_seed(0)
    network = build_network(ARCHITECTURE, 1, 1, 9)
    config = TRAINING.model_copy(update={"optimizer": "muon", "weight_averaging": 0.9})
    checkpoint = folder / "checkpoint"
    return fit(TrainingSetup(network, MASKS, batches, VALIDATION, config, CPU, "float32", checkpoint, n_devices))


def main(folder: Path, n_devices: int, fail_at: int) -> None:
    with job_context(SimpleNamespace(rule="train", log=[folder / "train.log"], threads=1)):
        state = train(folder, n_devices, fail_at)
        if local_rank() == 0:
            torch.save(vars(state), folder / "state")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
