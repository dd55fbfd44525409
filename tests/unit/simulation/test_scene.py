"""Statistics of synthetic layers and depths, compared with the configured ones, SciPy and rejection sampling."""

import numpy as np
import pytest
import torch
from scipy import ndimage, stats
from skimage.filters import threshold_otsu

from foci3d.simulation import scene
from foci3d.simulation.dataset import Split
from foci3d.simulation.slides import load_tissue
from foci3d.simulation.statistics import measure_layers


@pytest.fixture(scope="module")
def generators(config):
    """One generator for each scene."""
    split = Split(3, "s", "train", config.datasets["stack2"])
    return lambda count: [split.generator(index) for index in range(count)]


@pytest.fixture(scope="module")
def stacks(generators, config):
    return scene.draw_stacks(generators(150), config.appearances["paper"], config.datasets["stack2"], 51)


@pytest.fixture(scope="module")
def moving(generators, config):
    return scene.draw_moving(generators(12), config.appearances["paper"], config.datasets["moving"], 51)


def test_a_scene_does_not_depend_on_the_others(generators, config):
    together = scene.draw_stacks(generators(5), config.appearances["paper"], config.datasets["stack2"], 51)
    alone = scene.draw_stacks(generators(5)[4:], config.appearances["paper"], config.datasets["stack2"], 51)
    torch.testing.assert_close(together.layers[4:], alone.layers)
    assert torch.equal(together.depths_um[4:], alone.depths_um)


def test_coverage_spans_that_of_the_published_sample(stacks):
    coverage = stacks.masks.double().mean((2, 3)).flatten()
    assert coverage.mean() == pytest.approx(0.35, abs=0.03)
    low, high = np.quantile(coverage, [0.01, 0.99])
    assert 0.04 < low < 0.12
    assert 0.55 < high < 0.72


def test_cell_pixels_are_log_normal_and_independent(stacks):
    masks = stacks.masks.bool()
    cells = torch.where(masks, stacks.layers, torch.nan)
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
    masks = stacks.masks.bool()
    background = torch.where(masks, torch.nan, stacks.layers)
    cells = torch.where(masks, stacks.layers, torch.nan)
    ratio = cells.nanmean((2, 3)) / background.nanmean((2, 3))
    assert np.quantile(ratio, 0.01) == pytest.approx(3, rel=0.1)
    assert np.quantile(ratio, 0.99) == pytest.approx(5, rel=0.1)
    values = background / background.nanmean((2, 3), keepdim=True)
    assert values[~masks].std().item() == pytest.approx(0.5, abs=0.02)
    gain = cells.nanmean((2, 3))
    assert gain.min() > 0.4
    assert gain.max() < 1.7
    assert gain.mean().item() == pytest.approx(1, abs=0.05)


@pytest.fixture
def draw_textured(generators, config):
    """Stacks of an appearance like the paper's but for some keys, and of that of the paper."""

    def draw(**keys):
        paper = config.appearances["paper"]
        choices = (paper.model_copy(update=keys), paper)
        return [scene.draw_stacks(generators(40), choice, config.datasets["stack2"], 51) for choice in choices]

    return draw


@pytest.mark.parametrize("keys", [{"edge_sigma_px": (0.0, 1.0)}, {"texture_sigma_px": (0.0, 3.0)}])
def test_texture_and_borders_leave_masks_and_depths(draw_textured, keys):
    textured, paper = draw_textured(**keys)
    assert not torch.equal(textured.layers, paper.layers)
    assert torch.equal(textured.masks, paper.masks)
    assert torch.equal(textured.depths_um, paper.depths_um)


def test_texture_of_no_width_is_that_of_the_paper(draw_textured):
    textured, paper = draw_textured(texture_sigma_px=(0.0, 1e-9))
    torch.testing.assert_close(textured.layers, paper.layers)


@pytest.mark.parametrize("sigma_px", [1.0, 2.0])
def test_texture_is_log_normal_and_correlated_as_filtered_noise(draw_textured, sigma_px):
    """Noise behind a Gaussian filter has the correlation ``exp(-distance**2 / (4 * sigma**2))``, up to the edges."""
    textured, _ = draw_textured(texture_sigma_px=(sigma_px, sigma_px), threshold=(0.0, 0.0), gain=(1.0, 1.0))
    assert textured.masks.all()
    sigma = np.sqrt(np.log1p(0.78**2))
    normal = (textured.layers.double().log() + sigma**2 / 2) / sigma
    assert normal.mean().item() == pytest.approx(0, abs=0.02)
    assert normal.std().item() == pytest.approx(1, abs=0.02)
    assert normal[..., 0].std().item() == pytest.approx(1, abs=0.08)
    product = (normal[..., 10:-12, :] * normal[..., 12:-10, :]).mean().item()
    assert product == pytest.approx(np.exp(-(2**2) / (4 * sigma_px**2)), abs=0.03)


