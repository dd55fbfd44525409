"""The training loop, with validation, early stopping and a checkpoint from which an interrupted training resumes."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel

from foci3d.config.fields import Precision
from foci3d.config.training import TrainingConfig
from foci3d.errors import InputError
from foci3d.io.progress import Progress
from foci3d.io.samples import Samples
from foci3d.learning.batches import Batch
from foci3d.learning.checkpoint import load_checkpoint, save_checkpoint
from foci3d.learning.distributed import average, launched, make_fabric, synchronize_batch_norm, take_share
from foci3d.learning.optimization import average_weights, make_optimizers, one_cycle
from foci3d.learning.tasks import Task, compute_logits

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingSetup:
    """What `fit` needs to train a network.

    Parameters
    ----------
    network : torch.nn.Module
        The network with its initial weights; modified in place.
    task : Task
        Its task.
    batches : callable
        Gives the samples of a step, counted from 0, on `device`.
    validation : Samples
        The samples of the validation split, on `device`.
    config : TrainingConfig
        How to train.
    device : torch.device
        Where this process trains.
    precision : {"float32", "bfloat16"}
        Precision of a training from the start; a resumed one keeps the precision it was started with.
    checkpoint : Path
        File of the state at the last validation. If it exists, the training resumes from it.
    n_devices : int
        Devices, each with a process that runs the script of this one; they divide the batches of `batches`, which must
        give the same to all.
    """

    network: nn.Module
    task: Task
    batches: Callable[[int], Batch]
    validation: Samples[Tensor]
    config: TrainingConfig
    device: torch.device
    precision: Precision
    checkpoint: Path
    n_devices: int = 1


@dataclass
class TrainingState:
    """Progress of a training.

    Parameters
    ----------
    precision : {"float32", "bfloat16"}
        Precision of the whole training.
    step : int
        Steps done.
    best_weights : dict of str to Tensor
        Weights with the lowest validation score.
    curves : list of dict
        One row per validation: step, samples, learning_rate, train_loss, validation_loss, validation_score, and the
        time of the training until then, validations included: seconds, processor_seconds (of one process).
    """

    precision: Precision
    step: int = 0
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    curves: list[dict[str, float]] = field(default_factory=list)

    @property
    def best(self) -> dict[str, float]:
        """The first row of `curves` with the lowest score."""
        return min(self.curves, key=lambda row: row["validation_score"])

    @property
    def validations_since_best(self) -> int:
        """Validations after the best one."""
        return len(self.curves) - 1 - self.curves.index(self.best) if self.curves else 0

    def elapsed(self, clock: str) -> float:
        """Time of the training until the last validation by a column of `curves` [s]; 0 where that has none."""
        return self.curves[-1].get(clock, 0.0) if self.curves else 0.0

    def add(self, row: dict[str, float], network: nn.Module) -> None:
        """Append a validation, and copy the weights of the network if it is the best."""
        self.curves.append(row)
        if self.validations_since_best == 0:
            self.best_weights = {name: values.clone() for name, values in network.state_dict().items()}


def fit(setup: TrainingSetup) -> TrainingState:
    """Train a network until the last step, or until the validation score stops improving.

    Raises
    ------
    InputError
        If the loss is not finite.
    """
    saved = load_checkpoint(setup.checkpoint, setup.device)
    state = TrainingState(**saved["state"]) if saved else TrainingState(setup.precision)
    if saved:
        log.info("resuming from step %d, saved in %s", state.step, setup.checkpoint)
    if state.precision != setup.precision:
        log.info("precision is %s as at the start, although %s would be chosen now", state.precision, setup.precision)
    fabric = make_fabric(setup.device, setup.n_devices, state.precision)
    with launched(fabric):
        parts = _Parts.from_setup(setup)
        if saved:
            parts.load_state_dicts(saved["parts"])
        _run_steps(setup, fabric, parts, state)
    return state


@dataclass(frozen=True)
class _Parts:
    """What a step changes, and a checkpoint keeps."""

    network: nn.Module
    optimizers: Sequence[Optimizer]
    schedules: Sequence[OneCycleLR]
    averaged: AveragedModel | None

    @classmethod
    def from_setup(cls, setup: TrainingSetup) -> "_Parts":
        config = setup.config
        if setup.n_devices > 1:
            synchronize_batch_norm(setup.network, setup.device)
        # On CPUs, convolutions are a fifth faster in this memory format.
        network = setup.network.to(setup.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizers = make_optimizers(network, config)
        schedules = [one_cycle(each, config) for each in optimizers]
        averaged = average_weights(network, config.weight_averaging) if config.weight_averaging else None
        return cls(network, optimizers, schedules, averaged)

    @property
    def evaluated(self) -> nn.Module:
        """The network that is validated."""
        return self.averaged.module if self.averaged else self.network

    def _all(self) -> list[Any]:
        return [self.network, *self.optimizers, *self.schedules, *([self.averaged] if self.averaged else [])]

    def state_dicts(self) -> list[Any]:
        return [part.state_dict() for part in self._all()]

    def load_state_dicts(self, states: Sequence[Any]) -> None:
        for part, state in zip(self._all(), states, strict=True):
            part.load_state_dict(state)


def _run_steps(setup: TrainingSetup, fabric: Fabric, parts: _Parts, state: TrainingState) -> None:
    """Train from `state`, which is updated as the parts are."""
    config = setup.config
    model, *optimizers = fabric.setup(parts.network, *parts.optimizers)
    # The first process validates, by itself.
    evaluated_model = make_fabric(setup.device, 1, state.precision).setup_module(parts.evaluated, move_to_device=False)
    progress = Progress(log, "steps", config.max_steps, state.step)
    clocks = {"seconds": time.perf_counter, "processor_seconds": time.process_time}
    starts = {name: clock() - state.elapsed(name) for name, clock in clocks.items()}
    losses: list[Tensor] = []
    first_frozen = round((1 - config.frozen_statistics) * config.max_steps)
    while state.step < config.max_steps and state.validations_since_best < config.patience:
        if state.step >= first_frozen:
            freeze_statistics(parts.network, parts.averaged if state.step == first_frozen else None)
        batch, transfer = setup.batches(state.step)
        samples = take_share(batch, fabric)
        loss = setup.task.loss(compute_logits(model, samples.measurements, transfer), samples)
        fabric.backward(loss)
        learning_rate = float(parts.schedules[0].get_last_lr()[0])
        for optimizer, schedule in zip(optimizers, parts.schedules, strict=True):
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
        if parts.averaged:
            parts.averaged.update_parameters(parts.network)
        losses.append(loss.detach())
        state.step += 1
        progress.report(state.step, lambda: _describe(losses, state.curves))
        if state.step % config.validation_interval == 0 or state.step == config.max_steps:
            train_loss = average(torch.stack(losses).mean(), fabric)
            row = {"step": state.step, "samples": state.step * config.batch_size, "learning_rate": learning_rate}
            if fabric.is_global_zero:
                validation = _validate_finite(evaluated_model, setup, state.step)
                times = {name: clock() - starts[name] for name, clock in clocks.items()}
                row |= {"train_loss": train_loss, **validation, **times}
            state.add(fabric.broadcast(row), parts.evaluated)
            if fabric.is_global_zero:
                save_checkpoint(setup.checkpoint, {"parts": parts.state_dicts(), "state": vars(state)})
            losses.clear()


def freeze_statistics(network: nn.Module, averaged: AveragedModel | None = None) -> None:
    """Normalize as in predictions from now on, with the statistics of `averaged` where it is given.

    The samples of a step are of one imager. A network that sees the statistics of the batch learns to read the imager
    from them, which fails for single measurements.
    """
    if averaged:
        network.load_state_dict(dict(averaged.module.named_buffers()), strict=False)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


@torch.inference_mode()
def validate(network: nn.Module, task: Task, samples: Samples[Tensor], batch_size: int) -> dict[str, float]:
    """Mean over samples of a network's loss, ``validation_loss``, and of the task's error, ``validation_score``."""
    network.eval()
    loss, error, n_samples = 0.0, 0.0, len(samples)
    for first in range(0, n_samples, batch_size):
        batch = samples[first : first + batch_size]
        logits = compute_logits(network, batch.measurements)
        loss += task.loss(logits, batch).item() * len(logits)
        error += task.error(task.decode(logits, batch.measurements), task.target(batch)).sum().item()
    network.train()
    return {"validation_loss": loss / n_samples, "validation_score": error / n_samples}


def _validate_finite(network: nn.Module, setup: TrainingSetup, step: int) -> dict[str, float]:
    row = validate(network, setup.task, setup.validation, setup.config.batch_size)
    if not math.isfinite(row["validation_loss"]):
        raise InputError(
            f"training: the loss is {row['validation_loss']} after step {step}; expected a finite number, lower "
            "training.max_learning_rate."
        )
    log.info("step %d: validation loss %.4f, score %.4f", step, row["validation_loss"], row["validation_score"])
    return row


def _describe(losses: list[Tensor], curves: list[dict[str, float]]) -> str:
    """The loss since the last validation, and the score of that."""
    loss = f"training loss {torch.stack(losses).mean().item():.4f}"
    return f"{loss}, validation score {curves[-1]['validation_score']:.4f}" if curves else loss
