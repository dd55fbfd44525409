"""Tests of what a network knows of its own errors: calibration, abstention and the flag of unfamiliar inputs."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from foci3d.confidence import reliability
from foci3d.confidence.consistency import consistency_score
from foci3d.confidence.recalibration import depth_errors, optics_of, prediction_statistics
from foci3d.evaluation import uncertainty
from foci3d.evaluation.metrics import DEPTH_INTERVALS, FloatArray, ratio
from foci3d.evaluation.tables import TablePage, format_estimates, in_units
from foci3d.evaluation.uncertainty import Estimate
from foci3d.io.samples import NumpyOutputs, NumpySamples
from foci3d.learning.inference import Model
from foci3d.learning.recalibration import Recalibration
from foci3d.optics.psf import PSF
from foci3d.simulation.ood import unfamiliar_measurements

FAMILIAR = "test"
"""Name of the test samples themselves among the kinds of inputs."""


def score_unfamiliar(
    model: Model,
    psf: PSF,
    calibrated: Recalibration,
    samples: NumpySamples,
    outputs: NumpyOutputs,
    device: torch.device | str,
    seed: int,
) -> pd.DataFrame:
    """Score test samples and inputs that do not fit the training data.

    Parameters
    ----------
    model, psf, calibrated
        The model, the point-spread function and the model's calibration.
    samples, outputs
        N test samples, and what the model predicts for them.
    device : torch.device or str
        Where to compute, see `Model.predict`.
    seed : int
        Seed of the inputs.

    Returns
    -------
    DataFrame
        Columns kind (`FAMILIAR`, or a kind of `unfamiliar_measurements`), sample, score, threshold (of the score) and
        flagged (0 or 1).
    """
    generator = torch.Generator().manual_seed(seed)
    unfamiliar = unfamiliar_measurements(samples.map(torch.from_numpy), optics_of(model, psf), generator)
    predictions = {FAMILIAR: (samples.measurements, outputs)}
    for kind, values in unfamiliar.items():
        images = values.numpy()
        answers = model.predict(images, device, average_symmetries=calibrated.average_symmetries)
        predictions[kind] = images, answers
    parts = []
    for kind, (images, answers) in predictions.items():
        score = consistency_score(calibrated.reference, prediction_statistics(model, psf, images, answers))
        parts.append(pd.DataFrame({"kind": kind, "sample": range(len(score)), "score": score}))
    scores = pd.concat(parts, ignore_index=True).assign(threshold=calibrated.reference.threshold)
    return scores.assign(flagged=(scores["score"] > scores["threshold"]).astype(int))


def reliability_diagrams(arrays: Mapping[str, npt.NDArray[Any]], calibrated: Recalibration) -> pd.DataFrame:
    """Reliability of a network's predictions before and after their calibration.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Arrays of the predictions: output and target (N, L, Y, X).
    calibrated : Recalibration
        Calibration of the network.

    Returns
    -------
    DataFrame
        Columns of `foci3d.confidence.reliability.reliability_table`, and calibration (before, after).
    """
    answers = {"before": arrays["output"], "after": calibrated.probabilities(arrays["output"])}
    return pd.concat(
        reliability.reliability_table(reliability.reliability_sums(values, arrays["target"] > 0).sum(0)).assign(
            calibration=when
        )
        for when, values in answers.items()
    )


def assess_trust(
    arrays: Mapping[str, npt.NDArray[Any]],
    calibrated: Recalibration,
    scores: pd.DataFrame,
    n_bootstrap: int,
    seed: int,
) -> pd.DataFrame:
    """Test the calibration, the abstention and the flag of a network.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Arrays of the predictions: output and target (N, L, Y, X); of a model that predicts depths, these, their
        standard deviations and depths_um, too.
    calibrated : Recalibration
        Calibration of the network.
    scores : DataFrame
        From `score_unfamiliar`.
    n_bootstrap : int
        Bootstrap resamples of the samples behind each interval.
    seed : int
        Seed of the resamples.

    Returns
    -------
    DataFrame
        Columns metric, of (a layer from 1, `all`, or a kind of inputs), value, ci_low and ci_high.
    """
    target, raw = arrays["target"] > 0, arrays["output"]
    probabilities = calibrated.probabilities(raw)
    weights = uncertainty.resampling_weights(np.arange(len(target)), n_bootstrap, seed)
    of = [*map(str, range(1, target.shape[1] + 1)), "all"]
    parts = []
    for metric, values in (("calibration_error_before", raw), ("calibration_error", probabilities)):
        sums = reliability.reliability_sums(values, target)
        parts.append(_rows(metric, of, uncertainty.bootstrap_estimate(sums, _calibration_errors, weights)))
    if "predicted_depths_um" in arrays:
        parts += [_rows(metric, of, estimate) for metric, estimate in _depth_coverages(arrays, calibrated, weights)]
    sums = reliability.selection_sums(probabilities, target, calibrated.confidence_threshold)
    everything = reliability.selection_sums(probabilities, target, 0)
    for metric, part in (("coverage", sums[:, [1, 0]]), ("risk", sums[:, [2, 1]]), ("error", everything[:, [2, 1]])):
        parts.append(_rows(metric, ["all"], uncertainty.bootstrap_estimate(part, _share, weights)))
    return pd.concat([*parts, *_detection(scores, n_bootstrap, seed)], ignore_index=True)


def _depth_coverages(
    arrays: Mapping[str, npt.NDArray[Any]], calibrated: Recalibration, weights: FloatArray
) -> Iterator[tuple[str, Estimate]]:
    """Shares of the depths within their intervals, by layer and in the mean of all, before and after calibration."""
    errors = np.abs(depth_errors(arrays["predicted_depths_um"], arrays["depths_um"], arrays["target"] > 0))
    predicted = arrays["predicted_depth_sds_um"]
    for suffix, sds in (("_before", predicted), ("", calibrated.depth_sds(predicted))):
        for percent, half_width in DEPTH_INTERVALS.items():
            sums = np.stack([errors <= half_width * sds, ~np.isnan(errors)], -1).astype(float)
            yield f"depth_coverage_{percent}{suffix}", uncertainty.bootstrap_estimate(sums, _mean_shares, weights)


def _detection(scores: pd.DataFrame, n_bootstrap: int, seed: int) -> Iterator[pd.DataFrame]:
    """Rows of the share that is flagged of each kind of inputs, and of the area under the ROC."""
    familiar = scores.loc[scores["kind"] == FAMILIAR, "score"].to_numpy()
    weights = uncertainty.resampling_weights(np.arange(len(familiar)), n_bootstrap, seed)
    for kind in scores["kind"].unique():
        rows = scores[scores["kind"] == kind]
        yield _rows("flagged", [kind], uncertainty.estimate_mean(rows[["flagged"]].to_numpy(float), weights))
        if kind != FAMILIAR:
            yield _rows("auroc", [kind], _auroc(familiar, rows["score"].to_numpy(), weights))


def _share(sums: FloatArray) -> FloatArray:
    """Quotient `(..., 1)` of sums `(..., 2)`."""
    return ratio(sums[..., :1], sums[..., 1:])


def _mean_shares(sums: FloatArray) -> FloatArray:
    """Shares `(..., L + 1)` of sums `(..., L, 2)`, followed by their mean."""
    shares = ratio(sums[..., 0], sums[..., 1])
    return np.concatenate([shares, shares.mean(-1, keepdims=True)], -1)


def _rows(metric: str, of: list[str], estimate: Estimate) -> pd.DataFrame:
    return pd.DataFrame(
        {"metric": metric, "of": of, "value": estimate.value, "ci_low": estimate.low, "ci_high": estimate.high}
    )


def _calibration_errors(sums: FloatArray) -> FloatArray:
    """Calibration error of each layer, followed by their mean, `(..., L + 1)`."""
    errors = reliability.expected_calibration_error(sums)
    return np.concatenate([errors, errors.mean(-1, keepdims=True)], -1)


def _auroc(familiar: FloatArray, unfamiliar: FloatArray, weights: FloatArray) -> Estimate:
    """Area under the ROC of scores `(N,)` of both, made from the same samples, which are resampled together."""
    wins = np.sign(unfamiliar[:, None] - familiar) / 2 + 0.5
    areas = ((weights @ wins) * weights).sum(1) / weights.sum(1) ** 2
    low, high = np.quantile(areas, uncertainty.QUANTILES)
    return Estimate(np.array([wins.mean()]), np.array([low]), np.array([high]))


def trust_page(table: pd.DataFrame, calibrated: Recalibration) -> TablePage:
    """Format the table of `assess_trust`."""
    texts = table.assign(text=format_estimates(in_units(table)))
    names = {
        "Calibration error [%]": {"calibration_error_before": "as predicted", "calibration_error": "calibrated"},
        "Depths within their intervals [%]": {
            f"depth_coverage_{percent}{suffix}": f"{percent} % interval, {when}"
            for percent in DEPTH_INTERVALS
            for suffix, when in (("_before", "as predicted"), ("", "calibrated"))
        },
        "Abstention [%]": {"coverage": "pixels kept", "risk": "error among them", "error": "error among all pixels"},
        "Unfamiliar inputs": {"auroc": "AUROC against test samples", "flagged": "flagged [%]"},
    }
    sections = {}
    for heading, rows in names.items():
        part = texts[texts["metric"].isin(rows)]
        if part.empty:
            continue
        wide = part.pivot_table("text", "of", "metric", aggfunc="first", sort=False).reindex(columns=[*rows])
        sections[heading] = wide.fillna("").rename(columns=rows).rename_axis(columns=None).reset_index()
    note = (
        f"What {calibrated.network} knows of its own errors. Everything is fitted on {calibrated.n_samples} validation "
        "samples and tested on others. Expected calibration error of the probability of a cell, and shares of the "
        "depths within their intervals, by layer and in the mean of the layers. Abstention from the "
        f"{100 * (1 - calibrated.coverage):.0f} % of the pixels that have the least confidence on validation. Inputs "
        "that do not fit the training data are scored by rendering the answer again. With 95 % intervals over test "
        "samples."
    )
    return TablePage("Trust", note, table, sections)
