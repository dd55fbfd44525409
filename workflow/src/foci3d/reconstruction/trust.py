"""What a network knows of its own errors: its calibration file, the flag of unfamiliar inputs, and tests of both."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from pydantic import ValidationError

from foci3d.config.fields import Section
from foci3d.config.models import TrustConfig
from foci3d.errors import InputError
from foci3d.evaluation import calibration, uncertainty
from foci3d.evaluation.calibration import LogitCalibration
from foci3d.evaluation.metrics import FloatArray, ratio
from foci3d.evaluation.tables import TablePage, format_estimates
from foci3d.evaluation.uncertainty import Estimate
from foci3d.io.hdf5 import atomic_path
from foci3d.learning.inference import Model
from foci3d.learning.model_file import ModelDescription
from foci3d.optics.forward import ForwardModel
from foci3d.optics.psf import PSF
from foci3d.reconstruction.consistency import Reference, consistency_statistics
from foci3d.reconstruction.rendering import relative_residual
from foci3d.simulation.ood import unfamiliar_measurements

KIND: Final = "foci3d-calibration"
VERSION: Final = 2
FAMILIAR = "test"
"""Name of the test samples themselves among the kinds of inputs."""


class NetworkCalibration(Section):
    """The calibration file of a network, fitted on validation samples.

    `weights` and `psf` are digests of the network's weights and of the point-spread function; `average_symmetries` says
    how its probabilities were predicted, which changes their calibration; `reference` is that of uncalibrated
    probabilities; `typical_residual` is the median of `foci3d.reconstruction.rendering.relative_residual`.
    """

    kind: Literal["foci3d-calibration"] = KIND
    version: Literal[2] = VERSION
    network: str
    weights: str
    psf: str
    average_symmetries: bool
    n_samples: int
    calibrator: LogitCalibration
    coverage: float
    confidence_threshold: float
    reference: Reference
    typical_residual: float

    def save(self, path: str | Path) -> None:
        """Write as JSON."""
        with atomic_path(path) as temporary:
            temporary.write_text(self.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, path: str | Path, weights: str) -> "NetworkCalibration":
        """Read what `save` wrote for the network whose weights have the digest `weights`.

        Raises
        ------
        InputError
            If the file is missing, damaged, of another kind, or belongs to other weights.
        """
        try:
            found = cls.model_validate_json(Path(path).read_text())
        except (OSError, UnicodeDecodeError, ValidationError) as error:
            raise InputError(
                f"{path}: cannot be read as the calibration of a network; expected the JSON file that rule "
                "calibrate_network writes, run it again."
            ) from error
        if found.weights != weights:
            raise InputError(
                f"{path}: belongs to weights {found.weights}; expected {weights}, those of the model. Calibrate the "
                "model again."
            )
        return found


def find_calibration(description_path: str | Path, model: Model) -> NetworkCalibration | None:
    """Read the calibration beside the JSON file of a model, ``<model>.calibration.json``, if there is one.

    Raises
    ------
    InputError
        If it is damaged, of another kind, or belongs to other weights.
    """
    path = Path(description_path).with_suffix(".calibration.json")
    return NetworkCalibration.load(path, model.description.digests.weights) if path.exists() else None


def optics_of(model: Model, psf: PSF) -> ForwardModel:
    """The forward operator of the imager that a model is used for."""
    return ForwardModel(psf, model.description.n_pixels, model.description.in_channels, model.sensor_separation_um)


def layer_depths(
    outputs: Mapping[str, npt.NDArray[Any]], description: ModelDescription
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Predicted depths of the layers and their standard deviations [um], with the shape that a model's `outputs` have.

    Of a model that predicts none, they are the mean and the standard deviation in its training data, `(L,)`.
    """
    if "predicted_depths_um" in outputs:
        return outputs["predicted_depths_um"], outputs["predicted_depth_sds_um"]
    layers = description.layer_depths_um
    return np.array([layer.mean for layer in layers]), np.array([layer.sd for layer in layers])


def answer_statistics(
    model: Model, psf: PSF, measurements: npt.NDArray[Any], outputs: Mapping[str, npt.NDArray[Any]]
) -> FloatArray:
    """`consistency_statistics (N, F)` of a model's `outputs` for `measurements (N, S, Y, X)`, see `Model.predict`."""
    depths = layer_depths(outputs, model.description)
    return consistency_statistics(optics_of(model, psf), measurements, outputs["output"], *depths)


