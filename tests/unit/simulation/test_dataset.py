"""Samples of datasets, and stacks resampled from stored layers."""

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from foci3d.config.imager import IlluminationConfig, SensorConfig, SpecimenConfig
from foci3d.optics.forward import ForwardModel
from foci3d.simulation.dataset import Split, appearance_numbers, generate_samples, generate_slides, resample_stacks
from foci3d.simulation.imager import Imager

N_PIXELS = 51
ALL_EFFECTS = {
    "specimen": SpecimenConfig(scatter_per_mm=0.87, absorption_per_mm=0.05, motion_um=50.0, margin_pixels=12),
    "illumination": IlluminationConfig(beam_radius_um=3000.0, beam_offset_um=300.0),
    "sensor": SensorConfig(full_well_electrons=2e4, read_noise_electrons=20.0),
    "psf_width_relative_sd": 0.03,
}


@pytest.fixture(scope="module")
def generate(psf, config):
    """Samples of the test split of a dataset, block by block."""

    @cache
    def make_imager(n_sensors, effects):
        return Imager.from_config(psf, config.imager, n_sensors, **dict(effects))

    def run(name, samples, seed=1, appearance="paper", **effects):
        dataset = config.datasets[name]
        imager = make_imager(dataset.n_sensors, tuple(effects.items()))
        return generate_samples(Split(seed, name, "test", dataset), samples, [config.appearances[appearance]], imager)

    return run


@pytest.fixture(scope="module")
def digests(generate):
    """Digest of each array of a dataset whose samples are generated in several ranges."""

    def run(name, ranges, **settings):
        sums = {}
        for samples in ranges:
            for block in generate(name, samples, **settings):
                for array, values in block.arrays().items():
                    sums.setdefault(array, hashlib.sha256()).update(np.ascontiguousarray(values).data)
        return {array: value.hexdigest() for array, value in sums.items()}

    return run


def test_generators_depend_on_seed_dataset_split_and_scene(config):
    dataset = config.datasets["stack2"]
    keys = [(1, "a", "test", 0), (2, "a", "test", 0), (1, "b", "test", 0), (1, "a", "train", 0), (1, "a", "test", 1)]
    first, again = (
        [Split(seed, name, split, dataset).generator(scene).random() for seed, name, split, scene in keys]
        for _ in range(2)
    )
    assert first == again
    assert len(set(first)) == len(keys)


@pytest.mark.parametrize("effects", [{}, ALL_EFFECTS], ids=["no effects", "all effects"])
@pytest.mark.parametrize("appearance", ["paper", "wide"])
@pytest.mark.parametrize("name", ["stack2", "moving"])
def test_content_depends_on_neither_shards_nor_threads(digests, name, appearance, effects):
    effects = {**effects, "appearance": appearance}
    whole = digests(name, [range(40)], **effects)
    assert set(whole) >= {"layers", "masks", "measurements", "depths_um", "index"}
    assert digests(name, [range(12), range(12, 40)], **effects) == whole
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert digests(name, [range(8 * part, 8 * part + 8) for part in range(5)], **effects) == whole
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert whole["layers"] != digests(name, [range(40)], seed=2, **effects)["layers"]


def test_any_range_of_samples_is_cut_from_blocks(generate):
    blocks = list(generate("depth", range(5, 37)))
    assert np.concatenate([block.index for block in blocks]).tolist() == list(range(5, 37))
    whole = np.concatenate([block.measurements for block in generate("depth", range(64))])
    np.testing.assert_array_equal(np.concatenate([block.measurements for block in blocks]), whole[5:37])


def test_moving_samples_are_numbered_by_sequence_and_step(generate):
    samples = next(generate("moving", range(8)))
    assert samples.sequence.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert samples.step.tolist() == [0, 1, 2, 3] * 2


@pytest.mark.parametrize(
    "effects",
    [
        {"specimen": SpecimenConfig(absorption_per_mm=1.0)},
        {"sensor": SensorConfig(full_well_electrons=5e3)},
        {"specimen": SpecimenConfig(motion_um=100.0)},
    ],
    ids=str,
)
def test_effects_change_measurements_only(generate, effects):
    plain, changed = next(generate("stack2", range(8))), next(generate("stack2", range(8), **effects))
    assert not np.array_equal(plain.measurements, changed.measurements)
    for name, values in plain.arrays().items():
        if name != "measurements":
            np.testing.assert_array_equal(values, getattr(changed, name))


