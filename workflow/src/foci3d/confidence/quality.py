"""How far to trust a reconstruction: its residual, whether it is out-of-distribution, and what is uncertain.

Three kinds of evidence are judged, each with a threshold from the recalibration of the network on validation samples:

- whether the measurement resembles these samples, see `foci3d.confidence.consistency`;
- the errors of the masks that the recalibrated probabilities expect, about as many as there are on cells of other
  shapes and textures, too;
- the standard deviations of the depths.

Where a value is not available, a note says why; nothing stands in for it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import bdtr

from foci3d.confidence.consistency import (
    DEVIATIONS,
    consistency_scores,
    relative_residual,
    shape_without_cells,
)
from foci3d.confidence.recalibration import prediction_statistics
from foci3d.confidence.reliability import confidence, expected_error
from foci3d.evaluation.metrics import BoolArray, FloatArray
from foci3d.io.samples import NumpyOutputs
from foci3d.learning.model import Model
from foci3d.learning.recalibration import Recalibration

POSSIBLE = 0.05
"""Probability from which a number of layers is mentioned beside the most probable one."""


AT_BOUND_UM = 0.5
"""Distance from a sensor below which nothing but the bound keeps a depth inside, see `bound_depths`."""

VERDICTS = {True: "UNRELIABLE", False: "reliable", None: "not available"}
"""Words for a flag."""

MAX_SHAPE_WITHOUT_CELLS = 1.15
"""Largest `shape_without_cells` of a measurement that holds no cells for certain."""

MIN_SHAPE_WITH_CELLS = 1.8
"""Least of a measurement that certainly holds cells. Strongly speckled backgrounds reach it, too."""


@dataclass(frozen=True)
class Quality:
    """Quality of one reconstruction; None is not available.

    Parameters
    ----------
    residual : float or None
        Part of the measurement that is unexplained, 0 to about 1, see `relative_residual`.
    typical_residual : float or None
        Its median on validation samples.
    score : float or None
        Deviation from validation samples, in standard deviations, see `foci3d.confidence.consistency`.
    score_threshold : float or None
        Score above which a measurement is flagged as out-of-distribution.
    n_tiles, n_tiles_flagged : int
        Tiles of the field, and those of them that are out-of-distribution.
    abstained : float or None
        Share of the pixels of all layers whose confidence is below that of the recalibration.
    note : str
        Why values are not available, and other reservations; empty if there are none.
    n_at_bound : int
        Layers whose predicted depth is at a bound of the imager, which nothing but the bound keeps inside.
    expected_error, usual_error, error_threshold : float or None
        Share of misclassified pixels that the probabilities expect, the median error of validation samples, and the
        expected error from which masks are unreliable.
    depth_sd_um, usual_depth_error_um, depth_sd_threshold_um : float or None
        Root mean square of the standard deviations of the depths, that of the errors of a usual validation sample, and
        the value from which depths are unreliable [um].
    """

    residual: float | None = None
    typical_residual: float | None = None
    score: float | None = None
    score_threshold: float | None = None
    abstained: float | None = None
    note: str = ""
    n_at_bound: int = 0
    n_tiles: int = 1
    n_tiles_flagged: int = 0
    expected_error: float | None = None
    usual_error: float | None = None
    error_threshold: float | None = None
    depth_sd_um: float | None = None
    usual_depth_error_um: float | None = None
    depth_sd_threshold_um: float | None = None

    @property
    def out_of_distribution(self) -> bool | None:
        """Whether the measurement is unlike those of the training, so that masks and depths are unreliable."""
        return True if self.n_at_bound else _exceeds(self.score, self.score_threshold)

    @property
    def masks_flagged(self) -> bool | None:
        """Whether the masks are unreliable."""
        return self._judge(_exceeds(self.expected_error, self.error_threshold))

    @property
    def depths_flagged(self) -> bool | None:
        """Whether the depths are unreliable."""
        return self._judge(_exceeds(self.depth_sd_um, self.depth_sd_threshold_um))

    @property
    def flagged(self) -> bool | None:
        """Whether masks or depths are unreliable."""
        return self._judge(self.masks_flagged or self.depths_flagged)

    def _judge(self, is_unreliable: bool | None) -> bool | None:
        """A flag; what may be out-of-distribution is never called reliable, as networks are sure of what is."""
        return True if is_unreliable else self.out_of_distribution

    def flag_tiles(self, tiles: FloatArray) -> tuple[BoolArray, BoolArray]:
        """Whether tiles `(K, 5)` are out-of-distribution, and whether their masks are unreliable."""
        thresholds = np.array([each or np.inf for each in (self.score_threshold, self.error_threshold)])
        is_other, is_unsure = (tiles[:, 3:] > thresholds).T
        return is_other, is_unsure

    def __str__(self) -> str:
        """The quality in one line."""
        parts = [*self._reliability()]
        if self.residual is not None:
            typical = "" if self.typical_residual is None else f" (validation: {self.typical_residual:.0%})"
            parts.append(f"residual {self.residual:.0%} of the contrast{typical}")
        if (is_other := self.out_of_distribution) is not None:
            verdict = "OUT-OF-DISTRIBUTION: masks and depths are unreliable" if is_other else "in distribution"
            score = "" if self.score is None else f" (score {self.score:.1f}, threshold {self.score_threshold:.1f})"
            parts.append(f"{verdict}{score}")
        if is_other:
            parts.append(
                "check that the PSF, the orientation of the images and the kind of specimen are as the network expects"
            )
        if self.n_at_bound:
            parts.append(f"{self.n_at_bound} depths at a bound of the imager")
        if self.abstained is not None:
            parts.append(f"abstains from {self.abstained:.0%} of the pixels")
        return "; ".join([*parts, *([self.note] if self.note else [])])

    def _reliability(self) -> Iterator[str]:
        """Masks and depths in words, of a measurement that is not out-of-distribution."""
        if self.out_of_distribution:
            return
        if self.expected_error is not None and self.usual_error is not None:
            about = f"about {self.expected_error:.0%} of the pixels wrong (usually {self.usual_error:.0%})"
            yield f"masks {VERDICTS[self.masks_flagged]}: {about}"
        if self.depth_sd_um is not None and self.usual_depth_error_um is not None:
            about = f"± {self.depth_sd_um:.0f} um (usual error {self.usual_depth_error_um:.0f} um)"
            yield f"depths {VERDICTS[self.depths_flagged]}: {about}"


def _exceeds(value: float | None, threshold: float | None) -> bool | None:
    return None if value is None or threshold is None else value > threshold


def describe_count(probabilities: npt.NDArray[np.floating]) -> str:
    """The most probable number of layers and others that are possible, of `probabilities (L + 1,)`, in words.

    >>> describe_count(np.array([0.0, 0.03, 0.7, 0.27]))
    'number of layers: 2 (70 %), also possible: 3 (27 %)'
    """
    order = np.argsort(-probabilities, kind="stable")
    first, *others = [f"{n} ({probabilities[n]:.0%})".replace("%", " %") for n in order]
    possible = [text for n, text in zip(order[1:], others, strict=True) if probabilities[n] >= POSSIBLE]
    return f"number of layers: {first}" + (f", also possible: {', '.join(possible)}" if possible else "")


def quality_table(qualities: Sequence[Quality]) -> pd.DataFrame:
    """One row per frame: frame (from 0), flagged (yes, no or not available), masks and depths (`VERDICTS`), and fields.

    The fields are those of `Quality`.
    """
    answers = {True: "yes", False: "no", None: "not available"}
    table = pd.DataFrame([asdict(quality) for quality in qualities])
    table.insert(0, "frame", range(len(table)))
    verdicts = {
        "flagged": [answers[quality.flagged] for quality in qualities],
        "masks": [VERDICTS[quality.masks_flagged] for quality in qualities],
        "depths": [VERDICTS[quality.depths_flagged] for quality in qualities],
    }
    for place, (name, column) in enumerate(verdicts.items(), list(table).index("abstained")):
        table.insert(place, name, column)
    return table


def assess_quality(
    measurement: npt.NDArray[np.number],
    outputs: NumpyOutputs,
    recalibrated: NumpyOutputs,
    model: Model,
    scores: npt.NDArray[np.floating] | None = None,
    unlike: npt.NDArray[np.bool_] | None = None,
) -> Quality:
    """Assess a reconstruction.

    Parameters
    ----------
    measurement : ndarray (S, Y, X)
        Images of the sensors.
    outputs : Outputs
        Of the model for them, not recalibrated and without the axis of samples: values (L,) or maps (L, Y, X).
    recalibrated : Outputs
        The same, recalibrated if there is a recalibration.
    model : Model
        The model. Without its point-spread function, there are no residual and no score; without a recalibration of
        predictions that are made as it makes them, no score and no abstention.
    scores : ndarray (N, 3), optional
        `score_tiles` of the N tiles of the measurement. As many of the worst as false alarms may be do not count.
    unlike : ndarray (Y, X), optional
        Pixels in tiles that are out-of-distribution.

    Returns
    -------
    Quality
        The quality.
    """
    recalibration, notes = model.usable_recalibration, []
    values: dict[str, Any] = {}
    probability, (depths_um, sds_um) = recalibrated.output, model.layer_depths(recalibrated)
    if recalibrated.count_probabilities is not None:
        notes.append(describe_count(recalibrated.count_probabilities))
    if model.recalibration is None:
        notes.append("flag and abstention not available: the model has no recalibration")
    elif recalibration is None:
        which = "averaged" if model.recalibration.average_symmetries else "not averaged"
        notes.append(f"flag and abstention not available: the recalibration is for predictions {which} over symmetries")
    if model.psf is None:
        notes.append("residual and flag need the point-spread function")
    else:
        values["residual"] = relative_residual(model.forward_model, measurement, probability, depths_um)
    if outputs.predicted_depths_um is not None:
        from_bound_um = np.minimum(depths_um, model.max_depth_um - depths_um).reshape(len(depths_um), -1)
        values["n_at_bound"] = int((from_bound_um < AT_BOUND_UM).any(1).sum())
    if recalibration and model.psf:
        values["typical_residual"] = recalibration.typical_residual
        if recalibration.psf != model.psf.digest:
            notes.append("recalibrated with another point-spread function")
    if recalibration and scores is not None:
        threshold = recalibration.reference_of(tiles=len(scores) > 1).threshold
        n_above = int((scores.max(1) > threshold).sum())
        counts = scores[np.argsort(-scores.max(1))[_false_alarms(len(scores), recalibration.false_alarm_rate)]]
        values |= {"score": float(counts.max()), "score_threshold": threshold}
        values |= {"n_tiles": len(scores), "n_tiles_flagged": n_above}
        if counts.max() > threshold:
            notes.append(DEVIATIONS[counts.argmax()])
        if len(scores) > 1:
            notes.append(f"{n_above} of {len(scores)} tiles out-of-distribution")
    if recalibration:
        values |= _expected_errors(probability, depths_um, sds_um, recalibration)
    quality = Quality(**values, note="; ".join(notes))
    found = ~np.isnan(depths_um if depths_um.ndim == 1 else depths_um[:, 0, 0])
    return replace(quality, abstained=_abstained(probability[found], quality, recalibration, unlike))


def _false_alarms(n_tiles: int, rate: float) -> int:
    """Most false alarms in a field of tiles with this rate each, but for fields of which the rate is as high."""
    return int(np.searchsorted(bdtr(np.arange(n_tiles + 1), n_tiles, rate), 1 - rate - 1e-9))


def _expected_errors(
    probability: FloatArray, depths_um: FloatArray, sds_um: FloatArray, recalibration: Recalibration
) -> dict[str, float]:
    """Fields of `Quality` on the errors that recalibrated masks `(L, Y, X)` and depths, or maps of these, expect."""
    found = ~np.isnan(depths_um)
    values: dict[str, float] = {}
    if masks := recalibration.mask_errors:
        values |= {"usual_error": masks.usual, "error_threshold": masks.threshold}
        values["expected_error"] = expected_error(probability[found])
    if (depths := recalibration.depth_errors_um) and found.any():
        values |= {"usual_depth_error_um": depths.usual, "depth_sd_threshold_um": depths.threshold}
        values["depth_sd_um"] = float(np.sqrt(np.mean(sds_um[found] ** 2)))
    return values


def _abstained(
    probability: npt.NDArray[np.floating],
    quality: Quality,
    recalibration: Recalibration | None,
    unlike: npt.NDArray[np.bool_] | None,
) -> float | None:
    """Share of the pixels to abstain from: also all in what is out-of-distribution, where a network is sure."""
    if recalibration is None or quality.out_of_distribution:
        return None if recalibration is None else 1.0
    is_unsure = confidence(probability) < recalibration.confidence_threshold
    if unlike is not None:
        is_unsure |= unlike
    return float(np.mean(is_unsure)) if len(probability) else 0.0


def score_tiles(
    model: Model, measurements: npt.NDArray[np.number], outputs: NumpyOutputs, *, of_field: bool = False
) -> npt.NDArray[np.floating] | None:
    """`consistency_scores (N, 3)` of a model's outputs for measurements `(N, S, P, P)`, or tiles of a larger field.

    None if they are not available.
    """
    if model.usable_recalibration is None or model.psf is None:
        return None
    reference = model.usable_recalibration.reference_of(tiles=of_field)
    return consistency_scores(reference, prediction_statistics(model, measurements, outputs))


def judge_light(measurement: npt.NDArray[np.number], model: Model, quality: Quality) -> tuple[bool, Quality]:
    """Whether even light explains a measurement `(2, P, P)`, and the `quality` that follows from its light.

    No, and the same quality, where that cannot be judged.
    """
    size = model.description.n_pixels
    if model.psf is None or measurement.shape != (2, size, size):
        return False, quality
    shape = shape_without_cells(model.forward_model, np.asarray(measurement, float))
    if shape < MAX_SHAPE_WITHOUT_CELLS:
        return True, Quality(note="no cells: even light explains the measurement")
    if shape < MIN_SHAPE_WITH_CELLS:
        note = "there may be no cells: a speckled background could explain the measurement"
        return False, replace(quality, abstained=1.0, note="; ".join(filter(None, [quality.note, note])))
    return False, quality
