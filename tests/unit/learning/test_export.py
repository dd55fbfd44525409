"""ONNX: the exported graph gives the predictions of the model, for each family of networks and each task."""

import json
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from foci3d.config.architectures import (
    CnnFcConfig,
    ConvDeconvConfig,
    PhysicsEncoderConfig,
    PhysicsUNetConfig,
    ResNetCnnConfig,
    StagedUNetConfig,
)
from foci3d.config.tasks import TASKS
from foci3d.errors import InputError
from foci3d.learning.bioimageio_package import write_package
from foci3d.learning.export import ExportedModel, MatrixStagedBank, MatrixWienerBank, export_onnx
from foci3d.learning.model import Model
from foci3d.learning.networks.physics import Bank, WienerBank
from foci3d.learning.networks.staged import StagedBank
from foci3d.learning.tasks import make_task
from foci3d.optics.forward import ForwardModel

N_PIXELS = 17
CLASSES_UM = (100.0, 500.0, 900.0)
DEPTHS = {"depth_range_um": (100.0, 900.0), "n_depths": 3, "n_regularizations": 2}
ARCHITECTURES = {
    "cnn_fc": (CnnFcConfig(name="cnn_fc", channels=(4, 6), kernel_size=3, hidden_features=8), "depth_class"),
    "conv_deconv": (ConvDeconvConfig(name="conv_deconv", channels=(4, 6), strides=(1, 2), kernel_size=3), "depth_map"),
    "resnet_cnn": (ResNetCnnConfig(name="resnet_cnn", stem_stride=2, head_channels=4, encoder="random"), "masks"),
    "physics_unet": (PhysicsUNetConfig(name="physics_unet", channels=(4, 8, 8), attention=True, **DEPTHS), "stacks"),
    "physics_unet, deblurring": (
        PhysicsUNetConfig(name="physics_unet", channels=(4, 8), attention=False, **DEPTHS),
        "deblurring",
    ),
    "staged_unet": (
        StagedUNetConfig(name="staged_unet", channels=(4, 8), first_channels=(4, 8), **DEPTHS),
        "stacks",
    ),
    "physics_encoder": (
        PhysicsEncoderConfig(name="physics_encoder", channels=(4, 8), hidden_features=6, **DEPTHS),
        "depth_class",
    ),
}


@pytest.fixture
def forward(make_psf) -> ForwardModel:
    return ForwardModel(make_psf(N_PIXELS), N_PIXELS, 2, 1000.0)


def make_model(name: str, model_description, forward: ForwardModel) -> Model:
    """A model with random weights, statistics of batch normalization and regularization."""
    architecture, task = ARCHITECTURES[name]
    classes_um = CLASSES_UM if task == "depth_class" else ()
    change = {
        "architecture": architecture,
        "task": task,
        "n_pixels": N_PIXELS,
        "classes_um": classes_um,
        "out_channels": make_task(task, 3, classes_um).n_outputs,
    }
    description = model_description.model_copy(update=change)
    torch.manual_seed(0)
    network = description.build_network()
    if hasattr(network, "set_optics"):
        network.set_optics(forward)
        torch.nn.init.uniform_(network.bank.log_regularization, -6, -2)
    with torch.no_grad():
        network.train()(torch.rand(8, 2, N_PIXELS, N_PIXELS) + 0.5)
    return Model(network.eval(), description, depth_scale=1.5)


