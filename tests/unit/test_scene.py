import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from scipy import ndimage, stats

from foci3d import scene

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config" / "config.yaml").read_text())
SCENE = scene.SceneConfig(**CONFIG["scene"])
SETS = CONFIG["sets"]


def generators(count, name="s", split="train", seed=3):
    return [scene.sample_generator(seed, name, split, index) for index in range(count)]


@pytest.fixture(scope="module")
def stacks():
    return scene.draw_stacks(generators(150), SCENE, SETS["stack2"], 51)


@pytest.fixture(scope="module")
def moving():
    return scene.draw_moving(generators(12), SCENE, SETS["moving"], 51)


def test_sample_generator_depends_on_seed_set_split_and_index():
    keys = [(1, "a", "test", 0), (2, "a", "test", 0), (1, "b", "test", 0), (1, "a", "train", 0), (1, "a", "test", 1)]
    first = [scene.sample_generator(*key).random() for key in keys]
    assert len(set(first)) == len(keys)
    assert first == [scene.sample_generator(*key).random() for key in keys]


def test_sample_does_not_depend_on_its_neighbours():
    together = scene.draw_stacks(generators(5), SCENE, SETS["stack2"], 51)
    alone = scene.draw_stacks([scene.sample_generator(3, "s", "train", 4)], SCENE, SETS["stack2"], 51)
    torch.testing.assert_close(together["layers"][4:], alone["layers"])
    assert torch.equal(together["depths_um"][4:], alone["depths_um"])


def test_coverage_spans_that_of_the_published_sample(stacks):
    coverage = stacks["masks"].double().mean((2, 3)).flatten()
    assert coverage.mean() == pytest.approx(0.35, abs=0.03)
    low, high = np.quantile(coverage, [0.01, 0.99])
    assert 0.04 < low < 0.12
    assert 0.55 < high < 0.72


def test_cell_pixels_are_log_normal_and_independent(stacks):
    masks = stacks["masks"].bool()
    cells = torch.where(masks, stacks["layers"], torch.nan)
    gain = cells.nanmean((2, 3), keepdim=True)
    values = (cells / gain)[masks].double().numpy()
    assert values.std() == pytest.approx(0.78, abs=0.02)
    assert np.median(values) == pytest.approx(0.78, abs=0.02)
    log = np.log(values)
    assert abs(stats.skew(log)) < 0.1
    assert abs(stats.kurtosis(log)) < 0.1
    both = masks[..., 1:] & masks[..., :-1]
    left, right = (cells / gain)[..., :-1][both], (cells / gain)[..., 1:][both]
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.02


def test_background_has_the_configured_ratio_and_spread(stacks):
    masks = stacks["masks"].bool()
    background = torch.where(masks, torch.nan, stacks["layers"])
    cells = torch.where(masks, stacks["layers"], torch.nan)
    ratio = cells.nanmean((2, 3)) / background.nanmean((2, 3))
    assert np.quantile(ratio, 0.01) == pytest.approx(3, rel=0.1)
    assert np.quantile(ratio, 0.99) == pytest.approx(5, rel=0.1)
    values = background / background.nanmean((2, 3), keepdim=True)
    assert values[~masks].std().item() == pytest.approx(0.5, abs=0.02)
    gain = cells.nanmean((2, 3))
    assert gain.min() > 0.4
    assert gain.max() < 1.7
    assert gain.mean().item() == pytest.approx(1, abs=0.05)


def test_layers_are_uncorrelated(stacks):
    masks = stacks["masks"].double().flatten(2)
    masks = masks - masks.mean(-1, keepdim=True)
    correlation = torch.nn.functional.cosine_similarity(masks[:, 0], masks[:, 1], dim=-1)
    assert abs(correlation.mean()) < 0.08
    lattices = {tuple(row) for row in stacks["masks"].flatten(2).flatten(0, 1)[:, :200].tolist()}
    assert len(lattices) > 500


def test_noise_backend_of_the_package_draws_like_masks():
    config = dataclasses.replace(SCENE, noise="noise")
    drawn = scene.draw_stacks(generators(40), config, SETS["deblur"], 51)
    matrix = scene.draw_stacks(generators(40), SCENE, SETS["deblur"], 51)
    assert not torch.equal(drawn["masks"], matrix["masks"])
    assert torch.equal(drawn["depths_um"], matrix["depths_um"])
    assert drawn["masks"].float().mean().item() == pytest.approx(0.35, abs=0.1)


