"""Trained models applied to measurements, and to the test split of a dataset."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from foci3d.config.tasks import OutputKind
from foci3d.errors import InputError
from foci3d.io import shards
from foci3d.io.hdf5 import Attribute
from foci3d.io.predictions import COPIES, Predictions
from foci3d.io.samples import NumpyOutputs, NumpySamples, Outputs
from foci3d.learning.device import resolve_device
from foci3d.learning.model_file import ModelDescription, read_model
from foci3d.learning.networks import PhysicsNetwork
from foci3d.learning.symmetries import average_over_symmetries
from foci3d.learning.tasks import Task, compute_logits, make_task
from foci3d.optics.forward import ForwardModel
from foci3d.optics.psf import PSF
from foci3d.optics.symmetries import Symmetry

log = logging.getLogger(__name__)

BATCH_SIZE = 64
LOG_INTERVAL_S = 10.0
"""Seconds between progress messages."""


def decode_outputs(network: nn.Module, task: Task, measurements: Tensor, depth_scale: float = 1.0) -> Outputs[Tensor]:
    """Outputs of a network for measurements `(N, S, Y, X)` in any unit; `depth_scale` is that of `Model`."""
    outputs = task.outputs(compute_logits(network, measurements), measurements)
    if outputs.predicted_depths_um is None or outputs.predicted_depth_sds_um is None:
        return outputs
    depths_um, sds_um = outputs.predicted_depths_um, outputs.predicted_depth_sds_um
    return replace(outputs, predicted_depths_um=depth_scale * depths_um, predicted_depth_sds_um=depth_scale * sds_um)


@dataclass(frozen=True)
class Model:
    """A trained network with its description.

    Parameters
    ----------
    network : torch.nn.Module
        The network, in evaluation mode.
    description : ModelDescription
        Everything else about it.
    depth_scale : float
        Factor on predicted depths: the separation of the sensors at hand over that of the imager of the training data.
    psf : PSF, optional
        Point-spread function of the imager at hand, if it is known.
    """

    network: nn.Module
    description: ModelDescription
    depth_scale: float = 1.0
    psf: PSF | None = None

    @property
    def sensor_separation_um(self) -> float:
        """Distance between the sensors of the imager at hand [um]."""
        return self.depth_scale * self.description.sensor_separation_um

    @property
    def task(self) -> Task:
        """The task of the network."""
        description = self.description
        return make_task(description.task, description.n_layers, description.classes_um)

    @property
    def symmetries(self) -> tuple[Symmetry, ...]:
        """Symmetries of the point-spread function at hand or, where it is not known, of that of the training data."""
        return self.psf.symmetries if self.psf else self.description.symmetries

    @torch.inference_mode()
    def predict(
        self, measurements: npt.NDArray[Any], device: torch.device | str = "auto", *, average_symmetries: bool = False
    ) -> NumpyOutputs:
        """Apply the model to measurements, in float32.

        Parameters
        ----------
        measurements : ndarray (N, S, Y, X)
            Images of the sensors, linear in light, in any unit that the sensors of a sample share.
        device : torch.device or str
            A device, or ``auto`` for a GPU where there is one.
        average_symmetries : bool
            Whether to average over the symmetries of the imager: lower errors, in 8 or 16 times the time where its
            point-spread function has all symmetries of the square.

        Returns
        -------
        Outputs
            Of NumPy, float32; with values of the layers for the task `stacks`.

        Raises
        ------
        InputError
            If the measurements do not fit the model, are not finite or have a mean that is not positive.
        """
        _check_measurements(self.description, measurements)
        device = resolve_device(device) if isinstance(device, str) else device
        network, task, outputs = self.network.to(device), self.task, []
        swap_sensors = self.description.is_sensor_symmetric and task.spec.has_layer_channels

        def decode(images: Tensor) -> Outputs[Tensor]:
            return decode_outputs(network, task, images, self.depth_scale)

        last_log_time = time.perf_counter()
        for first in range(0, len(measurements), BATCH_SIZE):
            batch = torch.from_numpy(measurements[first : first + BATCH_SIZE].astype(np.float32)).to(device)
            if average_symmetries:
                separation_um = self.sensor_separation_um if swap_sensors else None
                output = average_over_symmetries(decode, batch, self.symmetries, separation_um)
            else:
                output = decode(batch)
            outputs.append(output.map(lambda values: values.cpu().numpy()).arrays())
            if time.perf_counter() - last_log_time > LOG_INTERVAL_S:
                last_log_time = time.perf_counter()
                log.info("%d of %d samples", first + len(batch), len(measurements))
        return Outputs(**{name: np.concatenate([output[name] for output in outputs]) for name in outputs[0]})


def load_model(
    description_path: str | Path,
    weights_path: str | Path | None = None,
    psf: PSF | None = None,
    sensor_separation_um: float | None = None,
) -> Model:
    """Load a trained model.

    Parameters
    ----------
    description_path : str or Path
        JSON file.
    weights_path : str or Path, optional
        The safetensors file; by default the one beside the JSON file, with the same name.
    psf : PSF, optional
        Point-spread function of the imager; needed by networks that know the optics, and to judge reconstructions.
    sensor_separation_um : float, optional
        Distance between the sensors of the imager [um]; by default that of the imager of the training data.

    Returns
    -------
    Model
        On the CPU, in evaluation mode.

    Raises
    ------
    InputError
        If a file is missing, damaged or of another kind, or the two do not belong together.
    """
    description, weights = read_model(
        description_path, weights_path or Path(description_path).with_suffix(".safetensors")
    )
    network = description.build_network()
    network.load_state_dict(weights)
    separation_um = sensor_separation_um or description.sensor_separation_um
    depth_scale = separation_um / description.sensor_separation_um if description.in_channels > 1 else 1.0
    if isinstance(network, PhysicsNetwork):
        if psf is None:
            raise InputError(
                f"{description_path}: the network {description.network} needs the point-spread function of the imager; "
                "give a PSF."
            )
        forward = ForwardModel(psf, description.n_pixels, description.in_channels, separation_um)
        network.set_optics(forward, depth_scale)
        _warn_of_other_imager(description, psf, separation_um)
    return Model(network.eval(), description, depth_scale, psf)


def _warn_of_other_imager(description: ModelDescription, psf: PSF, sensor_separation_um: float) -> None:
    """Log each quantity of an imager that lies outside what a model was trained for."""
    values = {"pixel_pitch_um": psf.pixel_pitch_um}
    values |= {
        name: float(value) for name in ("fwhm_deg", "standoff_um") if (value := psf.attributes.get(name)) is not None
    }
    if description.in_channels > 1:
        values["sensor_separation_um"] = sensor_separation_um
    for name, (low, high) in description.imager_ranges().items():
        if name in values and not low <= values[name] <= high:
            log.warning(
                "model %s was trained for %s from %g to %g, and %g of this imager is outside; its errors are unknown",
                description.network,
                name,
                low,
                high,
                values[name],
            )


def predict_dataset(
    model: Model,
    paths: Sequence[str | Path],
    dataset_name: str,
    device: torch.device | str,
    *,
    average_symmetries: bool = False,
) -> Predictions:
    """Apply a model to the test split of a dataset.

    Parameters
    ----------
    model : Model
        The model.
    paths : sequence of str or Path
        Shards of the split.
    dataset_name : str
        Name of the dataset.
    device : torch.device or str
        Where to compute, see `Model.predict`.
    average_symmetries : bool
        Whether to average over the symmetries of the imager, see `Model.predict`.

    Returns
    -------
    Predictions
        Outputs and targets, with the measurements and what else scoring needs.
    """
    return predict_samples(
        model, shards.read_shards(paths), dataset_name, device, average_symmetries=average_symmetries
    )


def predict_samples(
    model: Model,
    samples: NumpySamples,
    dataset_name: str,
    device: torch.device | str,
    *,
    average_symmetries: bool = False,
) -> Predictions:
    """Apply a model to samples in memory; as `predict_dataset`, with the samples in place of paths."""
    description = model.description
    outputs = model.predict(samples.measurements, device, average_symmetries=average_symmetries)
    target = model.task.target(samples.map(torch.from_numpy))
    copies = {name: values for name, values in samples.arrays().items() if name in COPIES}
    results = {**outputs.arrays(), "target": target.numpy(), **copies}
    if model.task.spec.kind is OutputKind.OTHER:
        results["error"] = model.task.error(torch.from_numpy(outputs.output), target).numpy()
    if description.classes_um:
        results["classes_um"] = np.array(description.classes_um, np.float32)
    attributes: dict[str, Attribute] = {"parameters": description.n_parameters, "weights": description.digests.weights}
    return Predictions(description.network, dataset_name, description.task, results, attributes)


def _check_measurements(description: ModelDescription, measurements: npt.NDArray[Any]) -> None:
    expected = (description.in_channels, description.n_pixels, description.n_pixels)
    if measurements.shape[1:] != expected:
        raise InputError(
            f"measurements: found {measurements.shape[1]} sensors of {' x '.join(map(str, measurements.shape[2:]))} "
            f"pixels; expected {expected[0]} of {expected[1]} x {expected[2]} for the model {description.network}, "
            "choose another model or other measurements."
        )
    means = measurements.mean((1, 2, 3), dtype=float)
    valid = np.isfinite(means) & (means > 0)
    if not valid.all():
        raise InputError(
            f"measurements: the mean of sample {np.flatnonzero(~valid)[0]} is {means[~valid][0]:g}; expected positive "
            "means and no missing values, check the files."
        )
