"""The samples of a step: what they depend on, and that every augmentation is a symmetry of the imager."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from foci3d.config.datasets import DatasetConfig
from foci3d.config.models import Config
from foci3d.config.training import NoiseRangesConfig
from foci3d.errors import InputError
from foci3d.io.samples import Samples
from foci3d.io.shards import ShardedArray
from foci3d.learning import batches
from foci3d.learning.datasets import ShardDataset
from foci3d.learning.imagers import TrainingImager
from foci3d.learning.symmetries import apply_symmetries, is_sensor_symmetric, swap_sensors
from foci3d.optics.forward import ForwardModel
from foci3d.optics.psf import PSF
from foci3d.optics.symmetries import Symmetry
from foci3d.simulation.dataset import appearance_numbers

N_PIXELS, SEPARATION_UM, N_SAMPLES = 13, 1000.0, 20
Draw = Callable[..., Samples[Tensor]]


@pytest.fixture(scope="module")
def dataset(config: Config) -> DatasetConfig:
    return config.datasets["stack2"].model_copy(update={"n_layers": 3})


@pytest.fixture(scope="module")
def forward(make_psf: Callable[..., PSF]) -> ForwardModel:
    return ForwardModel(make_psf(N_PIXELS), N_PIXELS, 2, SEPARATION_UM)


@pytest.fixture(scope="module")
def samples(forward: ForwardModel) -> Samples[Tensor]:
    """Twenty stacks of three layers, measured by two sensors."""
    generator = torch.Generator().manual_seed(0)
    layers = torch.rand(N_SAMPLES, 3, N_PIXELS, N_PIXELS, generator=generator)
    depths_um = (SEPARATION_UM * torch.rand(N_SAMPLES, 3, generator=generator)).sort(1).values
    masks = (layers > 0.6).to(torch.uint8)
    return Samples(layers=layers, masks=masks, measurements=forward(layers, depths_um), depths_um=depths_um)


@pytest.fixture(scope="module")
def split(samples: Samples[Tensor]) -> ShardDataset:
    """The samples in two shards."""
    device = torch.device("cpu")
    return ShardDataset(samples.map(lambda values: ShardedArray([values[:8], values[8:]], device)))


@pytest.fixture
def draw(split: ShardDataset, dataset: DatasetConfig, forward: ForwardModel, config: Config) -> Draw:
    """Samples of a step."""

    def draw_samples(
        step: int,
        *,
        seed: int = 5,
        resample_stacks: bool = True,
        augment: bool = True,
        maximum_offset: float = 0.0,
        margin_pixels: int = 0,
        noise: NoiseRangesConfig | None = None,
    ) -> Samples[Tensor]:
        update = {"resample_stacks": resample_stacks, "augment": augment}
        update |= {"maximum_offset": maximum_offset, "margin_pixels": margin_pixels, "noise": noise}
        training = config.networks["stack2_cnn"].training.model_copy(update={"batch_size": 6, **update})
        return batches.TrainingBatches(split, training, dataset, [TrainingImager(forward)], SEPARATION_UM, seed)(
            step
        ).samples

    return draw_samples


def assert_consistent(samples: Samples[Tensor], forward: ForwardModel) -> None:
    """The measurements are those of the layers at their depths, and the masks are those of the layers."""
    expected = forward(samples.layers, samples.depths_um)
    torch.testing.assert_close(samples.measurements, expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(samples.masks, (samples.layers > 0.6).to(torch.uint8))
    assert (samples.depths_um.diff(dim=1) > 0).all()


def test_swapped_sensors_are_exact(samples: Samples[Tensor], forward: ForwardModel) -> None:
    flag = torch.arange(N_SAMPLES) % 2 == 0
    swapped = swap_sensors(samples, flag, SEPARATION_UM)
    assert_consistent(swapped, forward)
    assert torch.equal(swapped.measurements[flag][:, 0], samples.measurements[flag][:, 1])
    assert torch.equal(swapped.measurements[~flag], samples.measurements[~flag])


def test_empty_layers_stay_last_where_sensors_are_swapped(
    split: ShardDataset, dataset: DatasetConfig, forward: ForwardModel, config: Config
) -> None:
    training = config.networks["stack2_cnn"].training.model_copy(update={"batch_size": 40})
    some_empty = dataset.model_copy(update={"empty_layers": 0.4})
    samples = batches.TrainingBatches(split, training, some_empty, [TrainingImager(forward)], SEPARATION_UM, 5)(
        0
    ).samples
    expected = forward(samples.layers, samples.depths_um)
    torch.testing.assert_close(samples.measurements, expected, rtol=1e-4, atol=1e-5)
    occupied = (samples.masks > 0).any(-1).any(-1)
    assert {*occupied.sum(1).tolist()} >= {1, 2, 3}
    assert (occupied[:, :-1] >= occupied[:, 1:]).all()
    for is_occupied, depths_um in zip(occupied, samples.depths_um, strict=True):
        assert (depths_um[is_occupied].diff() > 0).all()


def test_stacks_of_any_number_of_layers_hold_those_of_one_appearance(
    samples: Samples[Tensor], dataset: DatasetConfig, forward: ForwardModel, config: Config
) -> None:
    """Layers of the second appearance are brighter; layers that are stored without cells are not drawn."""
    numbers = appearance_numbers(torch.arange(N_SAMPLES), [1.0, 1.0])
    layers, masks = samples.layers + 10 * numbers[:, None, None, None], samples.masks.clone()
    masks[:, 1] = 0
    stored = replace(samples, layers=layers * masks, masks=masks)
    split = ShardDataset(stored.map(lambda values: ShardedArray([values], torch.device("cpu"))))
    training = config.networks["stack2_cnn"].training.model_copy(update={"batch_size": 60})
    several = {"minimum_layers": 0, "appearance": {"paper": 1.0, "wide": 1.0}}
    mixed = dataset.model_copy(update=several)
    drawn = batches.TrainingBatches(split, training, mixed, [TrainingImager(forward)], SEPARATION_UM, 5)(0).samples
    occupied = (drawn.masks > 0).flatten(2).any(-1)
    assert {*occupied.sum(1).tolist()} == {0, 1, 2, 3}
    brightest = drawn.layers.amax((2, 3)).where(occupied, torch.nan)
    is_bright = brightest.nanmean(1) > 5
    assert 10 < is_bright.sum() < 45
    assert (brightest[is_bright].nan_to_num(11) > 10).all()
    assert (brightest[~is_bright].nan_to_num(0) < 1).all()
    torch.testing.assert_close(drawn.measurements, forward(drawn.layers, drawn.depths_um), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("minimum_layers", [None, 0])
def test_an_appearance_that_no_sample_has_is_left_out(
    split: ShardDataset, dataset: DatasetConfig, forward: ForwardModel, config: Config, minimum_layers: int | None
) -> None:
    training = config.networks["stack2_cnn"].training.model_copy(update={"batch_size": 6})
    rare = dataset.model_copy(
        update={"minimum_layers": minimum_layers, "appearance": {"wide": 1e-6, "paper": 1.0, "dim": 1e-6}}
    )
    alone = rare.model_copy(update={"appearance": {"paper": 1.0}})
    first, second = (
        batches.TrainingBatches(split, training, each, [TrainingImager(forward)], SEPARATION_UM, 5)(0).samples
        for each in (rare, alone)
    )
    assert torch.equal(first.layers, second.layers)


def test_training_samples_without_cells_are_one_line(
    samples: Samples[Tensor], dataset: DatasetConfig, forward: ForwardModel, config: Config
) -> None:
    empty = replace(samples, masks=torch.zeros_like(samples.masks))
    split = ShardDataset(empty.map(lambda values: ShardedArray([values], torch.device("cpu"))))
    training, varied = config.networks["stack2_cnn"].training, dataset.model_copy(update={"minimum_layers": 0})
    draw = batches.TrainingBatches(split, training, varied, [TrainingImager(forward)], SEPARATION_UM, 5)
    with pytest.raises(InputError, match="none of the 20 training samples holds cells"):
        draw(0)


def test_noise_of_the_training_is_on_the_measurements_alone(draw: Draw) -> None:
    noise = NoiseRangesConfig(noisy_share=0.5, full_well_electrons=(1e3, 1e4), read_noise_electrons=(0.0, 5.0))
    plain, noisy = draw(0), draw(0, noise=noise)
    difference = (noisy.measurements - plain.measurements).abs()
    is_noisy = difference.amax((1, 2, 3)) > 0
    assert 0 < is_noisy.sum() < len(difference)
    assert difference.amax() < 0.2 * plain.measurements.amax()
    torch.testing.assert_close(noisy.layers, plain.layers)
    torch.testing.assert_close(noisy.depths_um, plain.depths_um)


def test_half_of_the_samples_have_an_offset_on_each_sensor(draw: Draw) -> None:
    plain, offset = draw(0), draw(0, maximum_offset=3.0)
    added = offset.measurements - plain.measurements
    torch.testing.assert_close(added, added[..., :1, :1].expand_as(added), rtol=0, atol=1e-4)
    relative = added[..., 0, 0] / plain.measurements.mean((1, 2, 3))[:, None]
    has_offset = (relative > 0).any(1)
    assert 0 < has_offset.sum() < len(relative)
    assert (relative < 3).all()
    assert (relative[has_offset, 0] != relative[has_offset, 1]).all()


def test_half_of_the_samples_have_light_from_beyond_the_edges(draw: Draw, forward: ForwardModel) -> None:
    drawn = draw(0, margin_pixels=9, augment=False)
    added = drawn.measurements - forward(drawn.layers, drawn.depths_um)
    is_surrounded = added.amax((1, 2, 3)) > 1e-3
    assert 0 < is_surrounded.sum() < len(added)
    torch.testing.assert_close(added[~is_surrounded], torch.zeros_like(added[~is_surrounded]), rtol=0, atol=1e-5)
    surrounded, middle = added[is_surrounded], N_PIXELS // 2
    assert surrounded[..., 0, :].mean() > 2 * surrounded[..., middle, middle].mean() > 0


@pytest.mark.parametrize("kind", ["symmetric", "astigmatic", "comatic", "skewed"])
def test_orientations_are_those_that_the_psf_allows(
    split: ShardDataset,
    dataset: DatasetConfig,
    config: Config,
    make_psf: Callable[..., PSF],
    make_asymmetric_psf: Callable[..., PSF],
    kind: str,
) -> None:
    """Each is drawn, and agrees with the forward model; with all eight, a skewed one misses it by far."""
    psf = make_psf(N_PIXELS) if kind == "symmetric" else make_asymmetric_psf(kind, N_PIXELS)
    forward = ForwardModel(psf, N_PIXELS, 2, SEPARATION_UM, n_terms=2 * N_PIXELS - 1)
    training = config.networks["stack2_cnn"].training.model_copy(update={"batch_size": 64})

    def draw(symmetries: tuple[Symmetry, ...]) -> Samples[Tensor]:
        imager = TrainingImager(forward, symmetries=symmetries)
        return batches.TrainingBatches(split, training, dataset, [imager], SEPARATION_UM, 5)(0).samples

    assert_consistent(draw(psf.symmetries), forward)
    samples = draw(tuple(Symmetry))
    miss = (samples.measurements - forward(samples.layers, samples.depths_um)).abs().max()
    assert (miss < 1e-4) == (kind == "symmetric")


def test_symmetries_are_applied_by_their_numbers(samples: Samples[Tensor]) -> None:
    for symmetries in (tuple(Symmetry), (Symmetry.IDENTITY, Symmetry.ANTITRANSPOSE)):
        same = samples[torch.zeros(len(symmetries), dtype=torch.int64)]
        found = apply_symmetries(same, symmetries, torch.arange(len(symmetries)))
        for number, symmetry in enumerate(symmetries):
            assert torch.equal(found.layers[number], symmetry.apply(samples.layers[0]))
            assert torch.equal(found.measurements[number], symmetry.apply(samples.measurements[0]))


@pytest.mark.parametrize("resample_stacks", [True, False])
@pytest.mark.parametrize("augment", [True, False])
def test_samples_of_a_step_are_consistent(
    draw: Draw, forward: ForwardModel, resample_stacks: bool, augment: bool
) -> None:
    assert_consistent(draw(0, resample_stacks=resample_stacks, augment=augment), forward)


@pytest.mark.parametrize("resample_stacks", [True, False])
def test_samples_depend_on_seed_and_step_alone(draw: Draw, resample_stacks: bool) -> None:
    first = draw(3, resample_stacks=resample_stacks)
    torch.manual_seed(99)
    again = draw(3, resample_stacks=resample_stacks)
    assert all(torch.equal(values, getattr(again, name)) for name, values in first.arrays().items())
    assert not torch.equal(first.measurements, draw(4, resample_stacks=resample_stacks).measurements)
    assert not torch.equal(first.measurements, draw(3, seed=6, resample_stacks=resample_stacks).measurements)


def test_an_epoch_has_each_sample_once(split: ShardDataset, samples: Samples[Tensor]) -> None:
    numbers = {value.item(): number for number, value in enumerate(samples.depths_um[:, 0])}
    epochs = [
        [numbers[value.item()] for step in steps for value in batches.stored_batch(split, 5, step, 1).depths_um[:, 0]]
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
    assert is_sensor_symmetric(dataset.model_copy(update=change), SEPARATION_UM) == symmetric
