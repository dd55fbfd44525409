"""The shards in which a split of a dataset is stored.

A shard is an HDF5 file of kind ``foci3d-shard`` that follows the conventions of `foci3d.io.hdf5`.

Its arrays are those of `foci3d.io.samples.Samples`; sequence, step and cluster are there for moving clusters alone.

Attributes: dataset, split and shard; source, ``synthetic`` or the name of what the layers come from; psf, digest of the
point-spread function; sensors, ``A`` or ``AB``; pixel_pitch_um and sensor_separation_um [um]; code, digest of the code
that computed the shard; and seed, where random numbers were used.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from foci3d.config.datasets import DatasetConfig
from foci3d.config.imager import ImagerConfig
from foci3d.errors import InputError
from foci3d.io import hdf5
from foci3d.io.samples import NumpySamples, Samples

FORMAT = hdf5.FileFormat("foci3d-shard", 3)
ARRAYS = {
    "layers": ("<f4", "sample layer y x", "a.u."),
    "masks": ("u1", "sample layer y x", "1"),
    "measurements": ("<f4", "sample sensor y x", "a.u."),
    "depths_um": ("<f4", "sample layer", "um"),
    "index": ("<i8", "sample", "1"),
    "sequence": ("<i8", "sample", "1"),
    "step": ("<i8", "sample", "1"),
    "cluster": ("u1", "sample y x", "1"),
}
"""Type, axes and unit of each array."""

REQUIRED = ("layers", "masks", "measurements", "depths_um")

Values = TypeVar("Values")


def attributes(
    dataset_name: str,
    split: str,
    shard: int,
    dataset: DatasetConfig,
    imager: ImagerConfig,
    **origin: hdf5.Attribute,
) -> dict[str, hdf5.Attribute]:
    """Attributes of a shard, as the module describes them; `origin` has source, psf, code and, where used, seed."""
    return {
        "dataset": dataset_name,
        "split": split,
        "shard": shard,
        "sensors": dataset.sensors,
        "pixel_pitch_um": imager.pixel_pitch_um,
        "sensor_separation_um": imager.sensor_separation_um,
        **origin,
    }


def write(
    path: str | Path, blocks: Iterable[NumpySamples], n_samples: int, attributes: Mapping[str, hdf5.Attribute]
) -> None:
    """Write a shard of `n_samples` that come in blocks, with bounded memory."""
    blocks = iter(blocks)
    first = next(blocks)
    specs = {
        name: hdf5.ArraySpec((n_samples, *values.shape[1:]), *ARRAYS[name]) for name, values in first.arrays().items()
    }
    with hdf5.open_writer(path, FORMAT, specs, attributes) as writer:
        for block in chain([first], blocks):
            for name, values in block.arrays().items():
                writer.put(name, values)


def shard_rows(n_samples: int, n_shards: int, shard: int, multiple: int = 1) -> range:
    """Numbers of the samples in one shard.

    Parameters
    ----------
    n_samples : int
        Samples in the split, a multiple of `multiple`.
    n_shards : int
        Shards of the split.
    shard : int
        Number of this shard, from 0.
    multiple : int
        Samples that belong together, as those of a sequence do.

    Returns
    -------
    range
        The shards cover the split in order; their lengths differ by at most `multiple`.
    """
    units = n_samples // multiple
    return range(shard * units // n_shards * multiple, (shard + 1) * units // n_shards * multiple)


def read_shards(paths: Sequence[str | Path]) -> NumpySamples:
    """Read whole shards, in order, and verify them.

    Raises
    ------
    InputError
        If a shard cannot be read, is damaged, or does not fit the first.
    """
    return _join(paths, [hdf5.read(path, FORMAT, _stored(path))[0] for path in paths], np.concatenate)


class ShardedArray:
    """One array of several shards, of which only the requested rows are read.

    Parameters
    ----------
    parts : sequence of Tensor
        The array in each shard, mapped from its file; shapes differ in the first axis only.
    device : torch.device
        Device of the returned rows. For a CPU they are read from the files each time, and the operating system caches
        what fits into memory; to a GPU everything is copied once.
    """

    def __init__(self, parts: Sequence[Tensor], device: torch.device) -> None:
        self.device = device
        self._parts = [torch.cat(list(parts)).to(device)] if device.type != "cpu" else list(parts)
        self._ends = torch.tensor([len(part) for part in self._parts], device=device).cumsum(0)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, rows: Tensor) -> Tensor:
        """Rows `(*rows.shape, *self.shape[1:])` by number, on the device."""
        if len(self._parts) == 1:
            return self._parts[0][rows]
        numbers = rows.flatten()
        shards = torch.bucketize(numbers, self._ends, right=True)
        values = self._parts[0].new_empty(len(numbers), *self._parts[0].shape[1:])
        for shard, part in enumerate(self._parts):
            here = shards == shard
            values[here] = part[numbers[here] - (self._ends[shard] - len(part))]
        return values.reshape(rows.shape + values.shape[1:])

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return (len(self), *self._parts[0].shape[1:])

    def load(self) -> Tensor:
        """All rows, in memory."""
        return torch.cat(self._parts)

    def flatten(self) -> "ShardedArray":
        """The same array with its first two axes as one."""
        return ShardedArray([part.flatten(0, 1) for part in self._parts], self.device)


def map_shards(paths: Sequence[str | Path], device: torch.device) -> Samples[ShardedArray]:
    """Open shards, in order, that need not fit into memory, with rows on `device`; verifies them.

    Raises
    ------
    InputError
        If a shard cannot be read, is damaged, or does not fit the first.
    """
    parts = [hdf5.memmap_arrays(path, FORMAT, _stored(path)) for path in paths]
    return _join(paths, parts, lambda values: ShardedArray([*map(torch.from_numpy, values)], device))


def read_attributes(path: str | Path) -> dict[str, Any]:
    """Attributes of a shard, as the module describes them."""
    with hdf5.open_checked(path, FORMAT) as file:
        return {name: value for name, value in hdf5.read_attributes(file).items() if name not in ("kind", "version")}


def group_by_dataset(paths: Iterable[Path]) -> dict[str, list[Path]]:
    """Shards of several datasets by the name of the dataset, in order."""
    groups: dict[str, list[Path]] = {}
    for path in paths:
        groups.setdefault(str(read_attributes(path)["dataset"]), []).append(path)
    return groups


def _stored(path: str | Path) -> list[str]:
    """Names of the arrays of a shard: those that it must have, and others that it has."""
    with hdf5.open_checked(path, FORMAT) as file:
        return [name for name in ARRAYS if name in REQUIRED or name in file]


def _join(
    paths: Sequence[str | Path],
    parts: Sequence[hdf5.Arrays],
    concatenate: Callable[[list[npt.NDArray[Any]]], Values],
) -> Samples[Values]:
    _require_fit(paths, parts)
    return Samples(**{name: concatenate([part[name] for part in parts]) for name in parts[0]})


def _require_fit(paths: Sequence[str | Path], parts: Sequence[hdf5.Arrays]) -> None:
    """Raise InputError where the arrays of a shard do not fit each other, or those of the first shard."""
    for path, part in zip(paths, parts, strict=True):
        _require_axes(path, part)
    shapes = [{name: values.shape[1:] for name, values in part.items()} for part in parts]
    for path, shape in zip(paths, shapes, strict=True):
        if shape != shapes[0]:
            raise InputError(
                f"{path}: the shapes of a sample are {shape}; expected {shapes[0]} as in {paths[0]}. Delete the shards "
                "of this dataset and run again."
            )


def _require_axes(path: str | Path, part: hdf5.Arrays) -> None:
    """Raise InputError where arrays have other types or axes than in `ARRAYS`, or axes of different lengths."""
    lengths: dict[str, int] = {}
    for name, values in part.items():
        dtype, axes, _ = ARRAYS[name]
        fits = values.ndim == len(axes.split()) and all(
            lengths.setdefault(axis, size) == size for axis, size in zip(axes.split(), values.shape, strict=True)
        )
        if not fits or values.dtype != dtype:
            raise InputError(
                f"{path}: the array {name!r} has the type {values.dtype} and the shape {values.shape}; expected "
                f"{np.dtype(dtype)} and the axes {axes} with the lengths {lengths}. Delete it and run again."
            )
