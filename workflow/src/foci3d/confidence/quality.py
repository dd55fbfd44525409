"""How far to trust a reconstruction: its residual, whether it is out-of-distribution, and what is uncertain.

The thresholds come from the recalibration of the network on validation samples. Where a value is not available, a note
says why; nothing stands in for it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from foci3d.confidence.consistency import consistency_score, relative_residual, shape_without_cells
from foci3d.confidence.recalibration import prediction_statistics
from foci3d.confidence.reliability import confidence
from foci3d.io.samples import NumpyOutputs
from foci3d.learning.model import Model
from foci3d.learning.recalibration import Recalibration

POSSIBLE = 0.05
"""Probability from which a number of layers is mentioned beside the most probable one."""


AT_BOUND_UM = 0.5
"""Distance from a sensor below which nothing but the bound keeps a depth inside, see `bound_depths`."""

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
    abstained : float or None
        Share of the pixels of all layers whose confidence is below that of the recalibration.
    note : str
        Why values are not available, and other reservations; empty if there are none.
    n_at_bound : int
        Layers whose predicted depth is at a bound of the imager, which nothing but the bound keeps inside.
    """

    residual: float | None = None
    typical_residual: float | None = None
    score: float | None = None
    score_threshold: float | None = None
    abstained: float | None = None
    note: str = ""
    n_at_bound: int = 0

    @property
    def flagged(self) -> bool | None:
        """Whether the measurement is out-of-distribution, so that masks and depths are unreliable."""
        if self.n_at_bound:
            return True
        if self.score is None or self.score_threshold is None:
            return None
        return self.score > self.score_threshold

    def __str__(self) -> str:
        """The quality in one line."""
        parts = []
        if self.residual is not None:
            typical = "" if self.typical_residual is None else f" (validation: {self.typical_residual:.0%})"
            parts.append(f"residual {self.residual:.0%} of the contrast{typical}")
        if self.flagged is not None:
            verdict = "OUT-OF-DISTRIBUTION: masks and depths are unreliable" if self.flagged else "in distribution"
            score = "" if self.score is None else f" (score {self.score:.1f}, threshold {self.score_threshold:.1f})"
            parts.append(f"{verdict}{score}")
        if self.flagged:
            parts.append(
                "check that the PSF, the orientation of the images and the kind of specimen are as the network expects"
            )
        if self.n_at_bound:
            parts.append(f"{self.n_at_bound} depths at a bound of the imager")
        if self.abstained is not None:
            parts.append(f"abstains from {self.abstained:.0%} of the pixels")
        return "; ".join([*parts, *([self.note] if self.note else [])])


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
    """One row per frame: frame (from 0), flagged (yes, no or not available), and the fields of `Quality`."""
    verdicts = {True: "yes", False: "no", None: "not available"}
    table = pd.DataFrame([asdict(quality) for quality in qualities])
    table.insert(0, "frame", range(len(table)))
    table.insert(list(table).index("abstained"), "flagged", [verdicts[quality.flagged] for quality in qualities])
    return table


def assess_quality(
    measurement: npt.NDArray[np.number],
    outputs: NumpyOutputs,
    recalibrated: NumpyOutputs,
    model: Model,
    scores: npt.NDArray[np.floating] | None = None,
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
    scores : ndarray (N,), optional
        `consistency_scores` of the N tiles of the measurement, of which the worst counts.

    Returns
    -------
    Quality
        The quality.
    """
    recalibration, notes = model.usable_recalibration, []
    values: dict[str, Any] = {}
    probability, (depths_um, _) = recalibrated.output, model.layer_depths(recalibrated)
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
        threshold = recalibration.reference.threshold
        values |= {"score": float(scores.max()), "score_threshold": threshold}
        if len(scores) > 1:
            notes.append(f"{(scores > threshold).sum()} of {len(scores)} tiles out-of-distribution, the worst counts")
    quality = Quality(**values, note="; ".join(notes))
    return replace(quality, abstained=_abstained(probability[~np.isnan(depths_um)], quality, recalibration))


def _abstained(
    probability: npt.NDArray[np.floating], quality: Quality, recalibration: Recalibration | None
) -> float | None:
    """Share of the pixels to abstain from: all, if the measurement is out-of-distribution, where a network is sure."""
    if recalibration is None or quality.flagged:
        return None if recalibration is None else 1.0
    return float(np.mean(confidence(probability) < recalibration.confidence_threshold)) if len(probability) else 0.0


def consistency_scores(
    model: Model, measurements: npt.NDArray[np.number], outputs: NumpyOutputs
) -> npt.NDArray[np.floating] | None:
    """Deviations `(N,)` from validation samples of a model's outputs for measurements `(N, S, P, P)`, if available."""
    if model.usable_recalibration is None or model.psf is None:
        return None
    return consistency_score(model.usable_recalibration.reference, prediction_statistics(model, measurements, outputs))


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
