"""What the optics alone allow: the Cramer-Rao bound of depth, and the share of each layer that linear methods can see.

Both take layers as stationary Gaussian fields of known power spectrum, blurred by the point-spread function and seen in
white noise. Networks may do better, since real layers are no Gaussian fields: that is the point of comparing.
"""

import torch
from torch import Tensor

from foci3d.optics import Psf


def transfer(psf: Psf, depths_um: Tensor, pixels: int) -> Tensor:
    """Transfer function at the spatial frequencies of a picture.

    Parameters
    ----------
    psf : Psf
        Point-spread function.
    depths_um : Tensor (...)
        Depths [um].
    pixels : int
        Pixels of the picture in y and x; kernels have twice as many less one.

    Returns
    -------
    Tensor (..., pixels, pixels), complex
        Fourier transform of the centred kernels, in the order of `torch.fft.fft2`; 1 at frequency zero.
    """
    kernels = torch.nn.functional.pad(psf.at(depths_um).double(), (0, 1, 0, 1))
    wrapped = kernels.unflatten(-1, (2, pixels)).unflatten(-3, (2, pixels)).sum((-4, -2))
    return torch.fft.fft2(wrapped.roll((1, 1), (-2, -1)))


def mean_power(pictures: Tensor) -> Tensor:
    """Mean power spectrum `(Y, X)` of `pictures (N, Y, X)` about the mean of each."""
    centred = pictures.double() - pictures.double().mean((-2, -1), keepdim=True)
    return torch.fft.fft2(centred).abs().square().mean(0)


def depth_deviation_um(psf: Psf, depths_um: Tensor, scene_power: Tensor, power_snr: float, step_um: float) -> Tensor:
    r"""Cramer-Rao bound on the standard deviation of an unbiased depth estimate from one picture.

    With :math:`P(f) = g\,S(f)|H(f, z)|^2 + N` the Fisher information of a Gaussian field is
    :math:`I_{ab} = \tfrac12 \sum_f \partial_a \ln P\, \partial_b \ln P`, with the unknown gain g as nuisance
    (Whittle's form; Kay, Fundamentals of Statistical Signal Processing I, section 3.9).

    Parameters
    ----------
    psf : Psf
        Point-spread function.
    depths_um : Tensor (D,)
        Depths [um], at least `step_um` inside the range of the PSF.
    scene_power : Tensor (Y, X)
        Power spectrum S of the un-blurred scene.
    power_snr : float
        Mean of S over frequency divided by the power N of the noise.
    step_um : float
        Step of the central difference in depth [um].

    Returns
    -------
    Tensor (D,)
        Standard deviation [um].
    """
    pixels = scene_power.shape[-1]
    noise = scene_power.mean() / power_snr

    def signal(depths: Tensor) -> Tensor:
        return scene_power * transfer(psf, depths, pixels).abs().square()

    here = signal(depths_um)
    slope = (signal(depths_um + step_um) - signal(depths_um - step_um)) / (2 * step_um)
    by_depth, by_gain = slope / (here + noise), here / (here + noise)
    by_depth[..., 0, 0] = by_gain[..., 0, 0] = 0

    def information(a: Tensor, b: Tensor) -> Tensor:
        return 0.5 * (a * b).sum((-2, -1))

    shared = information(by_depth, by_gain).square() / information(by_gain, by_gain)
    return (information(by_depth, by_depth) - shared).rsqrt()


def class_accuracy(deviation_um: Tensor, class_width_um: float) -> Tensor:
    """Share of Gaussian estimates with this standard deviation [um] that fall into the class of their depth."""
    return torch.erf(class_width_um / 2 / deviation_um / 2**0.5)


def layer_shares(psf: Psf, distances_um: Tensor, scene_power: Tensor, power_snr: float) -> Tensor:
    r"""Share of each layer's power that the best linear estimate from all sensors recovers.

    At each frequency the S sensors give S equations for L layers, :math:`y = H x + n`. The linear minimum
    mean-square-error estimate explains the share
    :math:`[S H^* (S H H^* + N)^{-1} H]_{ll}` of layer l; the shares of all layers add up to at most S.

    Parameters
    ----------
    psf : Psf
        Point-spread function.
    distances_um : Tensor (N, S, L)
        Distance of each layer from each sensor, for N stacks [um].
    scene_power : Tensor (Y, X)
        Power spectrum of one un-blurred layer.
    power_snr : float
        Mean of `scene_power` over frequency divided by the power of the noise.

    Returns
    -------
    Tensor (L,)
        Share of each layer, 0 to 1, weighted with the scene's power and averaged over the stacks.
    """
    noise = scene_power.mean() / power_snr
    system = transfer(psf, distances_um, scene_power.shape[-1]).movedim((1, 2), (-2, -1))
    adjoint = scene_power[..., None, None] * system.mH
    gram = system @ adjoint + noise * torch.eye(system.shape[-2], dtype=torch.float64)
    shares = (adjoint @ torch.linalg.solve(gram, system)).diagonal(dim1=-2, dim2=-1).real
    return (shares * scene_power[..., None]).sum((1, 2)).mean(0) / scene_power.sum()
