"""Samples of a dataset and outputs of a model: arrays of NumPy or torch that belong together, samples along axis 0.

>>> import numpy as np
>>> stack = np.zeros((5, 4, 51, 51), np.float32)
>>> samples = Samples(layers=stack, masks=stack > 0, depths_um=np.ones((5, 4)), measurements=stack[:, :2])
>>> len(samples), samples[:3].measurements.shape, list(samples.arrays())
(5, (3, 2, 51, 51), ['layers', 'masks', 'depths_um', 'measurements'])
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Generic, Self, TypeVar

import numpy.typing as npt

Array = TypeVar("Array")
Other = TypeVar("Other")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Record(Generic[Array]):
    """Base of what has an array, or None, in each field."""

    def arrays(self) -> dict[str, Array]:
        """The arrays that are there, by name."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in values if value is not None}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        """The record of those of the `arrays` that it has a field for."""
        return cls(**{field.name: arrays[field.name] for field in fields(cls) if field.name in arrays})

    def __len__(self) -> int:
        return len(next(iter(self.arrays().values())))  # type: ignore[arg-type]

    def __getitem__(self, rows: Any) -> Self:
        """The samples at `rows`: an index, a slice or an array of indices."""
        return type(self)(**{name: values[rows] for name, values in self.arrays().items()})  # type: ignore[index]


@dataclass(frozen=True, kw_only=True, eq=False)
class Scenes(_Record[Array]):
    """Stacks of layers of cells before they are measured.

    Parameters
    ----------
    layers : array (N, L, Y, X), float32
        Un-blurred layers, the one next to sensor A first [a.u.].
    masks : array (N, L, Y, X), uint8
        1 where a layer holds cells, else 0.
    depths_um : array (N, L), float32
        Distances of the layers from sensor A [um].
    index : array (N,), int64, optional
        Number of each sample in its split.
    sequence, step : array (N,), int64, optional
        Of moving clusters: number of the scene, and layer that holds the cluster, from 0.
    cluster : array (N, Y, X), uint8, optional
        Footprint of the moving cluster, 1 inside.
    """

    layers: Array
    masks: Array
    depths_um: Array
    index: Array | None = None
    sequence: Array | None = None
    step: Array | None = None
    cluster: Array | None = None

    def map(self, function: Callable[[Array], Other]) -> "Scenes[Other]":
        """The same with `function` applied to each array."""
        return Scenes(**{name: function(values) for name, values in self.arrays().items()})

    def measured(self, measurements: Array) -> "Samples[Array]":
        """The samples with these `measurements (N, S, Y, X)`."""
        return Samples(**self.arrays(), measurements=measurements)


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples(Scenes[Array]):
    """Samples of a dataset, as `foci3d.io.shards` stores them.

    Parameters
    ----------
    measurements : array (N, S, Y, X), float32
        Measurements of sensors A and B [a.u.].
    """

    measurements: Array

    def map(self, function: Callable[[Array], Other]) -> "Samples[Other]":
        """The same with `function` applied to each array."""
        return Samples(**{name: function(values) for name, values in self.arrays().items()})


@dataclass(frozen=True, kw_only=True, eq=False)
class Outputs(_Record[Array]):
    """What a model predicts.

    Parameters
    ----------
    output : array (N, ...)
        Probabilities (N, C) of the depths of the classes, a sharp layer (N, 1, Y, X) in the unit of the measurements,
        depths (N, 1, Y, X) [um] or probabilities of a cell (N, L, Y, X), depending on the task.
    predicted_depths_um, predicted_depth_sds_um : array (N, L), optional
        Depths of the layers and their standard deviations [um].
    occupancy : array (N, L), optional
        Scores from 0 to 1 of whether a layer holds cells.
    count_probabilities : array (N, L + 1), optional
        Probabilities of 0 to L layers.
    """

    output: Array
    predicted_depths_um: Array | None = None
    predicted_depth_sds_um: Array | None = None
    occupancy: Array | None = None
    count_probabilities: Array | None = None

    @property
    def n_found(self) -> int | None:
        """Most probable number of layers of one sample, without its axis; None if only one number is possible."""
        counts: Any = self.count_probabilities
        return None if counts is None else int(counts.argmax())

    def map(self, function: Callable[[Array], Other]) -> "Outputs[Other]":
        """The same with `function` applied to each array."""
        return Outputs(**{name: function(values) for name, values in self.arrays().items()})


NumpySamples = Samples[npt.NDArray[Any]]
NumpyOutputs = Outputs[npt.NDArray[Any]]
