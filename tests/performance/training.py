"""Speed of the training: `python tests/performance/training.py results/paper` prints one JSON object.

It needs the training and validation splits of stack2, the point-spread function and the pretrained encoder of a run:
`snakemake -- results/paper/models/encoder.safetensors`. Networks and their trainings are those of config/config.yaml;
the time of `stack2_resnet` leaves out the pretraining. `plain` is a loop over a `torch.utils.data.DataLoader` in
float32, on the same shards and network; for this comparison both have the optimizer AdamW and no average of weights,
take turns, and count by their median step. Nothing else should run on the machine.

========================  ========  ==================================================================================
seconds_to_target                   training time, with validations, until the validation error is at most --target
times_as_fast_to_target   >= 5      that of `stack2_resnet` over that of `stack2_physics`
steps_per_s                         steps of foci3d's loop in a second
steps_vs_plain            >= 2      the same over that of the plain loop, where the processor computes in bfloat16;
                                    nowhere below 1.1
outside_share             < 0.08    share of the time of a training as configured that is outside forward, backward
                                    and step of the optimizer: new samples, average of weights, schedules
========================  ========  ==================================================================================
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice, pairwise
from pathlib import Path
from statistics import median
from typing import Any

import torch
import yaml
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.optim import AdamW
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.data import DataLoader

from foci3d.config.models import Config
from foci3d.config.training import TrainingConfig
from foci3d.learning.checkpoint import load_checkpoint
from foci3d.learning.datasets import open_dataset, stack
from foci3d.learning.networks import PhysicsNetwork, ResNetCnn
from foci3d.learning.run import TrainingInputs, TrainingRun, run_training
from foci3d.learning.tasks import compute_logits
from foci3d.optics.forward import ForwardModel
from foci3d.optics.psf import PSF

CONFIG = Config.model_validate(yaml.safe_load((Path(__file__).parents[2] / "config" / "config.yaml").read_text()))
NETWORKS = ("stack2_resnet", "stack2_physics")
COMPARABLE = {"optimizer": "adamw", "weight_averaging": 0}
"""Settings by which both loops of a comparison do the same in a step."""


class TargetReached(Exception):  # noqa: N818
    """Ends a training; its argument is its duration [s]."""


@dataclass
class Clock:
    """Times at which forward passes of a training start, and at which optimizers have done a step."""

    starts: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)

    @property
    def steps(self) -> list[tuple[float, float]]:
        """Start of each step and of the next, without the first step, in which much is allocated."""
        return [*pairwise(self.starts)][1:]

    @property
    def seconds_per_step(self) -> list[float]:
        return [following - start for start, following in self.steps]

    @property
    def outside_share(self) -> float:
        """Share of the time from the last optimizer of a step to the forward pass of the next."""
        outside = [following - max(end for end in self.ends if end < following) for _, following in self.steps]
        return sum(outside) / sum(self.seconds_per_step)


@contextmanager
def each_training_step(call: Any) -> Iterator[None]:
    """Call a function before each forward pass of a network in training mode."""

    def hook(module: nn.Module, _: Any) -> None:
        if isinstance(module, PhysicsNetwork | ResNetCnn) and module.training:
            call()

    handle = register_module_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def timed() -> Iterator[Clock]:
    clock = Clock()
    handle = register_optimizer_step_post_hook(lambda *_: clock.ends.append(time.perf_counter()))
    with each_training_step(lambda: clock.starts.append(time.perf_counter())):
        yield clock
    handle.remove()


def make_run(name: str, changes: dict[str, Any]) -> TrainingRun:
    network = CONFIG.networks[name]
    return TrainingRun(
        network=name,
        dataset_name=network.dataset,
        task=network.task,
        architecture=network.architecture,
        training=TrainingConfig.model_validate(network.training.model_dump() | changes),
        dataset=CONFIG.datasets[network.dataset],
        imager=CONFIG.imager,
        device="cpu",
        precision="auto",
        seed=CONFIG.seed,
    )


def make_inputs(name: str, results: Path) -> TrainingInputs:
    train, validation = (
        sorted((results / "data" / "stack2").glob(f"{split}-*.h5")) for split in ("train", "validation")
    )
    encoder = results / "models" / "encoder.safetensors" if CONFIG.networks[name].starts_pretrained else None
    return TrainingInputs(train, validation, results / "psf" / f"{CONFIG.psf.source}.h5", "", encoder)


def seconds_to_target(name: str, results: Path, target: float, interval: int) -> float | None:
    """Duration of the training until the validation error is at most `target`; None where it never is."""
    with tempfile.TemporaryDirectory() as folder:
        n_steps = 0

        def stop_at_target() -> None:
            nonlocal n_steps
            if n_steps and n_steps % interval == 0:
                (checkpoint,) = Path(folder).glob(".*.checkpoint")
                saved = load_checkpoint(checkpoint, torch.device("cpu"))
                assert saved is not None
                latest = saved["state"]["curves"][-1]
                if latest["validation_score"] <= target:
                    raise TargetReached(latest["seconds"])
            n_steps += 1

        try:
            with each_training_step(stop_at_target):
                run = make_run(name, {"validation_interval": interval})
                run_training(run, make_inputs(name, results), Path(folder))
        except TargetReached as reached:
            return reached.args[0]
        return None


def run_loop(name: str, results: Path, n_steps: int, changes: dict[str, Any]) -> Clock:
    """Steps of foci3d's loop."""
    changes = {"max_steps": n_steps, "validation_interval": n_steps, **changes}
    with tempfile.TemporaryDirectory() as folder, timed() as clock:
        run_training(make_run(name, changes), make_inputs(name, results), Path(folder))
    return clock


