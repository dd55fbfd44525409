"""Classical methods tuned on validation samples: parameters, smoothing, and probabilities of cells from layers."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import ParameterGrid

from foci3d.classical.methods import Array, reconstruct
from foci3d.config.classical_methods import ClassicalMethod
from foci3d.config.tasks import OutputKind, TaskSpec
from foci3d.evaluation import metrics
from foci3d.io.samples import NumpySamples
from foci3d.optics.forward import ForwardModel

log = logging.getLogger(__name__)

Masks = npt.NDArray[np.uint8]
Postprocess = Callable[[Array], Array]


def inexact_depths(depths_um: Array, sd_um: float, range_um: tuple[float, float], seed: Sequence[int]) -> Array:
    """Depths with normally distributed errors, for a method that is not given the true `depths_um`.

    The errors have the standard deviation `sd_um`, 0 for the true depths, and depend on the `seed` alone; depths beyond
    `range_um` are set to its ends.
    """
    if sd_um == 0:
        return depths_um
    errors_um = sd_um * np.random.default_rng(seed).standard_normal(depths_um.shape)
    return (depths_um + errors_um).clip(*range_um).astype(np.float32)


def smooth(layers: Array, sigma_px: float) -> Array:
    """Layers after a Gaussian filter of standard deviation `sigma_px` [pixels] in y and x."""
    return np.asarray(gaussian_filter(layers, sigma_px, axes=(-2, -1)))


class IsotonicCalibrator:
    """Probabilities of a cell from reconstructed layers, by an increasing function for each layer.

    Each layer is first divided by its mean absolute value, because gains differ from layer to layer. The function is
    the isotonic regression of the masks, so that above one half most pixels hold cells.

    Parameters
    ----------
    layers : ndarray (N, L, P, P)
        Reconstructed layers.
    masks : ndarray (N, L, P, P)
        1 where the layers hold cells, else 0.
    """

    def __init__(self, layers: Array, masks: Masks) -> None:
        by_layer = zip(np.moveaxis(self._scale(layers), 1, 0), np.moveaxis(masks, 1, 0), strict=True)
        self._functions = [
            IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(values.ravel(), cells.ravel())
            for values, cells in by_layer
        ]

    def __call__(self, layers: Array) -> Array:
        """Probabilities `(N, L, P, P)` of reconstructed `layers (N, L, P, P)`."""
        by_layer = zip(self._functions, np.moveaxis(self._scale(layers), 1, 0), strict=True)
        probabilities = [function.predict(values.ravel()).reshape(values.shape) for function, values in by_layer]
        return np.stack(probabilities, 1).astype(np.float32)

    @staticmethod
    def _scale(layers: Array) -> Array:
        mean = np.abs(layers).mean((-2, -1), keepdims=True)
        return layers / np.maximum(mean, np.finfo(np.float32).tiny)


def _fit_images(layers: Array, target: Array) -> tuple[Postprocess, float]:
    return np.asarray, float(metrics.mean_defined(metrics.normalized_error(layers, target).ravel()))


def _fit_masks(layers: Array, target: Masks) -> tuple[Postprocess, float]:
    calibrator = IsotonicCalibrator(layers, target)
    predicted = calibrator(layers) > metrics.CELL_THRESHOLD
    return calibrator, float(metrics.Confusion.from_masks(predicted, target > 0).error.mean())


OBJECTIVES: dict[OutputKind, Callable[..., tuple[Postprocess, float]]] = {
    OutputKind.IMAGE: _fit_images,
    OutputKind.CELL_PROBABILITIES: _fit_masks,
}
"""By kind of output, a function from layers and target `(N, L, P, P)` to the postprocessing of layers and the error
that remains, 0 to 1, which is minimised."""


@dataclass(frozen=True)
class TunedMethod:
    """A classical method with all its free parameters.

    `postprocess` maps layers after a Gaussian filter of `smoothing_sigma_px` [pixels] to the output of the task: an
    `IsotonicCalibrator`, or the identity for images. `error`, 0 to 1, is that on the validation samples.
    """

    name: str
    parameters: Mapping[str, float]
    smoothing_sigma_px: float
    postprocess: Postprocess
    error: float

    def predict(self, forward: ForwardModel, measurements: Array, depths_um: Array) -> Array:
        """Output of the task `(N, L, P, P)` for `measurements (N, S, P, P)` of layers at `depths_um (N, L)`."""
        log.info("%s %s of %d samples", self.name, self.parameters or "", len(measurements))
        layers = reconstruct(forward, measurements, depths_um, self.name, self.parameters)
        return self.postprocess(smooth(layers, self.smoothing_sigma_px))


def tune(
    method: ClassicalMethod,
    spec: TaskSpec,
    smoothing_sigma_px: Sequence[float],
    forward: ForwardModel,
    samples: NumpySamples,
) -> TunedMethod:
    """Tune the free parameters of a method: the combination with the least error on validation samples.

    Parameters
    ----------
    method : ClassicalMethod
        The method with the candidates for each parameter; every combination is tried.
    spec : TaskSpec
        What the method predicts; a task with a `classical_target`.
    smoothing_sigma_px : sequence of float
        Candidates for the Gaussian filter behind the method [pixels].
    forward : ForwardModel
        The imager.
    samples : Samples
        The validation samples.

    Returns
    -------
    TunedMethod
        The best combination.

    Raises
    ------
    InputError
        If a depth lies outside the depths of the point-spread function.
    """
    fit, target, tried = OBJECTIVES[spec.kind], getattr(samples, spec.classical_target), []
    for parameters in ParameterGrid(method.candidates):
        layers = reconstruct(forward, samples.measurements, samples.depths_um, method.name, parameters)
        for sigma_px in smoothing_sigma_px:
            postprocess, error = fit(smooth(layers, sigma_px), target)
            log.info("%s %s, smoothing %g px: error %.2f %%", method.name, parameters or "", sigma_px, 100 * error)
            tried.append(TunedMethod(method.name, parameters, sigma_px, postprocess, error))
    return min(tried, key=lambda candidate: candidate.error)
