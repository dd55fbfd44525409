"""Shards as a dataset of torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from foci3d.io import hdf5, shards
from foci3d.io.shards import ShardedArray


class ShardDataset(Dataset[dict[str, Tensor]]):
    """Samples of a split, read from its shards as they are asked for; a sample is a dict of tensors.

    Parameters
    ----------
    arrays : mapping of str to ShardedArray
        Arrays of the samples by name, as `foci3d.io.shards` describes them.
    """

    def __init__(self, arrays: Mapping[str, ShardedArray]) -> None:
        self.arrays = dict(arrays)

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return self.take(torch.tensor(range(len(self))[index]))

    def take(self, indices: Tensor) -> dict[str, Tensor]:
        """Arrays of the samples at `indices`, of any shape, which precedes that of a sample."""
        return {name: values[indices] for name, values in self.arrays.items()}

    def load(self) -> dict[str, Tensor]:
        """Arrays of all samples, in memory."""
        return {name: values.load() for name, values in self.arrays.items()}


def open_dataset(
    paths: str | Path | Sequence[str | Path],
    names: Sequence[str] | None = None,
    device: torch.device | str = "cpu",
) -> ShardDataset:
    """Open a split of a dataset without reading it into memory.

    Parameters
    ----------
    paths : str, Path or sequence of them
        Its shards, in order.
    names : sequence of str, optional
        Arrays to open, see `foci3d.io.shards`; all by default.
    device : torch.device or str
        Device of the samples. For a GPU, the arrays are copied to it once.

    Returns
    -------
    ShardDataset
        For example ``sample["sensors"]`` (S, Y, X) and ``sample["masks"]`` (L, Y, X).

    Raises
    ------
    InputError
        If a shard cannot be read, is damaged or does not fit the first.
    """
    paths = [paths] if isinstance(paths, str | Path) else list(paths)
    if names is None:
        with hdf5.open_checked(paths[0], shards.FORMAT) as file:
            names = list(file)
    return ShardDataset(shards.map_shards(paths, names, torch.device(device)))
