"""Predictions made from arrays by name, for tests."""

from dataclasses import fields

import numpy as np

from foci3d.io.predictions import Predictions
from foci3d.io.samples import Outputs, Samples


def make_predictions(
    task: str, *, network: str = "some_network", dataset: str = "some_dataset", **arrays
) -> Predictions:
    """Predictions of a task; what is needed and not given is empty."""
    n_samples = len(arrays.get("output", ()))
    empty = {name: np.zeros((n_samples, 1, 1, 1), np.float32) for name in ("measurements", "layers", "masks")}
    empty |= {"depths_um": np.zeros((n_samples, 1)), "output": np.zeros(0), "target": np.zeros(0)}
    arrays = {**empty, **arrays}
    records = {"samples": Samples.from_arrays(arrays), "outputs": Outputs.from_arrays(arrays)}
    own = {field.name: arrays[field.name] for field in fields(Predictions) if field.name in arrays}
    return Predictions(network=network, dataset=dataset, task=task, **records, **own)


def arrays_of(predictions: Predictions) -> dict[str, np.ndarray]:
    """All arrays of predictions, by name."""
    own = {"target": predictions.target, "error": predictions.error, "classes_um": predictions.classes_um}
    present = {name: values for name, values in own.items() if values is not None}
    return {**predictions.samples.arrays(), **predictions.outputs.arrays(), **present}
