"""What training takes of memory as its set grows: `python tests/performance/training_memory.py` prints one JSON object.

Each training is a process of its own, with 20 steps on stacks of four layers and two sensors. Its shards are mapped, so
what counts is memory that the operating system cannot take back when others need it: that of no file.

============================  ========  ==============================================================================
set_gb                                  size on disk of each training split
peak_gb                                 largest memory of no file while training on it
peak_growth_share             < 0.1     growth of that memory from the first to the last, over the growth of the set
============================  ========  ==============================================================================
"""

import json
import multiprocessing
import tempfile
import threading
from pathlib import Path

import numpy as np
import torch
import yaml

from foci3d import optics, plan, shards
from foci3d.train import Training

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config" / "config.yaml").read_text())
ENTRY, IMAGER, PIXELS = CONFIG["sets"]["stack2"], CONFIG["imager"], CONFIG["imager"]["pixels"]
SAMPLES, BLOCK = (1024, 8192, 32768), 256


def write_split(path: Path, samples: int) -> None:
    """A shard of the right shapes, block by block; what it shows does not matter here."""
    rng = np.random.default_rng(0)
    described = shards.layouts(samples, ENTRY["layers"], len(ENTRY["sensors"]), PIXELS, moving=False)
    with shards.writing(path, described, {}) as writer:
        for _ in range(samples // BLOCK):
            for name, layout in described.items():
                values = rng.random((BLOCK, *layout.shape[1:]), dtype=np.float32)
                writer.put(name, values.round() if name == "masks" else values)


def write_psf(path: Path) -> None:
    depths_um = torch.arange(0, 2001, 50)
    acceptance = optics.Acceptance(**CONFIG["psf"]["optics"])
    kernels = optics.acceptance_kernels(acceptance, depths_um, PIXELS, IMAGER["pixel_pitch_um"])
    optics.Psf(kernels.float(), depths_um.float(), IMAGER["pixel_pitch_um"]).save(path)


def anonymous_gb() -> float:
    """Memory of this process that belongs to no file."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1e6


def train(folder: Path, samples: int, peaks: "multiprocessing.Queue[float]") -> None:
    training = Training(20, 64, 0.001, 0.01, augment=True, remix=True, validate_every=20, patience=1)
    net = CONFIG["nets"]["stack2_cnn"]
    settings = {"entry": ENTRY, "imager": IMAGER, "compute": CONFIG["compute"], "seed": 0, "code": ""}
    planned = plan.Plan("net", "stack2", net["task"], net["architecture"], training, **settings)
    sources = plan.Sources([str(folder / f"{samples}.h5")], [str(folder / f"{SAMPLES[0]}.h5")], str(folder / "psf.h5"))
    highest, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            highest[0] = max(highest[0], anonymous_gb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    plan.carry_out(planned, sources, *(str(folder / name) for name in ("net.safetensors", "net.json", "net.csv")))
    done.set()
    watcher.join()
    peaks.put(highest[0])


def main() -> None:
    context = multiprocessing.get_context("spawn")
    found: dict[str, list[float]] = {"set_gb": [], "peak_gb": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_psf(folder / "psf.h5")
        for samples in SAMPLES:
            write_split(folder / f"{samples}.h5", samples)
            peaks = context.Queue()
            process = context.Process(target=train, args=(folder, samples, peaks))
            process.start()
            found["peak_gb"].append(peaks.get())
            process.join()
            found["set_gb"].append((folder / f"{samples}.h5").stat().st_size / 1e9)
    growth = {key: values[-1] - values[0] for key, values in found.items()}
    print(json.dumps({**found, "peak_growth_share": growth["peak_gb"] / growth["set_gb"]}, indent=2))


if __name__ == "__main__":
    main()
