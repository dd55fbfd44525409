"""Classical reconstruction: deconvolution with a known point-spread function at given depths.

A method takes measurements `(N, S, P, P)` and the `FourierOperator` of their stacks, and returns layers `(N, L, P, P)`.
Unlike a network it is given the depth of each layer. Its free parameters are tuned by `foci3d.classical.tuning`.

`classical_method` registers a method with the class of its settings, from here or from a user's own file.
"""

import logging
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from skimage import restoration
from torch import Tensor

from foci3d.classical.nonnegative import fit_nonnegative
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
from foci3d.io.progress import Progress
from foci3d.optics.forward import ForwardModel, FourierOperator

log = logging.getLogger(__name__)

Array = npt.NDArray[np.float32]
Method = Callable[..., Tensor]

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
    return _restore(measurements, operator, partial(restoration.wiener, balance=balance, clip=False))


@classical_method("richardson_lucy", RichardsonLucyConfig)
def richardson_lucy(measurements: Tensor, operator: FourierOperator, iterations: int) -> Tensor:
    """Richardson-Lucy deconvolution of a single layer, by scikit-image."""
    return _restore(measurements, operator, partial(restoration.richardson_lucy, num_iter=iterations, clip=False))


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
    `noise_to_signal` is :math:`\epsilon`, the power of the noise over that of each layer.
    """
    system = operator.transfer.movedim((1, 2), (-2, -1))
    gram = system @ system.mH + noise_to_signal * torch.eye(measurements.shape[1], dtype=measurements.dtype)
    spectra = operator.spectra(measurements).movedim(1, -1)[..., None]
    return operator.layers((system.mH @ torch.linalg.solve(gram, spectra)).squeeze(-1).movedim(-1, 1))


@classical_method("nonnegative_least_squares", NonnegativeLeastSquaresConfig)
def nonnegative_least_squares(measurements: Tensor, operator: FourierOperator, iterations: int) -> Tensor:
    """Non-negative layers that explain the measurements best, see `fit_nonnegative`."""
    return fit_nonnegative(measurements, operator, iterations)[0]


def reconstruct(
    forward: ForwardModel, measurements: Array, depths_um: Array, method: str, parameters: Mapping[str, float]
) -> Array:
    """Reconstruct layers `(N, L, P, P)` at `depths_um (N, L)` from `measurements (N, S, P, P)` [a.u.].

    `method` is one of `METHODS`, `parameters` are its own by name; InputError if a depth lies outside the depths of the
    point-spread function.
    """
    layers: list[Tensor] = []
    progress = Progress(log, "samples", len(measurements))
    for first in range(0, len(measurements), BATCH_SIZE):
        rows = slice(first, first + BATCH_SIZE)
        batch, depths = torch.from_numpy(measurements[rows]), torch.from_numpy(depths_um[rows])
        layers.append(METHODS[method](batch, forward.at(depths), **parameters))
        progress.report(first + len(batch))
    return torch.cat(layers).numpy()
