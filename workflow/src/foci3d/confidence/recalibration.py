"""Fit the recalibration of a network to validation samples."""

from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from foci3d.confidence.consistency import consistency_statistics, fill_absent, fit_reference, relative_residual
from foci3d.confidence.reliability import confidence_threshold, expected_error
from foci3d.config.models import TrustConfig
from foci3d.evaluation.layer_matching import mask_error
from foci3d.evaluation.metrics import CELL_THRESHOLD, BoolArray, FloatArray, mean_defined
from foci3d.io.samples import NumpyOutputs, NumpySamples
from foci3d.learning.imagers import add_noise, surround
from foci3d.learning.layer_counts import head
from foci3d.learning.model import Model
from foci3d.learning.recalibration import (
    ConsistencyReference,
    CountRecalibration,
    DepthRecalibration,
    ErrorReference,
    ProbabilityRecalibration,
    Recalibration,
)


def prediction_statistics(model: Model, measurements: npt.NDArray[Any], outputs: NumpyOutputs) -> FloatArray:
    """`consistency_statistics (N, F)` of a model's `outputs`, not recalibrated, for `measurements (N, S, Y, X)`."""
    depths = (fill_absent(model.forward_model, values) for values in model.layer_depths(outputs))
    return consistency_statistics(model.forward_model, measurements, outputs.output, *depths)


def recalibrate_network(
    model: Model, samples: NumpySamples, trust: TrustConfig, generators: npt.NDArray[np.int64] | None = None
) -> Recalibration:
    """Fit the recalibration of a network to validation samples, with the noise and the margins of its training.

    Parameters
    ----------
    model : Model
        A model for a task with masks, with the point-spread function of the imager.
    samples : Samples
        The validation split.
    trust : TrustConfig
        Number of samples, coverage and rate of false alarms.
    generators : ndarray (N,), optional
        Number of the scene generator of each sample, by default the same.

    Returns
    -------
    Recalibration
        The content of the recalibration file.

    Raises
    ------
    InputError
        If the point-spread function is not known.
    """
    training = model.description.training
    given = samples[: trust.n_samples]
    samples = as_in_training(given, model, training.margin_pixels)
    raw = model.predict_all(samples.measurements)
    counts = CountRecalibration()
    if raw.count_probabilities is not None:
        counts = CountRecalibration.fit(raw.count_probabilities, (samples.masks > 0).any((-2, -1)).sum(1))
        raw = replace(raw, count_probabilities=counts(raw.count_probabilities))
    numbers = np.zeros(len(samples), np.int64) if generators is None else generators[: len(samples)]
    probabilities, depth_sds = _fit_layers(model, raw, samples, numbers)
    outputs = replace(raw, output=probabilities(raw.output))
    if raw.predicted_depth_sds_um is not None:
        outputs = replace(outputs, predicted_depth_sds_um=depth_sds(raw.predicted_depth_sds_um))
    outputs = model.select(outputs)
    depths_um, sds_um = (np.broadcast_to(each, outputs.output.shape[:2]) for each in model.layer_depths(outputs))
    residuals = [
        relative_residual(model.forward_model, *sample)
        for sample in zip(samples.measurements, outputs.output, depths_um, strict=True)
    ]
    statistics = prediction_statistics(model, samples.measurements, model.select(raw))
    mask_errors, depth_errors_um = _mask_errors(outputs, depths_um, samples), _depth_errors(depths_um, sds_um, samples)
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
        reference=fit_reference(statistics, trust.false_alarm_rate, only_excess=model.task.spec.counts_layers),
        tile_reference=_tile_reference(model, given, counts, trust),
        false_alarm_rate=trust.false_alarm_rate,
        mask_errors=ErrorReference.fit(*mask_errors, trust.false_alarm_rate),
        depth_errors_um=ErrorReference.fit(*depth_errors_um, trust.false_alarm_rate),
        typical_residual=float(np.median(residuals)),
    )


def as_in_training(samples: NumpySamples, model: Model, margin_pixels: int, share: float = 0.5) -> NumpySamples:
    """The samples with light from beyond their edges in a share of them, and with the noise of the training.

    What distinguishes their measurements from those of the calibrated imager, such as noise and scattering, stays.
    """
    training, generator = model.description.training, torch.Generator().manual_seed(model.description.seed)
    measurements = torch.from_numpy(samples.measurements)
    if margin_pixels:
        layers, depths_um = (torch.from_numpy(each).float() for each in (samples.layers, samples.depths_um))
        ideal = model.forward_model(layers, depths_um)
        from_beyond = model.forward_model(surround(layers, margin_pixels, generator, share), depths_um) - ideal
        means = [images.mean((1, 2, 3), keepdim=True) for images in (measurements, ideal)]
        measurements = measurements + from_beyond * (means[0] / means[1].clamp(min=torch.finfo().tiny))
    if training.noise_ranges:
        measurements = add_noise(measurements, training.noise_ranges, generator)
    return replace(samples, measurements=measurements.numpy())


