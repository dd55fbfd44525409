"""Time to a first answer: `python tests/performance/first_answer.py [--before CHECKOUT]` prints one JSON object.

Each figure is the processor time of a whole process with Python's start, the least of several turns that the commands
take, over that of `import torch`, which none can avoid. With another checkout of foci3d, the figure `vs_before` is the
median over the turns of the ratio of both times. Everything runs in one thread, with compiled files in a folder of its
own.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

PROJECT = Path(__file__).parents[2]
SENSORS = ("sensor_a", "sensor_b")
SAVE_PSF = "from foci3d.reconstruction.demo import Demo; Demo.load().psf.save({!r})"
COMMAND = (sys.executable, "-m", "foci3d")
TORCH = "import torch"


def list_commands(folder: Path) -> dict[str, list[str]]:
    data = PROJECT / "workflow" / "src" / "foci3d" / "demo_data"
    images = [part for name in SENSORS for part in (f"--{name.replace('_', '-')}", str(data / f"{name}.tif"))]
    out = ["--out", str(folder / "map")]
    return {
        TORCH: [sys.executable, "-c", TORCH],
        "from foci3d import reconstruct": [sys.executable, "-c", "from foci3d import reconstruct"],
        "foci3d --help": [*COMMAND, "--help"],
        "foci3d demo": [*COMMAND, "demo", *out],
        "foci3d reconstruct": [*COMMAND, "reconstruct", "--psf", str(folder / "psf.h5"), *images, *out],
    }


def processor_seconds(command: list[str], checkout: Path, folder: Path) -> float:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONPYCACHEPREFIX": str(folder / "compiled")}
    environment["PYTHONPATH"] = str(checkout / "workflow" / "src")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description="Time to a first answer")
    parser.add_argument("--before", type=Path, help="another checkout of foci3d, to compare with")
    parser.add_argument("--turns", type=int, default=5, help="turns of each command, after one that is not counted")
    arguments = parser.parse_args()
    checkouts = {"now": PROJECT, **({"before": arguments.before.resolve()} if arguments.before else {})}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        processor_seconds([sys.executable, "-c", SAVE_PSF.format(str(folder / "psf.h5"))], PROJECT, folder)
        commands = list_commands(folder)
        turns = [
            {
                name: {key: processor_seconds(command, path, folder) for key, path in checkouts.items()}
                for name, command in commands.items()
            }
            for _ in range(1 + arguments.turns)
        ][1:]
    figures = {}
    for name in commands:
        seconds = min(turn[name]["now"] for turn in turns)
        figures[name] = {"seconds": seconds, "vs_torch": seconds / min(turn[TORCH]["now"] for turn in turns)}
        if arguments.before:
            figures[name]["vs_before"] = median(turn[name]["now"] / turn[name]["before"] for turn in turns)
    rounded = {name: {key: float(f"{value:.3g}") for key, value in each.items()} for name, each in figures.items()}
    print(json.dumps(rounded, indent=1))


if __name__ == "__main__":
    main()