def test_overlap_is_removed_from_both_layers():
    entry = SETS["nonoverlap"]
    kept = scene.draw_stacks(generators(20), SCENE, {**entry, "overlap": "keep"}, 51)
    removed = scene.draw_stacks(generators(20), SCENE, entry, 51)
    overlap = kept["masks"].prod(1, keepdim=True).bool().expand(-1, 2, -1, -1)
    assert overlap.any()
    assert torch.equal(removed["masks"], torch.where(overlap, 0, kept["masks"]))
    assert torch.equal(removed["layers"][~overlap], kept["layers"][~overlap])
    was_cell = kept["layers"][overlap].mean()
    assert removed["layers"][overlap].mean() < was_cell / 2


@pytest.mark.parametrize("name", sorted(SETS))
def test_depths_keep_range_and_gap(name):
    entry = SETS[name]
    uniform = torch.rand(4000, entry["layers"], generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    depths_um = scene.place_depths(uniform, entry)
    low, high = entry["depth_range_um"]
    assert depths_um.dtype == torch.float32
    assert depths_um.min() >= low
    assert depths_um.max() <= high
    assert (depths_um.diff(dim=-1) >= entry["minimum_gap_um"] - 1e-3).all()
    assert depths_um.max() > high - 0.02 * (high - low)
    assert depths_um.min() < low + 0.02 * (high - low)


def test_depth_classes_are_equally_likely():
    uniform = torch.rand(20000, 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    depths_um = scene.place_depths(uniform, SETS["depth"])
    found, counts = np.unique(depths_um, return_counts=True)
    assert found.tolist() == list(range(50, 1951, 100))
    assert stats.chisquare(counts).pvalue > 0.001


def test_stepped_depths_of_stacks_keep_the_gap():
    entry = {"depth_range_um": [0, 1000], "depth_step_um": 100, "minimum_gap_um": 150}
    uniform = torch.rand(5000, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    depths_um = scene.place_depths(uniform, entry)
    assert (depths_um % 100 == 0).all()
    assert depths_um.diff(dim=-1).min() == 200
    assert depths_um.max() == 1000


def test_continuous_depths_are_uniform_over_allowed_stacks():
    """Against rejection: draw four depths until their gaps suffice."""
    rng = np.random.default_rng(0)
    trial = np.sort(rng.uniform(0, 1000, (200_000, 4)), -1)
    accepted = trial[(np.diff(trial, axis=-1) >= 200).all(-1)]
    uniform = torch.rand(len(accepted), 4, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    depths_um = scene.place_depths(uniform, SETS["stack2"]).numpy()
    assert len(accepted) > 3000
    for layer in range(4):
        assert stats.ks_2samp(depths_um[:, layer], accepted[:, layer]).pvalue > 0.001


def test_cluster_and_only_it_moves(moving):
    layers, masks = (moving[name].unflatten(0, (12, 4)) for name in ("layers", "masks"))
    cluster = moving["cluster"].unflatten(0, (12, 4)).bool()
    assert torch.equal(cluster[:, 0], cluster[:, 3])
    assert moving["step"].tolist() == [0, 1, 2, 3] * 12
    assert (moving["depths_um"].unflatten(0, (12, 4)).diff(dim=1) == 0).all()
    for group in range(12):
        inside = cluster[group, 0]
        for step in range(4):
            here = torch.arange(4) == step
            assert masks[group, step, here][:, inside].all()
            assert not masks[group, step, ~here][:, inside].any()
            assert torch.equal(layers[group, step, step, inside], layers[group, 0, 0, inside])
            assert torch.equal(layers[group, step][:, ~inside], layers[group, 0][:, ~inside])
            assert torch.equal(masks[group, step][:, ~inside], masks[group, 0][:, ~inside])
    assert layers[:, 0, 1][cluster[:, 0]].mean() < layers[:, 0, 0][cluster[:, 0]].mean() / 2


def test_cluster_is_one_connected_focus_of_bounded_size(moving):
    for footprint in moving["cluster"][::4].numpy():
        assert ndimage.label(footprint)[1] == 1
        assert 20 <= footprint.sum() <= SCENE.cluster_coverage * 51**2 + 1


def test_focus_holds_the_peak():
    field = np.zeros((9, 9))
    field[1:3, 1:3] = 1
    field[6:8, 6:8] = 2
    expected = np.zeros((9, 9), bool)
    expected[6:8, 6:8] = True
    np.testing.assert_array_equal(scene.focus(field, 0.09), expected)