def test_soft_borders_are_those_of_a_gaussian_filter(draw_textured):
    uniform = {"intensity_cv": (0.0, 0.0), "background_cv": (0.0, 0.0), "gain": (1.0, 1.0)}
    textured, _ = draw_textured(edge_sigma_px=(1.0, 1.0), tumour_to_background=(4.0, 4.0), **uniform)
    filtered = ndimage.gaussian_filter(textured.masks.double().numpy(), 1.0, axes=(2, 3), mode="constant")
    inside = np.s_[:, :, 5:-5, 5:-5]
    np.testing.assert_allclose(textured.layers[inside], (0.25 + 0.75 * filtered)[inside], atol=2e-4)


def test_persistence_makes_borders_smooth_or_ragged(draw_textured):
    smooth, ragged = draw_textured(persistence=(0.05, 0.05))
    borders = [(stacks.masks.int().diff() != 0).double().mean() for stacks in (smooth, ragged)]
    assert borders[0] < 0.7 * borders[1]


def test_real_cells_are_among_the_layers_of_the_wide_appearance(generators, config):
    image = load_tissue(4)
    crops = np.stack([image[y : y + 51, x : x + 51] for y in (0, 38, 77) for x in (0, 38, 77)])[:, None]
    names = ["coverage", "intensity_cv", "tumour_to_background", "background_cv", "focus_width_px"]
    real = measure_layers(crops, crops > threshold_otsu(image))[names].median()

    def surprises(appearance):
        stacks = scene.draw_stacks(generators(100), config.appearances[appearance], config.datasets["stack2"], 51)
        layers = measure_layers(stacks.layers.numpy(), stacks.masks.numpy())[names]
        return {*real.index[(real < layers.quantile(0.05)) | (real > layers.quantile(0.95))]}

    assert surprises("wide") == set()
    assert surprises("paper") >= {"intensity_cv", "background_cv"}


def test_layers_are_uncorrelated(stacks):
    masks = stacks.masks.double().flatten(2)
    masks = masks - masks.mean(-1, keepdim=True)
    correlation = torch.nn.functional.cosine_similarity(masks[:, 0], masks[:, 1], dim=-1)
    assert abs(correlation.mean()) < 0.08
    lattices = {tuple(row) for row in stacks.masks.flatten(2).flatten(0, 1)[:, :200].tolist()}
    assert len(lattices) > 500


def test_both_backends_of_perlin_noise_give_similar_masks(generators, config):
    by_package = config.appearances["paper"].model_copy(update={"perlin_backend": "noise_package"})
    dataset = config.datasets["deblur"]
    package = scene.draw_stacks(generators(40), by_package, dataset, 51)
    batched = scene.draw_stacks(generators(40), config.appearances["paper"], dataset, 51)
    assert not torch.equal(package.masks, batched.masks)
    assert torch.equal(package.depths_um, batched.depths_um)
    assert package.masks.float().mean().item() == pytest.approx(0.35, abs=0.1)


def test_overlap_is_removed_from_both_layers(generators, config):
    dataset = config.datasets["nonoverlap"]
    overlapping = dataset.model_copy(update={"overlap": "keep"})
    kept, removed = (
        scene.draw_stacks(generators(20), config.appearances["paper"], choice, 51) for choice in (overlapping, dataset)
    )
    overlap = kept.masks.prod(1, keepdim=True).bool().expand(-1, 2, -1, -1)
    assert overlap.any()
    assert torch.equal(removed.masks, torch.where(overlap, 0, kept.masks))
    assert torch.equal(removed.layers[~overlap], kept.layers[~overlap])
    assert removed.layers[overlap].mean() < kept.layers[overlap].mean() / 2


def test_empty_layers_come_last_and_leave_the_others_as_they_are(generators, config):
    dataset = config.datasets["stack2"]
    some_empty = dataset.model_copy(update={"empty_layers": 0.4})
    full, stacks = (
        scene.draw_stacks(generators(50), config.appearances["paper"], choice, 51) for choice in (dataset, some_empty)
    )
    occupied = stacks.masks.bool().any(-1).any(-1)
    assert occupied.float().mean().item() == pytest.approx(0.6, abs=0.1)
    assert (occupied[:, :-1] >= occupied[:, 1:]).all()
    for index in range(50):
        kept = torch.isin(full.depths_um[index], stacks.depths_um[index][occupied[index]])
        assert torch.equal(stacks.masks[index][occupied[index]], full.masks[index][kept])
        assert torch.equal(stacks.layers[index][occupied[index]], full.layers[index][kept])
    empty = stacks.layers[~occupied]
    assert empty.mean() < stacks.layers[occupied][stacks.masks[occupied] > 0].mean() / 3


