"""Classical reconstruction: deconvolution with a known point-spread function at given depths.

A method takes measurements `(N, S, P, P)` and the `FourierOperator` of their stacks, and returns layers `(N, L, P, P)`.
Unlike a network it is given the depth of each layer. Its free parameters, the smoothing of its layers and the scale of
its probabilities are tuned on validation samples.

`classical_method` registers a method with the class of its settings, from here or from a user's own file.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import gaussian_filter
from skimage import restoration
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import ParameterGrid
from torch import Tensor

from foci3d.config.classical_methods import (
    CLASSICAL_METHODS,
    BackProjectionConfig,
    ClassicalMethod,
    IdentityConfig,
    LayeredWienerConfig,
    NonnegativeLeastSquaresConfig,
    RichardsonLucyConfig,
    WienerConfig,
)
from foci3d.evaluation import metrics
from foci3d.optics.forward import ForwardModel, FourierOperator

log = logging.getLogger(__name__)

Array = npt.NDArray[np.float32]
Masks = npt.NDArray[np.uint8]
Method = Callable[..., Tensor]
Postprocess = Callable[[Array], Array]

BATCH_SIZE = 32
"""Samples that are reconstructed together."""

METHODS: dict[str, Method] = {}
"""The registered methods by name."""


def classical_method(name: str, settings: type[ClassicalMethod]) -> Callable[[Method], Method]:
    """Register the decorated function as a classical method.

    Parameters
    ----------
    name : str
        Name in the configuration.
    settings : type of ClassicalMethod
        Its settings: `name`, and a tuple of candidates for each parameter. The function takes measurements, the
        `FourierOperator`, and one value of each parameter by name.
    """
    CLASSICAL_METHODS.add(name)(settings)

    def register(method: Method) -> Method:
        METHODS[name] = method
        return method

    return register


@classical_method("identity", IdentityConfig)
def identity(measurements: Tensor, operator: FourierOperator) -> Tensor:
    """Sensor A's measurement as every layer: no reconstruction at all."""
    return measurements[:, :1].expand(-1, operator.transfer.shape[2], -1, -1)


@classical_method("wiener", WienerConfig)
def wiener(measurements: Tensor, operator: FourierOperator, balance: float) -> Tensor:
    """Wiener deconvolution of a single layer with a Laplacian prior of weight `balance`, by scikit-image."""
    return _restore(
        measurements, operator, lambda image, kernel: restoration.wiener(image, kernel, balance, clip=False)
    )


@classical_method("richardson_lucy", RichardsonLucyConfig)
def richardson_lucy(measurements: Tensor, operator: FourierOperator, iterations: int) -> Tensor:
    """Richardson-Lucy deconvolution of a single layer, by scikit-image."""
    return _restore(
        measurements, operator, lambda image, kernel: restoration.richardson_lucy(image, kernel, iterations, clip=False)
    )


def _restore(measurements: Tensor, operator: FourierOperator, restore: Callable[[Array, Array], Array]) -> Tensor:
    """Apply a method of scikit-image to sensor A's measurements, extended by half their width with their edges."""
    n_pixels = measurements.shape[-1]
    margin = n_pixels // 2
    field = slice(margin, margin + n_pixels)
    padded = torch.nn.functional.pad(measurements[:, :1], (margin,) * 4, mode="replicate").numpy()
    pairs = zip(padded[:, 0], operator.kernels[:, 0, 0].numpy(), strict=True)
    restored = np.stack([restore(image, kernel) for image, kernel in pairs])
    return torch.from_numpy(restored[:, None, field, field].astype(np.float32))


@classical_method("back_projection", BackProjectionConfig)
def back_projection(measurements: Tensor, operator: FourierOperator) -> Tensor:
    """Adjoint of the forward operator: the light of each pixel, back to where it may have come from."""
    return operator.adjoint(measurements)


@classical_method("layered_wiener", LayeredWienerConfig)
def layered_wiener(measurements: Tensor, operator: FourierOperator, noise_to_signal: float) -> Tensor:
    r"""Joint Tikhonov solution for all layers from all sensors.

    At each spatial frequency, with the S x L matrix H of the transfer functions,
    :math:`\hat x = H^* (H H^* + \epsilon)^{-1} y`, which minimises :math:`|H x - y|^2 + \epsilon |x|^2`.

    Parameters
    ----------
    measurements : Tensor (N, S, P, P)
        Measurements.
    operator : FourierOperator
        The forward operator.
    noise_to_signal : float
        :math:`\epsilon`, power of the noise over that of each layer.

    Returns
    -------
    Tensor (N, L, P, P)
        Layers.
    """
    system = operator.transfer.movedim((1, 2), (-2, -1))
    gram = system @ system.mH + noise_to_signal * torch.eye(measurements.shape[1], dtype=measurements.dtype)
    spectra = operator.spectra(measurements).movedim(1, -1)[..., None]
    return operator.layers((system.mH @ torch.linalg.solve(gram, spectra)).squeeze(-1).movedim(-1, 1))


