"""The training of one network, from shards to a model; an interrupted one goes on from its checkpoint."""

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR

from foci3d import tasks
from foci3d.batches import Batches
from foci3d.errors import InputError
from foci3d.store import replacing
from foci3d.tasks import Samples, Task

log = logging.getLogger(__name__)

PROGRESS_S = 10.0
"""Seconds between two lines of progress."""


@dataclass(frozen=True)
class Training:
    """How a network is trained.

    Parameters
    ----------
    steps : int
        Steps of the optimiser.
    batch : int
        Samples in a step.
    learning_rate : float
        Peak of the one-cycle schedule of AdamW.
    weight_decay : float
        Of AdamW.
    augment : bool
        Whether samples are flipped, rotated and, where that is exact, seen with the sensors swapped.
    remix : bool
        Whether each step renders new combinations and depths of the stored layers.
    validate_every : int
        Steps between validations; the last step is always validated.
    patience : int
        Validations without a new best after which training stops.
    """

    steps: int
    batch: int
    learning_rate: float
    weight_decay: float
    augment: bool
    remix: bool
    validate_every: int
    patience: int


@dataclass
class Progress:
    """How far a training has come.

    Parameters
    ----------
    step : int
        Steps done.
    weights : dict of str to Tensor
        Best weights by the validation score.
    curves : list of dict
        A row a validation: step, samples, learning_rate, train_loss, validation_loss, validation_score, seconds.
    """

    step: int
    weights: dict[str, Tensor]
    curves: list[dict[str, float]]

    @property
    def best(self) -> dict[str, float]:
        """The first row with the least score."""
        return min(self.curves, key=lambda row: row["validation_score"])

    @property
    def stale(self) -> int:
        """Validations since the best."""
        return len(self.curves) - 1 - self.curves.index(self.best) if self.curves else 0

    @property
    def seconds(self) -> float:
        """Time it took until the last validation."""
        return self.curves[-1]["seconds"] if self.curves else 0.0

    def add(self, row: dict[str, float], network: nn.Module) -> None:
        """Add a validation; its weights are kept if there were none better."""
        self.curves.append(row)
        if self.stale == 0:
            self.weights = {name: values.clone() for name, values in network.state_dict().items()}
        told = [row[name] for name in ("step", "validation_loss", "validation_score")]
        log.info("step %d: validation loss %.4f, score %.4f", *told)


@torch.inference_mode()
def validate(network: nn.Module, task: Task, samples: Samples, batch: int) -> tuple[float, float]:
    """Mean loss of a network over samples, and its score: the task's mean error."""
    network.eval()
    loss, error, count = 0.0, 0.0, len(samples["sensors"])
    for first in range(0, count, batch):
        part = {name: values[first : first + batch] for name, values in samples.items()}
        raw = network(tasks.normalised(part["sensors"]))
        loss += task.loss(raw, part).item() * len(raw)
        error += task.errors(task.answer(raw, part["sensors"]), task.truth(part)).sum().item()
    network.train()
    return loss / count, error / count


def fit(
    network: nn.Module,
    task: Task,
    batches: Batches,
    validation: Samples,
    training: Training,
    fabric: Fabric,
    checkpoint: Path,
) -> Progress:
    """Train a network.

    Parameters
    ----------
    network : torch.nn.Module
        Start; it is changed.
    task : Task
        What it learns.
    batches : callable
        Gives the samples of a step.
    validation : mapping of str to Tensor
        The validation split.
    training : Training
        How.
    fabric : Fabric
        Device, where all samples are, and precision.
    checkpoint : Path
        File that keeps the state at each validation; if it is there, training goes on from it.

    Returns
    -------
    Progress
        With the best weights and the curves.
    """
    # On CPUs convolutions take a fifth less time in this order.
    network.to(fabric.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = AdamW(network.parameters(), training.learning_rate, weight_decay=training.weight_decay, fused=True)
    schedule = OneCycleLR(optimizer, training.learning_rate, total_steps=training.steps)
    parts = {"network": network, "optimizer": optimizer, "schedule": schedule}
    progress = _resume(checkpoint, parts, fabric.device)
    model, optimizer = fabric.setup(network, optimizer)
    start = time.perf_counter() - progress.seconds
    told, losses = time.perf_counter(), []
    while progress.step < training.steps and progress.stale < training.patience:
        samples = batches(progress.step)
        raw = model(tasks.normalised(samples["sensors"]))  # (N, classes) or (N, C, Y, X)
        loss = task.loss(raw, samples)
        fabric.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        rate = float(schedule.get_last_lr()[0])
        schedule.step()
        losses.append(loss.detach())
        progress.step += 1
        if time.perf_counter() - told > PROGRESS_S:
            told = time.perf_counter()
            _tell(progress.step, training.steps, losses, told - start)
        if progress.step % training.validate_every == 0 or progress.step == training.steps:
            validation_loss, score = validate(model, task, validation, training.batch)
            if not math.isfinite(validation_loss):
                raise InputError(
                    f"training: the loss is {validation_loss} after step {progress.step}; expected a number, lower "
                    "training.learning_rate."
                )
            row = {
                "step": progress.step,
                "samples": progress.step * training.batch,
                "learning_rate": rate,
                "train_loss": torch.stack(losses).mean().item(),
                "validation_loss": validation_loss,
                "validation_score": score,
                "seconds": time.perf_counter() - start,
            }
            progress.add(row, network)
            _keep(checkpoint, parts, progress)
            losses.clear()
    return progress


def _tell(step: int, steps: int, losses: list[Tensor], seconds: float) -> None:
    left = seconds / step * (steps - step)
    log.info("step %d of %d: training loss %.4f, %.0f s left", step, steps, torch.stack(losses).mean().item(), left)


def _resume(checkpoint: Path, parts: Mapping[str, Any], device: torch.device) -> Progress:
    """Give the parts their states in the checkpoint, if there is one."""
    if not checkpoint.exists():
        return Progress(0, {}, [])
    state = torch.load(checkpoint, map_location=device, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(state[name])
    progress = Progress(**state["progress"])
    log.info("going on from step %d, which %s keeps", progress.step, checkpoint)
    return progress


def _keep(checkpoint: Path, parts: Mapping[str, Any], progress: Progress) -> None:
    state = {name: part.state_dict() for name, part in parts.items()}
    with replacing(checkpoint) as path:
        torch.save({**state, "progress": vars(progress)}, path)
