"""Kinds of specimens: layers of cells, which a network reconstructs; single cells and volumes, which are fitted."""

import logging
from dataclasses import replace
from typing import Any

import numpy.typing as npt

from foci3d.config.fields import Specimen
from foci3d.evaluation.metrics import CELL_THRESHOLD
from foci3d.learning.model import Model
from foci3d.reconstruction.cells import describe_fit, localize_field, point_localizer, render_cells
from foci3d.reconstruction.thick import reconstruct_volume
from foci3d.reconstruction.volume import Reconstruction, reconstruct

log = logging.getLogger(__name__)

MAX_MISFIT = 1.5
"""Mean squared residual, in units of the noise, up to which single cells explain a measurement."""

MAX_CELLS_PER_PIXEL = 0.025
"""Single cells per pixel of a sensor, at most: four parameters for each are a tenth of the readings of one sensor."""


def reconstruct_specimen(
    measurement: npt.NDArray[Any],
    model: Model,
    specimen: Specimen = "layers",
    threshold: float = CELL_THRESHOLD,
    n_layers: int | None = None,
) -> Reconstruction:
    """Reconstruct a measurement of a kind of specimen.

    Parameters
    ----------
    measurement : ndarray (S, Y, X)
        Images of the sensors, linear in light.
    model : Model
        Its network reconstructs layers; of single cells, its point-spread function and geometry are used.
    specimen : {"layers", "cells", "volume", "auto"}
        Layers of cells, a few single cells, a thick volume; or single cells if they explain the measurement to within
        its noise with few parameters, else layers, and the note of the quality says why.
    threshold : float
        Probability above which a pixel is classified as a cell, between 0 and 1.
    n_layers : int, optional
        Number of layers with cells where it is known, for a model that predicts it.

    Returns
    -------
    Reconstruction
        See `foci3d.reconstruct`, `foci3d.reconstruction.cells.render_cells` and
        `foci3d.reconstruction.thick.reconstruct_volume`.

    Raises
    ------
    InputError
        As of `reconstruct`, or if single cells or a volume are looked for without a point-spread function.
    """
    if specimen == "layers":
        return reconstruct(measurement, model, threshold=threshold, n_layers=n_layers)
    if specimen == "volume":
        return reconstruct_volume(measurement, model, threshold)
    fit = localize_field(measurement, point_localizer(model, len(measurement)))
    if specimen == "cells":
        return render_cells(fit, measurement, model, threshold)
    are_cells = fit.misfit <= MAX_MISFIT and len(fit.points) <= MAX_CELLS_PER_PIXEL * measurement[0].size
    verdict = "explains it" if are_cells else f"does not explain it (up to {MAX_MISFIT:g} x), so these are layers"
    reason = f"{describe_fit(fit)}, which {verdict}"
    log.info("specimen: %s", reason)
    if are_cells:
        return render_cells(fit, measurement, model, threshold)
    result = reconstruct(measurement, model, threshold=threshold, n_layers=n_layers)
    note = "; ".join(filter(None, [reason, result.quality.note]))
    return replace(result, quality=replace(result.quality, note=note))
