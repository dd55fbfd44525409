"""The predictions file: what a method makes of the test split of a set, beside inputs and truth.

=============  =============================================================================  ==================
array          content                                                                        where
=============  =============================================================================  ==================
output         depth_class: probabilities (N, classes); image: un-blurred picture             always
               (N, 1, Y, X); depth_map: depth in um, 0 where empty (N, 1, Y, X);
               masks: probabilities of a cell (N, L, Y, X)
target         the truth: class (N,), picture, depth map, or masks of 0 and 1                 always
sensors        pictures of the sensors (N, S, Y, X)                                           always
layers         un-blurred layers (N, L, Y, X)                                                 always
masks          where the layers hold cells, 0 or 1 (N, L, Y, X)                               always
depths_um      depth of each layer (N, L)                                                     always
classes_um     depth of each class (classes,)                                                 depth_class
group, step    number of the moving scene, and of the step in it (N,)                         moving sets
cluster        where the moving cluster is, 0 or 1 (N, Y, X)                                  moving sets
=============  =============================================================================  ==================

The attributes name the method (`net`), the set and the task.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy.typing as npt

from foci3d import store

KIND = store.Kind("foci3d-predictions", 1)

OUTPUTS = {
    "depth_class": (("sample class", "1"), ("sample", "1")),
    "image": (("sample channel y x", "a.u."), ("sample channel y x", "a.u.")),
    "depth_map": (("sample channel y x", "um"), ("sample channel y x", "um")),
    "masks": (("sample layer y x", "1"), ("sample layer y x", "1")),
}
"""Axes and unit of output and target, by task."""

COPIES = {
    "sensors": ("sample sensor y x", "a.u."),
    "layers": ("sample layer y x", "a.u."),
    "masks": ("sample layer y x", "1"),
    "depths_um": ("sample layer", "um"),
    "group": ("sample", "1"),
    "step": ("sample", "1"),
    "cluster": ("sample y x", "1"),
    "classes_um": ("class", "um"),
}
"""Axes and unit of everything else."""


@dataclass(frozen=True)
class Predictions:
    """A predictions file in memory.

    Parameters
    ----------
    net, set, task : str
        Name of the method, of the set and of the task.
    arrays : mapping of str to ndarray
        The arrays, as the module describes them.
    attributes : mapping
        Further attributes of the file.
    """

    net: str
    set: str
    task: str
    arrays: Mapping[str, npt.NDArray[Any]]
    attributes: Mapping[str, store.Attribute]

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read and verify a file."""
        arrays, attributes = store.read(path, KIND)
        del attributes["kind"], attributes["version"]
        names = {name: str(attributes.pop(name)) for name in ("net", "set", "task")}
        return cls(**names, arrays=arrays, attributes=attributes)

    def save(self, path: str | Path) -> None:
        """Write a file."""
        output, target = OUTPUTS[self.task]
        form = {"output": output, "target": target, **COPIES}
        arrays = {name: store.Array(values, *form[name]) for name, values in self.arrays.items()}
        names = {"net": self.net, "set": self.set, "task": self.task}
        store.write(path, KIND, arrays, {**names, **self.attributes})
