"""Shards as a dataset of torch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from foci3d.errors import InputError
from foci3d.io import shards
from foci3d.io.samples import NumpySamples, Samples
from foci3d.learning.datasets import ShardDataset, open_dataset, stack

N_SAMPLES, N_PIXELS = 7, 5
RNG = np.random.default_rng(0)
SAMPLES: NumpySamples = Samples(
    layers=RNG.random((N_SAMPLES, 3, N_PIXELS, N_PIXELS), np.float32),
    masks=RNG.integers(2, size=(N_SAMPLES, 3, N_PIXELS, N_PIXELS), dtype=np.uint8),
    measurements=RNG.random((N_SAMPLES, 2, N_PIXELS, N_PIXELS), np.float32),
    depths_um=RNG.random((N_SAMPLES, 3), np.float32),
    index=np.arange(N_SAMPLES),
)


@pytest.fixture
def dataset(tmp_path: Path) -> ShardDataset:
    """Shards of three and four samples."""
    for shard, part in enumerate((SAMPLES[:3], SAMPLES[3:])):
        shards.write(tmp_path / f"{shard}.h5", [part], len(part), {})
    return open_dataset([tmp_path / "0.h5", tmp_path / "1.h5"])


def assert_equal(found: Samples[Tensor], expected: NumpySamples) -> None:
    assert found.arrays().keys() == expected.arrays().keys()
    for name, values in expected.arrays().items():
        np.testing.assert_array_equal(found.arrays()[name], values)


def test_samples_are_those_of_the_shards_in_order(dataset: ShardDataset, tmp_path: Path) -> None:
    assert len(dataset) == N_SAMPLES
    for number in (0, 3, 6, -1):
        assert_equal(dataset[number], SAMPLES[number])
    assert_equal(dataset[torch.tensor([5, 0])], SAMPLES[[5, 0]])
    assert_equal(dataset.load(), SAMPLES)
    assert_equal(open_dataset(str(tmp_path / "1.h5")).load(), SAMPLES[3:])
    with pytest.raises(IndexError):
        dataset[N_SAMPLES]


def test_torch_loads_batches(dataset: ShardDataset) -> None:
    generator = torch.Generator().manual_seed(0)
    batches = list(DataLoader(dataset, batch_size=3, shuffle=True, collate_fn=stack, generator=generator))
    assert [len(batch) for batch in batches] == [3, 3, 1]
    assert sorted(torch.cat([batch.index for batch in batches]).tolist()) == list(range(N_SAMPLES))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.h5"):
        open_dataset(tmp_path / "missing.h5")
