"""Fit the recalibration of a network to validation samples."""

from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from foci3d.confidence.consistency import consistency_statistics, fill_absent, fit_reference, relative_residual
from foci3d.confidence.reliability import confidence_threshold
from foci3d.config.models import TrustConfig
from foci3d.evaluation.metrics import BoolArray, FloatArray
from foci3d.io.samples import NumpyOutputs, NumpySamples
from foci3d.learning.imagers import add_noise
from foci3d.learning.layer_counts import head
from foci3d.learning.model import Model
from foci3d.learning.recalibration import (
    CountRecalibration,
    DepthRecalibration,
    ProbabilityRecalibration,
    Recalibration,
)


def prediction_statistics(model: Model, measurements: npt.NDArray[Any], outputs: NumpyOutputs) -> FloatArray:
    """`consistency_statistics (N, F)` of a model's `outputs`, not recalibrated, for `measurements (N, S, Y, X)`."""
    depths = (fill_absent(model.forward_model, values) for values in model.layer_depths(outputs))
    return consistency_statistics(model.forward_model, measurements, outputs.output, *depths)


def recalibrate_network(model: Model, samples: NumpySamples, trust: TrustConfig) -> Recalibration:
    """Fit the recalibration of a network to validation samples, with noise if it was trained for many imagers.

    Parameters
    ----------
    model : Model
        A model for a task with masks, with the point-spread function of the imager.
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
    if ranges := model.description.training.imagers:
        generator = torch.Generator().manual_seed(model.description.seed)
        noisy = add_noise(torch.from_numpy(samples.measurements), ranges, generator)
        samples = replace(samples, measurements=noisy.numpy())
    raw = model.predict_all(samples.measurements)
    counts = CountRecalibration()
    if raw.count_probabilities is not None:
        counts = CountRecalibration.fit(raw.count_probabilities, (samples.masks > 0).any((-2, -1)).sum(1))
        raw = replace(raw, count_probabilities=counts(raw.count_probabilities))
    probabilities, depth_sds = _fit_layers(model, raw, samples)
    outputs = model.select(replace(raw, output=probabilities(raw.output)))
    depths_um = np.broadcast_to(model.layer_depths(outputs)[0], outputs.output.shape[:2])
    residuals = [
        relative_residual(model.forward_model, *sample)
        for sample in zip(samples.measurements, outputs.output, depths_um, strict=True)
    ]
    statistics = prediction_statistics(model, samples.measurements, model.select(raw))
    return Recalibration(
        network=model.description.network,
        weights=model.description.digests.weights,
        psf=model.required_psf.digest,
        average_symmetries=model.average_symmetries,
        n_samples=len(samples),
        probabilities=probabilities,
        depth_sds=depth_sds,
        counts=counts,
        coverage=trust.coverage,
        confidence_threshold=confidence_threshold(outputs.output[~np.isnan(depths_um)], trust.coverage),
        reference=fit_reference(statistics, trust.false_alarm_rate),
        typical_residual=float(np.median(residuals)),
    )


def _fit_layers(
    model: Model, outputs: NumpyOutputs, samples: NumpySamples
) -> tuple[ProbabilityRecalibration, DepthRecalibration]:
    """Recalibration of all layers of the `outputs`; those for a number of layers are fitted to samples that have it."""
    target, heads = samples.masks > 0, [(np.ones(len(samples), bool), slice(None))]
    if outputs.count_probabilities is not None:
        n_layers = target.any((-2, -1)).sum(1)
        heads = [(n_layers == n, head(n)) for n in range(1, outputs.count_probabilities.shape[1])]
    depths, sds = (np.broadcast_to(values, outputs.output.shape[:2]) for values in model.layer_depths(outputs))
    probability_fits, depth_fits = [], []
    for rows, layers in heads:
        predicted = outputs.output[rows, layers]
        cells = target[rows, : predicted.shape[1]]
        depths_um = samples.depths_um[rows, : predicted.shape[1]]
        probability_fits.append(ProbabilityRecalibration.fit(predicted, cells))
        errors_um = depth_errors(depths[rows, layers], depths_um, cells)
        depth_fits.append(DepthRecalibration.fit(errors_um, sds[rows, layers]))
    scales, shifts = (tuple(chain(*(getattr(fit, key) for fit in probability_fits))) for key in ("scales", "shifts"))
    depth_scales = tuple(chain(*(fit.scales for fit in depth_fits)))
    if model.description.training.imagers:  # intervals that are narrower hold less often on specimens of other textures
        depth_scales = tuple(max(1.0, scale) for scale in depth_scales)
    return ProbabilityRecalibration(scales=scales, shifts=shifts), DepthRecalibration(scales=depth_scales)


def depth_errors(depths_um: FloatArray, true_depths_um: FloatArray, cells: BoolArray) -> FloatArray:
    """Predicted minus true depths `(N, L)` [um]; NaN of layers without cells in `cells (N, L, Y, X)`."""
    return np.where(cells.any((-2, -1)), depths_um - true_depths_um, np.nan)
