"""Trained models: a network with its description, its imager, and how its predictions are made."""

import logging
import math
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from foci3d.config.fields import Precision, PrecisionChoice
from foci3d.errors import InputError
from foci3d.io.hdf5 import NUMBERS
from foci3d.io.progress import Progress
from foci3d.io.samples import NumpyOutputs, Outputs
from foci3d.learning.device import resolve_device, resolve_precision
from foci3d.learning.layer_counts import head, select_layers
from foci3d.learning.model_file import ModelDescription, read_model
from foci3d.learning.networks import PhysicsNetwork
from foci3d.learning.recalibration import Recalibration, find_recalibration
from foci3d.learning.symmetries import average_over_symmetries
from foci3d.learning.tasks import Task, compute_logits, make_task
from foci3d.optics.forward import ForwardModel
from foci3d.optics.psf import PSF
from foci3d.optics.symmetries import Symmetry

log = logging.getLogger(__name__)

BATCH_SIZE = 64
"""Images that a network sees at once; the views of an average over symmetries count."""

CPU = torch.device("cpu")
BOUND_WIDTH_UM = 3.0
"""Scale of the map that keeps depths within the imager, see `bound_depths`."""


def decode_outputs(
    network: nn.Module,
    task: Task,
    measurements: Tensor,
    depth_scale: float = 1.0,
    max_depth_um: float = math.inf,
    precision: Precision = "float32",
) -> Outputs[Tensor]:
    """Outputs of a network for measurements `(N, S, Y, X)` in any unit.

    `depth_scale`, `max_depth_um` and `precision` are those of `Model`; depths are those of `bound_depths`.
    """
    is_reduced = precision == "bfloat16"
    with torch.autocast(measurements.device.type, torch.bfloat16) if is_reduced else nullcontext():
        logits = compute_logits(network, measurements)
    outputs = task.outputs(logits.float(), measurements)
    if outputs.predicted_depths_um is None or outputs.predicted_depth_sds_um is None:
        return outputs
    depths_um = bound_depths(depth_scale * outputs.predicted_depths_um, max_depth_um)
    return replace(
        outputs, predicted_depths_um=depths_um, predicted_depth_sds_um=depth_scale * outputs.predicted_depth_sds_um
    )


def bound_depths(depths_um: Tensor, max_depth_um: float) -> Tensor:
    """Map any `depths_um (...)` monotonically to between 0 and a maximum [um].

    Between two softplus functions of `BOUND_WIDTH_UM`; the change is below 0.1 um from 11 um within the bounds.

    >>> bound_depths(torch.tensor([-36000.0, 50.0, 4000.0]), 1000.0).tolist()
    [0.0, 50.0, 1000.0]
    """
    above = functional.softplus(depths_um, beta=1 / BOUND_WIDTH_UM)
    if math.isinf(max_depth_um):
        return above
    return max_depth_um - functional.softplus(max_depth_um - above, beta=1 / BOUND_WIDTH_UM)


