"""Cost of a time series: `python tests/performance/series.py` prints one JSON object.

`foci3d reconstruct` reads a short and a long series of the bundled acquisition with noise, in one thread, without the
average over symmetries, which takes 8 or 16 times the time of the network. The times are those of the processor, on
which other load counts little.

==========================  ==========================================================================================
seconds_per_frame           reconstruction of a further frame, with all files
mib_per_1000_frames         growth of the peak of memory with the number of frames
peak_mib                    peak of memory of the long series, with Python and torch
==========================  ==========================================================================================

`--checkout` measures another checkout of foci3d, to compare with.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tifffile

from foci3d.reconstruction.demo import Demo

PROJECT = Path(__file__).parents[2]
SENSORS = ("sensor_a", "sensor_b")
NOISE = 0.02
"""Standard deviation of a pixel, relative to the mean light, so that frames differ."""


def write_series(folder: Path, n_frames: int) -> list[str]:
    """Write the images of each sensor; the options that name them."""
    rng, options = np.random.default_rng(0), []
    for name in SENSORS:
        image = tifffile.imread(getattr(Demo.load().acquisition, name)).astype(np.float32)
        noise = rng.normal(0, NOISE * image.mean(), (n_frames, *image.shape))
        path = folder / f"{name}_{n_frames}.npy"
        np.save(path, (image + noise).clip(0).astype(np.float32))
        options += [f"--{name.replace('_', '-')}", str(path)]
    return options


def reconstruct(images: list[str], folder: Path, model: str, checkout: Path) -> tuple[float, float]:
    """Processor time [s] and peak of memory [MiB] of a process."""
    options = ["--psf", str(folder / "psf.h5"), "--model", model, "--no-average-symmetries", "--out"]
    command = [sys.executable, "-m", "foci3d", "reconstruct", *images, *options, str(folder / "map")]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(checkout / "workflow" / "src")}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of a time series")
    parser.add_argument("--frames", type=int, nargs=2, default=[50, 400], help="frames of two series")
    parser.add_argument("--model", default="two_sensors", help="released network")
    parser.add_argument("--checkout", type=Path, default=PROJECT, help="checkout of foci3d to measure")
    arguments = parser.parse_args()
    few, many = arguments.frames
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        Demo.load().psf.save(folder / "psf.h5")
        costs = [
            reconstruct(write_series(folder, n), folder, arguments.model, arguments.checkout.resolve())
            for n in (few, many)
        ]
    (seconds, mib), (seconds_many, mib_many) = costs
    figures = {
        "seconds_per_frame": (seconds_many - seconds) / (many - few),
        "mib_per_1000_frames": (mib_many - mib) / (many - few) * 1000,
        "peak_mib": mib_many,
    }
    print(json.dumps({name: float(f"{value:.3g}") for name, value in figures.items()}, indent=1))


if __name__ == "__main__":
    main()
