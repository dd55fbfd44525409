"""Defects and offsets in measurements of another simulator: found where they are, and left where they are not."""

import imager
import numpy as np
import pytest
import scenes
from descriptions import small_description
from imager import Imperfections, measure

from foci3d.config.models import ConditioningConfig
from foci3d.learning.model import Model
from foci3d.reconstruction.conditioning import fill_defects, find_conditioning, find_defects
from foci3d.reconstruction.imager_correction import Deviation, ImagerCorrection


@pytest.fixture(scope="module")
def model(config, make_psf) -> Model:
    description = small_description(config).model_copy(update={"n_pixels": 51})
    return Model(description.build_network().eval(), description, make_psf())


def readings(seed: int = 0, layer=scenes.blobs, **flaws):
    scene = scenes.make_scene(layer, seed)
    return measure(scene.layers, scene.depths_um, Imperfections(**flaws), seed).astype(np.float32)


@pytest.mark.parametrize(("offset_a", "offset_b"), [(1.0, 1.0), (5.0, 5.0), (1.0, 0.0)])
def test_offsets_of_two_sensors(model, offset_a, offset_b):
    values = readings(offset=offset_a, offset_b=offset_b)
    light = values.mean() / (1 + (offset_a + offset_b) / 2)
    found = find_conditioning(values, model, ConditioningConfig(defects=False))
    np.testing.assert_allclose(np.array(found.offsets) / light, [offset_a, offset_b], atol=0.25)
    removed = np.broadcast_to(np.array(found.offsets)[:, None, None], values.shape)
    np.testing.assert_allclose(values - found.apply(values), removed, atol=1e-6)


def test_variants_have_one_correction_changed_by_its_error(model):
    values = readings(offset=5.0, offset_b=0.0)
    shift = Deviation(value=0.5, standard_error=0.1)
    imager = ImagerCorrection(shift_x_px=shift, gain_b=Deviation(value=0.9, standard_error=0.05))
    found = find_conditioning(values, model, ConditioningConfig(defects=False), imager=imager)
    corrected, *variants = found.apply_with_variants(values)
    offset, gain, shifted, linear = (variant - corrected for variant in variants)
    np.testing.assert_allclose(offset[0], -found.offset_sd, rtol=1e-3)
    np.testing.assert_allclose(offset[1], 0, atol=1e-6)
    np.testing.assert_allclose(gain[1], imager.apply(values)[1] * (0.9 / 0.95 - 1), rtol=1e-3)
    for each in (shifted, linear):
        assert (each[0] == 0).all()
        assert abs(each[1]).max() > 0


def test_offsets_with_a_point_spread_function_that_starts_above_the_sensor(model, make_psf):
    """Its planes at the sensors have the kernel of the nearest depth, as those of every other estimate."""
    values = readings(offset=1.0, offset_b=1.0)
    measured = Model(model.network, model.description, make_psf(51, (20.0, 980.0), 20.0))
    expected, found = (find_conditioning(values, each, ConditioningConfig(defects=False)) for each in (model, measured))
    np.testing.assert_allclose(found.offsets, expected.offsets, rtol=0.1)


@pytest.mark.parametrize("layer", [scenes.blobs, scenes.spheres, scenes.small_nuclei])
def test_no_offset_where_the_specimen_explains_the_light(model, layer):
    values = readings(1, layer)
    found = find_conditioning(values, model, ConditioningConfig(defects=False))
    assert found.offsets == (0.0, 0.0)
    assert "no offset is determined" in str(found)
    np.testing.assert_array_equal(found.apply(values), values)


def test_what_cannot_be_fitted_is_said(model):
    one, large = readings()[:1], np.tile(readings(), (1, 2, 2))
    assert "one sensor" in str(find_conditioning(one, model))
    assert "larger than 51 x 51" in str(find_conditioning(large, model))
    off = find_conditioning(one, model, ConditioningConfig(offset=False, defects=False))
    assert str(off) == ""
    assert off.apply(one) is one


def test_hot_pixels_and_dead_lines_are_filled_in(model):
    values, ideal = readings(2, scenes.nuclei), readings(2, scenes.nuclei)
    values[0, 17, 30] = values[1, 40, 5] = 3 * values.max()
    values[0, :, 0] = values[1, 44] = values[1, 25, 25] = 0
    found = find_defects(values, model)
    expected = np.zeros_like(found)
    expected[0, 17, 30] = expected[1, 40, 5] = expected[1, 25, 25] = True
    expected[0, :, 0] = expected[1, 44] = True
    np.testing.assert_array_equal(found, expected)
    filled = fill_defects(values, found)
    np.testing.assert_array_equal(filled[~found], ideal[~found])
    assert abs(filled[found] / ideal[found] - 1).mean() < 0.15


@pytest.mark.parametrize("extent", [1, 5, 11, 31])
def test_defects_of_any_size_are_filled_in(extent):
    rising = np.tile(100 + np.arange(51), (51, 1))
    values = np.float32([np.full((51, 51), 100), rising])
    defects = np.zeros(values.shape, bool)
    defects[:, 15 : 15 + extent, 15 : 15 + extent] = True
    filled = fill_defects(np.where(defects, 1e6, values).astype(np.float32), defects)
    np.testing.assert_allclose(filled[0], 100, rtol=1e-5)
    assert abs(filled[1] - values[1]).max() <= extent / 2 + 1  # the surface is level inside a large defect


def test_an_image_without_valid_pixels_is_left_as_it_is():
    values, defects = np.full((2, 9, 9), 7, np.float32), np.zeros((2, 9, 9), bool)
    defects[0] = True
    np.testing.assert_array_equal(fill_defects(values, defects), values)


def test_a_cell_on_one_pixel_is_no_hot_pixel(model):
    """Its light reaches the pixels beside it, as that of a hot pixel does not."""
    light = imager.point_light([[20, 20, 80, 300], [30, 31, 120, 300]]) + 1
    assert not find_defects(light, model).any()
    light[0, 25, 40] = 40
    assert list(zip(*find_defects(light, model).nonzero(), strict=True)) == [(0, 25, 40)]


def test_known_defects_are_filled_in_where_none_are_sought(model):
    values, defects = readings(), np.zeros((2, 51, 51), bool)
    defects[1, 10, 10] = True
    found = find_conditioning(values, model, ConditioningConfig(offset=False, defects=False), defects=defects)
    assert found.n_defects == (0, 1)
    assert (found.apply(values) != values).sum() <= 1