def test_absorption_dims_a_layer_by_its_depth(generate):
    specimen = SpecimenConfig(absorption_per_mm=1.0)
    plain, dimmed = next(generate("deblur", range(8))), next(generate("deblur", range(8), specimen=specimen))
    ratio = dimmed.measurements.sum((1, 2, 3)) / plain.measurements.sum((1, 2, 3))
    # The kernels are interpolated over 100 um here.
    np.testing.assert_allclose(ratio, np.exp(-plain.depths_um[:, 0] / 1000), rtol=3e-3)


@pytest.mark.parametrize("name", ["stack2", "moving"])
def test_margin_is_cropped_from_every_array(generate, name):
    samples = next(generate(name, range(32), specimen=SpecimenConfig(margin_pixels=20)))
    images = [values for values in samples.arrays().values() if values.ndim > 2]
    assert all(image.shape[-2:] == (N_PIXELS, N_PIXELS) for image in images)
    if name == "moving":
        assert samples.cluster.sum((1, 2)).min() > 20


def test_slides_have_measurements_of_their_layers(psf, config):
    dataset = config.datasets["slides"]
    imager = Imager.from_config(psf, config.imager, dataset.n_sensors)
    slides = config.slides.model_copy(update={"image": "ihc", "n_stacks": 3})
    samples = generate_slides(Split(1, "slides", "test", dataset), slides, Path("not read"), imager)
    assert samples.index.tolist() == [0, 1, 2]
    layers, depths_um = (torch.from_numpy(values) for values in (samples.layers, samples.depths_um))
    np.testing.assert_array_equal(samples.measurements, imager.forward_model(layers, depths_um))


@pytest.fixture(scope="module")
def stored(generate):
    samples = next(generate("stack2", range(16)))
    return torch.from_numpy(samples.layers).flatten(0, 1), torch.from_numpy(samples.masks).flatten(0, 1)


@pytest.fixture(scope="module")
def resample(stored, psf, config):
    def run(name, generator=None):
        dataset = config.datasets[name] if isinstance(name, str) else name
        generator = generator or torch.Generator().manual_seed(5)
        rows = torch.randint(len(stored[0]), (12, dataset.n_layers), generator=generator)
        forward = ForwardModel(psf, N_PIXELS, dataset.n_sensors, config.imager.sensor_separation_um)
        return forward, resample_stacks(*(part[rows] for part in stored), generator, dataset, forward)

    return run


@pytest.mark.parametrize("name", ["depth", "deblur", "nonoverlap", "stack1", "stack2"])
def test_resampled_stacks_are_samples_of_the_dataset(resample, config, name):
    dataset = config.datasets[name]
    forward, samples = resample(name)
    assert samples.layers.shape == samples.masks.shape == (12, dataset.n_layers, N_PIXELS, N_PIXELS)
    assert samples.masks.dtype == torch.uint8
    assert samples.measurements.shape == (12, dataset.n_sensors, N_PIXELS, N_PIXELS)
    assert torch.equal(samples.measurements, forward(samples.layers, samples.depths_um))
    low, high = dataset.depth_range_um
    assert ((samples.depths_um >= low) & (samples.depths_um <= high)).all()
    assert (samples.depths_um.diff(dim=-1) >= dataset.minimum_gap_um - 1e-3).all()


@pytest.mark.parametrize("empty_layers", [0.3, 0.9])
def test_empty_layers_are_last_and_hold_background(resample, stored, config, empty_layers):
    dataset = config.datasets["stack2"].model_copy(update={"empty_layers": empty_layers})
    forward, samples = resample(dataset)
    occupied = (samples.masks > 0).any(-1).any(-1)
    assert 1 - occupied.float().mean().item() == pytest.approx(empty_layers, abs=0.2)
    assert (occupied[:, :-1] >= occupied[:, 1:]).all()
    for is_occupied, depths_um in zip(occupied, samples.depths_um, strict=True):
        assert (depths_um[is_occupied].diff() > 0).all()
    background = stored[0][stored[1] == 0]
    assert torch.isin(samples.layers[~occupied], background).all()
    assert torch.equal(samples.measurements, forward(samples.layers, samples.depths_um))


