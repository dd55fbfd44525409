"""Deviations of an imager: what they undo in measurements of another simulator, and their file."""

import numpy as np
import pytest
import scenes
from imager import Imperfections, measure_light

from foci3d.errors import InputError
from foci3d.learning.released import released_model
from foci3d.reconstruction.imager_correction import Deviation, ImagerCorrection, load_corrected_model


def values(**given):
    return {name: Deviation(value=value) for name, value in given.items()}


def test_undoes_offset_gain_shift_and_rotation():
    scene = scenes.make_scene(scenes.smooth_discs, 4)
    depths_um = np.array([150.0, 350.0, 550.0, 750.0])  # sensor B sees no sharp edge, which no interpolation restores
    ideal = measure_light(scene.layers, depths_um)
    real = measure_light(scene.layers, depths_um, Imperfections(shift_b_px=(1.6, -1.2), rotation_b_deg=2.0))
    real = (real + np.array([3.0, 2.0])[:, None, None]) * np.array([1.0, 0.8])[:, None, None]
    correction = ImagerCorrection(
        **values(offset_a=3, offset_b=1.6, gain_b=0.8, shift_y_px=1.6, shift_x_px=-1.2, rotation_deg=2.0)
    )
    corrected = correction.apply(real)
    np.testing.assert_allclose(corrected[0], ideal[0], rtol=1e-9)
    inside = np.s_[4:-4, 4:-4]
    np.testing.assert_allclose(corrected[1][inside], ideal[1][inside], rtol=0.01)


def test_alternatives_are_one_standard_error_away():
    gain = Deviation(value=0.8, standard_error=0.1)
    (other, interpolation), *more = ImagerCorrection(gain_b=gain).alternatives()
    assert (other.gain_b.value, interpolation, more) == (pytest.approx(0.9), 5, [])
    shifted = ImagerCorrection(**values(shift_y_px=1.5))
    assert list(shifted.alternatives()) == [(shifted, 1)]
    assert not list(ImagerCorrection().alternatives())


def test_no_deviations_change_nothing(psf):
    series = np.random.default_rng(0).random((3, 2, 7, 8))
    np.testing.assert_array_equal(ImagerCorrection().apply(series), series)
    assert ImagerCorrection().scale_psf(psf) is psf


def test_a_wider_psf_is_that_of_a_larger_distance(make_psf):
    wide = ImagerCorrection(psf_width=Deviation(value=1.25)).scale_psf(make_psf())
    np.testing.assert_allclose(wide.depths_um[-1], 800)


def test_file(tmp_path):
    correction = ImagerCorrection(
        n_acquisitions=5,
        gain_b=Deviation(value=0.8, standard_error=0.01),
        sensor_separation_um=1050.0,
        notes=("a note",),
    )
    correction.save(tmp_path / "imager.yaml")
    assert ImagerCorrection.load(tmp_path / "imager.yaml") == correction
    assert "gain_b 0.8 ± 0.01" in str(correction)
    assert "# gain of sensor B relative to sensor A" in (tmp_path / "imager.yaml").read_text()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: 1", "not an imager file"),
        ("[", "not valid YAML"),
        ("kind: &a [*a]", "for themselves"),
        ("kind: foci3d-imager\ngain_b: {value: 0.0}", "gain_b is .*expected a value above 0"),
        ("kind: foci3d-imager\npsf_width: {value: -1.0}", "psf_width is .*expected a value above 0"),
        ("kind: foci3d-imager\ngain_b: {value: much}", "gain_b.value is 'much'"),
        ("kind: foci3d-imager\ngain: 1", "gain is 1"),
    ],
)
def test_a_file_that_does_not_fit(tmp_path, content, message):
    (tmp_path / "imager.yaml").write_text(content)
    with pytest.raises(InputError, match=message):
        ImagerCorrection.load(tmp_path / "imager.yaml")


def test_a_correction_needs_the_psf():
    with pytest.raises(InputError, match="no point-spread function"):
        load_corrected_model("model.json", ImagerCorrection(sensor_separation_um=1050.0))


@pytest.mark.parametrize(("measured_um", "expected_um"), [(1050.0, 1050.0), (None, 900.0)])
def test_a_measured_separation_takes_the_place_of_the_configured_one(make_psf, tmp_path, measured_um, expected_um):
    make_psf(51, depth_range_um=(0.0, 1100.0)).save(tmp_path / "psf.h5")
    correction = ImagerCorrection(sensor_separation_um=measured_um)
    path, options = released_model("two_sensors"), {"psf": tmp_path / "psf.h5", "sensor_separation_um": 900.0}
    assert load_corrected_model(path, correction, **options).sensor_separation_um == expected_um
