import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from scipy.signal import fftconvolve

from foci3d import optics, render, scene
from foci3d.blur import Blur
from foci3d.tissue import Tissue

FOLDER = Path(__file__).parents[2] / "config"
CONFIG, OVERLAY = (yaml.safe_load((FOLDER / name).read_text()) for name in ("config.yaml", "tissue.yaml"))
SETS = CONFIG["sets"]
PIXELS, SEPARATION_UM = 51, 1000.0


@pytest.fixture(scope="module")
def psf():
    depths_um = torch.linspace(0, 2000, 21)
    kernels = optics.acceptance_kernels(optics.Acceptance(36.0, 20.0, 1.0), depths_um, PIXELS, 55.0)
    return optics.Psf(kernels.float(), depths_um, 55.0)


@pytest.fixture(scope="module")
def blur(psf):
    return Blur(psf, PIXELS)


@pytest.fixture(scope="module")
def camera(psf):
    return render.Camera.of(psf, CONFIG["imager"], Tissue(**CONFIG["tissue"]))


def split_of(name, seed=1):
    return render.Split(seed, name, "test", SETS[name], scene.SceneConfig(**CONFIG["scene"]))


def digests(split, camera, parts):
    """Digest of each array, of samples made in several parts."""
    found = {}
    for rows in parts:
        for block in render.synthesize(split, rows, camera):
            for name, values in block.items():
                found.setdefault(name, hashlib.sha256()).update(np.ascontiguousarray(values).data)
    return {name: value.hexdigest() for name, value in found.items()}


def test_pictures_equal_scipy_convolution(psf, blur):
    layers = torch.rand(2, 4, PIXELS, PIXELS, generator=torch.Generator().manual_seed(0))
    depths_um = torch.tensor([[0.0, 200.0, 500.0, 900.0], [100.0, 400.0, 600.0, 1000.0]])
    pictures = render.sensor_pictures(layers, depths_um, blur, "AB", SEPARATION_UM)
    assert pictures.shape == (2, 2, PIXELS, PIXELS)
    for sample in range(2):
        for sensor, distance_um in enumerate([depths_um[sample], SEPARATION_UM - depths_um[sample]]):
            kernels = psf.at(distance_um)
            expected = sum(
                fftconvolve(layer, kernel, "same") for layer, kernel in zip(layers[sample], kernels, strict=True)
            )
            np.testing.assert_allclose(pictures[sample, sensor], expected, atol=2e-3 * expected.max())
    one = render.sensor_pictures(layers, depths_um, blur, "A", SEPARATION_UM)
    torch.testing.assert_close(one, pictures[:, :1])


@pytest.mark.parametrize("name", ["stack2", "moving"])
def test_content_depends_on_neither_shards_nor_threads(name, camera):
    split = split_of(name)
    samples = 56
    whole = digests(split, camera, [range(samples)])
    assert set(whole) >= {"layers", "masks", "sensors", "depths_um", "index"}
    halves = digests(split, camera, [range(28), range(28, samples)])
    sevenths = digests(split, camera, [range(8 * part, 8 * part + 8) for part in range(7)])
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with_two_threads = digests(split, camera, [range(samples)])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert whole == halves == sevenths == with_two_threads
    assert whole["layers"] != digests(split_of(name, seed=2), camera, [range(samples)])["layers"]


def test_odd_ranges_of_samples_are_cut_from_blocks(camera):
    split = split_of("depth")
    blocks = list(render.synthesize(split, range(5, 37), camera))
    assert np.concatenate([block["index"] for block in blocks]).tolist() == list(range(5, 37))
    whole = np.concatenate([block["sensors"] for block in render.synthesize(split, range(64), camera)])
    np.testing.assert_array_equal(np.concatenate([block["sensors"] for block in blocks]), whole[5:37])


def test_moving_samples_are_numbered_by_group_and_step(camera):
    arrays = next(render.synthesize(split_of("moving"), range(8), camera))
    assert arrays["group"].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert arrays["step"].tolist() == [0, 1, 2, 3] * 2


def in_tissue(psf, **effects):
    return render.Camera.of(psf, CONFIG["imager"], Tissue(**{**CONFIG["tissue"], **effects}))


def pictures_of(name, camera, rows=range(8)):
    return next(render.synthesize(split_of(name), rows, camera))


def test_all_effects_together_depend_on_neither_shards_nor_threads(psf):
    camera = in_tissue(psf, **OVERLAY["tissue"])
    split = split_of("moving")
    whole = digests(split, camera, [range(40)])
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert digests(split, camera, [range(12), range(12, 40)]) == whole
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize(
    "effects",
    [
        {"scatter_per_mm": 0.9},
        {"absorption_per_mm": 0.5},
        {"beam_radius_um": 2000, "beam_offset_um": 200},
        {"motion_um": 100},
        {"width_error": 0.05},
        {"full_scale_electrons": 5e3, "read_noise_electrons": 20},
    ],
    ids=lambda effects: next(iter(effects)),
)
def test_each_effect_changes_pictures_and_nothing_else(psf, camera, effects):
    plain, changed = pictures_of("stack2", camera), pictures_of("stack2", in_tissue(psf, **effects))
    assert not np.array_equal(plain["sensors"], changed["sensors"])
    assert np.corrcoef(plain["sensors"].ravel(), changed["sensors"].ravel())[0, 1] > 0.6
    for name in set(plain) - {"sensors"}:
        np.testing.assert_array_equal(plain[name], changed[name])