@classical_method("nonnegative_least_squares", NonnegativeLeastSquaresConfig)
def nonnegative_least_squares(measurements: Tensor, operator: FourierOperator, iterations: int) -> Tensor:
    """Non-negative layers that explain the measurements, approached by accelerated projected gradients.

    This is FISTA (Beck and Teboulle, SIAM J. Imaging Sci. 2, 2009) from zero. Fewer iterations regularise more.

    Parameters
    ----------
    measurements : Tensor (N, S, P, P)
        Measurements.
    operator : FourierOperator
        The forward operator; its kernels are non-negative and have sums of at most 1.
    iterations : int
        Number of gradient steps.

    Returns
    -------
    Tensor (N, L, P, P)
        Layers.
    """
    # No kernel amplifies any frequency, so the squared norm of the S x L operator is at most S L.
    step = 1 / (operator.transfer.shape[1] * operator.transfer.shape[2])
    layers = torch.zeros_like(operator.adjoint(measurements))
    ahead, momentum = layers, 1.0
    for _ in range(iterations):
        previous = layers
        layers = (ahead - step * operator.adjoint(operator.forward(ahead) - measurements)).clamp(min=0)
        next_momentum = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead = layers + (momentum - 1) / next_momentum * (layers - previous)
        momentum = next_momentum
    return layers


def reconstruct(
    forward: ForwardModel, measurements: Array, depths_um: Array, method: str, parameters: Mapping[str, float]
) -> Array:
    """Reconstruct the layers of stacks.

    Parameters
    ----------
    forward : ForwardModel
        The imager.
    measurements : ndarray (N, S, P, P)
        Measurements [a.u.].
    depths_um : ndarray (N, L)
        Distances of the layers from sensor A [um].
    method : str
        One of `METHODS`.
    parameters : mapping of str to float
        The method's parameters by name.

    Returns
    -------
    ndarray (N, L, P, P)
        Layers [a.u.].

    Raises
    ------
    InputError
        If a depth lies outside the depths of the point-spread function.
    """
    batches = zip(*(torch.from_numpy(values).split(BATCH_SIZE) for values in (measurements, depths_um)), strict=True)
    return torch.cat([METHODS[method](batch, forward.at(depths), **parameters) for batch, depths in batches]).numpy()


def inexact_depths(depths_um: Array, sd_um: float, range_um: tuple[float, float], seed: Sequence[int]) -> Array:
    """Depths with normally distributed errors, as a method is given that does not know them exactly.

    Parameters
    ----------
    depths_um : ndarray
        True depths [um].
    sd_um : float
        Standard deviation of the errors [um]; 0 for the true depths.
    range_um : tuple of float
        Lowest and highest depth [um]; depths beyond are set to it.
    seed : sequence of int
        Seed of the errors, which do not depend on the depths.

    Returns
    -------
    ndarray
        Depths [um], of the shape of `depths_um`.
    """
    if sd_um == 0:
        return depths_um
    errors_um = sd_um * np.random.default_rng(seed).standard_normal(depths_um.shape)
    return (depths_um + errors_um).clip(*range_um).astype(np.float32)


def smooth(layers: Array, sigma_px: float) -> Array:
    """Layers after a Gaussian filter of standard deviation `sigma_px` [pixels] in y and x."""
    return np.asarray(gaussian_filter(layers, (0, 0, sigma_px, sigma_px)))


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


@dataclass(frozen=True)
class Objective:
    """What a task of classical methods predicts, and the error to minimise.

    Parameters
    ----------
    target : str
        The array of a shard that is predicted.
    fit : callable
        From layers and target `(N, L, P, P)` to the postprocessing of layers and the error, 0 to 1, that remains.
    """

    target: str
    fit: Callable[..., tuple[Postprocess, float]]


OBJECTIVES = {"deblurring": Objective("layers", _fit_images), "masks": Objective("masks", _fit_masks)}
"""The tasks of `BaselineConfig`."""


@dataclass(frozen=True)
class TunedMethod:
    """A classical method with all its free parameters.

    Parameters
    ----------
    name : str
        One of `METHODS`.
    parameters : mapping of str to float
        The method's parameters by name.
    smoothing_sigma_px : float
        Standard deviation of the Gaussian filter behind the method [pixels].
    postprocess : callable
        From smoothed layers to the output of the task: an `IsotonicCalibrator`, or the identity for images.
    error : float
        Error on the validation samples, 0 to 1.
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
    task: str,
    smoothing_sigma_px: Sequence[float],
    forward: ForwardModel,
    samples: Mapping[str, npt.NDArray[Any]],
) -> TunedMethod:
    """Tune the free parameters of a method: the combination with the least error on validation samples.

    Parameters
    ----------
    method : ClassicalMethod
        The method with the candidates for each parameter; every combination is tried.
    task : str
        One of `OBJECTIVES`.
    smoothing_sigma_px : sequence of float
        Candidates for the Gaussian filter behind the method [pixels].
    forward : ForwardModel
        The imager.
    samples : mapping of str to ndarray
        Arrays of the validation samples as in a shard: sensors, depths_um and the target of the objective.

    Returns
    -------
    TunedMethod
        The best combination.

    Raises
    ------
    InputError
        If a depth lies outside the depths of the point-spread function.
    """
    objective, tried = OBJECTIVES[task], []
    for parameters in ParameterGrid(method.candidates):
        layers = reconstruct(forward, samples["sensors"], samples["depths_um"], method.name, parameters)
        for sigma_px in smoothing_sigma_px:
            postprocess, error = objective.fit(smooth(layers, sigma_px), samples[objective.target])
            log.info("%s %s, smoothing %g px: error %.2f %%", method.name, parameters or "", sigma_px, 100 * error)
            tried.append(TunedMethod(method.name, parameters, sigma_px, postprocess, error))
    return min(tried, key=lambda candidate: candidate.error)
