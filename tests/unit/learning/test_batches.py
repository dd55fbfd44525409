"""The samples of a step: what they depend on, and that every augmentation is a symmetry of the imager."""

from collections.abc import Callable

import pytest
import torch

from foci3d.config.models import Config, DatasetConfig
from foci3d.io.shards import ShardedArray
from foci3d.learning import batches
from foci3d.learning.datasets import ShardDataset
from foci3d.learning.imagers import TrainingImager
from foci3d.learning.tasks import Samples
from foci3d.optics.forward import ForwardModel
from foci3d.optics.psf import PSF

N_PIXELS, SEPARATION_UM, N_SAMPLES = 13, 1000.0, 20


@pytest.fixture(scope="module")
def dataset(config: Config) -> DatasetConfig:
    return config.datasets["stack2"].model_copy(update={"n_layers": 3})


@pytest.fixture(scope="module")
def forward(make_psf: Callable[..., PSF]) -> ForwardModel:
    return ForwardModel(make_psf(N_PIXELS), N_PIXELS, 2, SEPARATION_UM)


@pytest.fixture(scope="module")
def samples(forward: ForwardModel) -> Samples:
    """Twenty stacks of three layers, measured by two sensors."""
    generator = torch.Generator().manual_seed(0)
    layers = torch.rand(N_SAMPLES, 3, N_PIXELS, N_PIXELS, generator=generator)
    depths_um = (SEPARATION_UM * torch.rand(N_SAMPLES, 3, generator=generator)).sort(1).values
    masks = (layers > 0.6).to(torch.uint8)
    return {"layers": layers, "masks": masks, "sensors": forward(layers, depths_um), "depths_um": depths_um}


@pytest.fixture(scope="module")
def split(samples: Samples) -> ShardDataset:
    """The samples in two shards."""
    device = torch.device("cpu")
    return ShardDataset({name: ShardedArray([values[:8], values[8:]], device) for name, values in samples.items()})


@pytest.fixture
def draw(split: ShardDataset, dataset: DatasetConfig, forward: ForwardModel, config: Config) -> Callable[..., Samples]:
    """Samples of a step."""

    def draw_samples(step: int, *, seed: int = 5, resample_stacks: bool = True, augment: bool = True) -> Samples:
        training = config.networks["stack2_cnn"].training.model_copy(
            update={"batch_size": 6, "resample_stacks": resample_stacks, "augment": augment}
        )
        return batches.TrainingBatches(split, training, dataset, [TrainingImager(forward)], SEPARATION_UM, seed)(step)

    return draw_samples


def assert_consistent(samples: Samples, forward: ForwardModel) -> None:
    """The measurements are those of the layers at their depths, and the masks are those of the layers."""
    expected = forward(samples["layers"], samples["depths_um"])
    torch.testing.assert_close(samples["sensors"], expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(samples["masks"], (samples["layers"] > 0.6).to(torch.uint8))
    assert (samples["depths_um"].diff(dim=1) > 0).all()


def test_swapped_sensors_are_exact(samples: Samples, forward: ForwardModel) -> None:
    flag = torch.arange(N_SAMPLES) % 2 == 0
    swapped = batches.swap_sensors(samples, flag, SEPARATION_UM)
    assert_consistent(swapped, forward)
    assert torch.equal(swapped["sensors"][flag][:, 0], samples["sensors"][flag][:, 1])
    assert torch.equal(swapped["sensors"][~flag], samples["sensors"][~flag])


def test_empty_layers_stay_last_where_sensors_are_swapped(
    split: ShardDataset, dataset: DatasetConfig, forward: ForwardModel, config: Config
) -> None:
    training = config.networks["stack2_cnn"].training.model_copy(update={"batch_size": 40})
    some_empty = dataset.model_copy(update={"empty_layers": 0.4})
    samples = batches.TrainingBatches(split, training, some_empty, [TrainingImager(forward)], SEPARATION_UM, 5)(0)
    expected = forward(samples["layers"], samples["depths_um"])
    torch.testing.assert_close(samples["sensors"], expected, rtol=1e-4, atol=1e-5)
    occupied = (samples["masks"] > 0).any(-1).any(-1)
    assert {*occupied.sum(1).tolist()} >= {1, 2, 3}
    assert (occupied[:, :-1] >= occupied[:, 1:]).all()
    for is_occupied, depths_um in zip(occupied, samples["depths_um"], strict=True):
        assert (depths_um[is_occupied].diff() > 0).all()


def test_orientations_are_exact_and_eight(samples: Samples, forward: ForwardModel) -> None:
    flags = torch.tensor([[case >> bit & 1 for case in range(8)] for bit in range(3)]) > 0
    same = {name: values[:1].expand(8, *values.shape[1:]) for name, values in samples.items()}
    transformed = batches.apply_dihedral(same, flags)
    assert_consistent(transformed, forward)
    layers = samples["layers"][0]
    expected = [torch.rot90(image, turns, (-2, -1)) for image in (layers, layers.flip(-1)) for turns in range(4)]
    for image in expected:
        assert sum(torch.equal(image, found) for found in transformed["layers"]) == 1


@pytest.mark.parametrize("resample_stacks", [True, False])
@pytest.mark.parametrize("augment", [True, False])
def test_samples_of_a_step_are_consistent(
    draw: Callable[..., Samples], forward: ForwardModel, resample_stacks: bool, augment: bool
) -> None:
    assert_consistent(draw(0, resample_stacks=resample_stacks, augment=augment), forward)


@pytest.mark.parametrize("resample_stacks", [True, False])
def test_samples_depend_on_seed_and_step_alone(draw: Callable[..., Samples], resample_stacks: bool) -> None:
    first = draw(3, resample_stacks=resample_stacks)
    torch.manual_seed(99)
    again = draw(3, resample_stacks=resample_stacks)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["sensors"], draw(4, resample_stacks=resample_stacks)["sensors"])
    assert not torch.equal(first["sensors"], draw(3, seed=6, resample_stacks=resample_stacks)["sensors"])


def test_an_epoch_has_each_sample_once(split: ShardDataset, samples: Samples) -> None:
    numbers = {value.item(): number for number, value in enumerate(samples["depths_um"][:, 0])}
    epochs = [
        [
            numbers[value.item()]
            for step in steps
            for value in batches.stored_batch(split, 5, step, 1)["depths_um"][:, 0]
        ]
        for steps in (range(4), range(4, 8))
    ]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(N_SAMPLES))
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize(
    ("change", "symmetric"),
    [
        ({}, True),
        ({"sensors": "A"}, False),
        ({"depth_range_um": (0.0, 900.0)}, False),
        ({"depth_step_um": 100.0}, False),
    ],
)
def test_sensors_are_swapped_where_that_is_exact(dataset: DatasetConfig, change: dict, symmetric: bool) -> None:
    assert batches.is_sensor_symmetric(dataset.model_copy(update=change), SEPARATION_UM) == symmetric
