"""Shards as a dataset of torch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from foci3d.errors import InputError
from foci3d.io import shards
from foci3d.learning.datasets import ShardDataset, open_dataset

N_SAMPLES, N_PIXELS = 7, 5


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Shards of three and four samples."""
    rng = np.random.default_rng(0)
    arrays = {
        "layers": rng.random((N_SAMPLES, 3, N_PIXELS, N_PIXELS)),
        "masks": rng.integers(2, size=(N_SAMPLES, 3, N_PIXELS, N_PIXELS)),
        "sensors": rng.random((N_SAMPLES, 2, N_PIXELS, N_PIXELS)),
        "depths_um": rng.random((N_SAMPLES, 3)),
        "index": np.arange(N_SAMPLES),
    }
    files = [tmp_path / "0.h5", tmp_path / "1.h5"]
    for path, rows in zip(files, (slice(0, 3), slice(3, None)), strict=True):
        shards.write(path, {name: values[rows] for name, values in arrays.items()}, {})
    return files


@pytest.fixture
def dataset(paths: list[Path]) -> ShardDataset:
    return open_dataset(paths)


def test_samples_are_those_of_the_shards_in_order(dataset: ShardDataset, paths: list[Path]) -> None:
    expected = shards.read_shards(paths)
    assert len(dataset) == N_SAMPLES
    for number, sample in enumerate(dataset):
        assert {*sample} == {"layers", "masks", "sensors", "depths_um", "index"}
        for name, values in sample.items():
            np.testing.assert_array_equal(values, expected[name][number])
    assert number == N_SAMPLES - 1
    assert dataset[-1]["index"] == N_SAMPLES - 1


def test_load_is_all_samples(dataset: ShardDataset) -> None:
    stacked = torch.stack([sample["sensors"] for sample in dataset])
    assert torch.equal(dataset.load()["sensors"], stacked)


def test_torch_loads_batches(dataset: ShardDataset) -> None:
    batches = list(DataLoader(dataset, batch_size=3, shuffle=True, generator=torch.Generator().manual_seed(0)))
    assert [len(batch["sensors"]) for batch in batches] == [3, 3, 1]
    assert sorted(torch.cat([batch["index"] for batch in batches]).tolist()) == list(range(N_SAMPLES))


def test_a_single_path_and_chosen_arrays(paths: list[Path]) -> None:
    dataset = open_dataset(str(paths[1]), names=["index"])
    assert [sample["index"].item() for sample in dataset] == [3, 4, 5, 6]
    assert {*dataset[0]} == {"index"}


def test_an_index_beyond_the_end(dataset: ShardDataset) -> None:
    with pytest.raises(IndexError):
        dataset[N_SAMPLES]


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.h5"):
        open_dataset(tmp_path / "missing.h5")
