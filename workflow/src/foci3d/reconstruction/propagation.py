"""Errors of the corrections of a measurement, propagated to the depths that are reconstructed from it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from foci3d.learning.model import Model
from foci3d.reconstruction.volume import Reconstruction

Floats = npt.NDArray[np.floating]


def propagate_errors(result: Reconstruction, variants: Sequence[Floats], model: Model) -> Reconstruction:
    """Add the errors of corrections to the standard deviations of depths.

    Parameters
    ----------
    result : Reconstruction
        Reconstruction of a measurement.
    variants : sequence of ndarrays (S, Y, X)
        The measurement with one of its corrections changed by its standard error each, see
        `foci3d.reconstruction.conditioning.Conditioning`.
    model : Model
        The model that reconstructed it.

    Returns
    -------
    Reconstruction
        The squares of the changes of each depth are added to its variance. It is unchanged for what was fitted,
        for fields larger than that of the model, and for models that predict no depths.
    """
    size, n_layers = model.description.n_pixels, len(result.depths_um)
    if not variants or not result.is_of_layers or result.measurement.shape[1:] != (size, size):
        return result
    plain = replace(model, average_symmetries=False)
    images = np.stack([result.measurement, *variants])
    counts = np.full(len(images), n_layers) if model.task.spec.counts_layers else None
    outputs = plain.predict(images, recalibrate=False, n_layers=counts)
    if outputs.predicted_depths_um is None:
        return result
    depths_um = outputs.predicted_depths_um[:, :n_layers]
    variances = ((depths_um[1:] - depths_um[0]) ** 2).sum(0)
    sds_um = np.sqrt(np.square(result.depth_sds_um) + variances)
    of_foci = variances[result.foci["layer"].to_numpy(int) - 1]
    foci = result.foci.assign(depth_sd_um=np.sqrt(result.foci["depth_sd_um"] ** 2 + of_foci))
    return replace(result, depth_sds_um=tuple(sds_um.tolist()), foci=foci)
