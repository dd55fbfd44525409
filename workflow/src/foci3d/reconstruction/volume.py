"""Reconstruction of one measurement: images of the sensors in, a volume of cells and a table of foci out."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from skimage.measure import find_contours, label, regionprops
from torch import Tensor

from foci3d.confidence.quality import Quality, assess_quality, judge_light
from foci3d.confidence.reliability import confidence
from foci3d.config.fields import Specimen
from foci3d.config.tasks import CELL_KINDS, TASKS, tasks_of_kind
from foci3d.errors import InputError
from foci3d.evaluation.metrics import CELL_THRESHOLD
from foci3d.learning.model import Model, to_numpy
from foci3d.reconstruction.foci import find_foci, number_foci
from foci3d.reconstruction.prediction import predict_measurement

MIN_SCORE_DROP = 3.0
"""Standard deviations by which mirroring sensor B must lower a score to be advised."""


@dataclass(frozen=True)
class Reconstruction:
    """A reconstructed measurement.

    Parameters
    ----------
    measurement : ndarray (S, Y, X)
        Images of the sensors.
    probability : ndarray (L, Y, X), float32
        Probability of a cell, 0 to 1; recalibrated if the model has a recalibration. Of a model that predicts the
        number of layers, L is the most probable number, or 1, without cells, where it is 0.
    depths_um, depth_sds_um : tuple of L floats
        Predicted depth of each layer with its standard deviation [um], recalibrated if the model has a
        recalibration; of a model that predicts none, mean and standard deviation in its training data. Where `quality`
        flags the measurement, standard deviations are at least those in the training data.
    occupancy : tuple of L floats
        Score from 0 to 1 of whether a layer holds cells; 1 of a model that predicts none, and of one whose training
        data have cells in every layer, such as the released ones.
    foci : DataFrame
        One row per focus, see `foci3d.reconstruction.foci.find_foci`.
    threshold : float
        Probability above which a pixel is classified as a cell.
    pixel_pitch_um : float
        Distance between neighbouring pixels [um].
    sensor_depths_um : tuple of S floats
        Depth of each sensor [um].
    quality : Quality
        How far to trust it.
    tiles : ndarray (K, 5)
        First pixel in y and x, pixels in each, score and expected error of the masks of the tiles of a field larger
        than the model's; else K is 0.
    specimen : {"layers", "cells", "volume"}
        Kind of specimen that this is: layers that a network predicted, or single cells or a volume that was fitted.
    """

    measurement: npt.NDArray[Any]
    probability: npt.NDArray[np.float32]
    depths_um: tuple[float, ...]
    depth_sds_um: tuple[float, ...]
    occupancy: tuple[float, ...]
    foci: pd.DataFrame
    threshold: float
    pixel_pitch_um: float
    sensor_depths_um: tuple[float, ...]
    quality: Quality
    tiles: npt.NDArray[np.floating] = field(default_factory=lambda: np.zeros((0, 5)))
    specimen: Specimen = "layers"

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """Whether a pixel is classified as a cell, `(L, Y, X)`."""
        return self.probability > self.threshold

    @property
    def is_of_cells(self) -> bool:
        """Whether these are single cells that were fitted, and not layers."""
        return self.specimen == "cells"

    @property
    def is_of_layers(self) -> bool:
        """Whether these are layers that a network predicted, and not cells or a volume that was fitted."""
        return self.specimen == "layers"

    @property
    def summary(self) -> str:
        """What was found, and how far to trust it, in one line."""
        found = "" if self.is_of_cells else f"{len(self.foci)} foci in {len(self.depths_um)} layers; "
        return f"{found}{self.quality}"

    @property
    def uncertainty(self) -> npt.NDArray[np.float32]:
        """Probability of the less probable class, cell or empty, `(L, Y, X)`: 0 is certain, 0.5 is a guess."""
        return np.asarray(1 - confidence(self.probability), np.float32)


def reconstruct(
    measurement: npt.ArrayLike | Tensor,
    model: Model,
    *,
    threshold: float = CELL_THRESHOLD,
    n_layers: int | None = None,
) -> Reconstruction:
    """Reconstruct a measurement in 3D.

    Parameters
    ----------
    measurement : array_like (S, Y, X)
        Images of the sensors, linear in light, in any unit that they share: of NumPy or torch. A field larger than that
        of the model is reconstructed by overlapping tiles, see `foci3d.reconstruction.tiles`.
    model : Model
        A model that predicts the probability of a cell in each layer. Without a recalibration, probabilities and
        standard deviations are as predicted, and some of the quality is not available.
    threshold : float
        Probability above which a pixel is classified as a cell, between 0 and 1.
    n_layers : int, optional
        Number of layers with cells where it is known, for a model that predicts it.

    Returns
    -------
    Reconstruction
        Probabilities, depths, foci and quality.

    Raises
    ------
    InputError
        If the model is for another task or number of layers, or the measurement does not fit it, see `Model.predict`.
    """
    description = model.description
    _check_n_layers(model, n_layers)
    if not TASKS[description.task].predicts_cells:
        raise InputError(
            f"model {description.network}: the task is {description.task}; expected "
            f"{tasks_of_kind(*CELL_KINDS)}, choose another model."
        )
    measurement = to_numpy(measurement)
    if measurement.ndim != 3:
        raise InputError(
            f"measurement: found {measurement.ndim} axes; expected three, sensor, y and x. Reshape the measurement."
        )
    prediction = predict_measurement(measurement, model, n_layers)
    outputs = prediction.outputs
    recalibrated, unlike = model.recalibrate_found(outputs), prediction.find_unlike(model)
    quality = assess_quality(measurement, outputs, recalibrated, model, prediction.scores, unlike)
    empty, quality = judge_light(measurement, model, quality)
    if empty:
        recalibrated = replace(recalibrated, output=np.zeros_like(recalibrated.output))
    depths_um, depth_sds_um = model.layer_depths(recalibrated)
    if model.usable_recalibration and outputs.predicted_depths_um is None:
        depth_sds_um = model.usable_recalibration.depth_sds(depth_sds_um)
    training_sds_um = np.array([layer.sd for layer in description.layer_depths_um])
    if quality.out_of_distribution:
        quality = replace(
            quality, note="; ".join(filter(None, [quality.note, _mirrored_note(measurement, model, quality)]))
        )
        depth_sds_um = np.maximum(depth_sds_um.T, training_sds_um).T  # of layers, or maps of them
    elif depth_sds_um.ndim > 1:
        widened = np.maximum(depth_sds_um, training_sds_um[:, None, None])
        depth_sds_um = np.where(unlike, widened, depth_sds_um)
    occupancy = np.ones(description.n_layers) if outputs.occupancy is None else outputs.occupancy
    found = slice(None if recalibrated.n_found is None else max(1, recalibrated.n_found))
    probability, depths_um, depth_sds_um = recalibrated.output[found], depths_um[found], depth_sds_um[found]
    if recalibrated.n_found == 0:  # a layer without cells, which may be anywhere
        depths_um, depth_sds_um = np.full((2, 1), [[0.5], [1 / math.sqrt(12)]]) * model.sensor_separation_um
    return Reconstruction(
        measurement=measurement,
        probability=probability,
        depths_um=_average_over_field(depths_um, probability),
        depth_sds_um=_average_over_field(depth_sds_um, probability),
        occupancy=_average_over_field(occupancy[found], probability),
        foci=find_foci(probability, threshold, depths_um, depth_sds_um, model.pixel_pitch_um),
        threshold=threshold,
        pixel_pitch_um=model.pixel_pitch_um,
        sensor_depths_um=(0.0, model.sensor_separation_um)[: len(measurement)],
        quality=quality,
        tiles=prediction.tiles(model, probability),
    )


def outline_foci(result: Reconstruction) -> list[npt.NDArray[np.floating]]:
    """Outline of each focus, as corners x, y `(N, 2)`, or the place of each single cell `(1, 2)` [pixels]."""
    if result.is_of_cells:
        places = result.foci[["x_um", "y_um"]].to_numpy(float) / result.pixel_pitch_um
        return list(places[:, None])
    if result.is_of_layers:
        regions = [region for mask in result.mask for region in regionprops(number_foci(mask))]
        return [_outline(region.image, region.bbox[:2]) for region in regions]
    return [_outline(body.image.any(0), body.bbox[1:3]) for body in regionprops(label(result.mask))]


def _outline(region: npt.NDArray[np.bool_], first: tuple[int, ...]) -> npt.NDArray[np.floating]:
    """Corners x, y `(N, 2)` of a region, without its holes, whose first pixel has the numbers `first` in y and x."""
    contour = max(find_contours(np.pad(region, 1).astype(float), 0.5, "high"), key=len)
    return np.asarray(contour[:, ::-1] - 0.5 + first[::-1])


def _check_n_layers(model: Model, n_layers: int | None) -> None:
    counts, most = model.task.spec.counts_layers, model.description.n_layers
    if n_layers is not None and not (0 <= n_layers <= most if counts else n_layers == most):
        expected = f"0 to {most}" if counts else f"{most}, or a model for any number of layers"
        raise InputError(f"n_layers is {n_layers}; expected {expected}, as of the model {model.description.network}.")


def _mirrored_note(measurement: npt.NDArray[Any], model: Model, quality: Quality) -> str:
    """Advice where a flagged measurement `(S, Y, X)` of one tile would not be flagged with sensor B mirrored."""
    recalibration = model.usable_recalibration
    is_tile = len(measurement) == 2 and measurement.shape[1:] == (model.description.n_pixels,) * 2
    if not is_tile or recalibration is None or quality.score is None:
        return ""
    scores = predict_measurement(np.stack([measurement[0], measurement[1, :, ::-1]]), model).scores
    if scores is None or scores.max() > min(recalibration.reference.threshold, quality.score - MIN_SCORE_DROP):
        return ""
    return "with the image of sensor B mirrored in x it would be in distribution: set mirrored"


def _average_over_field(values: npt.NDArray[Any], probability: npt.NDArray[np.float32]) -> tuple[float, ...]:
    """Values `(L,)` of the layers, or means of maps `(L, Y, X)` of a field of tiles, weighted with the probability."""
    if values.ndim == 3:
        values = np.average(values, (1, 2), probability + 1e-12)
    return tuple(values.tolist())