def run_plain_loop(name: str, results: Path, n_steps: int) -> Clock:
    """Steps of a loop as a tutorial of PyTorch has it."""
    run, inputs = make_run(name, COMPARABLE), make_inputs(name, results)
    network, task = run.initialize_network(inputs.encoder), run.make_task()
    if isinstance(network, PhysicsNetwork):
        psf, dataset = PSF.load(inputs.psf), run.dataset
        network.set_optics(ForwardModel(psf, run.imager.n_pixels, dataset.n_sensors, run.imager.sensor_separation_um))
    optimizer = AdamW(network.parameters(), run.training.max_learning_rate, weight_decay=run.training.weight_decay)
    samples = open_dataset(inputs.train)
    loader = DataLoader(samples, run.training.batch_size, shuffle=True, drop_last=True, collate_fn=stack)
    with timed() as clock:
        for batch in islice(loader, n_steps):
            optimizer.zero_grad()
            task.loss(compute_logits(network, batch.measurements), batch).backward()
            optimizer.step()
    return clock


def measure_steps(name: str, results: Path, n_steps: int, n_turns: int) -> dict[str, float]:
    ours, plain, configured = [], [], []
    for _ in range(n_turns):
        ours += run_loop(name, results, n_steps, COMPARABLE).seconds_per_step
        plain += run_plain_loop(name, results, n_steps).seconds_per_step
        configured.append(run_loop(name, results, n_steps, {}).outside_share)
    return {
        "steps_per_s": 1 / median(ours),
        "steps_vs_plain": median(plain) / median(ours),
        "outside_share": median(configured),
    }


def rounded(figures: dict[str, Any]) -> dict[str, Any]:
    """Numbers with four significant digits."""
    return {
        name: rounded(value) if isinstance(value, dict) else value and float(f"{value:.4g}")
        for name, value in figures.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed of the training")
    parser.add_argument("results", type=Path, help="folder of results with the inputs")
    parser.add_argument("--target", type=float, default=0.135, help="validation error to reach")
    parser.add_argument("--interval", type=int, default=50, help="steps between validations")
    parser.add_argument("--steps", type=int, default=30, help="steps of a turn")
    parser.add_argument("--turns", type=int, default=5, help="turns of each loop")
    arguments = parser.parse_args()
    figures: dict[str, Any] = {"threads": torch.get_num_threads()}
    for name in NETWORKS:
        figures[name] = measure_steps(name, arguments.results, arguments.steps, arguments.turns)
        seconds = seconds_to_target(name, arguments.results, arguments.target, arguments.interval)
        figures[name]["seconds_to_target"] = seconds
    resnet_s, physics_s = (figures[name]["seconds_to_target"] for name in NETWORKS)
    if resnet_s and physics_s:
        figures["times_as_fast_to_target"] = resnet_s / physics_s
    print(json.dumps(rounded(figures), indent=1))


if __name__ == "__main__":
    main()
