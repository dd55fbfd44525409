"""Bounds set by the optics: the Cramer-Rao bound of depth, and the share of each layer that linear methods recover.

Both take layers as stationary Gaussian fields of known power spectrum, convolved with the point-spread function and
measured with white noise. Real layers are not Gaussian fields, so that a network may exceed these bounds.

Power spectra are squared moduli of `torch.fft.fft2` over P x P pixels: white noise of variance v has the power
:math:`P^2 v` at each frequency.
"""

import pandas as pd
import torch
from torch import Tensor

from foci3d.optics.forward import ForwardModel, periodic_transfer
from foci3d.optics.psf import PSF


def mean_power(images: Tensor) -> Tensor:
    """Mean power spectrum `(Y, X)` of `images (N, Y, X)` about the mean of each."""
    centred = images.double() - images.double().mean((-2, -1), keepdim=True)
    return torch.fft.fft2(centred).abs().square().mean(0)


def depth_deviation_um(psf: PSF, depths_um: Tensor, scene_power: Tensor, noise_power: float, step_um: float) -> Tensor:
    r"""Cramer-Rao bound on the standard deviation of an unbiased depth estimate from one measurement of one layer.

    With :math:`P(f) = g\,S(f)|H(f, z)|^2 + N` the Fisher information of a Gaussian field is
    :math:`I_{ab} = \tfrac12 \sum_f \partial_a \ln P\, \partial_b \ln P`, with the unknown gain g as nuisance
    (Whittle's form; Kay, Fundamentals of Statistical Signal Processing I, section 3.9).

    Parameters
    ----------
    psf : PSF
        Point-spread function, with kernels of any extent.
    depths_um : Tensor (D,)
        Depths [um], at least `step_um` inside the depths of the point-spread function.
    scene_power : Tensor (P, P)
        Power spectrum S of the un-blurred layer.
    noise_power : float
        Power N of the noise, above 0.
    step_um : float
        Step of the central difference in depth [um].

    Returns
    -------
    Tensor (D,)
        Standard deviation [um].
    """

    def signal(depths_um: Tensor) -> Tensor:
        return scene_power * periodic_transfer(psf.interpolate(depths_um), scene_power.shape[-1]).abs().square()

    power = signal(depths_um)
    slope = (signal(depths_um + step_um) - signal(depths_um - step_um)) / (2 * step_um)
    by_depth, by_gain = slope / (power + noise_power), power / (power + noise_power)
    by_depth[..., 0, 0] = by_gain[..., 0, 0] = 0

    def information(a: Tensor, b: Tensor) -> Tensor:
        return 0.5 * (a * b).sum((-2, -1))

    shared = information(by_depth, by_gain).square() / information(by_gain, by_gain)
    return (information(by_depth, by_depth) - shared).rsqrt()


def class_accuracy(deviation_um: Tensor, class_width_um: float) -> Tensor:
    """Share of Gaussian estimates with this standard deviation [um] that fall into the class of their depth."""
    return torch.erf(class_width_um / 2 / deviation_um / 2**0.5)


def depth_bound(
    psf: PSF, layers: Tensor, depths_um: Tensor, noise_variance: float, class_width_um: float
) -> pd.DataFrame:
    """Bound of depth at each of `depths_um (D,)`, of a dataset of un-blurred single `layers (N, P, P)` [a.u.].

    The mean power spectrum of the layers is that of the scene; the kernels must hold the light of the point-spread
    function, whose depths must reach a tenth of a class beyond `depths_um`. `noise_variance` is that of a pixel
    [a.u.^2].

    Returns
    -------
    DataFrame
        One row per depth: depth_um, deviation_um as of `depth_deviation_um`, and class_accuracy. There is none for data
        without noise, which have no finite bound.
    """
    columns = ["depth_um", "deviation_um", "class_accuracy"]
    if noise_variance == 0:
        return pd.DataFrame(columns=columns)
    noise_power = layers.shape[-1] ** 2 * noise_variance
    deviation_um = depth_deviation_um(psf, depths_um, mean_power(layers), noise_power, class_width_um / 10)
    accuracy = class_accuracy(deviation_um, class_width_um)
    return pd.DataFrame(torch.stack([depths_um, deviation_um, accuracy], 1).numpy(), columns=columns)


def layer_shares(forward: ForwardModel, depths_um: Tensor, scene_power: Tensor, noise_power: float) -> Tensor:
    r"""Share of each layer's power that the best linear estimate from all sensors recovers.

    At each frequency the S sensors give S equations for L layers, :math:`y = H x + n`. The linear minimum
    mean-square-error estimate explains the share
    :math:`[S H^* (S H H^* + N)^{-1} H]_{ll}` of layer l; the shares of all layers add up to at most S.

    Shares `(L,)`, 0 to 1, are weighted with the power spectrum `scene_power (P, P)` of one un-blurred layer and
    averaged over stacks of layers at `depths_um (N, L)`. The `noise_power` is above 0.
    """
    system = forward.transfer_function(depths_um).movedim((1, 2), (-2, -1))
    adjoint = scene_power[..., None, None] * system.mH
    gram = system @ adjoint + noise_power * torch.eye(system.shape[-2], dtype=torch.float64)
    shares = (adjoint @ torch.linalg.solve(gram, system)).diagonal(dim1=-2, dim2=-1).real
    return (shares * scene_power[..., None]).sum((1, 2)).mean(0) / scene_power.sum()