@pytest.mark.parametrize("size", [33, 34])
def test_the_bank_of_matrices_equals_the_one_of_fourier_transforms(forward: ForwardModel, size: int) -> None:
    bank = WienerBank(torch.tensor([150.0, 700.0]), 2, n_regularizations=2)
    kernels = forward.at(torch.tensor([[150.0, 700.0]])).kernels
    bank.transfer = torch.fft.rfft2(kernels, (size, size))[0]  # sizes of both parities
    measurements = torch.rand(3, 2, N_PIXELS, N_PIXELS)
    torch.testing.assert_close(MatrixWienerBank(bank, N_PIXELS)(measurements), bank(measurements), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n_sensors", [1, 2])
def test_joint_inverses_by_matrices_equal_those_of_fourier_transforms(make_psf, n_sensors: int) -> None:
    forward = ForwardModel(make_psf(N_PIXELS), N_PIXELS, n_sensors, 1000.0)
    bank = StagedBank(StagedUNetConfig(name="staged_unet", **DEPTHS), n_sensors)
    bank.transfer = Bank.transfer_functions(bank, forward)  # complex
    measurements, depths_um = torch.rand(2, n_sensors, N_PIXELS, N_PIXELS), torch.tensor([[110.0, 505.0], [310, 740]])
    exported = MatrixStagedBank(bank, N_PIXELS).joint_images(None, measurements, depths_um)
    expected = bank.joint_images(bank.transfer, measurements, depths_um)
    torch.testing.assert_close(exported, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_onnx_runtime_gives_the_predictions(
    tmp_path: Path, model_description, forward: ForwardModel, make_psf, name: str
) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    model = replace(make_model(name, model_description, forward), psf=make_psf(N_PIXELS, pixel_pitch_um=70.0))
    state = {key: values.clone() for key, values in model.network.state_dict().items()}
    export_onnx(model, tmp_path / "model.onnx")

    measurements = 7 * np.random.default_rng(0).random((3, 2, N_PIXELS, N_PIXELS), np.float32) + 1
    expected = model.predict(measurements).arrays()
    session = runtime.InferenceSession(str(tmp_path / "model.onnx"))
    names = [value.name for value in session.get_outputs()]
    assert names == [*expected]
    for name, output in zip(names, session.run(None, {"measurements": measurements}), strict=True):
        # Depths are in um, deblurred layers in the unit of the measurements.
        tolerance = 1e-4 * max(1.0, float(np.abs(expected[name]).max()))
        np.testing.assert_allclose(output, expected[name], rtol=1e-4, atol=tolerance)
        assert output.shape == expected[name].shape

    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata["task"] == model.description.task
    scaled = [1.5 * layer.mean for layer in model.description.layer_depths_um]
    assert json.loads(metadata["layer_depths_um"]) == scaled
    assert float(metadata["pixel_pitch_um"]) == 70
    assert float(metadata["sensor_separation_um"]) == 1.5 * model.description.sensor_separation_um
    meanings = json.loads(metadata["outputs"])
    assert [*meanings] == names
    assert meanings["output"] == TASKS[model.description.task].meaning
    assert all(len(meaning) > 10 for meaning in meanings.values())
    assert all(torch.equal(values, model.network.state_dict()[key]) for key, values in state.items())
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize("name", ["physics_unet", "staged_unet"])
def test_no_part_of_the_model_is_moved_to_the_cpu(
    model_description, forward: ForwardModel, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A module is moved in place: on a GPU, the model could not predict any more."""
    moved: list[torch.nn.Module] = []
    monkeypatch.setattr(torch.nn.Module, "cpu", lambda module: moved.append(module) or module)
    model = make_model(name, model_description, forward)
    exported = ExportedModel(model)
    parts = {id(part) for part in model.network.modules()}
    assert moved
    assert parts.isdisjoint(id(part) for root in moved for part in root.modules())
    assert parts.isdisjoint(id(part) for part in exported.modules() if part is not exported.task)


@pytest.mark.parametrize("name", ["physics_unet", "physics_encoder"])
def test_the_model_zoo_accepts_the_package(
    tmp_path: Path, model_description, forward: ForwardModel, make_psf, name: str
) -> None:
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    core = pytest.importorskip("bioimageio.core", reason="the extra bioimageio is not installed")
    model = replace(make_model(name, model_description, forward), psf=make_psf(N_PIXELS, pixel_pitch_um=70.0))
    write_package(model, tmp_path / "model.zip")
    summary = core.test_model(tmp_path / "model.zip", weight_format="onnx")
    assert summary.status == "passed", summary.format()
    description = core.load_model_description(tmp_path / "model.zip")
    assert [axis.scale for axis in description.inputs[0].axes[-2:]] == [70, 70]
    with zipfile.ZipFile(tmp_path / "model.zip") as package:
        assert "a pitch of 70 um" in package.read("README.md").decode()


def test_a_missing_extra_is_named(tmp_path: Path, model_description, forward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    for write, path in ((export_onnx, tmp_path / "model.onnx"), (write_package, tmp_path / "model.zip")):
        with pytest.raises(InputError, match="the package onnx is not installed"):
            write(make_model("conv_deconv", model_description, forward), path)
        assert not path.exists()
