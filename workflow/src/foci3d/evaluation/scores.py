"""Scores of a predictions file: tidy tables of its samples and of the whole test.

A summary holds one row per metric and layer. Layers count from 1 at sensor A, and `all` is the mean of the layers;
deblurred images have bins of depth instead, stacks whose layers are counted have the number of layers, and tests
without any have only `all`. `baseline` is the score of a predictor that ignores the measurement (a uniform guess of the
depth, an empty depth map, the majority class, no cells where layers are counted) or, for deblurring, of the unchanged
measurement. `n` is the number of rows of the table of samples in which the metric is defined.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from foci3d.config.tasks import (
    COUNTED_STACKS,
    DEBLURRING,
    DEPTH_CLASS,
    DEPTH_MAP,
    MASKS,
    STACKS,
    TaskSpec,
)
from foci3d.errors import InputError
from foci3d.evaluation import metrics, uncertainty
from foci3d.evaluation.layer_matching import count_mismatches
from foci3d.evaluation.metrics import DEPTH_INTERVALS, BoolArray, Confusion, FloatArray
from foci3d.evaluation.uncertainty import Estimate
from foci3d.io.predictions import Predictions
from foci3d.io.samples import NumpySamples

DEPTH_BIN_UM = 200

Tables = tuple[pd.DataFrame, pd.DataFrame]
Scorer = Callable[[Predictions, FloatArray, float], Tables]
AnyScorer = TypeVar("AnyScorer", bound=Scorer)

SCORERS: dict[str, Scorer] = {}
"""By task, a function from predictions, bootstrap weights (B, N) and the largest depth [um] to samples and summary."""


def scorer(spec: TaskSpec) -> Callable[[AnyScorer], AnyScorer]:
    """Register the decorated function as the scorer of a task that is described by `spec`."""

    def register(function: AnyScorer) -> AnyScorer:
        SCORERS[spec.name] = function
        return function

    return register


def score(predictions: Predictions, max_depth_um: float, n_bootstrap: int, seed: int) -> Tables:
    """Score every sample of a test and the test as a whole.

    Parameters
    ----------
    predictions : Predictions
        Outputs and targets. For a task without a registered scorer the array `error` (N,) is scored.
    max_depth_um : float
        Depth that errors of depth maps are relative to [um].
    n_bootstrap : int
        Bootstrap resamples behind each interval, of the samples or, for moving clusters, of the sequences.
    seed : int
        Seed of the resamples.

    Returns
    -------
    samples : DataFrame
        One row per sample, and per layer where the task has layers. Undefined values are NaN.
    summary : DataFrame
        Columns network, dataset, task, metric, layer, value, ci_low, ci_high, baseline and n.

    Raises
    ------
    InputError
        If the task has no registered scorer and the predictions have no array `error`.
    """
    groups = uncertainty.resampling_groups(predictions.samples)
    weights = uncertainty.resampling_weights(groups, n_bootstrap, seed)
    score_task = SCORERS.get(predictions.task, _score_errors)
    samples, summary = score_task(predictions, weights, max_depth_um)
    for position, name in enumerate(("network", "dataset", "task")):
        summary.insert(position, name, getattr(predictions, name))
    return samples, summary


def summary_rows(
    metric: str, layers: Sequence[str], estimate: Estimate, n: npt.ArrayLike, baseline: npt.ArrayLike = np.nan
) -> pd.DataFrame:
    """Rows of the summary for one metric; `n` and `baseline` hold one value per layer or one for all."""
    return pd.DataFrame(
        {
            "metric": metric,
            "layer": layers,
            "value": estimate.value,
            "ci_low": estimate.low,
            "ci_high": estimate.high,
            "baseline": np.broadcast_to(baseline, len(layers)),
            "n": n,
        }
    )


def mean_rows(samples: pd.DataFrame, weights: FloatArray, baselines: Mapping[str, float]) -> pd.DataFrame:
    """Rows of the summary for the means of columns of the samples, from the baseline of each."""
    parts = []
    for metric, baseline in baselines.items():
        mean = uncertainty.estimate_mean(samples[[metric]].to_numpy(float), weights)
        parts.append(summary_rows(metric, ["all"], mean, samples[metric].count(), baseline))
    return pd.concat(parts, ignore_index=True)


def _score_errors(predictions: Predictions, weights: FloatArray, max_depth_um: float) -> Tables:
    """Mean of the errors that a task without a scorer gave to its samples."""
    errors = predictions.error
    if errors is None:
        raise InputError(
            f"{predictions.network} on {predictions.dataset}: task {predictions.task} has no registered scorer and "
            "the predictions have no array `error`; predict again, or register a scorer in a file of plugins."
        )
    samples = pd.DataFrame({"sample": np.arange(len(errors)), "error": errors})
    return samples, mean_rows(samples, weights, {"error": np.nan})


@scorer(DEPTH_CLASS)
def _score_depth_classes(predictions: Predictions, weights: FloatArray, max_depth_um: float) -> Tables:
    probabilities, target, classes_um = predictions.outputs.output, predictions.target, predictions.classes_um
    assert classes_um is not None
    predicted = probabilities.argmax(1)
    target_probability = probabilities[np.arange(len(target)), target]
    samples = pd.DataFrame(
        {
            "sample": np.arange(len(target)),
            "depth_um": classes_um[target],
            "predicted_um": classes_um[predicted],
            "exact": (predicted == target).astype(int),
            "within_one": (abs(predicted - target) <= 1).astype(int),
            "error_um": abs(classes_um[predicted] - classes_um[target]),
            "loss": -np.log(np.maximum(target_probability, np.finfo(np.float32).tiny)),
        }
    )
    uniform = 1 / len(classes_um)
    summary = mean_rows(samples, weights, {"exact": uniform, "within_one": np.nan, "error_um": np.nan, "loss": np.nan})
    summary = summary.replace({"metric": {"error_um": "mean_error_um"}})
    # No resample exceeds the largest error of the test, so its bootstrap interval would be meaningless.
    largest = Estimate(samples[["error_um"]].max().to_numpy(), np.array([np.nan]), np.array([np.nan]))
    return samples, pd.concat(
        [summary, summary_rows("largest_error_um", ["all"], largest, len(samples))], ignore_index=True
    )


@scorer(DEBLURRING)
def _score_images(predictions: Predictions, weights: FloatArray, max_depth_um: float) -> Tables:
    output, target, measurement = (
        values[:, 0].astype(float)
        for values in (predictions.outputs.output, predictions.target, predictions.samples.measurements)
    )
    samples = pd.DataFrame(
        {
            "sample": np.arange(len(output)),
            "depth_um": predictions.samples.depths_um[:, 0],
            "error": metrics.normalized_error(output, target),
            "identity_error": metrics.normalized_error(measurement, target),
            "least_square_error": metrics.least_square_error(output, target),
            "identity_least_square_error": metrics.least_square_error(measurement, target),
            "psnr_db": metrics.psnr_db(output, target),
            "ssim": metrics.ssim(output, target),
        }
    )
    identity: dict[str, FloatArray] = {
        "error": samples["identity_error"].to_numpy(),
        "least_square_error": samples["identity_least_square_error"].to_numpy(),
        "psnr_db": metrics.psnr_db(measurement, target),
        "ssim": metrics.ssim(measurement, target),
    }
    summary = [_rows_by_depth(samples, metric, baseline, weights) for metric, baseline in identity.items()]
    return samples, pd.concat(summary, ignore_index=True)


def _rows_by_depth(samples: pd.DataFrame, metric: str, baseline: FloatArray, weights: FloatArray) -> pd.DataFrame:
    """Rows of the summary for the means of a column of the samples and of `baseline (N,)`, by depth and overall."""
    bins = (samples["depth_um"] // DEPTH_BIN_UM).to_numpy(int)
    names = [f"{index * DEPTH_BIN_UM}-{(index + 1) * DEPTH_BIN_UM} um" for index in np.unique(bins)]
    return _rows_by_group(metric, bins, names, samples[metric].to_numpy(float), baseline, weights)


def _rows_by_group(
    metric: str,
    groups: npt.NDArray[np.int_],
    names: Sequence[str],
    column: FloatArray,
    baseline: FloatArray,
    weights: FloatArray,
) -> pd.DataFrame:
    """Rows of the summary for the means of `column (N,)` and `baseline (N,)`, by sorted `groups (N,)` and of all."""
    inside = np.column_stack([groups[:, None] == np.unique(groups), np.ones(len(groups), bool)])
    values, baselines = (np.where(inside, each[:, None], np.nan) for each in (column, baseline))
    return summary_rows(
        metric,
        [*names, "all"],
        uncertainty.estimate_mean(values, weights),
        (~np.isnan(values)).sum(0),
        metrics.mean_defined(baselines, 0),
    )


@scorer(DEPTH_MAP)
def _score_depth_maps(predictions: Predictions, weights: FloatArray, max_depth_um: float) -> Tables:
    output, target = (
        values[:, 0].astype(float) / max_depth_um for values in (predictions.outputs.output, predictions.target)
    )
    deviation = np.abs(output - target)
    cells = target > 0
    depths_um = predictions.samples.depths_um
    samples = pd.DataFrame(
        {
            "sample": np.arange(len(output)),
            "error": deviation.mean((-2, -1)),
            "error_sd": deviation.std((-2, -1)),
            "cell_error": metrics.ratio((deviation * cells).sum((-2, -1)), cells.sum((-2, -1))),
            "empty_error": target.mean((-2, -1)),
            "coverage": cells.mean((-2, -1)),
            "near_depth_um": depths_um.min(1),
            "far_depth_um": depths_um.max(1),
        }
    )
    means = mean_rows(samples, weights, {"error": samples["empty_error"].mean(), "cell_error": np.nan})
    moments = np.stack([np.ones(len(output)), deviation.mean((-2, -1)), np.square(deviation).mean((-2, -1))], -1)
    sd = uncertainty.bootstrap_estimate(moments, _standard_deviation, weights)
    return samples, pd.concat([means, summary_rows("error_sd", ["all"], sd, len(samples))], ignore_index=True)


def _standard_deviation(moments: FloatArray) -> FloatArray:
    """Standard deviation over the pixels of all samples, from summed moments `(..., 3)` of order 0, 1 and 2."""
    first, second = moments[..., 1] / moments[..., 0], moments[..., 2] / moments[..., 0]
    return np.sqrt(np.maximum(second - first**2, 0))


@scorer(MASKS)
def _score_masks(predictions: Predictions, weights: FloatArray, max_depth_um: float) -> Tables:
    probabilities, target = predictions.outputs.output, predictions.target > 0
    predicted = probabilities > metrics.CELL_THRESHOLD
    counts = Confusion.from_masks(predicted, target).counts
    ratios = {name: (counts, name) for name in ("error", "sensitivity", "specificity", "balanced_accuracy", "dice")}
    ratios["empty_error"] = (counts, "coverage")
    if predictions.samples.cluster is not None:
        ratios |= _cluster_ratios(predictions.samples, predicted, target)
    columns = {name: getattr(Confusion.from_counts(part), metric) for name, (part, metric) in ratios.items()}
    columns["majority_error"] = metrics.majority_error(columns["empty_error"])
    columns["auc"] = metrics.rank_auc(probabilities, target)

    majority = uncertainty.append_mean(metrics.majority_error(columns["empty_error"].mean(0)))
    baselines: dict[str, npt.ArrayLike] = {"error": majority, "balanced_accuracy": 0.5, "auc": 0.5}
    estimates = {name: _pooled_ratio(part, metric, weights) for name, (part, metric) in ratios.items()}
    histograms = metrics.probability_histograms(probabilities, target)
    estimates["auc"] = uncertainty.bootstrap_estimate(
        histograms, lambda total: uncertainty.append_mean(metrics.histogram_auc(total)), weights
    )
    layers = [*map(str, range(1, target.shape[1] + 1)), "all"]
    summary = [
        summary_rows(name, layers, estimate, _count_defined(columns[name]), baselines.get(name, np.nan))
        for name, estimate in estimates.items()
    ]
    return _layered_samples(predictions, columns), pd.concat(summary, ignore_index=True)


@scorer(STACKS)
def _score_stacks(predictions: Predictions, weights: FloatArray, max_depth_um: float) -> Tables:
    samples, summary = _score_masks(predictions, weights, max_depth_um)
    outputs = predictions.outputs
    assert outputs.predicted_depths_um is not None
    assert outputs.predicted_depth_sds_um is not None
    assert outputs.occupancy is not None
    is_occupied = (predictions.target > 0).any((-2, -1))
    depths_um, sds_um = (
        np.where(is_occupied, values.astype(float), np.nan)
        for values in (predictions.samples.depths_um, outputs.predicted_depth_sds_um)
    )
    error_um = np.abs(outputs.predicted_depths_um - depths_um)
    columns = {"depth_error_um": error_um}
    for percent, quantile in DEPTH_INTERVALS.items():
        columns[f"depth_coverage_{percent}"] = np.where(is_occupied, error_um <= quantile * sds_um, np.nan)
    columns["occupancy_error"] = ((outputs.occupancy > 0.5) != is_occupied).astype(float)
    spread_um = np.abs(depths_um - metrics.mean_defined(depths_um, 0))
    baselines = {
        "depth_error_um": uncertainty.append_mean(metrics.mean_defined(spread_um, 0)),
        "occupancy_error": uncertainty.append_mean(metrics.majority_error(is_occupied.mean(0))),
    }
    layers = [*map(str, range(1, depths_um.shape[1] + 1)), "all"]
    rows = [
        summary_rows(name, layers, _layer_means(values, weights), _count_defined(values), baselines.get(name, np.nan))
        for name, values in columns.items()
    ]
    samples = samples.assign(
        predicted_depth_um=outputs.predicted_depths_um.ravel(),
        predicted_depth_sd_um=outputs.predicted_depth_sds_um.ravel(),
        **{name: values.ravel() for name, values in columns.items()},
    )
    return samples, pd.concat([summary, *rows], ignore_index=True)


@scorer(COUNTED_STACKS)
def _score_counted_stacks(predictions: Predictions, weights: FloatArray, max_depth_um: float) -> Tables:
    """Masks and depths where the number of layers is known, the number, and layers that are missed or phantoms.

    The column `layer` of the summary holds the number of layers; values of a sample are means over its layers.
    """
    outputs, informed, target = predictions.outputs, predictions.informed, predictions.target > 0
    assert informed is not None
    assert informed.predicted_depths_um is not None
    assert informed.predicted_depth_sds_um is not None
    assert outputs.count_probabilities is not None
    assert outputs.predicted_depths_um is not None
    is_present = target.any((-2, -1))
    n_layers, predicted = is_present.sum(1), outputs.count_probabilities.argmax(1)
    depths_um = np.full(is_present.shape, np.nan)
    depths_um[:, : predictions.samples.depths_um.shape[1]] = predictions.samples.depths_um
    depths_um[~is_present] = np.nan
    masks = Confusion.from_masks(informed.output > metrics.CELL_THRESHOLD, target)
    error_um = np.abs(informed.predicted_depths_um - depths_um)
    layered = {"error": masks.error, "dice": masks.dice, "depth_error_um": error_um, "empty_error": masks.coverage}
    for percent, quantile in DEPTH_INTERVALS.items():
        is_inside = error_um <= quantile * informed.predicted_depth_sds_um
        layered[f"depth_coverage_{percent}"] = is_inside.astype(float)
    columns = {name: metrics.mean_defined(np.where(is_present, values, np.nan)) for name, values in layered.items()}
    columns["count_exact"] = (predicted == n_layers).astype(float)
    columns["count_within_one"] = (abs(predicted - n_layers) <= 1).astype(float)
    found = outputs.output > metrics.CELL_THRESHOLD
    mismatches = count_mismatches(found, outputs.predicted_depths_um, target, depths_um)
    columns["missed_layers"], columns["phantom_layers"] = mismatches.T.astype(float)
    baselines = {"error": columns["empty_error"], "depth_error_um": _spread(depths_um, n_layers)}
    undefined, names = np.full(len(target), np.nan), [f"{n} layers" for n in np.unique(n_layers)]
    rows = [
        _rows_by_group(name, n_layers, names, values, baselines.get(name, undefined), weights)
        for name, values in columns.items()
    ]
    table = {"sample": np.arange(len(target)), "n_layers": n_layers, "predicted_layers": predicted, **columns}
    return pd.DataFrame(table), pd.concat(rows, ignore_index=True)


def _spread(depths_um: FloatArray, n_layers: npt.NDArray[np.int_]) -> FloatArray:
    """Error `(N,)` of the mean depth of each layer of samples with as many layers, of `depths_um (N, L)` [um]."""
    spread_um = np.full(depths_um.shape, np.nan)
    for number in np.unique(n_layers):
        rows = n_layers == number
        spread_um[rows] = np.abs(depths_um[rows] - metrics.mean_defined(depths_um[rows], 0))
    return metrics.mean_defined(spread_um)


def _layer_means(values: FloatArray, weights: FloatArray) -> Estimate:
    """Means of `values (N, L)` over the samples in which they are defined, for each layer and in the mean."""
    moments = np.stack([np.nan_to_num(values), ~np.isnan(values)], -1)
    return uncertainty.bootstrap_estimate(
        moments, lambda total: uncertainty.append_mean(metrics.ratio(total[..., 0], total[..., 1])), weights
    )


def _cluster_ratios(
    samples: NumpySamples, predicted: BoolArray, target: BoolArray
) -> dict[str, tuple[FloatArray, str]]:
    """Counts inside the footprint of the moving cluster with the metric to take of each, by name.

    The sensitivity counts in the layer that holds the cluster, the specificity in the others, and the bleed-through in
    the adjacent layers; elsewhere the counts are 0, so that the metrics are undefined.
    """
    assert samples.cluster is not None
    assert samples.step is not None
    footprint = samples.cluster[:, None] > 0
    counts = Confusion.from_masks(predicted, target, where=footprint).counts
    distance = abs(np.arange(target.shape[1]) - samples.step[:, None])[..., None]
    return {
        "cluster_sensitivity": (counts * (distance == 0), "sensitivity"),
        "cluster_specificity": (counts * (distance > 0), "specificity"),
        "bleed_through": (counts * (distance == 1), "false_positive_rate"),
    }


def _pooled_ratio(counts: FloatArray, metric: str, weights: FloatArray) -> Estimate:
    """Ratio of pixels pooled over the samples of `counts (N, L, 4)`, for each layer and in the mean."""
    return uncertainty.bootstrap_estimate(
        counts, lambda total: uncertainty.append_mean(getattr(Confusion.from_counts(total), metric)), weights
    )


def _count_defined(values: FloatArray) -> npt.NDArray[np.int_]:
    """Number of defined values `(N, L)` in each layer and in all layers."""
    count = (~np.isnan(values)).sum(0)
    return np.append(count, count.sum())


def _layered_samples(predictions: Predictions, columns: dict[str, FloatArray]) -> pd.DataFrame:
    """Columns `(N, L)` as a table with one row per sample and layer."""
    n_samples, n_layers = predictions.samples.depths_um.shape
    frame = pd.DataFrame({"sample": np.repeat(np.arange(n_samples), n_layers)})
    for name, values in (("sequence", predictions.samples.sequence), ("step", predictions.samples.step)):
        if values is not None:
            frame[name] = np.repeat(values, n_layers)
    frame["layer"] = np.tile(np.arange(1, n_layers + 1), n_samples)
    frame["depth_um"] = predictions.samples.depths_um.ravel()
    return frame.assign(**{name: values.ravel() for name, values in columns.items()})
