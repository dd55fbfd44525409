"""Fit the recalibration of a network to validation samples."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from foci3d.confidence.consistency import consistency_statistics, fit_reference, relative_residual
from foci3d.confidence.reliability import confidence_threshold
from foci3d.config.models import TrustConfig
from foci3d.evaluation.metrics import BoolArray, FloatArray
from foci3d.io.samples import NumpyOutputs, NumpySamples
from foci3d.learning.inference import Model
from foci3d.learning.model_file import ModelDescription
from foci3d.learning.recalibration import DepthRecalibration, ProbabilityRecalibration, Recalibration
from foci3d.optics.forward import ForwardModel
from foci3d.optics.psf import PSF


def optics_of(model: Model, psf: PSF) -> ForwardModel:
    """The forward operator of the imager that a model is used for."""
    return ForwardModel(psf, model.description.n_pixels, model.description.in_channels, model.sensor_separation_um)


def layer_depths(outputs: NumpyOutputs, description: ModelDescription) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Predicted depths of the layers and their standard deviations [um], with the shape that a model's `outputs` have.

    Of a model that predicts none, they are the mean and the standard deviation in its training data, `(L,)`.
    """
    if outputs.predicted_depths_um is not None and outputs.predicted_depth_sds_um is not None:
        return outputs.predicted_depths_um, outputs.predicted_depth_sds_um
    layers = description.layer_depths_um
    return np.array([layer.mean for layer in layers]), np.array([layer.sd for layer in layers])


def prediction_statistics(model: Model, psf: PSF, measurements: npt.NDArray[Any], outputs: NumpyOutputs) -> FloatArray:
    """`consistency_statistics (N, F)` of a model's `outputs` for `measurements (N, S, Y, X)`, see `Model.predict`."""
    depths = layer_depths(outputs, model.description)
    return consistency_statistics(optics_of(model, psf), measurements, outputs.output, *depths)


def recalibrate_network(
    model: Model,
    psf: PSF,
    samples: NumpySamples,
    trust: TrustConfig,
    device: torch.device | str,
    *,
    average_symmetries: bool,
) -> Recalibration:
    """Fit the recalibration of a network to validation samples.

    Parameters
    ----------
    model : Model
        A model for the task `masks` or `stacks`.
    psf : PSF
        Point-spread function of the imager.
    samples : Samples
        The validation split.
    trust : TrustConfig
        Number of samples, coverage and rate of false alarms.
    device : torch.device or str
        Where to compute, see `Model.predict`.
    average_symmetries : bool
        Whether to average over the symmetries of the imager, see `Model.predict`.

    Returns
    -------
    Recalibration
        The content of the recalibration file.
    """
    samples = samples[: trust.n_samples]
    measurements, target = samples.measurements, samples.masks
    outputs = model.predict(measurements, device, average_symmetries=average_symmetries)
    recalibrate = ProbabilityRecalibration.fit(outputs.output, target > 0)
    probabilities = recalibrate(outputs.output)
    depths, sds = (
        np.broadcast_to(values, probabilities.shape[:2]) for values in layer_depths(outputs, model.description)
    )
    forward = optics_of(model, psf)
    residuals = [
        relative_residual(forward, *sample) for sample in zip(measurements, probabilities, depths, strict=True)
    ]
    return Recalibration(
        network=model.description.network,
        weights=model.description.digests.weights,
        psf=psf.digest,
        average_symmetries=average_symmetries,
        n_samples=len(measurements),
        probabilities=recalibrate,
        depth_sds=DepthRecalibration.fit(depth_errors(depths, samples.depths_um, target > 0), sds),
        coverage=trust.coverage,
        confidence_threshold=confidence_threshold(probabilities, trust.coverage),
        reference=fit_reference(prediction_statistics(model, psf, measurements, outputs), trust.false_alarm_rate),
        typical_residual=float(np.median(residuals)),
    )


def depth_errors(depths_um: FloatArray, true_depths_um: FloatArray, cells: BoolArray) -> FloatArray:
    """Predicted minus true depths `(N, L)` [um]; NaN of layers without cells in `cells (N, L, Y, X)`."""
    return np.where(cells.any((-2, -1)), depths_um - true_depths_um, np.nan)