def test_number_of_layers_varies_and_further_layers_are_dark(generators, config):
    dataset = config.datasets["stack2"].model_copy(update={"minimum_layers": 0, "minimum_gap_um": 150})
    stacks = scene.draw_stacks(generators(200), config.appearances["paper"], dataset, 21)
    occupied, lit = ((values > 0).any(-1).any(-1) for values in (stacks.masks, stacks.layers))
    n_layers = occupied.sum(1)
    assert n_layers.bincount().tolist() == pytest.approx([40] * 5, abs=20)
    assert torch.equal(lit.sum(1), n_layers.clamp_min(1))
    for values in (occupied, lit):
        assert (values[:, :-1] >= values[:, 1:]).all()
    for count, depths_um in zip(n_layers, stacks.depths_um, strict=True):
        assert (depths_um[:count].diff() >= 150 - 1e-3).all()
        assert (depths_um[max(1, count) :] == 500).all()
    alone_um = stacks.depths_um[n_layers == 1, 0]
    assert alone_um.min() < 200
    assert alone_um.max() > 800


@pytest.mark.parametrize("name", ["depth", "deblur", "nonoverlap", "stack1", "stack2", "moving", "slides"])
def test_depths_respect_range_and_gap(config, name):
    dataset = config.datasets[name]
    uniform = torch.rand(4000, dataset.n_layers, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    depths_um = scene.place_depths(uniform, dataset)
    low, high = dataset.depth_range_um
    assert depths_um.dtype == torch.float32
    assert depths_um.min() >= low
    assert depths_um.max() <= high
    assert (depths_um.diff(dim=-1) >= dataset.minimum_gap_um - 1e-3).all()
    assert depths_um.max() > high - 0.02 * (high - low)
    assert depths_um.min() < low + 0.02 * (high - low)


def test_depth_classes_are_equally_likely(config):
    uniform = torch.rand(20000, 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    classes_um, counts = np.unique(scene.place_depths(uniform, config.datasets["depth"]), return_counts=True)
    assert tuple(classes_um) == config.datasets["depth"].depth_classes_um == tuple(range(50, 1951, 100))
    assert stats.chisquare(counts).pvalue > 0.001


def test_depths_of_stacks_on_a_grid_respect_the_gap(config):
    grid = {"depth_range_um": (0.0, 1000.0), "depth_step_um": 100.0, "minimum_gap_um": 150.0}
    uniform = torch.rand(5000, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    depths_um = scene.place_depths(uniform, config.datasets["stack2"].model_copy(update=grid))
    assert (depths_um % 100 == 0).all()
    assert depths_um.diff(dim=-1).min() == 200
    assert depths_um.max() == 1000


def test_continuous_depths_are_uniform_over_allowed_stacks(config):
    """Compared with rejection sampling: four depths are drawn until their gaps suffice."""
    rng = np.random.default_rng(0)
    trial = np.sort(rng.uniform(0, 1000, (200_000, 4)), -1)
    accepted = trial[(np.diff(trial, axis=-1) >= 200).all(-1)]
    uniform = torch.rand(len(accepted), 4, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    depths_um = scene.place_depths(uniform, config.datasets["stack2"]).numpy()
    assert len(accepted) > 3000
    for layer in range(4):
        assert stats.ks_2samp(depths_um[:, layer], accepted[:, layer]).pvalue > 0.001


def test_cluster_and_only_it_moves(moving):
    layers, masks = (values.unflatten(0, (12, 4)) for values in (moving.layers, moving.masks))
    cluster = moving.cluster.unflatten(0, (12, 4)).bool()
    assert torch.equal(cluster[:, 0], cluster[:, 3])
    assert moving.step.tolist() == [0, 1, 2, 3] * 12
    assert (moving.depths_um.unflatten(0, (12, 4)).diff(dim=1) == 0).all()
    for sequence in range(12):
        inside = cluster[sequence, 0]
        for step in range(4):
            has_cluster = torch.arange(4) == step
            assert masks[sequence, step, has_cluster][:, inside].all()
            assert not masks[sequence, step, ~has_cluster][:, inside].any()
            assert torch.equal(layers[sequence, step, step, inside], layers[sequence, 0, 0, inside])
            assert torch.equal(layers[sequence, step][:, ~inside], layers[sequence, 0][:, ~inside])
            assert torch.equal(masks[sequence, step][:, ~inside], masks[sequence, 0][:, ~inside])
    assert layers[:, 0, 1][cluster[:, 0]].mean() < layers[:, 0, 0][cluster[:, 0]].mean() / 2


def test_cluster_is_one_connected_focus_of_bounded_size(moving, config):
    for footprint in moving.cluster[::4].numpy():
        assert ndimage.label(footprint)[1] == 1
        assert 20 <= footprint.sum() <= config.appearances["paper"].cluster_coverage * 51**2 + 1


def test_focus_holds_the_peak():
    field = np.zeros((9, 9))
    field[1:3, 1:3] = 1
    field[6:8, 6:8] = 2
    expected = np.zeros((9, 9), bool)
    expected[6:8, 6:8] = True
    np.testing.assert_array_equal(scene.segment_focus(field, 0.09), expected)
