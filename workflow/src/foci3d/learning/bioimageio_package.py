"""Trained models as packages of the BioImage Model Zoo: an ONNX file with its description and a test sample."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foci3d.config.tasks import TASKS
from foci3d.errors import InputError
from foci3d.io.atomic import atomic_path
from foci3d.learning.export import export_onnx
from foci3d.learning.model import Model

DOCUMENTATION = """# {name}

A network of foci3d for the task {task}. It maps the measurements of a lensless imager with {in_channels} sensor(s) of
{n_pixels} x {n_pixels} pixels and a pitch of {pixel_pitch_um:g} um to {meaning}.

The input is linear in light, in any unit that the sensors share; the network normalizes it itself. If the network knows
the optics, the point-spread function of the imager is a constant of the ONNX file.

## Validation

The error on the validation data of its training is {validation_score:.4g}. Validate it on simulated measurements of
your own imager: the training data are synthetic.
"""


def write_package(model: Model, path: str | Path) -> None:
    """Write a model as a package of the BioImage Model Zoo.

    Parameters
    ----------
    model : Model
        The model, with its optics set if it knows them.
    path : str or Path
        File to write, ``.zip``. It holds the ONNX file of `export_onnx`, the description, a test sample of random
        measurements, and its outputs.

    Raises
    ------
    InputError
        If the packages of the extras `onnx` and `bioimageio` are not installed.
    """
    try:
        import onnx
        from bioimageio.spec import save_bioimageio_package
    except ImportError as error:
        raise InputError(
            f"export: the package {error.name} is not installed; expected the extras onnx and bioimageio. Run pip "
            "install '.[onnx,bioimageio]' in a clone of foci3d."
        ) from error
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export_onnx(model, folder / "model.onnx")
        opset = onnx.load(folder / "model.onnx", load_external_data=False).opset_import[0].version
        shape = (1, model.description.in_channels, model.description.n_pixels, model.description.n_pixels)
        measurements = np.random.default_rng(0).random(shape, np.float32) + 0.5
        outputs = model.predict_all(measurements).arrays()
        for tensor, values in {"measurements": measurements, **outputs}.items():
            np.save(folder / f"{tensor}.npy", values)
        (folder / "README.md").write_text(_documentation(model), encoding="utf-8")
        description = _describe(model, folder, outputs, opset)
        with atomic_path(path) as temporary:
            save_bioimageio_package(description, output_path=temporary)


def _documentation(model: Model) -> str:
    description = model.description
    meaning = TASKS[description.task].meaning
    values = {**description.model_dump(), "pixel_pitch_um": model.pixel_pitch_um}
    return DOCUMENTATION.format(name=description.network, meaning=meaning, **values)


def _describe(model: Model, folder: Path, outputs: Mapping[str, npt.NDArray[np.float32]], opset: int) -> Any:
    """The description of the package, whose files are in a folder."""
    from bioimageio.spec.model import v0_5

    description = model.description
    sensors = [f"sensor_{name}" for name in "ab"[: description.in_channels]]
    inputs = v0_5.InputTensorDescr(
        id=v0_5.TensorId("measurements"),
        description="images of the sensors, linear in light",
        axes=_axes(model, sensors, v0_5.SpaceInputAxis),
        test_tensor=v0_5.FileDescr(source=folder / "measurements.npy"),
    )
    described = [
        v0_5.OutputTensorDescr(
            id=v0_5.TensorId(name),
            description=(TASKS[description.task].meaning if name == "output" else name)[:128],
            axes=_axes(model, _number_channels(values.shape[1]), v0_5.SpaceOutputAxis)[: values.ndim],
            test_tensor=v0_5.FileDescr(source=folder / f"{name}.npy"),
        )
        for name, values in outputs.items()
    ]
    return v0_5.ModelDescr(
        name=f"foci3d {description.network}".replace("-", " "),
        description=f"3D maps of cells from lensless imagers: {description.task} on {description.dataset}",
        authors=[v0_5.Author(name="The foci3d developers")],
        cite=[v0_5.CiteEntry(text="Najafiaghdam et al. (2022)", doi=v0_5.Doi("10.1038/s41598-022-10886-6"))],
        license=v0_5.LicenseId("MIT"),
        documentation=v0_5.FileDescr(source=folder / "README.md"),
        inputs=[inputs],
        outputs=described,
        weights=v0_5.WeightsDescr(onnx=v0_5.OnnxWeightsDescr(source=folder / "model.onnx", opset_version=opset)),
    )


def _number_channels(n_channels: int) -> list[str]:
    return [f"channel_{number}" for number in range(1, n_channels + 1)]


def _axes(model: Model, channels: list[str], space_axis: Any) -> list[Any]:
    """Axes batch, channel, y and x, with the pixel pitch of the imager."""
    from bioimageio.spec.model import v0_5

    pixels = {"size": model.description.n_pixels, "scale": model.pixel_pitch_um, "unit": "micrometer"}
    space = [space_axis(id=v0_5.AxisId(axis), **pixels) for axis in "yx"]
    return [v0_5.BatchAxis(), v0_5.ChannelAxis(channel_names=[v0_5.Identifier(name) for name in channels]), *space]
