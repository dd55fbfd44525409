"""Speed of the reconstruction: `python tests/performance/reconstruction.py results/quick` prints one JSON object.

It needs the point-spread function, the validation and test splits of stack2 and deblur, and the networks
`stack2_physics` and `deblur_physics` of a run, for example of `make demo`. Everything runs in one thread. Each network
is compared with a classical method that is given the depths of the layers, and whose number of iterations has the
lowest error on validation samples: layered non-negative least squares for stacks, scikit-image's Richardson-Lucy for
single layers. Both methods take turns, a sample each or a batch each; the fastest turn of each counts.

==========================  ========  ================================================================================
sample_ms                             time of the network for a sample: the images of one sensor or two, in float32
sample_vs_classical                   time of the classical method over that of the network
reduced_vs_classical                  the same in bfloat16, where the processor computes in it
symmetries_vs_classical               the same in float32 with the average over the symmetries of the imager
batch_sample_ms                       time of the network for a sample of a batch of 16, in bfloat16 where the processor
                                      computes in it
batch_vs_classical          >= 30     time of the classical method for this batch over that of the network
error_ratio                           error of the classical method over that of the network in float32
error, ..._reduced,                   mean error of the network on test samples, in float32, in bfloat16, and with the
..._symmetries                        average; below classical_error
==========================  ========  ================================================================================
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import yaml
from threadpoolctl import threadpool_limits

from foci3d.classical.tuning import tune
from foci3d.config.models import Config
from foci3d.io.samples import NumpySamples
from foci3d.io.shards import read_shards
from foci3d.learning.device import resolve_precision
from foci3d.learning.model import load_model
from foci3d.learning.tasks import Task, make_task
from foci3d.optics.forward import ForwardModel
from foci3d.optics.psf import PSF

CONFIG = Config.model_validate(yaml.safe_load((Path(__file__).parents[2] / "config" / "config.yaml").read_text()))
N_BATCH = 16
COMPARISONS = {"stack2_physics": "stack2_least_squares", "deblur_physics": "deblur_richardson_lucy"}
"""Networks, and the classical method that each is compared with."""


def fastest(works: dict[str, Callable[[], object]], n_turns: int) -> dict[str, float]:
    """Time of the fastest turn of each work, which take turns [s]."""
    best = dict.fromkeys(works, float("inf"))
    for _ in range(n_turns):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def read_split(results: Path, dataset: str, split: str, n_samples: int) -> NumpySamples:
    paths = sorted((results / "data" / dataset).glob(f"{split}-*.h5"))
    return read_shards(paths)[:n_samples]


def mean_error(output: np.ndarray, test: NumpySamples, task: Task) -> float:
    target = task.target(test.map(torch.from_numpy))
    return float(task.error(torch.from_numpy(output), target).mean())


def compare(
    network: str, results: Path, iterations: list[int], n_samples: tuple[int, int], n_turns: int
) -> dict[str, float]:
    baseline, imager = CONFIG.baselines[COMPARISONS[network]], CONFIG.imager
    dataset = CONFIG.datasets[baseline.dataset]
    task = make_task(baseline.task, dataset.n_layers, dataset.depth_classes_um)
    psf = PSF.load(results / "psf" / f"{CONFIG.psf.source}.h5")
    forward = ForwardModel(psf, imager.n_pixels, dataset.n_sensors, imager.sensor_separation_um)
    validation, test = (
        read_split(results, baseline.dataset, split, n)
        for split, n in zip(("validation", "test"), n_samples, strict=True)
    )
    path = results / "models" / f"{network}.json"
    model = load_model(path, psf=psf, device="cpu", average_symmetries=False, recalibration=None)
    averaged = replace(model, average_symmetries=True)
    reduced = replace(model, precision=resolve_precision("auto", model.device))
    method = baseline.method.model_copy(update={"iterations": tuple(iterations)})
    classical = tune(method, baseline.spec, baseline.smoothing_sigma_px, forward, validation)

    sensors, depths_um = test.measurements, test.depths_um
    works = {
        "network": lambda: model.predict(sensors[:1]),
        "symmetries": lambda: averaged.predict(sensors[:1]),
        "reduced": lambda: reduced.predict(sensors[:1]),
        "classical": lambda: classical.predict(forward, sensors[:1], depths_um[:1]),
        "batch": lambda: reduced.predict(sensors[:N_BATCH]),
        "classical_batch": lambda: classical.predict(forward, sensors[:N_BATCH], depths_um[:N_BATCH]),
    }
    seconds = fastest(works, n_turns)
    symmetric = averaged.predict(sensors).output
    error = mean_error(model.predict(sensors).output, test, task)
    classical_error = mean_error(classical.predict(forward, sensors, depths_um), test, task)
    return {
        "sample_ms": 1e3 * seconds["network"],
        "classical_sample_ms": 1e3 * seconds["classical"],
        "sample_vs_classical": seconds["classical"] / seconds["network"],
        "reduced_vs_classical": seconds["classical"] / seconds["reduced"],
        "symmetries_vs_classical": seconds["classical"] / seconds["symmetries"],
        "batch_sample_ms": 1e3 * seconds["batch"] / N_BATCH,
        "batch_vs_classical": seconds["classical_batch"] / seconds["batch"],
        "error": error,
        "error_reduced": mean_error(reduced.predict(sensors).output, test, task),
        "error_symmetries": mean_error(symmetric, test, task),
        "classical_error": classical_error,
        "error_ratio": classical_error / error,
        "classical_iterations": classical.parameters["iterations"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed of the reconstruction")
    parser.add_argument("results", type=Path, help="folder of results with the inputs")
    parser.add_argument("--iterations", type=int, nargs="+", default=[10, 30, 100, 300, 1000], help="to choose from")
    parser.add_argument("--validation-samples", type=int, default=100, help="samples on which they are chosen")
    parser.add_argument("--test-samples", type=int, default=200, help="samples of the errors")
    parser.add_argument("--turns", type=int, default=20, help="turns of each method")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)
    n_samples = (arguments.validation_samples, arguments.test_samples)
    figures = {}
    for network in COMPARISONS:
        measured = compare(network, arguments.results, arguments.iterations, n_samples, arguments.turns)
        figures[network] = {name: float(f"{value:.4g}") for name, value in measured.items()}
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
