"""Shards as a dataset of torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from foci3d.io.samples import Samples
from foci3d.io.shards import ShardedArray, map_shards


class ShardDataset(Dataset[Samples[Tensor]]):
    """Samples of a split, read from its shards as they are asked for.

    >>> dataset = open_dataset(["train-0.h5", "train-1.h5"])  # doctest: +SKIP
    >>> loader = torch.utils.data.DataLoader(dataset, batch_size=16, shuffle=True, collate_fn=stack)  # doctest: +SKIP

    Parameters
    ----------
    samples : Samples of ShardedArray
        All samples.
    """

    def __init__(self, samples: Samples[ShardedArray]) -> None:
        self.samples = samples

    @property
    def device(self) -> torch.device:
        """Device of the samples."""
        return self.samples.layers.device

    @property
    def has_cells(self) -> Tensor:
        """Which layers of the samples hold cells, `(N, L)`."""
        return torch.cat(
            [(self.samples.masks[rows] > 0).flatten(2).any(-1) for rows in torch.arange(len(self)).split(1024)]
        )

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, rows: Any) -> Samples[Tensor]:
        """One sample by its number, or the samples at a tensor of numbers."""
        indices = rows if isinstance(rows, Tensor) else torch.tensor(range(len(self))[rows])
        return self.samples.map(lambda values: values[indices])

    def load(self) -> Samples[Tensor]:
        """All samples, in memory."""
        return self.samples.map(ShardedArray.load)


def stack(samples: Sequence[Samples[Tensor]]) -> Samples[Tensor]:
    """A batch of single samples."""
    arrays = [sample.arrays() for sample in samples]
    return Samples(**{name: torch.stack([each[name] for each in arrays]) for name in arrays[0]})


def open_dataset(paths: str | Path | Sequence[str | Path], device: torch.device | str = "cpu") -> ShardDataset:
    """Open a split of a dataset without reading it into memory.

    Parameters
    ----------
    paths : str, Path or sequence of them
        Its shards, in order.
    device : torch.device or str
        Device of the samples. For a GPU, the arrays are copied to it once.

    Returns
    -------
    ShardDataset
        For example ``dataset[0].measurements`` (S, Y, X) and ``dataset[0].masks`` (L, Y, X).

    Raises
    ------
    InputError
        If a shard cannot be read, is damaged or does not fit the first.
    """
    paths = [paths] if isinstance(paths, str | Path) else paths
    return ShardDataset(map_shards(paths, torch.device(device)))
