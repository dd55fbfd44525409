"""Fit the recalibration of a network to validation samples."""

from typing import Any

import numpy as np
import numpy.typing as npt

from foci3d.confidence.consistency import consistency_statistics, fit_reference, relative_residual
from foci3d.confidence.reliability import confidence_threshold
from foci3d.config.models import TrustConfig
from foci3d.evaluation.metrics import BoolArray, FloatArray
from foci3d.io.samples import NumpyOutputs, NumpySamples
from foci3d.learning.model import Model
from foci3d.learning.recalibration import DepthRecalibration, ProbabilityRecalibration, Recalibration


def prediction_statistics(model: Model, measurements: npt.NDArray[Any], outputs: NumpyOutputs) -> FloatArray:
    """`consistency_statistics (N, F)` of a model's `outputs`, not recalibrated, for `measurements (N, S, Y, X)`."""
    depths = model.layer_depths(outputs)
    return consistency_statistics(model.forward_model, measurements, outputs.output, *depths)


def recalibrate_network(model: Model, samples: NumpySamples, trust: TrustConfig) -> Recalibration:
    """Fit the recalibration of a network to validation samples.

    Parameters
    ----------
    model : Model
        A model for the task `masks` or `stacks`, with the point-spread function of the imager.
    samples : Samples
        The validation split.
    trust : TrustConfig
        Number of samples, coverage and rate of false alarms.

    Returns
    -------
    Recalibration
        The content of the recalibration file.

    Raises
    ------
    InputError
        If the point-spread function is not known.
    """
    samples = samples[: trust.n_samples]
    measurements, target = samples.measurements, samples.masks
    outputs = model.predict(measurements, recalibrate=False)
    recalibrate = ProbabilityRecalibration.fit(outputs.output, target > 0)
    probabilities = recalibrate(outputs.output)
    depths, sds = (np.broadcast_to(values, probabilities.shape[:2]) for values in model.layer_depths(outputs))
    residuals = [
        relative_residual(model.forward_model, *sample)
        for sample in zip(measurements, probabilities, depths, strict=True)
    ]
    return Recalibration(
        network=model.description.network,
        weights=model.description.digests.weights,
        psf=model.required_psf.digest,
        average_symmetries=model.average_symmetries,
        n_samples=len(measurements),
        probabilities=recalibrate,
        depth_sds=DepthRecalibration.fit(depth_errors(depths, samples.depths_um, target > 0), sds),
        coverage=trust.coverage,
        confidence_threshold=confidence_threshold(probabilities, trust.coverage),
        reference=fit_reference(prediction_statistics(model, measurements, outputs), trust.false_alarm_rate),
        typical_residual=float(np.median(residuals)),
    )


def depth_errors(depths_um: FloatArray, true_depths_um: FloatArray, cells: BoolArray) -> FloatArray:
    """Predicted minus true depths `(N, L)` [um]; NaN of layers without cells in `cells (N, L, Y, X)`."""
    return np.where(cells.any((-2, -1)), depths_um - true_depths_um, np.nan)
