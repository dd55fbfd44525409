"""The independent simulator: it uses nothing of what it tests, agrees with it, and has the flaws that it is given."""

import ast
from pathlib import Path

import imager
import numpy as np
import pytest
import scenes
import torch
from imager import Imperfections, measure, measure_light

from foci3d.optics.forward import ForwardModel

HERE = Path(__file__).parent


@pytest.mark.parametrize("module", ["scenes", "imager"])
def test_shares_no_code_with_the_library(module):
    tree = ast.parse((HERE / f"{module}.py").read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not [name for name in imported if name.split(".")[0] == "foci3d"]


def test_light_is_that_of_the_library(make_psf):
    """Two ways to the same measurement; the library interpolates its kernels linearly, here between nodes of 20 um."""
    scene = scenes.make_scene(scenes.blobs, seed=3)
    forward = ForwardModel(make_psf(depth_range_um=(0.0, 1000.0), depth_step_um=20.0), imager.N_PIXELS, 2, 1000.0)
    tensors = (torch.from_numpy(values[None]).float() for values in (scene.layers, scene.depths_um))
    expected = forward(*tensors)[0].numpy()
    light = measure_light(scene.layers, scene.depths_um)
    np.testing.assert_allclose(light, expected, atol=1e-2 * expected.max())


def test_points_are_layers_with_one_pixel():
    layers = np.zeros((2, imager.N_PIXELS, imager.N_PIXELS))
    layers[0, 20, 31], layers[1, 5, 9] = 1, 2
    points = np.array([[20, 31, 150.0, 1], [5, 9, 800.0, 2]])
    flaws = Imperfections(shift_b_px=(0.4, -1.3))
    expected = measure_light(layers, np.array([150.0, 800.0]), flaws)
    np.testing.assert_allclose(imager.point_light(points, flaws), expected, atol=1e-9)


def test_a_pixel_of_b_is_where_shift_and_rotation_put_it():
    points = np.array([[25.0, 35.0, 700.0, 1.0]])
    layers = np.zeros((1, imager.N_PIXELS, imager.N_PIXELS))
    layers[0, 25, 35] = 1
    moved = imager.point_light(points, Imperfections(shift_b_px=(2.0, -1.0)))[1]
    assert np.unravel_index(moved.argmax(), moved.shape) == (23, 36)
    flaws = Imperfections(rotation_b_deg=90.0)
    for turned in (measure_light(layers, points[:, 2], flaws)[1], imager.point_light(points, flaws)[1]):
        assert np.unravel_index(turned.argmax(), turned.shape) == (15, 25)


def test_flaws_of_a_sensor():
    scene = scenes.make_scene(scenes.smooth_discs, seed=1)
    noiseless = {"full_well_electrons": float("inf")}
    ideal = measure(scene.layers, scene.depths_um, Imperfections(**noiseless))
    offset = measure(scene.layers, scene.depths_um, Imperfections(offset=2, offset_b=0, **noiseless))
    assert offset[0].mean() / offset[1].mean() == pytest.approx((ideal[0].mean() + 2 * ideal.mean()) / ideal[1].mean())
    broken = measure(scene.layers, scene.depths_um, Imperfections(n_hot=5, n_dead_columns=1, **noiseless))
    changed = broken != ideal
    assert (changed.sum((1, 2)) >= imager.N_PIXELS).all()
    assert (changed.sum((1, 2)) <= imager.N_PIXELS + 5).all()


@pytest.mark.parametrize("layer", ["blobs", "speckled_discs", "single_cells", "filaments", "spheres", "nuclei"])
def test_scenes_hold_brighter_cells_at_separate_depths(layer):
    scene = scenes.make_scene(getattr(scenes, layer), seed=5)
    assert 0 < scene.masks.mean() < 0.7
    assert scene.layers[scene.masks].mean() > 2 * scene.layers[~scene.masks].mean()
    assert (np.diff(scene.depths_um) >= 200).all()
    np.testing.assert_array_equal(scenes.make_scene(getattr(scenes, layer), seed=5).layers, scene.layers)