def test_absorption_dims_a_layer_by_its_depth(psf, camera):
    plain, dimmed = pictures_of("deblur", camera), pictures_of("deblur", in_tissue(psf, absorption_per_mm=1.0))
    ratio = dimmed["sensors"].sum((1, 2, 3)) / plain["sensors"].sum((1, 2, 3))
    # The kernels are interpolated over 100 um here.
    np.testing.assert_allclose(ratio, np.exp(-plain["depths_um"][:, 0] / 1000), rtol=3e-3)


@pytest.mark.parametrize("name", ["stack2", "moving"])
def test_light_from_the_margin_brightens_the_edges(psf, name):
    camera = in_tissue(psf, margin_pixels=20)
    arrays = pictures_of(name, camera, range(32))
    assert arrays["layers"].shape[-2:] == arrays["masks"].shape[-2:] == arrays["sensors"].shape[-2:] == (PIXELS, PIXELS)
    alone = render.sensor_pictures(
        torch.from_numpy(arrays["layers"]),
        torch.from_numpy(arrays["depths_um"]),
        Blur(psf, PIXELS),
        "AB",
        SEPARATION_UM,
    ).numpy()
    stray = arrays["sensors"] - alone
    assert stray.min() > -1e-2
    assert stray[..., 25, 25].mean() < 0.05 * stray[..., 0, :].mean()
    # With a scene beyond it, the edge is as bright as the middle.
    edge, middle = arrays["sensors"][..., 0, :].mean(), arrays["sensors"][..., 20:31, 20:31].mean()
    assert edge == pytest.approx(middle, rel=0.15)
    if name == "moving":
        assert arrays["cluster"].sum((1, 2)).min() > 20


@pytest.fixture(scope="module")
def stored(camera):
    arrays = next(render.synthesize(split_of("stack2"), range(16), camera))
    return torch.from_numpy(arrays["layers"]).flatten(0, 1), torch.from_numpy(arrays["masks"]).flatten(0, 1)


def mix(stored, blur, name, generator=None, batch=12):
    generator = generator or torch.Generator().manual_seed(5)
    chosen = torch.randint(len(stored[0]), (batch, SETS[name]["layers"]), generator=generator)
    layers, masks = (part[chosen] for part in stored)
    return render.remix(layers, masks, generator, SETS[name], blur, SEPARATION_UM)


@pytest.mark.parametrize("name", ["depth", "deblur", "nonoverlap", "stack1", "stack2"])
def test_remix_makes_samples_of_the_set(stored, blur, name):
    entry = SETS[name]
    mixed = mix(stored, blur, name)
    assert mixed["layers"].shape == mixed["masks"].shape == (12, entry["layers"], PIXELS, PIXELS)
    assert mixed["masks"].dtype == torch.uint8
    assert mixed["sensors"].shape == (12, len(entry["sensors"]), PIXELS, PIXELS)
    expected = render.sensor_pictures(mixed["layers"], mixed["depths_um"], blur, entry["sensors"], SEPARATION_UM)
    assert torch.equal(mixed["sensors"], expected)
    low, high = entry["depth_range_um"]
    assert ((mixed["depths_um"] >= low) & (mixed["depths_um"] <= high)).all()
    assert (mixed["depths_um"].diff(dim=-1) >= entry["minimum_gap_um"] - 1e-3).all()


def test_remix_is_reproducible_and_new_each_time(stored, blur):
    generator = torch.Generator().manual_seed(5)
    first, second = (mix(stored, blur, "stack2", generator) for _ in range(2))
    again = mix(stored, blur, "stack2")
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["layers"], second["layers"])


def test_remix_keeps_stored_layers_with_their_masks(stored, blur):
    mixed = mix(stored, blur, "stack2")
    pairs = {(image.sum().item(), mask.sum().item()) for image, mask in zip(*stored, strict=True)}
    drawn = zip(mixed["layers"].flatten(0, 1), mixed["masks"].flatten(0, 1), strict=True)
    assert {(image.sum().item(), mask.sum().item()) for image, mask in drawn} <= pairs


def test_remix_fills_removed_overlap_with_the_layers_background(stored, blur):
    images, masks = stored
    kept = mix(stored, blur, "nonoverlap")
    assert not (kept["masks"].sum(1) > 1).any()
    for layer, mask in zip(kept["layers"].flatten(0, 1), kept["masks"].flatten(0, 1), strict=True):
        source = next(number for number in range(len(images)) if torch.equal(images[number][mask > 0], layer[mask > 0]))
        removed = (masks[source] > 0) & (mask == 0)
        background = images[source][masks[source] == 0]
        assert torch.isin(layer[removed], background).all()
        assert torch.equal(layer[~removed], images[source][~removed])
