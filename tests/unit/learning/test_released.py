"""The released models: found by name, small, with cards, and the same in ONNX Runtime."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from foci3d.errors import InputError
from foci3d.learning import released
from foci3d.learning.export import export_onnx
from foci3d.learning.model import Model, load_model
from foci3d.learning.model_file import read_model
from foci3d.optics.acceptance import AngularAcceptance, acceptance_kernels
from foci3d.optics.psf import PSF, depth_grid

NAMES = ("any_layers", "any_layers_one_sensor", "deblurring", "depth_classes", "depth_map", "one_sensor", "two_sensors")
WITHOUT_MASKS = ("deblurring", "depth_classes", "depth_map")
OTHER_IMAGER = {"fwhm_deg": 30.0, "standoff_um": 60.0, "linear_fill_factor": 0.9}


@pytest.fixture(scope="module")
def psf() -> PSF:
    """An imager that is not the configured one."""
    depths_um = depth_grid((0, 2000), 20)
    kernels = acceptance_kernels(AngularAcceptance(**OTHER_IMAGER), depths_um, 51, 50.0)
    return PSF(kernels.float(), depths_um.float(), 50.0, dict(OTHER_IMAGER))


@pytest.fixture(params=NAMES)
def model(request: pytest.FixtureRequest, psf: PSF, caplog: pytest.LogCaptureFixture) -> Model:
    model = load_model(released.released_model(request.param), psf=psf, average_symmetries=False, recalibration=None)
    assert not caplog.messages  # the imager lies within what the models were trained for
    return model


def test_models_are_small_and_have_cards() -> None:
    files = {f"{name}.{suffix}" for name in NAMES for suffix in ("json", "safetensors", "csv", "md")}
    files |= {f"{name}.recalibration.json" for name in NAMES if name not in WITHOUT_MASKS}
    assert {path.name for path in released.FOLDER.iterdir()} == files
    assert sum(path.stat().st_size for path in released.FOLDER.iterdir()) < 15e6
    for name in NAMES:
        path = released.released_model(name)
        description, _ = read_model(path, path.with_suffix(".safetensors"))
        assert str(description.digests.weights) in path.with_suffix(".md").read_text()


def test_models_are_found_by_name_or_path(tmp_path: Path) -> None:
    assert released.find_model("two_sensors") == released.released_model("two_sensors")
    assert released.find_model(tmp_path / "mine.json") == tmp_path / "mine.json"
    with pytest.raises(InputError, match="no released model three_sensors; expected one of those there"):
        released.find_model(Path("three_sensors"))


def test_the_number_of_layers_is_not_taken_for_granted() -> None:
    for n_sensors in (1, 2):
        path = released.default_model(n_sensors)
        description, _ = read_model(path, path.with_suffix(".safetensors"))
        assert (description.in_channels, description.task) == (n_sensors, "counted_stacks")


def test_an_imager_outside_the_card_is_warned_of(psf: PSF, caplog: pytest.LogCaptureFixture) -> None:
    other = PSF(psf.kernels, psf.depths_um, 100.0, {**OTHER_IMAGER, "fwhm_deg": 60.0})
    load_model(released.released_model("two_sensors"), psf=other)
    assert {message.split(" from ")[0] for message in caplog.messages} == {
        "model two_sensors was trained for pixel_pitch_um",
        "model two_sensors was trained for fwhm_deg",
    }


@pytest.mark.parametrize("model", ["one_sensor", "two_sensors"], indirect=True)
def test_occupancy_is_no_probability(model: Model) -> None:
    """As pages say: their training data have cells in all layers, so it is 1.00 even where there is light alone."""
    light = np.random.default_rng(0).poisson(1000, (2, model.description.in_channels, 51, 51))
    occupancy = model.predict(light).occupancy
    assert occupancy is not None
    assert (occupancy > 0.995).all()


@pytest.mark.skipif(importlib.util.find_spec("onnxruntime") is None, reason="needs the extra onnx")
def test_onnx_runtime_gives_the_same(model: Model, tmp_path: Path) -> None:
    import onnxruntime

    export_onnx(model, tmp_path / "model.onnx")
    rng = np.random.default_rng(0)
    measurements = rng.gamma(4, size=(2, model.description.in_channels, 51, 51)).astype(np.float32)
    expected = model.predict_all(measurements)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(names, {session.get_inputs()[0].name: measurements}), strict=True))
    for name, values in expected.arrays().items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-4 * np.abs(values).max())


def test_an_unknown_name_is_reported_with_the_known_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(released, "FOLDER", tmp_path)
    with pytest.raises(InputError, match=r"no released model three; expected one of those there \(none\)"):
        released.released_model("three")
    for suffix in ("json", "safetensors", "recalibration.json"):
        (tmp_path / f"one_sensor.{suffix}").write_text("{}")
    with pytest.raises(InputError, match=r"expected one of those there \(one_sensor\)"):
        released.released_model("three")
