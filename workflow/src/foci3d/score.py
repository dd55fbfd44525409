"""Tidy tables of scores from a predictions file: one of its samples, one of the whole test, and its ROC curves.

In the table of a whole test, layers are counted from 1 at sensor A, and `all` is the mean of the layers. Un-blurred
pictures have bins of depth instead; where there are neither, there is only `all`. `base_rate` is what a method gets
that does not look at the pictures, or hands them on as they are; `n` is the number of rows in the table of samples for
which the measure is defined.
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from foci3d import measures
from foci3d.errors import InputError
from foci3d.measures import BoolArray, Confusion, Estimate, FloatArray
from foci3d.predictions import Predictions

DEPTH_BIN_UM = 200


def score(
    predictions: Predictions, farthest_um: float, resamplings: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score every sample of a test, and the whole of it.

    Parameters
    ----------
    predictions : Predictions
        Output and truth.
    farthest_um : float
        Depth that the errors of depth maps are relative to [um].
    resamplings : int
        Bootstrap resamplings of the samples, or of the groups of a moving set, behind each interval.
    seed : int
        Seed of the resamplings.

    Returns
    -------
    samples : DataFrame
        A row a sample, and layer where the task has layers. What is undefined is NaN.
    summary : DataFrame
        Columns net, set, task, metric, layer, value, ci_low, ci_high, base_rate, n.
    """
    count = len(predictions.arrays["output"])
    groups = predictions.arrays.get("group", np.arange(count))
    weights = measures.resampling_weights(groups, resamplings, seed)
    scorers: dict[str, Callable[[Predictions, FloatArray], tuple[pd.DataFrame, pd.DataFrame]]] = {
        "depth_class": _score_depth_classes,
        "image": _score_images,
        "depth_map": partial(_score_depth_maps, farthest_um=farthest_um),
        "masks": _score_masks,
    }
    samples, summary = scorers[predictions.task](predictions, weights)
    for place, name in enumerate(("net", "set", "task")):
        summary.insert(place, name, getattr(predictions, name))
    return samples, summary


def _rows(
    metric: str, layers: list[str], estimate: Estimate, n: npt.ArrayLike, base_rate: npt.ArrayLike = np.nan
) -> pd.DataFrame:
    """Rows of the summary for one metric."""
    return pd.DataFrame(
        {
            "metric": metric,
            "layer": layers,
            "value": estimate.value,
            "ci_low": estimate.low,
            "ci_high": estimate.high,
            "base_rate": np.broadcast_to(base_rate, len(layers)),
            "n": n,
        }
    )


def _mean_rows(samples: pd.DataFrame, weights: FloatArray, bases: Mapping[str, float]) -> pd.DataFrame:
    """Rows of the summary for the means of some columns of the samples, by name, with their base rates."""
    parts = []
    for metric, base_rate in bases.items():
        mean = measures.estimate_mean(samples[[metric]].to_numpy(float), weights)
        parts.append(_rows(metric, ["all"], mean, samples[metric].count(), base_rate))
    return pd.concat(parts, ignore_index=True)


def _score_depth_classes(predictions: Predictions, weights: FloatArray) -> tuple[pd.DataFrame, pd.DataFrame]:
    probabilities, target, classes_um = (predictions.arrays[name] for name in ("output", "target", "classes_um"))
    called = probabilities.argmax(1)
    of_truth = probabilities[np.arange(len(target)), target]
    samples = pd.DataFrame(
        {
            "sample": np.arange(len(target)),
            "depth_um": classes_um[target],
            "predicted_um": classes_um[called],
            "exact": (called == target).astype(int),
            "within_one": (abs(called - target) <= 1).astype(int),
            "error_um": abs(classes_um[called] - classes_um[target]),
            "loss": -np.log(np.maximum(of_truth, np.finfo(np.float32).tiny)),
        }
    )
    chance = 1 / len(classes_um)
    summary = _mean_rows(samples, weights, {"exact": chance, "within_one": np.nan, "error_um": np.nan, "loss": np.nan})
    summary = summary.replace({"metric": {"error_um": "mean_error_um"}})
    # Resampling cannot exceed the largest error seen, so a bootstrap interval of it would mean nothing.
    largest = Estimate(samples[["error_um"]].max().to_numpy(), np.array([np.nan]), np.array([np.nan]))
    return samples, pd.concat([summary, _rows("largest_error_um", ["all"], largest, len(samples))], ignore_index=True)


