"""Deviations of an imager, from measurements of another simulator."""

import numpy as np
import pytest
import scenes
from descriptions import small_description
from imager import Imperfections, measure

import foci3d
from foci3d.errors import InputError
from foci3d.learning.model import Model
from foci3d.reconstruction import alignment
from foci3d.reconstruction.alignment import align_measurements

TRUE = np.array([0.9, 0.8, -2.4, 1.3])


def quadratic(parameters):
    """Terms of two acquisitions, with a minimum at `TRUE`; the residual alone would have another gain."""
    deviations = (parameters - TRUE) / alignment.FIRST_STEPS
    biased = deviations - [1, 0, 0, 0]
    return np.array([[(biased**2).sum() + noise * deviations[0], (deviations**2).sum()] for noise in (-1, 1)])


def test_the_minimum_is_found_within_bounds():
    found = alignment._minimize(quadratic, alignment.PRIOR_MEAN, 4, np.array([0.0, 1.0]))
    np.testing.assert_allclose(found, TRUE, atol=0.02 * alignment.FIRST_STEPS.max())
    alone = alignment._minimize(quadratic, alignment.PRIOR_MEAN, 3, alignment.RESIDUAL_ALONE)
    assert alone[3] == 0
    assert alone[0] == pytest.approx(TRUE[0] + alignment.FIRST_STEPS[0], abs=0.01)


def test_standard_errors_are_those_of_the_spread():
    """Gradients of +-1 step, with a curvature of 4 for a mean of both terms: the minima are 1/4 step apart from it."""
    errors = alignment._standard_errors(quadratic, TRUE)
    assert errors[0] == pytest.approx(alignment.FIRST_STEPS[0] / 4, rel=0.01)
    np.testing.assert_allclose(errors[1:], 0, atol=1e-9)


def test_a_model_without_optics_is_refused(config):
    description = small_description(config)
    with pytest.raises(InputError, match="network of two sensors that uses the PSF"):
        foci3d.align([], Model(description.build_network(), description))


def test_layers_do_not_determine_distances(make_psf):
    model = foci3d.load_model(foci3d.released_model("two_sensors"), psf=make_psf(51))
    with pytest.raises(InputError, match="fit: found separation with layers"):
        foci3d.align([], model, fit="separation")


@pytest.mark.parametrize("fit", ["separation", "width", "neither"])
def test_single_cells_give_one_distance(monkeypatch, make_psf, fit):
    model = foci3d.load_model(foci3d.released_model("two_sensors"), psf=make_psf(51))
    values = np.array([0.9, 0.5, 0.001, 0.0, 1.05]), np.array([0.01, 0.01, 0.01, 0.01, 0.002])
    monkeypatch.setattr(alignment, "align_cells", lambda *_: values)
    found = alignment.align_single_cells([], model, fit)
    assert (found.gain_b.value, found.shift_y_px.value, found.shift_x_px.value) == (0.9, 0.5, 0)
    assert found.sensor_separation_um == (1050 if fit == "separation" else None)
    assert found.psf_width.value == (1.05 if fit == "width" else 1)


@pytest.mark.slow
def test_gain_shift_and_offset_of_an_imager(make_psf):
    model = foci3d.load_model(foci3d.released_model("two_sensors"), psf=make_psf(depth_range_um=(0.0, 2000.0)))
    flaws = Imperfections(gain_b=0.85, shift_b_px=(1.2, -0.9), offset=1.0)
    images = []
    for seed in range(3):
        scene = scenes.make_scene(scenes.blobs, seed)
        images.append(measure(scene.layers, scene.depths_um, flaws, seed).astype(np.float32))
    found = align_measurements(images, model)
    assert found.gain_b.value == pytest.approx(0.85, abs=0.03)
    assert found.shift_y_px.value == pytest.approx(1.2, abs=0.2)
    assert found.shift_x_px.value == pytest.approx(-0.9, abs=0.2)
    assert found.rotation_deg.value == pytest.approx(0, abs=0.5)
    mean = np.mean([image.mean((1, 2)) for image in images], 0)
    np.testing.assert_allclose([found.offset_a.value, found.offset_b.value] / mean, 0.5, atol=0.1)
    assert found.sensor_separation_um is None
