"""Damage to the files of a run: each is noticed by the reader of the file, or changes nothing that is read.

`python tests/faults/damage.py results/smoke 100` damages 100 copies of each kind of file at random places: a bit is
flipped, or the file ends there. It prints one line of JSON per kind, and the harmless cases lie in unused bytes.
"""

import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from foci3d.calibration.kernel_file import read_kernel_stack
from foci3d.errors import InputError
from foci3d.io import predictions, shards
from foci3d.learning.model_file import read_model
from foci3d.optics.psf import PSF

N_PIXELS, PITCH_UM = 51, 55.0


def read_shard(path: Path) -> list[Any]:
    return [shards.read_shards([path]), shards.read_attributes(path)]


def read_predictions(path: Path) -> list[Any]:
    loaded = predictions.Predictions.load(path)
    return [
        loaded.samples,
        loaded.outputs,
        loaded.target,
        loaded.attributes,
        loaded.network,
        loaded.dataset,
        loaded.task,
    ]


def read_psf(path: Path) -> list[Any]:
    psf = PSF.load(path)
    return [psf.digest, psf.attributes]


def read_kernels(path: Path) -> list[Any]:
    return [read_kernel_stack(path, N_PIXELS, PITCH_UM).digest]


def read_weights(path: Path) -> list[Any]:
    description, weights = read_model(path.with_suffix(".json"), path)
    return [description.model_dump(), {name: values.numpy() for name, values in weights.items()}]


KINDS: dict[str, tuple[str, Callable[[Path], list[Any]]]] = {
    "shard": ("data/*/*.h5", read_shard),
    "predictions": ("predictions/*/*.h5", read_predictions),
    "psf": ("psf/scan.h5", read_psf),
    "kernels": ("psf/scan.h5", read_kernels),
    "weights": ("models/*.safetensors", read_weights),
}
"""Files in the results, and their reader, by kind; the kernels of the run serve as those of a user."""


def damage(content: bytes, rng: random.Random) -> bytes:
    """`content` with a flipped bit or, once in ten times, without its end."""
    place = rng.randrange(len(content))
    if rng.random() < 0.1:
        return content[:place]
    return content[:place] + bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 :]


def is_equal(first: Any, second: Any) -> bool:
    """Whether values that were read are equal, array by array."""
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(is_equal(first[name], second[name]) for name in first)
    if isinstance(first, np.ndarray):
        return np.array_equal(first, second)
    return first == second


def damage_files(results: Path, kind: str, n_damages: int, seed: int) -> Counter[str]:
    """Damage copies of files; returns how many were noticed or harmless.

    Raises
    ------
    AssertionError
        If a message does not name the file, or if damaged content is read without an error.
    """
    pattern, read = KINDS[kind]
    paths, rng, outcomes = sorted(results.glob(pattern)), random.Random(seed), Counter[str]()
    for _ in range(n_damages):
        path = rng.choice(paths)
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, path.name)
            copy.write_bytes(damage(path.read_bytes(), rng))
            if kind == "weights":
                copy.with_suffix(".json").write_bytes(path.with_suffix(".json").read_bytes())
            message, found = "", []
            try:
                found = read(copy)
            except InputError as error:
                message = str(error)
            if message:
                assert message.startswith(str(copy)), message
            else:
                assert all(map(is_equal, found, read(path))), f"damage to {path} is not noticed"
            outcomes["noticed" if message else "harmless"] += 1
    return outcomes


def main(results: Path, n_damages: int) -> None:
    """Damage files of each kind, and print what came of it."""
    for kind in KINDS:
        print(json.dumps({"kind": kind, **damage_files(results, kind, n_damages, seed=0)}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
