r"""Alignment: what distinguishes an imager of two sensors from its description, from its acquisitions.

**Layers of cells** determine offsets, and gain, shift and rotation of sensor B. Offsets are those of
`foci3d.reconstruction.conditioning`. The other parameters are those for which the corrected measurements :math:`y_i`
agree best with what the network makes of them,

.. math:: J(\theta) = \sum_i \log r_i(\theta) + \log H_i(\theta) + \frac{\kappa}{2} \sum_k (\theta_k / \sigma_k)^2 ,

with the residual r of the prediction rendered again at low spatial frequencies, and the mean entropy H of its
probabilities: through wrong optics, the layers explain the measurement less well, and are harder to separate. The
last term is a weak prior. A least-squares fit with the predicted layers kept fixed is not used: the prediction adapts
to wrong optics, so such a fit converges too slowly for shifts. Standard errors are those of an M-estimator, from the
spread of the gradients among the acquisitions (sandwich formula). Layers do not determine the separation: the network
adapts to a wrong one, and free non-negative layers explain any.

**Single cells or beads** determine all but the offsets, see `foci3d.reconstruction.cell_alignment`. All distances grow
by a factor with the separation of the sensors as with the width of the point-spread function, so the two cannot be
distinguished: one is given, and the other fitted.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import entr

from foci3d.confidence.consistency import low_frequency_residual
from foci3d.config.samples import Acquisition
from foci3d.errors import InputError
from foci3d.io.images import read_acquisition
from foci3d.learning.model import Model
from foci3d.learning.networks import PhysicsNetwork
from foci3d.reconstruction.cell_alignment import align_cells
from foci3d.reconstruction.conditioning import MIN_DEVIATIONS, estimate_offsets, fill_defects, find_defects
from foci3d.reconstruction.imager_correction import Deviation, ImagerCorrection

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]
Criterion = Callable[[Floats], Floats]

NAMES = ("gain_b", "shift_y_px", "shift_x_px", "rotation_deg")
PRIOR_MEAN = np.array([1.0, 0.0, 0.0, 0.0])
PRIOR_SD = np.array([0.3, 3.0, 3.0, 3.0])
BOUNDS = np.array([[0.5, 2.0], [-6.0, 6.0], [-6.0, 6.0], [-6.0, 6.0]])
FIRST_STEPS = np.array([0.05, 0.5, 0.5, 1.0])
"""Mean, standard deviation and bounds of the parameters before the acquisitions are seen, and steps of the search."""

N_FIRST = 3
"""Parameters that are found before the others: gain and shift."""

RESIDUAL_ALONE, RESIDUAL_AND_ENTROPY = np.array([1.0, 0.0]), np.array([1.0, 1.0])
"""Weights of residual and entropy. Far from the minimum, a network may be certain and wrong."""

PRIOR_WEIGHT = 0.002
N_SWEEPS = 3
MAX_MOVES = 6
"""Sweeps over the parameters, with half the steps each time, and moves of a parameter in each."""

MIN_ERRORS = 2.0
"""Standard errors by which a parameter must differ from its description; else it is taken as described."""

MAX_WINDOWS = 2
"""Windows of a large field along each axis."""


Fit = Literal["separation", "width", "neither"]


def align(
    acquisitions: Sequence[Acquisition],
    model: Model,
    *,
    specimen: Literal["layers", "cells"] = "layers",
    fit: Fit | None = None,
) -> ImagerCorrection:
    """Find the deviations of an imager from its description.

    Parameters
    ----------
    acquisitions : sequence of Acquisition
        Acquisitions of one imager with two sensors; more of them determine more. Of a time series, the first frame
        counts.
    model : Model
        A model that reconstructs two sensors, with the point-spread function and the described separation.
    specimen : {"layers", "cells"}
        Layers of cells, or a few single cells or beads, smaller than a pixel, in each acquisition. These determine all
        but offsets, and far better.
    fit : {"separation", "width", "neither"}, optional
        Which of the two that cannot be distinguished to fit; the other is taken as it is described. By default the
        separation from single cells. Layers determine neither.

    Returns
    -------
    ImagerCorrection
        Deviations with their standard errors, for `foci3d.reconstruct_acquisition`. One that is smaller than two of
        its standard errors is taken as none.

    Raises
    ------
    InputError
        If an image does not fit, there is one sensor, the model does not use the PSF, or the acquisitions do not
        determine what is to be fitted.
    """
    uses_psf = isinstance(model.network, PhysicsNetwork) or specimen == "cells"
    if model.description.in_channels != 2 or not uses_psf or model.psf is None:
        raise InputError(
            f"model {model.description.network}: alignment needs a network of two sensors that uses the PSF, and "
            "the point-spread function. Choose another model, such as the released two_sensors, and give the PSF."
        )
    if specimen == "layers" and fit not in (None, "neither"):
        raise InputError(
            f"fit: found {fit} with layers, which do not determine it; expected acquisitions of a few single cells or "
            "beads. Record some and align with specimen cells, or fit neither."
        )
    size = model.description.n_pixels
    measured = [read_acquisition(each, size) for each in acquisitions]
    frames = [fill_defects(each.values[0], each.defects) for each in measured]
    if specimen == "layers":
        return align_measurements(frames, model)
    return align_single_cells(frames, model, fit or "separation")


def align_single_cells(
    measurements: Sequence[npt.NDArray[np.float32]], model: Model, fit: Fit = "separation"
) -> ImagerCorrection:
    """Find the deviations from `measurements` of single cells, each `(2, Y, X)`."""
    assert model.psf is not None
    parameters, errors = align_cells(measurements, model.psf, model.sensor_separation_um)
    deviations, notes = _deviations(parameters[:-1], errors[:-1])
    factor, error = float(parameters[-1]), float(errors[-1])
    factor = 1.0 if abs(factor - 1) < MIN_ERRORS * error else factor
    found: dict[str, Any] = {"n_acquisitions": len(measurements)}
    if fit != "neither":
        notes.append("separation and width of the point-spread function cannot be distinguished; one was fitted")
        found["distance_standard_error"] = error
        found |= {"sensor_separation_um": model.sensor_separation_um * factor} if fit == "separation" else {}
        found |= {"psf_width": _deviation(factor, error)} if fit == "width" else {}
    return ImagerCorrection().model_copy(update={**deviations, **found, "notes": tuple(notes)})


def align_measurements(measurements: Sequence[npt.NDArray[np.float32]], model: Model) -> ImagerCorrection:
    """Find the deviations from `measurements` of layers, each `(2, Y, X)`."""
    fast = replace(model, average_symmetries=False)
    images = [fill_defects(each, find_defects(each, model)) for each in measurements]
    parameters, offsets = _starting_point(images, fast)
    parameters = _minimize(_criterion(images, offsets, fast), parameters, N_FIRST, RESIDUAL_ALONE)
    offsets = _fit_offsets(images, parameters, fast)
    criterion = _criterion(images, offsets, fast)
    parameters = _minimize(criterion, parameters, len(NAMES), RESIDUAL_AND_ENTROPY)
    errors = _standard_errors(criterion, parameters) if len(images) > 1 else None
    return _describe(parameters, errors, offsets)


def _starting_point(images: Sequence[npt.NDArray[np.float32]], model: Model) -> tuple[Floats, Floats]:
    """Parameters and offsets to start from: with equal gains, or with that which makes the sensors equally bright."""
    means = np.array([each.mean((1, 2)) for each in images])
    ratio = float(np.exp(np.log(means[:, 1] / means[:, 0]).mean()))
    options = []
    for gain in (1.0, ratio):
        parameters = np.array([gain, *PRIOR_MEAN[1:]]).clip(*BOUNDS.T)
        offsets = _fit_offsets(images, parameters, model)
        residual = _criterion(images, offsets, model)(parameters)[:, 0].mean()
        options.append((residual, parameters, offsets))
    return min(options, key=lambda option: option[0])[1:]


def _fit_offsets(images: Sequence[npt.NDArray[np.float32]], parameters: Floats, model: Model) -> Floats:
    """Offsets `(N, S)` of the sensors in each acquisition, 0 where they are not determined on the average."""
    size, scale = model.description.n_pixels, np.array([1.0, parameters[0]])
    if any(each.shape[1:] != (size, size) for each in images):
        return np.zeros((len(images), 2))
    correction = _correction(parameters, np.zeros(2))
    fits = [estimate_offsets(correction.apply(each).astype(np.float32), model.forward_model) for each in images]
    offsets = np.array([fitted for fitted, _ in fits])
    determined = offsets.mean(0) > MIN_DEVIATIONS * np.mean([sd for _, sd in fits])
    return np.where(determined, offsets * scale, 0.0)


def _correction(parameters: Floats, offsets: Floats) -> ImagerCorrection:
    """What the parameters correct in images."""
    values = dict(zip((*NAMES, "offset_a", "offset_b"), (*parameters, *offsets), strict=True))
    return ImagerCorrection.model_validate({name: {"value": float(value)} for name, value in values.items()})


def _deviation(value: float, error: float | None) -> Deviation:
    return Deviation(value=float(value), standard_error=None if error is None else float(error))


def _deviations(parameters: Floats, errors: Floats | None) -> tuple[dict[str, Deviation], list[str]]:
    """Gain, shift and rotation by name, and notes on what is not determined."""
    known: list[float | None] = [None] * len(parameters)
    if errors is not None:
        known = list(errors)
        parameters = np.where(abs(parameters - PRIOR_MEAN) < MIN_ERRORS * errors, PRIOR_MEAN, parameters)
    deviations = dict(zip(NAMES, map(_deviation, parameters, known), strict=True))
    notes = [] if errors is not None else ["standard errors need several acquisitions"]
    for name, sd in zip(NAMES, PRIOR_SD, strict=True):
        error = deviations[name].standard_error
        if error is not None and error > sd / 2:
            notes.append(f"{name} is not determined: {deviations[name].value:.3g} ± {error:.2g}")
    return deviations, notes


def _describe(parameters: Floats, errors: Floats | None, offsets: Floats) -> ImagerCorrection:
    """The result of layers, with what they do not determine."""
    deviations, notes = _deviations(parameters, errors)
    spread = [None, None] if errors is None else offsets.std(0, ddof=1) / np.sqrt(len(offsets))
    offset_a, offset_b = map(_deviation, offsets.mean(0), spread)
    found: dict[str, Any] = {"n_acquisitions": len(offsets), "offset_a": offset_a, "offset_b": offset_b}
    return ImagerCorrection().model_copy(update={**deviations, **found, "notes": tuple(notes)})


def _criterion(images: Sequence[npt.NDArray[np.float32]], offsets: Floats, model: Model) -> Criterion:
    """From parameters to the logarithms of residual and entropy `(N, 2)`, means over the windows of each image."""
    size = model.description.n_pixels

    def cut(image: npt.NDArray[np.float32], correction: ImagerCorrection) -> npt.NDArray[np.float32]:
        corrected = correction.apply(image)
        starts = [np.unique(np.linspace(0, extent - size, MAX_WINDOWS).astype(int)) for extent in image.shape[1:]]
        windows = np.array([corrected[:, y : y + size, x : x + size] for y, x in product(*starts)], np.float32)
        return windows / windows.mean((1, 2, 3), keepdims=True)

    def terms(parameters: Floats) -> Floats:
        pairs = zip(images, offsets, strict=True)
        parts = [cut(image, _correction(parameters, offset)) for image, offset in pairs]
        windows, first = np.concatenate(parts), np.cumsum([0, *map(len, parts[:-1])])
        outputs = model.predict(windows, recalibrate=False)
        probability = outputs.output
        depths_um = np.broadcast_to(model.layer_depths(outputs)[0], probability.shape[:2])
        residual = low_frequency_residual(model.forward_model, windows, probability, depths_um)
        entropy = (entr(probability) + entr(1 - probability)).mean((1, 2, 3), dtype=float)
        logarithms = np.log(np.stack([residual, entropy], 1) + 1e-6)
        return np.add.reduceat(logarithms, first) / np.array([[len(part)] for part in parts])

    return terms


def _total(terms: Floats, parameters: Floats, weights: Floats) -> float:
    """Mean of the weighted `terms (N, 2)` at `parameters`, with their prior."""
    prior = PRIOR_WEIGHT / 2 * (((parameters - PRIOR_MEAN) / PRIOR_SD) ** 2).sum()
    return float(terms.mean(0) @ weights + prior)


def _minimize(criterion: Criterion, first: Floats, n_free: int, weights: Floats) -> Floats:
    """Bounded minimum by parabolas along each of the first `n_free` parameters in turn."""
    parameters, steps, terms = first, FIRST_STEPS.copy(), criterion(first)

    def at(index: int, change: float) -> tuple[float, Floats, Floats]:
        moved = parameters.copy()
        moved[index] = np.clip(moved[index] + change, *BOUNDS[index])
        found = criterion(moved) if change else terms
        return _total(found, moved, weights), moved, found

    for sweep in range(N_SWEEPS):
        for index in range(n_free):
            for _ in range(MAX_MOVES):
                low, middle, high = (at(index, sign * steps[index]) for sign in (-1, 0, 1))
                curvature = low[0] - 2 * middle[0] + high[0]
                move = (low[0] - high[0]) / (2 * curvature) if curvature > 0 else 2 * np.sign(low[0] - high[0])
                vertex = at(index, steps[index] * np.clip(move, -2, 2))
                _, parameters, terms = min((low, middle, high, vertex), key=lambda option: option[0])
                if abs(move) < 1:
                    break
        log.info("sweep %d: %s", sweep + 1, ", ".join(f"{n} {v:.4g}" for n, v in zip(NAMES, parameters, strict=True)))
        steps = steps / 2
    return parameters


def _standard_errors(criterion: Criterion, parameters: Floats) -> Floats:
    """Standard errors of the parameters."""
    steps, middle = FIRST_STEPS / 2, criterion(parameters)
    gradients, curvatures = [], []
    for index, step in enumerate(steps):
        low, high = (criterion(parameters + sign * steps * (np.arange(len(steps)) == index)) for sign in (-1, 1))
        gradients.append((high - low) @ RESIDUAL_AND_ENTROPY / (2 * step))
        curvatures.append(float(((low - 2 * middle + high) @ RESIDUAL_AND_ENTROPY).mean()) / step**2)
    spread = np.std(gradients, 1, ddof=1) / np.sqrt(len(middle))
    prior = PRIOR_WEIGHT / PRIOR_SD**2
    return np.minimum(spread / np.maximum(curvatures + prior, prior), PRIOR_SD)
