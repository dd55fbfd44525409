"""Speed of the reconstruction: `python tests/performance/reconstruction.py results/paper` prints one JSON object.

It needs the point-spread function, the validation and test splits of stack2 and a trained `stack2_physics` of a run:
`snakemake -- results/paper/predictions/stack2_physics/stack2.h5`. Everything runs in one thread. Layered non-negative
least squares, which is given the depths of the layers, is run to the number of iterations that has the lowest error on
validation samples. Both methods take turns, a pair of measurements each; the fastest turn of each counts.

==========================  ========  ================================================================================
pair_ms                               time of the network for a pair of measurements
pair_vs_least_squares       >= 30     time of least squares over that of the network
error, ..._symmetries                 mean error of the network on test samples, without and with the average over the
                                      symmetries of the imager; below least_squares_error
symmetries_vs_least_squares           the ratio of times with that average
images_per_s                          measurements that the network takes in a second, in batches
==========================  ========  ================================================================================
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from threadpoolctl import threadpool_limits

from foci3d.config.classical_methods import NonnegativeLeastSquaresConfig
from foci3d.config.models import Config
from foci3d.evaluation.metrics import CELL_THRESHOLD, Confusion
from foci3d.io.shards import read_shards
from foci3d.learning.inference import BATCH_SIZE, Model, load_model
from foci3d.optics.forward import ForwardModel
from foci3d.optics.psf import PSF
from foci3d.reconstruction.classical import TunedMethod, tune

CONFIG = Config.model_validate(yaml.safe_load((Path(__file__).parents[2] / "config" / "config.yaml").read_text()))
NETWORK, DATASET = "stack2_physics", "stack2"
Samples = dict[str, np.ndarray]


def fastest(works: dict[str, Callable[[], object]], n_turns: int) -> dict[str, float]:
    """Time of the fastest turn of each work, which take turns [s]."""
    best = dict.fromkeys(works, float("inf"))
    for _ in range(n_turns):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def read_split(results: Path, split: str, n_samples: int) -> Samples:
    paths = sorted((results / "data" / DATASET).glob(f"{split}-*.h5"))
    arrays = read_shards(paths, ("sensors", "masks", "depths_um"))
    return {name: values[:n_samples] for name, values in arrays.items()}


def tune_least_squares(forward: ForwardModel, validation: Samples, iterations: tuple[int, ...]) -> TunedMethod:
    baseline = CONFIG.baselines["stack2_least_squares"]
    method = NonnegativeLeastSquaresConfig(name="nonnegative_least_squares", iterations=iterations)
    return tune(method, baseline.task, baseline.smoothing_sigma_px, forward, validation)


def mean_error(output: np.ndarray, test: Samples) -> float:
    return float(Confusion.from_masks(output > CELL_THRESHOLD, test["masks"] > 0).error.mean())


def measure(
    model: Model, least_squares: TunedMethod, forward: ForwardModel, test: Samples, n_turns: int
) -> dict[str, float]:
    sensors, depths_um = test["sensors"], test["depths_um"]
    works = {
        "network": lambda: model.predict(sensors[:1], "cpu"),
        "symmetries": lambda: model.predict(sensors[:1], "cpu", average_symmetries=True),
        "least_squares": lambda: least_squares.predict(forward, sensors[:1], depths_um[:1]),
        "batch": lambda: model.predict(sensors[:BATCH_SIZE], "cpu"),
    }
    seconds = fastest(works, n_turns)
    n_images = sensors[:BATCH_SIZE].shape[0] * sensors.shape[1]
    return {
        "pair_ms": 1e3 * seconds["network"],
        "least_squares_pair_ms": 1e3 * seconds["least_squares"],
        "pair_vs_least_squares": seconds["least_squares"] / seconds["network"],
        "symmetries_vs_least_squares": seconds["least_squares"] / seconds["symmetries"],
        "images_per_s": n_images / seconds["batch"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed of the reconstruction")
    parser.add_argument("results", type=Path, help="folder of results with the inputs")
    parser.add_argument("--iterations", type=int, nargs="+", default=[10, 30, 100, 300, 1000], help="to choose from")
    parser.add_argument("--validation-samples", type=int, default=100, help="samples on which they are chosen")
    parser.add_argument("--test-samples", type=int, default=1000, help="samples of the errors")
    parser.add_argument("--turns", type=int, default=20, help="turns of each method")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)
    results = arguments.results
    psf, imager = PSF.load(results / "psf" / f"{CONFIG.psf.source}.h5"), CONFIG.imager
    forward = ForwardModel(psf, imager.n_pixels, CONFIG.datasets[DATASET].n_sensors, imager.sensor_separation_um)
    validation = read_split(results, "validation", arguments.validation_samples)
    test = read_split(results, "test", arguments.test_samples)
    model = load_model(results / "models" / f"{NETWORK}.json", psf=psf)
    least_squares = tune_least_squares(forward, validation, tuple(arguments.iterations))
    figures: dict[str, Any] = measure(model, least_squares, forward, test, arguments.turns)
    figures |= {
        "error": mean_error(model.predict(test["sensors"], "cpu")["output"], test),
        "error_symmetries": mean_error(model.predict(test["sensors"], "cpu", average_symmetries=True)["output"], test),
        "least_squares_error": mean_error(least_squares.predict(forward, test["sensors"], test["depths_um"]), test),
        "least_squares_iterations": least_squares.parameters["iterations"],
    }
    print(json.dumps({name: float(f"{value:.4g}") for name, value in figures.items()}, indent=1))


if __name__ == "__main__":
    main()
