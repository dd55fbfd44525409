"""Cost of datasets and networks as they grow: `python tests/performance/cost_model.py` prints one JSON object.

Each measurement is the script of a rule in a process of its own, on one thread: processor time, peak of the memory and,
of a shard, the size of the file. A straight line through three sizes predicts the fourth. Processor time is what a free
core needs; unlike the time on a clock, it hardly depends on what else the machine does.

=====================  ============================================================================================
start                  cost of a job of size zero: imports, and what does not grow
per_unit               slope: of synthesis and prediction for each sample, of training for each step
predicted, measured    at the fourth size, which no line has seen
=====================  ============================================================================================
"""

import json
import multiprocessing
import resource
import runpy
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from foci3d.config.models import Config
from foci3d.learning.run import TrainingRun
from foci3d.optics.acceptance import AngularAcceptance, acceptance_kernels
from foci3d.optics.psf import PSF, depth_grid

PROJECT = Path(__file__).parents[2]
CONFIG = Config.model_validate(yaml.safe_load((PROJECT / "config" / "config.yaml").read_text()))
DATASET = "stack2"
NETWORKS = ("stack2_cnn", "stack2_physics")
N_SAMPLES = (250, 500, 1000, 4000)
N_STEPS = (5, 10, 20, 60)
N_PREDICTED = (64, 128, 256, 768)

Cost = dict[str, float]


def _run_script(rule: str, arguments: Mapping[str, Any], costs: "multiprocessing.Queue[Cost]") -> None:
    torch.set_num_threads(1)
    runpy.run_path(str(PROJECT / "workflow" / "scripts" / f"{rule}.py"))["main"](**arguments)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    costs.put({"cpu_s": usage.ru_utime + usage.ru_stime, "peak_gb": usage.ru_maxrss * 1024 / 1e9})


def measure(rule: str, **arguments: Any) -> Cost:
    """Run the script of a rule in a new process."""
    context = multiprocessing.get_context("spawn")
    costs = context.Queue()
    process = context.Process(target=_run_script, args=(rule, arguments, costs))
    process.start()
    process.join()
    if process.exitcode != 0:
        sys.exit(f"the script of rule {rule} failed")
    return costs.get()


def extrapolate(sizes: tuple[int, ...], measure_size: Callable[[int], Cost]) -> dict[str, dict[str, float]]:
    """Fit a line to the costs of all sizes but the last, and compare it with that of the last."""
    costs = [measure_size(size) for size in sizes]
    lines = {}
    for name in costs[0]:
        values = [cost[name] for cost in costs]
        per_unit, start = np.polyfit(sizes[:-1], values[:-1], 1)
        predicted = start + per_unit * sizes[-1]
        lines[name] = {"start": start, "per_unit": per_unit, "predicted": predicted, "measured": values[-1]}
    return lines


def save_psf(path: Path) -> None:
    """Write the PSF of the optics of the configuration."""
    depths_um = depth_grid(CONFIG.psf.depth_range_um, CONFIG.psf.depth_step_um)
    optics = AngularAcceptance(**CONFIG.psf.optics.model_dump())
    kernels = acceptance_kernels(optics, depths_um, CONFIG.imager.n_pixels, CONFIG.imager.pixel_pitch_um)
    PSF(kernels.float(), depths_um.float(), CONFIG.imager.pixel_pitch_um).save(path)


def synthesize(folder: Path, n_samples: int) -> Cost:
    """Cost of a shard."""
    samples = folder / f"{n_samples}.h5"
    cost = measure(
        "synthesize_shard",
        psf=folder / "psf.h5",
        dataset=DATASET,
        n_shards=1,
        n_samples={"train": n_samples},
        dataset_config=CONFIG.datasets[DATASET],
        scenes=[CONFIG.appearances["paper"]],
        specimen=CONFIG.specimen,
        illumination=CONFIG.illumination,
        sensor=CONFIG.sensor,
        psf_width_relative_sd=CONFIG.psf.width_relative_sd,
        imager=CONFIG.imager,
        seed=CONFIG.seed,
        samples=[samples],
    )
    return {**cost, "disk_gb": samples.stat().st_size / 1e9}


def train(folder: Path, name: str, n_steps: int) -> Cost:
    """Cost of a training with one validation, of few samples."""
    network = CONFIG.networks[name]
    steps = {"max_steps": n_steps, "validation_interval": n_steps}
    run = TrainingRun(
        network=name,
        dataset_name=DATASET,
        task=network.task,
        architecture=network.architecture,
        training=network.training.model_copy(update=steps),
        dataset=CONFIG.datasets[DATASET],
        imager=CONFIG.imager,
        device="cpu",
        precision=CONFIG.compute.precision,
        seed=CONFIG.seed,
    )
    outputs = {"weights": f"{name}.safetensors", "model": f"{name}.json", "curves": f"{name}.csv"}
    return measure(
        "train",
        run=run,
        train=[folder / f"{N_SAMPLES[-1]}.h5"],
        validation=[folder / f"{N_PREDICTED[0]}.h5"],
        psf=folder / "psf.h5",
        code="",
        **{key: folder / file for key, file in outputs.items()},
    )


def predict(folder: Path, name: str, n_samples: int) -> Cost:
    """Cost of predictions and their scores, without an average over symmetries."""
    return measure(
        "evaluate_network",
        model=folder / f"{name}.json",
        psf=folder / "psf.h5",
        test=[folder / f"{n_samples}.h5"],
        depth_ranges_um={DATASET: CONFIG.datasets[DATASET].depth_range_um},
        inference={"device": "cpu", "average_symmetries": False},
        n_bootstrap=CONFIG.n_bootstrap,
        seed=CONFIG.seed,
        predictions=[folder / "predictions.h5"],
        samples=[folder / "samples.csv"],
        summary=[folder / "summary.csv"],
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        save_psf(folder / "psf.h5")
        lines = {"synthesize_shard": extrapolate(N_SAMPLES, lambda n: synthesize(folder, n))}
        for n_samples in N_PREDICTED:
            synthesize(folder, n_samples)
        for name in NETWORKS:
            lines[f"train {name}"] = extrapolate(N_STEPS, lambda n, name=name: train(folder, name, n))
            lines[f"predict {name}"] = extrapolate(N_PREDICTED, lambda n, name=name: predict(folder, name, n))
    print(json.dumps(lines, indent=2))


if __name__ == "__main__":
    main()