def _tile_reference(
    model: Model, samples: NumpySamples, counts: CountRecalibration, trust: TrustConfig
) -> ConsistencyReference:
    """Reference of the tiles of a field: of samples with light from beyond their edges in all of them."""
    surrounded = as_in_training(samples, model, model.description.n_pixels // 2, share=1.0).measurements
    raw = model.predict_all(surrounded)
    if raw.count_probabilities is not None:
        raw = replace(raw, count_probabilities=counts(raw.count_probabilities))
    statistics = prediction_statistics(model, surrounded, model.select(raw))
    return fit_reference(statistics, trust.false_alarm_rate, only_excess=model.task.spec.counts_layers)


def _fit_layers(
    model: Model, outputs: NumpyOutputs, samples: NumpySamples, generators: npt.NDArray[np.int64]
) -> tuple[ProbabilityRecalibration, DepthRecalibration]:
    """Recalibration of all layers of the `outputs`; those for a number of layers are fitted to samples that have it."""
    target, heads = samples.masks > 0, [(np.ones(len(samples), bool), slice(None))]
    if outputs.count_probabilities is not None:
        n_layers = target.any((-2, -1)).sum(1)
        heads = [(n_layers == n, head(n)) for n in range(1, outputs.count_probabilities.shape[1])]
    depths, sds = (np.broadcast_to(values, outputs.output.shape[:2]) for values in model.layer_depths(outputs))
    errors_um, fits = np.full(depths.shape, np.nan), []
    for rows, layers in heads:
        predicted = outputs.output[rows, layers]
        cells = target[rows, : predicted.shape[1]]
        fits.append(ProbabilityRecalibration.fit(predicted, cells))
        errors_um[rows, layers] = depth_errors(
            depths[rows, layers], samples.depths_um[rows, : predicted.shape[1]], cells
        )
    scales, shifts = (tuple(chain(*(getattr(fit, key) for fit in fits))) for key in ("scales", "shifts"))
    # Of networks for many imagers, intervals that are narrower hold less often on specimens of other textures.
    minimum_scale = 1.0 if model.description.training.imagers else 0.0
    depth_sds = DepthRecalibration.fit(errors_um, sds, minimum_scale).fit_floor(errors_um, sds, generators)
    return ProbabilityRecalibration(scales=scales, shifts=shifts), depth_sds


def _mask_errors(outputs: NumpyOutputs, depths_um: FloatArray, samples: NumpySamples) -> tuple[FloatArray, FloatArray]:
    """Errors of the masks and `expected_error` of N samples; depths `(N, L)` are NaN of layers that are not found."""
    target = samples.masks > 0
    n_layers = np.full(len(target), target.shape[1])
    if outputs.count_probabilities is not None:
        n_layers = target.any((-2, -1)).sum(1)
    found = [probability[~np.isnan(layers)] for probability, layers in zip(outputs.output, depths_um, strict=True)]
    errors = [
        mask_error(probability > CELL_THRESHOLD, truth[:n])
        for probability, truth, n in zip(found, target, n_layers, strict=True)
    ]
    return np.array(errors), np.array([expected_error(probability) for probability in found])


def _depth_errors(depths_um: FloatArray, sds_um: FloatArray, samples: NumpySamples) -> tuple[FloatArray, FloatArray]:
    """Root mean squares `(N,)` of the errors of the depths and of their standard deviations [um].

    Depths `(N, L)` are NaN of layers that are not found; an error is NaN where the number of layers is wrong.
    """
    errors_um = depth_errors(depths_um, samples.depths_um, samples.masks > 0)
    occupied = (samples.masks > 0).any((-2, -1))
    is_right = (np.isnan(errors_um) | occupied).all(1) & ~(np.isnan(errors_um) & occupied).any(1)
    rms_um = np.sqrt(mean_defined(errors_um**2))
    return np.where(is_right, rms_um, np.nan), np.sqrt(mean_defined(np.where(np.isnan(depths_um), np.nan, sds_um) ** 2))


def depth_errors(depths_um: FloatArray, true_depths_um: FloatArray, cells: BoolArray) -> FloatArray:
    """Predicted minus true depths `(N, L)` [um]; NaN of layers without cells in `cells (N, L, Y, X)`."""
    return np.where(cells.any((-2, -1)), depths_um - true_depths_um, np.nan)
