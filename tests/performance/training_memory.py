"""Memory of a training as its dataset grows: `python tests/performance/training_memory.py` prints one JSON object.

Each training is a process of its own, with 20 steps on stacks of four layers and two sensors. Its shards are mapped
into memory, so only anonymous memory is counted: that of no file, which the operating system cannot reclaim.

============================  ========  ==============================================================================
dataset_gb                              size on disk of each training split
peak_gb                                 largest anonymous memory while training on it
largest_peak_gb                         the largest of these
peak_growth_share             < 0.1     growth of that memory from the first to the last, over the growth of the data
============================  ========  ==============================================================================
"""

import json
import multiprocessing
import tempfile
import threading
from pathlib import Path

import numpy as np
import yaml

from foci3d.config.models import Config
from foci3d.io import shards
from foci3d.io.samples import Samples
from foci3d.learning.run import TrainingInputs, TrainingRun, run_training
from foci3d.optics.acceptance import AngularAcceptance, acceptance_kernels
from foci3d.optics.psf import PSF, depth_grid

CONFIG = Config.model_validate(yaml.safe_load((Path(__file__).parents[2] / "config" / "config.yaml").read_text()))
NETWORK, DATASET, IMAGER = CONFIG.networks["stack2_cnn"], CONFIG.datasets["stack2"], CONFIG.imager
N_SAMPLES, BLOCK_SIZE = (1024, 8192, 32768), 256


def write_split(path: Path, n_samples: int) -> None:
    """A shard of random values with the shapes of the dataset, written block by block."""
    rng = np.random.default_rng(0)
    shape = (BLOCK_SIZE, DATASET.n_layers, IMAGER.n_pixels, IMAGER.n_pixels)
    blocks = (
        Samples(
            layers=rng.random(shape, np.float32),
            masks=rng.random(shape, np.float32).round(),
            measurements=rng.random((BLOCK_SIZE, DATASET.n_sensors, *shape[2:]), np.float32),
            depths_um=rng.random(shape[:2], np.float32),
        )
        for _ in range(n_samples // BLOCK_SIZE)
    )
    shards.write(path, blocks, n_samples, {})


def write_psf(path: Path) -> None:
    depths_um = depth_grid((0.0, 2000.0), 50.0)
    optics = AngularAcceptance(**CONFIG.psf.optics.model_dump())
    kernels = acceptance_kernels(optics, depths_um, IMAGER.n_pixels, IMAGER.pixel_pitch_um)
    PSF(kernels.float(), depths_um.float(), IMAGER.pixel_pitch_um).save(path)


def anonymous_gb() -> float:
    """Anonymous memory of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1e6


def train(folder: Path, n_samples: int, peaks: "multiprocessing.Queue[float]") -> None:
    run = TrainingRun(
        network="network",
        dataset_name="stack2",
        task=NETWORK.task,
        architecture=NETWORK.architecture,
        training=NETWORK.training.model_copy(update={"max_steps": 20, "batch_size": 64, "validation_interval": 20}),
        dataset=DATASET,
        imager=IMAGER,
        device="cpu",
        precision="auto",
        seed=0,
    )
    inputs = TrainingInputs([folder / f"{n_samples}.h5"], [folder / f"{N_SAMPLES[0]}.h5"], folder / "psf.h5", code="")
    highest, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            highest[0] = max(highest[0], anonymous_gb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    run_training(run, inputs, folder).save(folder / "n.safetensors", folder / "n.json", folder / "n.csv")
    done.set()
    watcher.join()
    peaks.put(highest[0])


def main() -> None:
    context = multiprocessing.get_context("spawn")
    measured: dict[str, list[float]] = {"dataset_gb": [], "peak_gb": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_psf(folder / "psf.h5")
        for n_samples in N_SAMPLES:
            write_split(folder / f"{n_samples}.h5", n_samples)
            peaks = context.Queue()
            process = context.Process(target=train, args=(folder, n_samples, peaks))
            process.start()
            measured["peak_gb"].append(peaks.get())
            process.join()
            measured["dataset_gb"].append((folder / f"{n_samples}.h5").stat().st_size / 1e9)
    growth = {key: values[-1] - values[0] for key, values in measured.items()}
    figures = {
        "largest_peak_gb": max(measured["peak_gb"]),
        "peak_growth_share": growth["peak_gb"] / growth["dataset_gb"],
    }
    print(json.dumps({**measured, **figures}, indent=2))


if __name__ == "__main__":
    main()
