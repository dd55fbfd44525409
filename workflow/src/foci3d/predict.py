"""Trained models at work: on a user's pictures, and on the test split of a set."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from foci3d import shards, tasks
from foci3d.errors import InputError
from foci3d.models import Model
from foci3d.predictions import COPIES, Predictions

log = logging.getLogger(__name__)

BATCH = 64
PROGRESS_S = 10.0
"""Seconds between two lines of progress."""


@torch.inference_mode()
def apply(model: Model, sensors: npt.NDArray[Any], device: torch.device | str = "cpu") -> npt.NDArray[np.float32]:
    """Apply a model to pictures.

    Parameters
    ----------
    model : Model
        The model.
    sensors : ndarray (N, S, Y, X)
        Pictures of the sensors, in any unit; the same for the sensors of a sample.
    device : torch.device or str
        Where to compute, in float32.

    Returns
    -------
    ndarray, float32
        Probabilities of classes (N, classes) or of cells (N, L, Y, X), pictures (N, 1, Y, X) in the unit of `sensors`,
        or depths (N, 1, Y, X) [um], as the model's task is.

    Raises
    ------
    InputError
        If the pictures do not fit the model, or hold no light.
    """
    _require_pictures(model, sensors)
    network, answers = model.network.to(device), []
    told = time.perf_counter()
    for first in range(0, len(sensors), BATCH):
        pictures = torch.from_numpy(sensors[first : first + BATCH].astype(np.float32)).to(device)
        raw = network(tasks.normalised(pictures))
        answers.append(model.task.answer(raw, pictures).cpu().numpy())
        if time.perf_counter() - told > PROGRESS_S:
            told = time.perf_counter()
            log.info("%d of %d samples", first + len(pictures), len(sensors))
    return np.concatenate(answers)


def _require_pictures(model: Model, sensors: npt.NDArray[Any]) -> None:
    known = model.description
    expected = (known["inputs"], known["pixels"], known["pixels"])
    if sensors.shape[1:] != expected:
        raise InputError(
            f"pictures: {sensors.shape[1]} sensors of {' x '.join(map(str, sensors.shape[2:]))} pixels were given; "
            f"expected {expected[0]} of {expected[1]} x {expected[2]} for the model {known['net']}, choose another "
            "model or other pictures."
        )
    means = sensors.mean((1, 2, 3), dtype=float)
    if not (np.isfinite(means) & (means > 0)).all():
        raise InputError(
            f"pictures: the mean of sample {np.flatnonzero(~(means > 0) | ~np.isfinite(means))[0]} is not above 0; "
            "expected pictures of light, without missing values, check the files."
        )


def predict(model: Model, paths: Sequence[str | Path], set_name: str, device: torch.device | str) -> Predictions:
    """Apply a model to the test split of a set.

    Parameters
    ----------
    model : Model
        The model.
    paths : sequence of str or Path
        Shards of the split.
    set_name : str
        Name of the set.
    device : torch.device or str
        Where to compute.

    Returns
    -------
    Predictions
        Output and truth, with the inputs.
    """
    arrays = shards.read_shards(paths)
    known = model.description
    samples = {name: torch.from_numpy(arrays[name]) for name in ("layers", "masks", "depths_um")}
    results = {
        "output": apply(model, arrays["sensors"], device),
        "target": model.task.truth(samples).numpy(),
        **{name: values for name, values in arrays.items() if name in COPIES},
    }
    if known["classes_um"]:
        results["classes_um"] = np.array(known["classes_um"], np.float32)
    attributes = {"parameters": known["parameters"], "weights": known["digests"]["weights"]}
    return Predictions(known["net"], set_name, known["task"], results, attributes)
