"""The predictions file: the output of a method for the test split of a dataset, with inputs and targets.

==============  ======================================================================  ======================
array           content                                                                 present in
==============  ======================================================================  ======================
output, target  what was predicted, and what is true, in the axes and the unit of the   all files
                task (`foci3d.config.tasks`)
error           error of each sample (N,)                                               other kinds of output
measurements    measurements (N, S, Y, X)                                               all files
layers          unblurred layers (N, L, Y, X)                                           all files
masks           where the layers hold cells, 0 or 1 (N, L, Y, X)                        all files
depths_um       depth of each layer (N, L)                                              all files
predicted_*,    values of each layer (N, L): depth (`predicted_depths_um`) and its      tasks with values of
occupancy       standard deviation (`predicted_depth_sds_um`) [um], score of whether    the layers
                it holds cells, 0 to 1, and not a probability: 1.00 for every layer
                where the layers of the training data all hold cells
count_          probability of 0 to L layers (N, L + 1)                                 tasks that count layers
probabilities
informed_*      output and values of the layers where the number of layers is known     tasks that count layers
classes_um      depth of each class (classes,)                                          depth classes
sequence, step  number of the scene and of the step in it (N,)                          moving clusters
cluster         footprint of the moving cluster, 0 or 1 (N, Y, X)                       moving clusters
==============  ======================================================================  ======================

Layers that a task with the number of layers does not find hold no cells, and their depths are NaN. Its targets have as
many layers as it can count, those of the dataset first.

The attributes name the method (`network`), the dataset and the task.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy.typing as npt

from foci3d.config.tasks import TASKS
from foci3d.errors import InputError
from foci3d.io import hdf5
from foci3d.io.samples import NumpyOutputs, NumpySamples, Outputs, Samples

FORMAT = hdf5.FileFormat("foci3d-predictions", 3)

INFORMED = "informed_"
"""Beginning of the names of what is predicted where the number of layers is known."""

SAMPLE_LABELS = {
    "measurements": ("sample sensor y x", "a.u."),
    "layers": ("sample layer y x", "a.u."),
    "masks": ("sample layer y x", "1"),
    "depths_um": ("sample layer", "um"),
    "sequence": ("sample", "1"),
    "step": ("sample", "1"),
    "cluster": ("sample y x", "1"),
}
"""Axes and unit of the arrays of the samples that the file repeats."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """A predictions file in memory.

    Parameters
    ----------
    network, dataset, task : str
        Name of the method, of the dataset and of the task.
    samples : Samples of ndarray
        What was measured, and the truth behind it.
    outputs : Outputs of ndarray
        What was predicted.
    target : ndarray
        What is true, in the axes and the unit of the task.
    informed : Outputs of ndarray, optional
        What was predicted where the number of layers is known, for tasks that count them.
    error : ndarray (N,), optional
        Error of each sample, for kinds of output that a plugin defines.
    classes_um : ndarray (classes,), optional
        Depth of each class [um].
    attributes : mapping
        Further attributes of the file.
    """

    network: str
    dataset: str
    task: str
    samples: NumpySamples
    outputs: NumpyOutputs
    target: npt.NDArray[Any]
    informed: NumpyOutputs | None = None
    error: npt.NDArray[Any] | None = None
    classes_um: npt.NDArray[Any] | None = None
    attributes: Mapping[str, hdf5.Attribute] = field(default_factory=dict)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read and verify a file.

        Raises
        ------
        InputError
            If the file cannot be read, is damaged, or lacks a name or an array.
        """
        arrays, attributes = hdf5.read(path, FORMAT)
        del attributes["kind"], attributes["version"]
        needed = {"output", "target", "measurements", "layers", "masks", "depths_um"}
        missing = {"network", "dataset", "task"} - attributes.keys() or needed - arrays.keys()
        if missing:
            raise InputError(f"{path}: {', '.join(sorted(missing))} is missing. Delete it and run again.")
        informed = {name.removeprefix(INFORMED): array for name, array in arrays.items() if name.startswith(INFORMED)}
        return cls(
            **{name: str(attributes.pop(name)) for name in ("network", "dataset", "task")},
            samples=Samples.from_arrays(arrays),
            outputs=Outputs.from_arrays(arrays),
            target=arrays["target"],
            informed=Outputs.from_arrays(informed) if informed else None,
            error=arrays.get("error"),
            classes_um=arrays.get("classes_um"),
            attributes=attributes,
        )

    def save(self, path: str | Path) -> None:
        """Write a file."""
        names = {"network": self.network, "dataset": self.dataset, "task": self.task}
        copies = {name: values for name, values in self.samples.arrays().items() if name in SAMPLE_LABELS}
        own = {"target": self.target, "error": self.error, "classes_um": self.classes_um}
        informed = {INFORMED + name: values for name, values in self.informed.arrays().items()} if self.informed else {}
        labels = self._labels()
        arrays = {
            name: hdf5.LabelledArray(values, *labels[name.removeprefix(INFORMED)])
            for name, values in {**self.outputs.arrays(), **informed, **own, **copies}.items()
            if values is not None
        }
        hdf5.write(path, FORMAT, arrays, {**names, **self.attributes})

    def _labels(self) -> dict[str, tuple[str, str]]:
        """Axes and unit of the arrays."""
        spec = TASKS[self.task]
        values = {name: ("sample layer", unit) for name, unit in spec.layer_values.items()}
        own = {"output": (spec.axes, spec.unit), "target": (spec.target_axes, spec.unit), "error": ("sample", "1")}
        own |= {"classes_um": ("class", "um"), "count_probabilities": ("sample count", "1")}
        return {**SAMPLE_LABELS, **values, **own}
