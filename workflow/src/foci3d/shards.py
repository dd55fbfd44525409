"""The shards that a split of a set is stored in, and how to read them.

A shard is an HDF5 file of kind ``foci3d-shard`` that follows the conventions of `foci3d.store`.

==========  ==================  =======  ==================================================================  ===========
array       axes                type     content                                                             where
==========  ==================  =======  ==================================================================  ===========
layers      sample layer y x    float32  un-blurred layers, from near sensor A to far [a.u.]                 always
masks       sample layer y x    uint8    1 where a layer holds cells, else 0                                 always
sensors     sample sensor y x   float32  pictures of the sensors A, B [a.u.]                                 always
depths_um   sample layer        float32  distance of each layer from sensor A [um]                           always
index       sample              int64    number of the sample in its split                                   always
group       sample              int64    number of the scene through which a cluster moves                   moving sets
step        sample              int64    layer in which the cluster is, from 0                               moving sets
cluster     sample y x          uint8    footprint of the cluster, 1 inside                                  moving sets
==========  ==================  =======  ==================================================================  ===========

Attributes: set, split and shard; source, ``synthetic`` or the name of what the layers come from; psf, the digest of the
point-spread function; sensors, ``A`` or ``AB``; pixel_pitch_um and sensor_separation_um [um]; code, the digest of the
code that made it; and seed, where random numbers did.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from foci3d import store
from foci3d.errors import InputError

KIND = store.Kind("foci3d-shard", 1)
ARRAYS = {
    "layers": ("<f4", "sample layer y x", "a.u."),
    "masks": ("u1", "sample layer y x", "1"),
    "sensors": ("<f4", "sample sensor y x", "a.u."),
    "depths_um": ("<f4", "sample layer", "um"),
    "index": ("<i8", "sample", "1"),
    "group": ("<i8", "sample", "1"),
    "step": ("<i8", "sample", "1"),
    "cluster": ("u1", "sample y x", "1"),
}
"""Type, axes and unit of each array."""

MOVING = ("group", "step", "cluster")
"""Arrays that only sets with a moving cluster have."""


def layouts(samples: int, layers: int, sensors: int, pixels: int, moving: bool) -> dict[str, store.Layout]:
    """Describe the arrays of a shard.

    Parameters
    ----------
    samples, layers, sensors : int
        Their numbers.
    pixels : int
        Pixels in y and x.
    moving : bool
        Whether a cluster moves.

    Returns
    -------
    dict of str to store.Layout
        By name of the array.
    """
    lengths = {"sample": samples, "layer": layers, "sensor": sensors, "y": pixels, "x": pixels}
    return {
        name: store.Layout(tuple(lengths[axis] for axis in axes.split()), dtype, axes, unit)
        for name, (dtype, axes, unit) in ARRAYS.items()
        if moving or name not in MOVING
    }


def attributes(
    set_name: str,
    split: str,
    shard: int,
    entry: Mapping[str, Any],
    imager: Mapping[str, Any],
    **more: store.Attribute,
) -> dict[str, store.Attribute]:
    """Put together the attributes of a shard.

    Parameters
    ----------
    set_name, split : str
        Name of the set and of its split.
    shard : int
        Number of the shard.
    entry : mapping
        The set's configuration.
    imager : mapping
        The imager's configuration.
    **more : str or int
        source, psf, code, and seed where there is one.

    Returns
    -------
    dict
        As the module describes them.
    """
    return {
        "set": set_name,
        "split": split,
        "shard": shard,
        "sensors": entry["sensors"],
        "pixel_pitch_um": imager["pixel_pitch_um"],
        "sensor_separation_um": imager["sensor_separation_um"],
        **more,
    }


def writing(
    path: str | Path, described: Mapping[str, store.Layout], attributes: Mapping[str, store.Attribute]
) -> AbstractContextManager[store.Writer]:
    """Write a shard block by block; see `store.writing`."""
    return store.writing(path, KIND, described, attributes)


def write(path: str | Path, arrays: Mapping[str, npt.NDArray[Any]], attributes: Mapping[str, store.Attribute]) -> None:
    """Write a shard whose arrays are in memory."""
    samples, layers, pixels, _ = arrays["layers"].shape
    described = layouts(samples, layers, arrays["sensors"].shape[1], pixels, moving="cluster" in arrays)
    with writing(path, described, attributes) as writer:
        for name, values in arrays.items():
            writer.put(name, values)


def shard_rows(samples: int, shards: int, shard: int, multiple: int = 1) -> range:
    """Numbers of the samples in one shard.

    Parameters
    ----------
    samples : int
        Samples in the split, a multiple of `multiple`.
    shards : int
        Shards of the split.
    shard : int
        This shard, from 0.
    multiple : int
        Samples that stay together, as those of a moving group.

    Returns
    -------
    range
        The shards of a split cover it in order, and differ by at most `multiple` samples.
    """
    parts = samples // multiple
    return range(shard * parts // shards * multiple, (shard + 1) * parts // shards * multiple)


def read_shards(paths: Sequence[str | Path], names: Sequence[str] | None = None) -> dict[str, npt.NDArray[Any]]:
    """Read whole shards, verified by their digests.

    Parameters
    ----------
    paths : sequence of str or Path
        The shards, in order.
    names : sequence of str, optional
        Arrays to read; all by default.

    Returns
    -------
    dict of str to ndarray
        The arrays of all shards, joined along the first axis.

    Raises
    ------
    InputError
        If a shard cannot be read, is damaged, or does not fit the first.
    """
    parts = [store.read(path, KIND, names)[0] for path in paths]
    for path, part in zip(paths, parts, strict=True):
        _require_fit({name: values.shape for name, values in part.items()}, parts[0], path, paths[0])
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def read_attributes(path: str | Path) -> dict[str, Any]:
    """Attributes of a shard, as the module describes them."""
    with store.opened(path, KIND) as file:
        return {name: value for name, value in file.attrs.items() if name not in ("kind", "version")}


class Rows:
    """An array of several shards as one, of which only the rows that are asked for are read.

    Parameters
    ----------
    parts : sequence of Tensor
        The array's part in each shard, mapped from its file; shapes differ in the first axis only.
    device : torch.device
        Where rows are wanted. On a processor they are read from the files each time, and the operating system keeps in
        memory what fits; for a GPU everything is copied to it once.
    """

    def __init__(self, parts: Sequence[Tensor], device: torch.device) -> None:
        self.device = device
        self._parts = [torch.cat(list(parts)).to(device)] if device.type != "cpu" else list(parts)
        self._ends = torch.tensor([len(part) for part in self._parts], device=device).cumsum(0)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, rows: Tensor) -> Tensor:
        """Rows by number, `rows` of any shape, on the device; the shape of a row follows that of `rows`."""
        if len(self._parts) == 1:
            return self._parts[0][rows]
        numbers = rows.flatten()
        shards = torch.bucketize(numbers, self._ends, right=True)
        found = self._parts[0].new_empty(len(numbers), *self._parts[0].shape[1:])
        for shard, part in enumerate(self._parts):
            here = shards == shard
            found[here] = part[numbers[here] - (self._ends[shard] - len(part))]
        return found.reshape(rows.shape + found.shape[1:])

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return (len(self), *self._parts[0].shape[1:])

    def whole(self) -> Tensor:
        """All rows, in memory."""
        return torch.cat(self._parts)

    def flatten(self) -> "Rows":
        """The same with the first two axes as one."""
        return Rows([part.flatten(0, 1) for part in self._parts], self.device)


def map_shards(paths: Sequence[str | Path], names: Sequence[str], device: torch.device) -> dict[str, Rows]:
    """Open a set that need not fit in memory, verified by its digests.

    Parameters
    ----------
    paths : sequence of str or Path
        The shards, in order.
    names : sequence of str
        Arrays to open.
    device : torch.device
        Where their rows are wanted.

    Returns
    -------
    dict of str to Rows
        The arrays of all shards, joined along the first axis.

    Raises
    ------
    InputError
        If a shard cannot be read, is damaged, or does not fit the first.
    """
    parts = [store.map_arrays(path, KIND, names) for path in paths]
    for path, part in zip(paths, parts, strict=True):
        _require_fit({name: values.shape for name, values in part.items()}, parts[0], path, paths[0])
    return {name: Rows([torch.from_numpy(part[name]) for part in parts], device) for name in names}


def _require_fit(
    shapes: Mapping[str, tuple[int, ...]],
    first: Mapping[str, npt.NDArray[Any]],
    path: str | Path,
    first_path: str | Path,
) -> None:
    """Raise InputError where arrays of a shard cannot be joined to those of the first."""
    found = {name: shape[1:] for name, shape in shapes.items()}
    expected = {name: values.shape[1:] for name, values in first.items()}
    if found != expected:
        raise InputError(
            f"{path}: its arrays {found} do not fit {expected} of {first_path}; expected shards of one set, delete "
            "them and run again."
        )