def test_resampled_stacks_of_any_number_of_layers(resample, stored, config):
    dataset = config.datasets["stack2"].model_copy(update={"minimum_layers": 0})
    forward, samples = resample(dataset)
    occupied, lit = ((values > 0).flatten(2).any(-1) for values in (samples.masks, samples.layers))
    assert {*occupied.sum(1).tolist()} >= {0, 1, 4}
    assert torch.equal(lit.sum(1), occupied.sum(1).clamp_min(1))
    assert torch.isin(samples.layers[lit & ~occupied], stored[0][stored[1] == 0]).all()
    assert torch.equal(samples.measurements, forward(samples.layers, samples.depths_um))


def test_layers_that_lose_all_cells_to_overlap_are_last(psf, config):
    """In the first two layers of three, cells are at the same pixels, which none keeps."""
    update = {"n_layers": 3, "minimum_layers": 3, "overlap": "remove"}
    dataset = config.datasets["stack2"].model_copy(update=update)
    masks = torch.zeros((5, 3, N_PIXELS, N_PIXELS), dtype=torch.uint8)
    masks[:, :2, 10:20], masks[:, 2, 30:40] = 1, 1
    forward = ForwardModel(psf, N_PIXELS, 2, config.imager.sensor_separation_um)
    samples = resample_stacks(1.0 + masks, masks, torch.Generator().manual_seed(0), dataset, forward)
    assert torch.equal(samples.masks[:, 0], masks[:, 2])
    assert not samples.masks[:, 1:].any()
    assert torch.equal(samples.measurements, forward(samples.layers, samples.depths_um))


def test_appearances_have_their_shares_of_any_samples(psf, config):
    """A dataset of two appearances holds the samples that it has of each alone."""
    imager = Imager.from_config(psf, config.imager, 2)
    mixed = config.datasets["stack2"].model_copy(update={"appearance": {"paper": 2.0, "wide": 1.0}})
    paper, wide = config.appearances["paper"], config.appearances["wide"]

    def layers(*scenes):
        split = Split(1, "stack2", "test", mixed)
        return np.concatenate([block.layers for block in generate_samples(split, range(60), scenes, imager)])

    numbers = appearance_numbers(torch.arange(60), [2.0, 1.0]).numpy()
    assert numbers.mean() == pytest.approx(1 / 3, abs=0.02)
    assert numbers[:15].mean() == pytest.approx(1 / 3, abs=0.1)
    np.testing.assert_array_equal(layers(paper, wide)[numbers == 0], layers(paper, paper)[numbers == 0])
    np.testing.assert_array_equal(layers(paper, wide)[numbers == 1], layers(wide, wide)[numbers == 1])


def test_resampling_is_reproducible_and_new_each_time(resample):
    generator = torch.Generator().manual_seed(5)
    (_, first), (_, second), (_, again) = (
        resample("stack2", generator),
        resample("stack2", generator),
        resample("stack2"),
    )
    assert all(torch.equal(values, getattr(again, name)) for name, values in first.arrays().items())
    assert not torch.equal(first.layers, second.layers)


def test_resampled_layers_keep_their_masks(resample, stored):
    _, samples = resample("stack2")
    pairs = {(layer.sum().item(), mask.sum().item()) for layer, mask in zip(*stored, strict=True)}
    resampled = zip(samples.layers.flatten(0, 1), samples.masks.flatten(0, 1), strict=True)
    assert {(layer.sum().item(), mask.sum().item()) for layer, mask in resampled} <= pairs


def test_removed_overlap_is_filled_with_background_of_the_layer(resample, stored):
    layers, masks = stored
    _, samples = resample("nonoverlap")
    assert not (samples.masks.sum(1) > 1).any()
    for layer, mask in zip(samples.layers.flatten(0, 1), samples.masks.flatten(0, 1), strict=True):
        source = next(index for index in range(len(layers)) if torch.equal(layers[index][mask > 0], layer[mask > 0]))
        removed = (masks[source] > 0) & (mask == 0)
        background = layers[source][masks[source] == 0]
        assert torch.isin(layer[removed], background).all()
        assert torch.equal(layer[~removed], layers[source][~removed])