@dataclass(frozen=True)
class Model:
    """A trained network with all that its predictions depend on; `load_model` reads it.

    Parameters
    ----------
    network : torch.nn.Module
        The network, in evaluation mode, on the device.
    description : ModelDescription
        Everything else about it.
    psf : PSF, optional
        Point-spread function of the imager at hand, if it is known.
    depth_scale : float
        Factor on predicted depths: the separation of the sensors at hand over that of the imager of the training data.
    device : torch.device
        Where to compute.
    average_symmetries : bool
        Whether predictions are averages over the symmetries of the imager: lower errors, in 5 to 10 times the time
        where its point-spread function has all symmetries of the square.
    recalibration : Recalibration, optional
        Recalibration of the predictions, fitted to validation samples.
    precision : {"float32", "bfloat16"}
        Precision of the convolutions.
    """

    network: nn.Module
    description: ModelDescription
    psf: PSF | None = None
    depth_scale: float = 1.0
    device: torch.device = CPU
    average_symmetries: bool = False
    recalibration: Recalibration | None = None
    precision: Precision = "float32"

    @property
    def sensor_separation_um(self) -> float:
        """Distance between the sensors of the imager at hand [um]."""
        return self.depth_scale * self.description.sensor_separation_um

    @property
    def max_depth_um(self) -> float:
        """Largest depth that a layer can have: that of sensor B or, of one sensor, of the training data [um]."""
        if self.description.in_channels > 1:
            return self.sensor_separation_um
        deepest = [layer.mean + 3 * layer.sd for layer in self.description.layer_depths_um]
        return max(self.sensor_separation_um, *deepest)

    @property
    def pixel_pitch_um(self) -> float:
        """Distance between neighbouring pixels of the imager at hand; without a PSF, of that of the training data."""
        return self.psf.pixel_pitch_um if self.psf else self.description.pixel_pitch_um

    @property
    def task(self) -> Task:
        """The task of the network."""
        description = self.description
        return make_task(description.task, description.n_layers, description.classes_um)

    @property
    def usable_recalibration(self) -> Recalibration | None:
        """The recalibration, if it was fitted to predictions that are made as this model makes them."""
        fitted = self.recalibration
        return fitted if fitted and fitted.average_symmetries == self.average_symmetries else None

    @property
    def required_psf(self) -> PSF:
        """The point-spread function of the imager at hand.

        Raises
        ------
        InputError
            If it is not known.
        """
        if self.psf is None:
            raise InputError(
                f"model {self.description.network}: the point-spread function of the imager is needed; give a PSF."
            )
        return self.psf

    @cached_property
    def forward_model(self) -> ForwardModel:
        """The forward model of the imager at hand, on the CPU; raises InputError without its PSF."""
        description = self.description
        return ForwardModel(self.required_psf, description.n_pixels, description.in_channels, self.sensor_separation_um)

    @property
    def symmetries(self) -> tuple[Symmetry, ...]:
        """Symmetries of the point-spread function at hand or, where it is not known, of that of the training data."""
        return self.psf.symmetries if self.psf else self.description.symmetries

    @property
    def swaps_sensors(self) -> bool:
        """Whether an average over the symmetries includes the view from the opposite side."""
        return self.description.is_sensor_symmetric and self.task.spec.has_layer_channels

    @property
    def n_views(self) -> int:
        """Views of a measurement that a prediction averages."""
        return len(self.symmetries) * (1 + self.swaps_sensors) if self.average_symmetries else 1

    def predict(
        self,
        measurements: npt.ArrayLike | Tensor,
        *,
        recalibrate: bool = True,
        n_layers: npt.NDArray[np.int64] | None = None,
    ) -> NumpyOutputs:
        """Apply the model to measurements.

        Parameters
        ----------
        measurements : array_like (N, S, Y, X)
            Images of the sensors, linear in light, in any unit that the sensors of a sample share: of NumPy or torch.
        recalibrate : bool
            Whether to apply the recalibration, if the model has one.
        n_layers : ndarray (N,), optional
            Number of layers of each sample, if it is known, for a model that predicts it; by default the most
            probable one.

        Returns
        -------
        Outputs
            Of NumPy, float32; with values of the layers for the task `stacks`. Of a model that predicts the number of
            layers, further layers are empty, and their depths are NaN.

        Raises
        ------
        InputError
            If the measurements do not fit the model, are not finite or have a mean that is not positive.
        """
        outputs = self.predict_all(measurements)
        return self.select(self.recalibrate(outputs) if recalibrate else outputs, n_layers)

    @torch.inference_mode()
    def predict_all(self, measurements: npt.ArrayLike | Tensor) -> NumpyOutputs:
        """Apply the model as `predict` does, without recalibration, and for all numbers of layers.

        They are those of `foci3d.learning.layer_counts`, of a model that predicts the number of layers.
        """
        measurements = to_numpy(measurements)
        _check_measurements(self.description, measurements)
        parts, progress = [], Progress(log, "samples", len(measurements))
        size = max(1, BATCH_SIZE // self.n_views)
        for first in range(0, len(measurements), size):
            batch = torch.from_numpy(measurements[first : first + size].astype(np.float32)).to(self.device)
            parts.append(self._predict_batch(batch).map(lambda values: values.cpu().contiguous().numpy()).arrays())
            progress.report(first + len(batch))
        return Outputs(**{name: np.concatenate([part[name] for part in parts]) for name in parts[0]})

    def select(self, outputs: NumpyOutputs, n_layers: npt.NDArray[np.int64] | None = None) -> NumpyOutputs:
        """What `predict` returns, from outputs for all numbers of layers."""
        return outputs if outputs.count_probabilities is None else select_layers(outputs, n_layers)

    def _predict_batch(self, measurements: Tensor) -> Outputs[Tensor]:
        task = self.task

        def decode(images: Tensor) -> Outputs[Tensor]:
            return decode_outputs(self.network, task, images, self.depth_scale, self.max_depth_um, self.precision)

        if not self.average_symmetries:
            return decode(measurements)
        separation_um = self.sensor_separation_um if self.swaps_sensors else None
        return average_over_symmetries(decode, measurements, self.symmetries, separation_um)

    def recalibrate(self, outputs: NumpyOutputs) -> NumpyOutputs:
        """Recalibrated probabilities and standard deviations of depths, of outputs as `predict_all` gives them.

        They are unchanged if the model has no recalibration, or one for predictions that are made in another way.
        """
        fitted, sds_um, counts = self.usable_recalibration, outputs.predicted_depth_sds_um, outputs.count_probabilities
        if fitted is None:
            return outputs
        n_layers = outputs.output.shape[-3]
        if fitted.n_layers != (n_layers,):
            raise InputError(
                f"model {self.description.network}: its recalibration is for {', '.join(map(str, fitted.n_layers))} "
                f"layers; expected {n_layers}. Recalibrate the model again."
            )
        return replace(
            outputs,
            output=fitted.probabilities(outputs.output),
            predicted_depth_sds_um=None if sds_um is None else fitted.depth_sds(sds_um),
            count_probabilities=None if counts is None else fitted.counts(counts),
        )

    def recalibrate_found(self, outputs: NumpyOutputs) -> NumpyOutputs:
        """What `recalibrate` does, for outputs of one measurement or field for the number of layers that was found.

        They have no axis of samples. Layers beyond the number stay empty, and its probabilities are as given.
        """
        fitted, n_found = self.usable_recalibration, outputs.n_found
        if fitted is None or n_found is None:
            return self.recalibrate(outputs)
        sds_um = outputs.predicted_depth_sds_um
        assert sds_um is not None
        layers, probabilities, calibrated_sds_um = head(n_found), outputs.output.copy(), sds_um.copy()
        probabilities[:n_found] = fitted.probabilities.of(layers)(probabilities[:n_found])
        calibrated_sds_um[:n_found] = fitted.depth_sds.of(layers)(calibrated_sds_um[:n_found])
        return replace(outputs, output=probabilities, predicted_depth_sds_um=calibrated_sds_um)

    def layer_depths(self, outputs: NumpyOutputs) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Predicted depths of the layers with their standard deviations [um], with the shape that the outputs have.

        Of a model that predicts none, they are the mean and the standard deviation in its training data, `(L,)`.
        """
        if outputs.predicted_depths_um is not None and outputs.predicted_depth_sds_um is not None:
            return outputs.predicted_depths_um, outputs.predicted_depth_sds_um
        layers = self.description.layer_depths_um
        return np.array([layer.mean for layer in layers]), np.array([layer.sd for layer in layers])


def load_model(
    path: str | Path,
    *,
    psf: PSF | str | Path | None = None,
    device: str = "auto",
    average_symmetries: bool | None = None,
    recalibration: str | Path | None = "auto",
    sensor_separation_um: float | None = None,
    precision: PrecisionChoice = "float32",
) -> Model:
    """Load a trained model.

    Parameters
    ----------
    path : str or Path
        JSON file; the weights are the safetensors file of the same name beside it.
    psf : PSF, str or Path, optional
        Point-spread function of the imager, or its file; needed by networks that use the PSF, and to judge
        reconstructions.
    device : str
        Where to compute: ``cpu``, ``cuda``, ``cuda:1``, or ``auto`` for a GPU where there is one.
    average_symmetries : bool, optional
        Whether to average predictions over the symmetries of the imager; by default as for the recalibration, and yes
        without one.
    recalibration : str or Path, optional
        File of the recalibration, or None for predictions as the network makes them; with ``auto``, the file
        ``MODEL.recalibration.json`` beside the model if there is one.
    sensor_separation_um : float, optional
        Distance between the sensors of the imager [um]; by default that of the imager of the training data.
    precision : {"float32", "bfloat16", "auto"}
        Precision of the convolutions. On a processor that computes in bfloat16, it halves the time, and changes
        probabilities by about 0.001; with ``auto``, it is used there.

    Returns
    -------
    Model
        On the device, in evaluation mode.

    Raises
    ------
    InputError
        If a file is missing, damaged or of another kind, two do not belong together, there is no such device, or the
        distance is not positive.
    """
    chosen_device = resolve_device(device)
    kernels = psf if isinstance(psf, PSF) or psf is None else PSF.load(psf)
    description, weights = read_model(path, Path(path).with_suffix(".safetensors"))
    _check_description(path, description)
    network = description.build_network()
    network.load_state_dict(weights)
    depth_scale = _depth_scale(description, sensor_separation_um)
    if recalibration == "auto":
        fitted = find_recalibration(path, description.digests.weights)
    else:
        fitted = Recalibration.load(recalibration, description.digests.weights) if recalibration else None
    if average_symmetries is None:
        average_symmetries = fitted.average_symmetries if fitted else True
    model = Model(
        network.eval(),
        description,
        kernels,
        depth_scale,
        chosen_device,
        average_symmetries,
        fitted,
        resolve_precision(precision, chosen_device),
    )
    if isinstance(network, PhysicsNetwork):
        network.set_optics(model.forward_model, depth_scale)
        _warn_of_other_imager(model)
    # On CPUs, convolutions are a quarter faster in this memory format.
    network.to(chosen_device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


def _check_description(path: str | Path, description: ModelDescription) -> None:
    """Raise InputError where the parts of a description contradict each other."""
    n_layers, n_depths = description.n_layers, len(description.layer_depths_um)
    n_outputs = make_task(description.task, n_layers, description.classes_um).n_outputs
    if (n_depths, n_outputs) != (n_layers, description.out_channels):
        raise InputError(
            f"{path}: found depths of {n_depths} layers and {description.out_channels} outputs; expected {n_layers} "
            f"and {n_outputs} for {n_layers} layers and the task {description.task}. Train the model again."
        )


def _depth_scale(description: ModelDescription, sensor_separation_um: float | None) -> float:
    """Separation of the sensors at hand over that of the training data; 1 for one sensor."""
    if sensor_separation_um is not None and not 0 < sensor_separation_um < math.inf:
        raise InputError(
            f"sensor separation: found {sensor_separation_um:g} um; expected a positive number. Correct it."
        )
    if sensor_separation_um is None or description.in_channels == 1:
        return 1.0
    return sensor_separation_um / description.sensor_separation_um


def _warn_of_other_imager(model: Model) -> None:
    """Log each quantity of an imager that lies outside what a model was trained for."""
    description, attributes = model.description, model.psf.attributes if model.psf else {}
    values = {"pixel_pitch_um": model.pixel_pitch_um}
    values |= {
        name: float(value) for name in ("fwhm_deg", "standoff_um") if (value := attributes.get(name)) is not None
    }
    if description.in_channels > 1:
        values["sensor_separation_um"] = model.sensor_separation_um
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


def to_numpy(measurements: npt.ArrayLike | Tensor) -> npt.NDArray[Any]:
    """Measurements as an array of NumPy on the CPU.

    Raises
    ------
    InputError
        If they are no numbers.
    """
    array = np.asarray(measurements.detach().cpu() if isinstance(measurements, Tensor) else measurements)
    if array.dtype.kind not in NUMBERS:
        raise InputError(f"measurements: found values of type {array.dtype}; expected real numbers. Convert them.")
    return array


def _check_measurements(description: ModelDescription, measurements: npt.NDArray[Any]) -> None:
    expected = (description.in_channels, description.n_pixels, description.n_pixels)
    if measurements.shape[1:] != expected or not len(measurements):
        raise InputError(
            f"measurements: found {' x '.join(map(str, measurements.shape))}; expected samples of {expected[0]} "
            f"sensors with {expected[1]} x {expected[2]} pixels for the model {description.network} (axes sample, "
            "sensor, y, x). Choose another model or other measurements."
        )
    means = measurements.mean((1, 2, 3), dtype=float)
    valid = np.isfinite(means) & (means > 0)
    if not valid.all():
        raise InputError(
            f"measurements: the mean of sample {np.flatnonzero(~valid)[0]} is {means[~valid][0]:g}; expected positive "
            "means and no missing values, check the files."
        )