def _score_images(predictions: Predictions, weights: FloatArray) -> tuple[pd.DataFrame, pd.DataFrame]:
    output, truth = (predictions.arrays[name][:, 0].astype(float) for name in ("output", "target"))
    blurred = predictions.arrays["sensors"][:, 0].astype(float)
    samples = pd.DataFrame(
        {
            "sample": np.arange(len(output)),
            "depth_um": predictions.arrays["depths_um"][:, 0],
            "error": measures.normalised_error(output, truth),
            "identity_error": measures.normalised_error(blurred, truth),
            "least_square_error": measures.least_square_error(output, truth),
            "identity_least_square_error": measures.least_square_error(blurred, truth),
            "psnr_db": measures.psnr_db(output, truth),
            "ssim": measures.ssim(output, truth),
        }
    )
    identity: dict[str, FloatArray] = {
        "error": samples["identity_error"].to_numpy(),
        "least_square_error": samples["identity_least_square_error"].to_numpy(),
        "psnr_db": measures.psnr_db(blurred, truth),
        "ssim": measures.ssim(blurred, truth),
    }
    summary = [_rows_by_depth(samples, metric, base, weights) for metric, base in identity.items()]
    return samples, pd.concat(summary, ignore_index=True)


def _rows_by_depth(samples: pd.DataFrame, metric: str, base: FloatArray, weights: FloatArray) -> pd.DataFrame:
    """Rows of the summary for the mean of a column of the samples, in bins of depth and over all of them.

    The base rate is the mean of `base (N,)` over the same samples.
    """
    bins = (samples["depth_um"] // DEPTH_BIN_UM).to_numpy(int)
    names = np.unique(bins)
    layers = [f"{name * DEPTH_BIN_UM}-{(name + 1) * DEPTH_BIN_UM} um" for name in names]
    inside = np.column_stack([bins[:, None] == names, np.ones(len(samples), bool)])
    values, bases = (np.where(inside, column[:, None], np.nan) for column in (samples[metric].to_numpy(float), base))
    return _rows(
        metric,
        [*layers, "all"],
        measures.estimate_mean(values, weights),
        (~np.isnan(values)).sum(0),
        measures.mean_defined(bases, 0),
    )


def _score_depth_maps(
    predictions: Predictions, weights: FloatArray, farthest_um: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    output, truth = (predictions.arrays[name][:, 0].astype(float) / farthest_um for name in ("output", "target"))
    deviation = np.abs(output - truth)
    cells = truth > 0
    depths_um = predictions.arrays["depths_um"]
    samples = pd.DataFrame(
        {
            "sample": np.arange(len(output)),
            "error": deviation.mean((-2, -1)),
            "error_sd": deviation.std((-2, -1)),
            "cell_error": measures.ratio((deviation * cells).sum((-2, -1)), cells.sum((-2, -1))),
            "base_error": truth.mean((-2, -1)),
            "near_depth_um": depths_um.min(1),
            "far_depth_um": depths_um.max(1),
        }
    )
    means = _mean_rows(samples, weights, {"error": samples["base_error"].mean(), "cell_error": np.nan})
    moments = np.stack([np.ones(len(output)), deviation.mean((-2, -1)), np.square(deviation).mean((-2, -1))], -1)
    spread = _rows("error_sd", ["all"], measures.estimate(moments, _deviation, weights), len(samples))
    return samples, pd.concat([means, spread], ignore_index=True)


def _deviation(moments: FloatArray) -> FloatArray:
    """Standard deviation over the pixels of all samples, from summed moments `(..., 3)`."""
    first, second = moments[..., 1] / moments[..., 0], moments[..., 2] / moments[..., 0]
    return np.sqrt(np.maximum(second - first**2, 0))


def _score_masks(predictions: Predictions, weights: FloatArray) -> tuple[pd.DataFrame, pd.DataFrame]:
    probabilities, truth = predictions.arrays["output"], predictions.arrays["target"] > 0
    called = probabilities > measures.CELL_THRESHOLD
    counts = Confusion.of(called, truth).counts
    ratios = {name: (counts, name) for name in ("error", "sensitivity", "specificity", "balanced_accuracy", "dice")}
    ratios["base_empty"] = (counts, "coverage")
    if "cluster" in predictions.arrays:
        ratios |= _cluster_ratios(predictions, called, truth)
    columns = {name: getattr(Confusion.from_counts(part), measure) for name, (part, measure) in ratios.items()}
    columns["base_majority"] = measures.majority_error(columns["base_empty"])
    columns["auc"] = measures.rank_auc(probabilities, truth)

    majority = _with_mean(measures.majority_error(columns["base_empty"].mean(0)))
    bases: dict[str, npt.ArrayLike] = {"error": majority, "balanced_accuracy": 0.5, "auc": 0.5}
    estimates = {name: _pool(part, measure, weights) for name, (part, measure) in ratios.items()}
    bins = measures.histograms(probabilities, truth)
    estimates["auc"] = measures.estimate(bins, lambda total: _with_mean(measures.histogram_auc(total)), weights)
    layers = [*map(str, range(1, truth.shape[1] + 1)), "all"]
    summary = [
        _rows(name, layers, estimate, _defined(columns[name]), bases.get(name, np.nan))
        for name, estimate in estimates.items()
    ]
    return _layered_samples(predictions, columns), pd.concat(summary, ignore_index=True)


def _cluster_ratios(predictions: Predictions, called: BoolArray, truth: BoolArray) -> dict[str, tuple[FloatArray, str]]:
    """Counts inside the footprint of the moving cluster, and the measure of each, by name.

    The sensitivity counts in the layer that the cluster is in, the specificity in the others, and the bleed-through
    in those next to it; elsewhere the counts are 0, so that the measures are undefined.
    """
    counts = Confusion.of(called, truth, where=predictions.arrays["cluster"][:, None] > 0).counts
    distance = abs(np.arange(truth.shape[1]) - predictions.arrays["step"][:, None])[..., None]
    return {
        "cluster_sensitivity": (counts * (distance == 0), "sensitivity"),
        "cluster_specificity": (counts * (distance > 0), "specificity"),
        "bleed_through": (counts * (distance == 1), "false_positive_rate"),
    }


def _pool(counts: FloatArray, measure: str, weights: FloatArray) -> Estimate:
    """Ratio of pixels, pooled over the samples of `counts (N, L, 4)`, for each layer and their mean."""
    return measures.estimate(counts, lambda total: _with_mean(getattr(Confusion.from_counts(total), measure)), weights)


def _with_mean(layers: FloatArray) -> FloatArray:
    """Values `(..., L)` of the layers, and behind them their mean."""
    return np.concatenate([layers, measures.mean_defined(layers)[..., None]], -1)


def _defined(values: FloatArray) -> npt.NDArray[np.int_]:
    """Number of values `(N, L)` that are defined, in each layer and in all."""
    count = (~np.isnan(values)).sum(0)
    return np.append(count, count.sum())


def _layered_samples(predictions: Predictions, columns: dict[str, FloatArray]) -> pd.DataFrame:
    """Columns `(N, L)` as a table with a row for each sample and layer."""
    samples, layers = predictions.arrays["depths_um"].shape
    frame = pd.DataFrame({"sample": np.repeat(np.arange(samples), layers)})
    for name in ("group", "step"):
        if name in predictions.arrays:
            frame[name] = np.repeat(predictions.arrays[name], layers)
    frame["layer"] = np.tile(np.arange(1, layers + 1), samples)
    frame["depth_um"] = predictions.arrays["depths_um"].ravel()
    return frame.assign(**{name: values.ravel() for name, values in columns.items()})


def trace_roc(predictions: Predictions) -> pd.DataFrame:
    """ROC curve of each layer, pooled over samples, and the mean of these curves at equal false-positive rate.

    Parameters
    ----------
    predictions : Predictions
        Output and truth of task masks.

    Returns
    -------
    DataFrame
        Columns layer (1 to L, and `mean`), threshold (NaN for the mean), false_positive_rate, true_positive_rate, auc.

    Raises
    ------
    InputError
        If the task is another one.
    """
    if predictions.task != "masks":
        raise InputError(
            f"{predictions.net} on {predictions.set}: task {predictions.task} has no ROC curve; expected task masks, "
            "choose another network or set in figures."
        )
    counts = measures.histograms(predictions.arrays["output"], predictions.arrays["target"] > 0).sum(0)
    thresholds, false_positives, true_positives = measures.roc(counts)
    areas = measures.histogram_auc(counts)
    grid = np.linspace(0, 1, len(thresholds))
    mean = np.mean([np.interp(grid, *rates) for rates in zip(false_positives, true_positives, strict=True)], 0)
    curves = [
        _curve(str(layer), thresholds, *rates)
        for layer, *rates in zip(range(1, len(areas) + 1), false_positives, true_positives, areas, strict=True)
    ]
    curves.append(_curve("mean", np.full(len(grid), np.nan), grid, mean, measures.mean_defined(areas)))
    return pd.concat(curves, ignore_index=True)


def _curve(
    layer: str, thresholds: FloatArray, false_positives: FloatArray, true_positives: FloatArray, auc: FloatArray
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "layer": layer,
            "threshold": thresholds,
            "false_positive_rate": false_positives,
            "true_positive_rate": true_positives,
            "auc": auc,
        }
    )
