"""The recalibration, the abstention and the out-of-distribution flag of a network, assessed on test samples."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from foci3d.confidence import reliability
from foci3d.confidence.consistency import consistency_scores
from foci3d.confidence.recalibration import depth_errors, prediction_statistics
from foci3d.evaluation import uncertainty
from foci3d.evaluation.metrics import DEPTH_INTERVALS, FloatArray, ratio
from foci3d.evaluation.tables import TablePage, format_estimates, in_units
from foci3d.evaluation.uncertainty import Estimate
from foci3d.io.predictions import Predictions
from foci3d.io.samples import NumpyOutputs, NumpySamples
from foci3d.learning.model import Model
from foci3d.learning.recalibration import Recalibration
from foci3d.simulation.ood import out_of_distribution_measurements

TEST_SAMPLES = "test"
"""Name of the test samples themselves among the kinds of inputs."""

WHEN = {"_before": "as predicted", "": "recalibrated"}
SECTIONS = {
    "Calibration error [%]": ("layer", {f"calibration_error{suffix}": when for suffix, when in WHEN.items()}),
    "Depths within their intervals [%]": (
        "layer",
        {
            f"depth_coverage_{percent}{suffix}": f"{percent} % interval, {when}"
            for percent in DEPTH_INTERVALS
            for suffix, when in WHEN.items()
        },
    ),
    "Abstention [%]": (
        "layer",
        {"coverage": "pixels kept", "risk": "error among them", "error": "error among all pixels"},
    ),
    "Out-of-distribution inputs": ("inputs", {"auroc": "AUROC against test samples", "flagged": "flagged [%]"}),
}
"""Sections of the page: what a row is, and the metrics in the columns with their headings."""


def score_inputs(
    model: Model, recalibration: Recalibration, samples: NumpySamples, outputs: NumpyOutputs, seed: int
) -> pd.DataFrame:
    """Score test samples, and out-of-distribution measurements that are made from them.

    Parameters
    ----------
    model, recalibration
        The model, with the point-spread function of the imager, and its recalibration.
    samples, outputs
        N test samples, and what the model predicts for them, not recalibrated.
    seed : int
        Seed of the measurements.

    Returns
    -------
    DataFrame
        Columns inputs (`TEST_SAMPLES`, or a kind of `out_of_distribution_measurements`), sample, score, threshold (of
        the score) and flagged (0 or 1).
    """
    generator = torch.Generator().manual_seed(seed)
    kinds = out_of_distribution_measurements(samples.map(torch.from_numpy), model.forward_model, generator)
    predictions = {TEST_SAMPLES: (samples.measurements, outputs)}
    for kind, values in kinds.items():
        images = values.numpy()
        predictions[kind] = images, model.predict(images, recalibrate=False)
    parts = []
    for kind, (images, predicted) in predictions.items():
        score = consistency_scores(recalibration.reference, prediction_statistics(model, images, predicted)).max(1)
        parts.append(pd.DataFrame({"inputs": kind, "sample": range(len(score)), "score": score}))
    scores = pd.concat(parts, ignore_index=True).assign(threshold=recalibration.reference.threshold)
    return scores.assign(flagged=(scores["score"] > scores["threshold"]).astype(int))


def reliability_diagrams(predictions: Predictions, recalibration: Recalibration) -> pd.DataFrame:
    """Reliability of a network's predictions, with output and target `(N, L, Y, X)`.

    Columns of `foci3d.confidence.reliability.reliability_table`, and recalibration (before, after).
    """
    outputs = {
        "before": predictions.outputs.output,
        "after": recalibration.probabilities(predictions.outputs.output),
    }
    sums = {when: reliability.reliability_sums(values, predictions.target > 0) for when, values in outputs.items()}
    tables = (reliability.reliability_table(part.sum(0)).assign(recalibration=when) for when, part in sums.items())
    return pd.concat(tables)


def assess_trust(
    predictions: Predictions,
    recalibration: Recalibration,
    scores: pd.DataFrame,
    n_bootstrap: int,
    seed: int,
) -> pd.DataFrame:
    """Assess the recalibration, the abstention and the flag of a network.

    Parameters
    ----------
    predictions : Predictions
        Arrays of the predictions: output and target (N, L, Y, X); of a model that predicts depths, these, their
        standard deviations and depths_um, too.
    recalibration, scores
        Recalibration of the network, and what `score_inputs` gives for it.
    n_bootstrap, seed : int
        Bootstrap resamples behind each interval, of the samples or, for moving clusters, of the sequences, and their
        seed.

    Returns
    -------
    DataFrame
        Columns metric, layer (from 1, or `all`), inputs (as of `score_inputs`), value, ci_low and ci_high.
    """
    target, raw = predictions.target > 0, predictions.outputs.output
    probabilities = recalibration.probabilities(raw)
    groups = uncertainty.resampling_groups(predictions.samples)
    weights = uncertainty.resampling_weights(groups, n_bootstrap, seed)
    layers = [*map(str, range(1, target.shape[1] + 1)), "all"]
    estimates = {
        f"calibration_error{suffix}": uncertainty.bootstrap_estimate(
            reliability.reliability_sums(values, target), _calibration_errors, weights
        )
        for suffix, values in (("_before", raw), ("", probabilities))
    }
    if predictions.outputs.predicted_depths_um is not None:
        estimates |= _depth_coverages(predictions, recalibration, weights)
    parts = [_rows(metric, estimate, layers) for metric, estimate in estimates.items()]
    kept = reliability.selection_sums(probabilities, target, recalibration.confidence_threshold)
    everything = reliability.selection_sums(probabilities, target, 0)
    for metric, sums in (("coverage", kept[:, [1, 0]]), ("risk", kept[:, [2, 1]]), ("error", everything[:, [2, 1]])):
        estimate = uncertainty.bootstrap_estimate(sums, lambda total: ratio(total[..., :1], total[..., 1:]), weights)
        parts.append(_rows(metric, estimate))
    return pd.concat([*parts, *_detection(scores, groups, n_bootstrap, seed)], ignore_index=True)


def _depth_coverages(
    predictions: Predictions, recalibration: Recalibration, weights: FloatArray
) -> dict[str, Estimate]:
    """Shares of the depths within their intervals, by layer and in the mean of all, before and after recalibration."""
    outputs, samples = predictions.outputs, predictions.samples
    assert outputs.predicted_depths_um is not None
    assert outputs.predicted_depth_sds_um is not None
    errors = np.abs(depth_errors(outputs.predicted_depths_um, samples.depths_um, predictions.target > 0))
    predicted = outputs.predicted_depth_sds_um
    return {
        f"depth_coverage_{percent}{suffix}": uncertainty.bootstrap_estimate(
            np.stack([errors <= half_width * sds, ~np.isnan(errors)], -1).astype(float),
            lambda sums: uncertainty.append_mean(ratio(sums[..., 0], sums[..., 1])),
            weights,
        )
        for suffix, sds in (("_before", predicted), ("", recalibration.depth_sds(predicted)))
        for percent, half_width in DEPTH_INTERVALS.items()
    }


def _calibration_errors(sums: FloatArray) -> FloatArray:
    return uncertainty.append_mean(reliability.expected_calibration_error(sums))


def _detection(
    scores: pd.DataFrame, groups: npt.NDArray[np.int64], n_bootstrap: int, seed: int
) -> Iterator[pd.DataFrame]:
    """Rows of the share that is flagged of each kind of inputs, and of the area under the ROC.

    All kinds are made from the same samples, the first of those with `groups (N,)`, which are resampled together.
    """
    within = scores.loc[scores["inputs"] == TEST_SAMPLES, "score"].to_numpy()
    weights = uncertainty.resampling_weights(groups[: len(within)], n_bootstrap, seed)
    for kind, rows in scores.groupby("inputs", sort=False):
        estimate = uncertainty.estimate_mean(rows[["flagged"]].to_numpy(float), weights)
        yield _rows("flagged", estimate, inputs=str(kind))
        if kind != TEST_SAMPLES:
            wins = np.sign(rows["score"].to_numpy()[:, None] - within) / 2 + 0.5
            areas = ((weights @ wins) * weights).sum(1) / weights.sum(1) ** 2
            low, high = np.quantile(areas, uncertainty.QUANTILES)
            estimate = Estimate(np.array([wins.mean()]), np.array([low]), np.array([high]))
            yield _rows("auroc", estimate, inputs=str(kind))


def _rows(metric: str, estimate: Estimate, layers: list[str] | str = "all", inputs: str = TEST_SAMPLES) -> pd.DataFrame:
    values = {"value": estimate.value, "ci_low": estimate.low, "ci_high": estimate.high}
    return pd.DataFrame({"metric": metric, "layer": layers, "inputs": inputs, **values})


def trust_page(table: pd.DataFrame) -> TablePage:
    """Format the table of `assess_trust`."""
    texts = table.assign(text=format_estimates(in_units(table)))
    sections = {}
    for heading, (rows, names) in SECTIONS.items():
        part = texts[texts["metric"].isin(names)]
        if not part.empty:
            wide = part.pivot_table("text", rows, "metric", aggfunc="first", sort=False).reindex(columns=[*names])
            sections[heading] = wide.fillna("").rename(columns=names).rename_axis(columns=None).reset_index()
    return TablePage("Trust", table, sections)
