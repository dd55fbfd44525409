"""Reconstruction of an acquisition: images of the sensors in, a volume of cells and a table of foci out."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from foci3d.confidence.quality import Quality, assess_quality, find_usable_recalibration
from foci3d.confidence.recalibration import layer_depths
from foci3d.confidence.reliability import confidence
from foci3d.config.tasks import TASKS, OutputKind, tasks_of_kind
from foci3d.errors import InputError
from foci3d.evaluation.metrics import CELL_THRESHOLD
from foci3d.io.samples import Outputs
from foci3d.learning.inference import Model
from foci3d.learning.recalibration import Recalibration
from foci3d.reconstruction.foci import find_foci
from foci3d.reconstruction.tiles import Tiling, predict_field

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reconstruction:
    """A reconstructed acquisition.

    Parameters
    ----------
    measurement : ndarray (S, Y, X)
        Images of the sensors.
    probability : ndarray (L, Y, X), float32
        Probability of a cell, 0 to 1; recalibrated if the model has a recalibration.
    depths_um, depth_sds_um : tuple of L floats
        Predicted depth of each layer with its standard deviation [um], recalibrated if the model has a
        recalibration; of a model that predicts none, mean and standard deviation in its training data. Where `quality`
        flags the measurement, standard deviations are at least those in the training data.
    occupancy : tuple of L floats
        Probability that a layer holds cells; 1 of a model that predicts none.
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

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """Whether a pixel is classified as a cell, `(L, Y, X)`."""
        return self.probability > self.threshold

    @property
    def uncertainty(self) -> npt.NDArray[np.float32]:
        """Probability of the less probable class, cell or empty, `(L, Y, X)`: 0 is certain, 0.5 is a guess."""
        return np.asarray(1 - confidence(self.probability), np.float32)


def reconstruct(
    measurement: npt.NDArray[Any],
    model: Model,
    *,
    threshold: float = CELL_THRESHOLD,
    recalibration: Recalibration | None = None,
    pixel_pitch_um: float | None = None,
    device: torch.device | str = "auto",
    average_symmetries: bool = False,
) -> Reconstruction:
    """Reconstruct an acquisition in 3D.

    Parameters
    ----------
    measurement : ndarray (S, Y, X)
        Images of the sensors, linear in light, in any unit that they share. A field larger than that of the model is
        reconstructed by overlapping tiles, see `foci3d.reconstruction.tiles`.
    model : Model
        A model that predicts the probability of a cell in each layer.
    threshold : float
        Probability above which a pixel is classified as a cell, 0 to 1.
    recalibration : Recalibration, optional
        Calibration of the model. Without it, probabilities and standard deviations are as predicted, and some of the
        quality is not available.
    pixel_pitch_um : float, optional
        Distance between neighbouring pixels [um]; by default that of the model's imager.
    device : torch.device or str
        Where to compute, see `Model.predict`.
    average_symmetries : bool
        Whether to average over the symmetries of the imager, see `Model.predict`.

    Returns
    -------
    Reconstruction
        Probabilities, depths, foci and quality.

    Raises
    ------
    InputError
        If the model is for another task, or the measurement does not fit it, see `Model.predict`.
    """
    description = model.description
    if not TASKS[description.task].predicts_cells:
        raise InputError(
            f"model {description.network}: the task is {description.task}; expected "
            f"{tasks_of_kind(OutputKind.CELL_PROBABILITIES)}, choose another model."
        )

    def predict(tiles: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[Any]]:
        return model.predict(tiles, device, average_symmetries=average_symmetries).arrays()

    n_pixels = description.n_pixels
    if measurement.shape[1:] == (n_pixels, n_pixels):
        outputs = Outputs(**predict(measurement[None]))[0]
    else:
        edge = n_pixels // 6
        outputs = Outputs(**predict_field(predict, measurement, Tiling(n_pixels, cut=edge, ramp=edge)))
    usable, note = find_usable_recalibration(recalibration, average_symmetries=average_symmetries)
    probability = usable.probabilities(outputs.output) if usable else outputs.output
    depths_um, depth_sds_um = layer_depths(outputs, description)
    quality = assess_quality(measurement, outputs, probability, model, usable, note)
    if usable:
        depth_sds_um = usable.depth_sds(depth_sds_um)
    if quality.flagged:
        depth_sds_um = np.maximum(depth_sds_um, [layer.sd for layer in description.layer_depths_um])
    occupancy = np.ones(description.n_layers) if outputs.occupancy is None else outputs.occupancy
    pitch_um = description.pixel_pitch_um if pixel_pitch_um is None else pixel_pitch_um
    return Reconstruction(
        measurement=measurement,
        probability=probability,
        depths_um=_average_over_field(depths_um, probability),
        depth_sds_um=_average_over_field(depth_sds_um, probability),
        occupancy=_average_over_field(occupancy, probability),
        foci=find_foci(probability, threshold, depths_um, depth_sds_um, pitch_um),
        threshold=threshold,
        pixel_pitch_um=pitch_um,
        sensor_depths_um=(0.0, model.sensor_separation_um)[: len(measurement)],
        quality=quality,
    )


def reconstruct_series(frames: npt.NDArray[Any], model: Model, **options: Any) -> list[Reconstruction]:
    """Reconstruct each of the `frames (T, S, Y, X)` of an acquisition, and log the quality of each.

    The `options` are those of `reconstruct`.
    """
    results = []
    for number, frame in enumerate(frames):
        results.append(reconstruct(frame, model, **options))
        log.info("frame %d of %d: %d foci; %s", number, len(frames), len(results[-1].foci), results[-1].quality)
    return results


def _average_over_field(values: npt.NDArray[Any], probability: npt.NDArray[np.float32]) -> tuple[float, ...]:
    """Values `(L,)` of the layers, or means of maps `(L, Y, X)` of a field of tiles, weighted with the probability."""
    if values.ndim == 3:
        values = np.average(values, (1, 2), probability)
    return tuple(values.tolist())
