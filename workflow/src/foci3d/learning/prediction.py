"""Predictions of a model for the test split of a dataset, with what scoring needs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from foci3d.config.tasks import OutputKind
from foci3d.io import shards
from foci3d.io.predictions import Predictions
from foci3d.io.samples import NumpySamples
from foci3d.learning.layer_counts import count_layers
from foci3d.learning.model import Model


def predict_dataset(model: Model, paths: Sequence[str | Path], dataset_name: str) -> Predictions:
    """Apply a model to the test split of a dataset, without its recalibration.

    Parameters
    ----------
    model : Model
        The model.
    paths : sequence of str or Path
        Shards of the split.
    dataset_name : str
        Name of the dataset.

    Returns
    -------
    Predictions
        Outputs and targets, with the measurements and what else scoring needs.
    """
    return predict_samples(model, shards.read_shards(paths), dataset_name)


def predict_samples(model: Model, samples: NumpySamples, dataset_name: str) -> Predictions:
    """Apply a model to samples in memory; as `predict_dataset`, with the samples in place of paths."""
    description = model.description
    outputs = model.predict_all(samples.measurements)
    target = model.task.target(samples.map(torch.from_numpy))
    has_own_error = model.task.spec.kind is OutputKind.OTHER
    return Predictions(
        network=description.network,
        dataset=dataset_name,
        task=description.task,
        samples=samples,
        outputs=model.select(outputs),
        informed=model.select(outputs, count_layers(target).numpy()) if model.task.spec.counts_layers else None,
        target=target.numpy(),
        error=model.task.error(torch.from_numpy(outputs.output), target).numpy() if has_own_error else None,
        classes_um=np.array(description.classes_um, np.float32) if description.classes_um else None,
        attributes={"parameters": description.n_parameters, "weights": description.digests.weights},
    )