def calibrate_network(
    model: Model,
    psf: PSF,
    samples: Mapping[str, npt.NDArray[Any]],
    trust: TrustConfig,
    device: torch.device | str,
    *,
    average_symmetries: bool,
) -> NetworkCalibration:
    """Fit the calibration of a network to validation samples.

    Parameters
    ----------
    model : Model
        A model for the task `masks` or `stacks`.
    psf : PSF
        Point-spread function of the imager.
    samples : mapping of str to ndarray
        Arrays of the validation split as in a shard: sensors and masks.
    trust : TrustConfig
        Number of samples, coverage and rate of false alarms.
    device : torch.device or str
        Where to compute, see `Model.predict`.
    average_symmetries : bool
        Whether to average over the symmetries of the imager, see `Model.predict`.

    Returns
    -------
    NetworkCalibration
        The content of the calibration file.
    """
    measurements, target = (samples[name][: trust.n_samples] for name in ("sensors", "masks"))
    outputs = model.predict(measurements, device, average_symmetries=average_symmetries)
    probabilities = outputs["output"]
    calibrator = LogitCalibration.fit(probabilities, target > 0)
    calibrated = calibrator(probabilities)
    depths = np.broadcast_to(layer_depths(outputs, model.description)[0], calibrated.shape[:2])
    residuals = [
        relative_residual(psf, model.sensor_separation_um, *sample)
        for sample in zip(measurements, calibrated, depths, strict=True)
    ]
    return NetworkCalibration(
        network=model.description.network,
        weights=model.description.digests.weights,
        psf=psf.digest,
        average_symmetries=average_symmetries,
        n_samples=len(measurements),
        calibrator=calibrator,
        coverage=trust.coverage,
        confidence_threshold=calibration.confidence_threshold(calibrated, trust.coverage),
        reference=Reference.fit(answer_statistics(model, psf, measurements, outputs), trust.false_alarm_rate),
        typical_residual=float(np.median(residuals)),
    )


def score_unfamiliar(
    model: Model,
    psf: PSF,
    calibrated: NetworkCalibration,
    arrays: Mapping[str, npt.NDArray[Any]],
    device: torch.device | str,
    seed: int,
) -> pd.DataFrame:
    """Score test samples and inputs that do not fit the training data.

    Parameters
    ----------
    model, psf, calibrated
        The model, the point-spread function and the model's calibration.
    arrays : mapping of str to ndarray
        Arrays of N test samples as in a predictions file: sensors, outputs, layers, masks and depths_um.
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
    samples = {name: torch.from_numpy(arrays[name]) for name in ("layers", "masks", "depths_um")}
    generator = torch.Generator().manual_seed(seed)
    unfamiliar = unfamiliar_measurements(samples, optics_of(model, psf), generator)
    inputs = {kind: values.numpy() for kind, values in unfamiliar.items()}
    answers = {
        kind: model.predict(images, device, average_symmetries=calibrated.average_symmetries)
        for kind, images in inputs.items()
    }
    parts = []
    for kind, images in ({FAMILIAR: arrays["sensors"]} | inputs).items():
        score = calibrated.reference.score(answer_statistics(model, psf, images, answers.get(kind, arrays)))
        parts.append(pd.DataFrame({"kind": kind, "sample": range(len(score)), "score": score}))
    scores = pd.concat(parts, ignore_index=True).assign(threshold=calibrated.reference.threshold)
    return scores.assign(flagged=(scores["score"] > scores["threshold"]).astype(int))


def reliability_diagrams(arrays: Mapping[str, npt.NDArray[Any]], calibrated: NetworkCalibration) -> pd.DataFrame:
    """Reliability of a network's predictions before and after their calibration.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Arrays of the predictions: output and target (N, L, Y, X).
    calibrated : NetworkCalibration
        Calibration of the network.

    Returns
    -------
    DataFrame
        Columns of `foci3d.evaluation.calibration.reliability_table`, and calibration (before, after).
    """
    answers = {"before": arrays["output"], "after": calibrated.calibrator(arrays["output"])}
    return pd.concat(
        calibration.reliability_table(calibration.reliability_sums(values, arrays["target"] > 0).sum(0)).assign(
            calibration=when
        )
        for when, values in answers.items()
    )


def assess_trust(
    arrays: Mapping[str, npt.NDArray[Any]],
    calibrated: NetworkCalibration,
    scores: pd.DataFrame,
    n_bootstrap: int,
    seed: int,
) -> pd.DataFrame:
    """Test the calibration, the abstention and the flag of a network.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Arrays of the predictions: output and target (N, L, Y, X).
    calibrated : NetworkCalibration
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
    probabilities = calibrated.calibrator(raw)
    weights = uncertainty.resampling_weights(np.arange(len(target)), n_bootstrap, seed)
    of = [*map(str, range(1, target.shape[1] + 1)), "all"]
    parts = []
    for metric, values in (("calibration_error_before", raw), ("calibration_error", probabilities)):
        sums = calibration.reliability_sums(values, target)
        parts.append(_rows(metric, of, uncertainty.bootstrap_estimate(sums, _calibration_errors, weights)))
    sums = calibration.selection_sums(probabilities, target, calibrated.confidence_threshold)
    everything = calibration.selection_sums(probabilities, target, 0)
    for metric, part in (("coverage", sums[:, [1, 0]]), ("risk", sums[:, [2, 1]]), ("error", everything[:, [2, 1]])):
        parts.append(_rows(metric, ["all"], uncertainty.bootstrap_estimate(part, _share, weights)))
    return pd.concat([*parts, *_detection(scores, n_bootstrap, seed)], ignore_index=True)


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


