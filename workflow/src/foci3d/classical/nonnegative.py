"""Non-negative layers, and a constant of each sensor, that explain measurements: accelerated projected gradients."""

import torch
from torch import Tensor

from foci3d.optics.forward import FourierOperator


def fit_nonnegative(
    measurements: Tensor,
    operator: FourierOperator,
    n_iterations: int,
    *,
    offset_norm: float = 0.0,
    start: Tensor | None = None,
    valid: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Fit layers without negative values, and an offset of each sensor, by least squares.

    This is FISTA (Beck and Teboulle, SIAM J. Imaging Sci. 2, 2009) from zero, with a gradient step in each iteration,
    for kernels without negative values and with sums of at most 1. Fewer iterations regularise more.

    Parameters
    ----------
    measurements : Tensor (N, S, P, P)
        Measurements.
    operator : FourierOperator
        The operator of N stacks, or of one for all.
    n_iterations : int
        Iterations.
    offset_norm : float
        Norm of the unknown that is a constant of all pixels of a sensor. The larger it is, the more of what layers and
        a constant explain alike goes to the constant; with 0, there is none.
    start : Tensor (N, S), optional
        Offsets to start from. Layers and a constant may explain measurements equally well; then the fit stays near it.
    valid : Tensor (N, S, P, P), optional
        1 where a pixel is to be explained, 0 where it is not.

    Returns
    -------
    Tensor (N, L, P, P), Tensor (N, S)
        Layers, and offsets of at least 0.
    """
    column = offset_norm / measurements.shape[-1]
    # No kernel amplifies any frequency, so the squared norm of the S x L operator is at most S L.
    step = 1 / (operator.transfer.shape[1] * operator.transfer.shape[2] + offset_norm**2)
    offsets = measurements.new_zeros(measurements.shape[:2]) if start is None else start / column
    unknowns = [torch.zeros_like(operator.adjoint(measurements)), offsets]
    ahead, momentum = unknowns, 1.0
    for _ in range(n_iterations):
        residual = operator.forward(ahead[0]) + column * ahead[1][..., None, None] - measurements
        if valid is not None:
            residual = residual * valid
        gradients = operator.adjoint(residual), column * residual.sum((-2, -1))
        previous = unknowns
        unknowns = [(a - step * gradient).clamp(min=0) for a, gradient in zip(ahead, gradients, strict=True)]
        next_momentum = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        weight = (momentum - 1) / next_momentum
        ahead = [now + weight * (now - then) for now, then in zip(unknowns, previous, strict=True)]
        momentum = next_momentum
    return unknowns[0], column * unknowns[1]
