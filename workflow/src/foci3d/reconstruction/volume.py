"""Reconstruction of an acquisition: images of the sensors in, a volume of cells and a table of foci out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from foci3d.config.registry import MASK_TASKS
from foci3d.errors import InputError
from foci3d.evaluation.metrics import CELL_THRESHOLD
from foci3d.learning.inference import Model
from foci3d.learning.model_file import ModelDescription
from foci3d.reconstruction.foci import find_foci
from foci3d.reconstruction.tiles import Tiling, predict_field


@dataclass(frozen=True)
class Reconstruction:
    """A reconstructed acquisition.

    Parameters
    ----------
    measurement : ndarray (S, Y, X)
        Images of the sensors.
    probability : ndarray (L, Y, X), float32
        Probability of a cell, 0 to 1.
    depths_um, depth_sds_um : tuple of L floats
        Predicted depth of each layer with its standard deviation [um]; of a model that predicts none, mean and standard
        deviation in its training data.
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


def reconstruct(
    measurement: npt.NDArray[Any],
    model: Model,
    *,
    threshold: float = CELL_THRESHOLD,
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
        A model for the task `stacks` or `masks`.
    threshold : float
        Probability above which a pixel is classified as a cell, 0 to 1.
    pixel_pitch_um : float, optional
        Distance between neighbouring pixels [um]; by default that of the model's imager.
    device : torch.device or str
        Where to compute, see `Model.predict`.
    average_symmetries : bool
        Whether to average over the symmetries of the imager, see `Model.predict`.

    Returns
    -------
    Reconstruction
        Probabilities, depths and foci.

    Raises
    ------
    InputError
        If the model is for another task, or the measurement does not fit it, see `Model.predict`.
    """
    description = model.description
    if description.task not in MASK_TASKS:
        raise InputError(
            f"model {description.network}: the task is {description.task}; expected one of {', '.join(MASK_TASKS)}, "
            "choose another model."
        )

    def predict(tiles: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float32]]:
        return model.predict(tiles, device, average_symmetries=average_symmetries)

    n_pixels = description.n_pixels
    if measurement.shape[1:] == (n_pixels, n_pixels):
        outputs = {name: values[0] for name, values in predict(measurement[None]).items()}
    else:
        edge = n_pixels // 6
        outputs = predict_field(predict, measurement, Tiling(n_pixels, cut=edge, ramp=edge))
    probability = outputs["output"]
    depths_um, depth_sds_um, occupancy = _layer_values(outputs, description)
    pitch_um = description.pixel_pitch_um if pixel_pitch_um is None else pixel_pitch_um
    return Reconstruction(
        measurement=measurement,
        probability=probability,
        depths_um=depths_um,
        depth_sds_um=depth_sds_um,
        occupancy=occupancy,
        foci=find_foci(
            probability,
            threshold,
            outputs.get("predicted_depths_um", depths_um),
            outputs.get("predicted_depth_sds_um", depth_sds_um),
            pitch_um,
        ),
        threshold=threshold,
        pixel_pitch_um=pitch_um,
        sensor_depths_um=(0.0, model.sensor_separation_um)[: len(measurement)],
    )


def _layer_values(
    outputs: Mapping[str, npt.NDArray[np.float32]], description: ModelDescription
) -> tuple[tuple[float, ...], ...]:
    """Depths with their standard deviations [um] and probabilities of cells of the layers of one acquisition.

    `outputs` are values (L,), or maps (L, Y, X) of a field of tiles, whose mean is weighted with the probability.
    """
    names = ("predicted_depths_um", "predicted_depth_sds_um", "occupancy")
    if names[0] not in outputs:
        layers = description.layer_depths_um
        return tuple(layer.mean for layer in layers), tuple(layer.sd for layer in layers), (1.0,) * len(layers)
    weights = outputs["output"] if outputs[names[0]].ndim == 3 else np.ones_like(outputs[names[0]])
    axes = tuple(range(1, weights.ndim))
    return tuple(tuple(np.average(outputs[name], axes, weights).tolist()) for name in names)