def _rows(metric: str, of: list[str], estimate: Estimate) -> pd.DataFrame:
    return pd.DataFrame(
        {"metric": metric, "of": of, "value": estimate.value, "ci_low": estimate.low, "ci_high": estimate.high}
    )


def _calibration_errors(sums: FloatArray) -> FloatArray:
    """Calibration error of each layer, followed by their mean, `(..., L + 1)`."""
    errors = calibration.expected_calibration_error(sums)
    return np.concatenate([errors, errors.mean(-1, keepdims=True)], -1)


def _auroc(familiar: FloatArray, unfamiliar: FloatArray, weights: FloatArray) -> Estimate:
    """Area under the ROC of scores `(N,)` of both, made from the same samples, which are resampled together."""
    wins = np.sign(unfamiliar[:, None] - familiar) / 2 + 0.5
    areas = ((weights @ wins) * weights).sum(1) / weights.sum(1) ** 2
    low, high = np.quantile(areas, uncertainty.QUANTILES)
    return Estimate(np.array([wins.mean()]), np.array([low]), np.array([high]))


def trust_page(table: pd.DataFrame, calibrated: NetworkCalibration) -> TablePage:
    """Format the table of `assess_trust`."""
    scale = np.where(table["metric"] == "auroc", 1.0, 100.0)
    values, lows, highs = (scale * table[column] for column in ("value", "ci_low", "ci_high"))
    texts = table.assign(text=format_estimates(values, lows, highs))
    names = {
        "Calibration error [%]": {"calibration_error_before": "as predicted", "calibration_error": "calibrated"},
        "Abstention [%]": {"coverage": "pixels kept", "risk": "error among them", "error": "error among all pixels"},
        "Unfamiliar inputs": {"auroc": "AUROC against test samples", "flagged": "flagged [%]"},
    }
    sections = {}
    for heading, rows in names.items():
        part = texts[texts["metric"].isin(rows)]
        wide = part.pivot_table("text", "of", "metric", aggfunc="first", sort=False).reindex(columns=[*rows])
        sections[heading] = wide.fillna("").rename(columns=rows).rename_axis(columns=None).reset_index()
    note = (
        f"What {calibrated.network} knows of its own errors. Everything is fitted on {calibrated.n_samples} validation "
        "samples and tested on others. Expected calibration error of the probability of a cell, by layer and in the "
        f"mean of the layers. Abstention from the {100 * (1 - calibrated.coverage):.0f} % of the pixels that have the "
        "least confidence on validation. Inputs that do not fit the training data are scored by rendering the answer "
        "again. With 95 % intervals over test samples."
    )
    return TablePage("Trust", note, table, sections)
