"""Angular acceptance of the imager's pixels, and the kernels that follow from it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class AngularAcceptance:
    """Optics of a lensless imager whose pixels see a limited range of angles.

    Parameters
    ----------
    fwhm_deg : float
        Full width at half maximum of the Gaussian angular acceptance [degrees].
    standoff_um : float
        Thickness of filter and passivation, between depth zero and the pixels [um].
    linear_fill_factor : float
        Width of the square light-sensitive part of a pixel [pitches], above 0 and at most 1.
    """

    fwhm_deg: float
    standoff_um: float
    linear_fill_factor: float


def irradiance(slope: Tensor, fwhm_deg: float) -> Tensor:
    r"""Light that a pixel detects of a point source, as a function of the slope of its rays.

    :math:`g(\theta) \cos^3 \theta` with :math:`\tan \theta` = slope. The Gaussian g is the pixel's angular acceptance,
    :math:`\cos^3 \theta` the irradiance of a plane by an isotropic emitter (inverse square and obliquity).

    Parameters
    ----------
    slope : Tensor
        Lateral offset over height.
    fwhm_deg : float
        Full width at half maximum of g [degrees].

    Returns
    -------
    Tensor
        Relative irradiance, 1 at slope 0.
    """
    angle = slope.atan() / math.radians(fwhm_deg)
    return torch.exp(-4 * math.log(2) * angle.square()) * (1 + slope.square()).rsqrt().pow(3)


def height_um(acceptance: AngularAcceptance, depth_um: float, pixel_pitch_um: float) -> float:
    """Height of a source above the pixels [um], at least 1/20 of an aperture, below which one pixel detects all."""
    return max(depth_um + acceptance.standoff_um, acceptance.linear_fill_factor * pixel_pitch_um / 20)


def pixel_means(
    light: Callable[[Tensor, Tensor], Tensor],
    acceptance: AngularAcceptance,
    depth_um: float,
    y_um: Tensor,
    x_um: Tensor,
    pixel_pitch_um: float,
    oversample: int,
) -> Tensor:
    """Mean over the aperture of each pixel of a function of the slopes of rays, by Gauss-Legendre quadrature.

    Parameters
    ----------
    light : callable
        From slopes y `(Y, 1)` and x `(X,)` to values `(..., Y, X)`; not evaluated, and 0, at slopes above 50.
    acceptance : AngularAcceptance
        The optics.
    depth_um : float
        Depth of the source [um].
    y_um, x_um : Tensor (Y,), Tensor (X,)
        Centres of the pixels relative to the source, float64 [um].
    pixel_pitch_um : float
        Distance between neighbouring pixels [um].
    oversample : int
        Samples across the half-maximum width of the irradiance.

    Returns
    -------
    Tensor (..., Y, X), float64
        Means.
    """
    width_um = acceptance.linear_fill_factor * pixel_pitch_um
    high_um = height_um(acceptance, depth_um, pixel_pitch_um)
    count = 2 + math.ceil(oversample * width_um / high_um / math.radians(acceptance.fwhm_deg))
    nodes, weights = map(torch.from_numpy, np.polynomial.legendre.leggauss(count))
    near_y, near_x = (centres.abs() <= 50 * high_um + pixel_pitch_um for centres in (y_um, x_um))
    y, x = ((c[:, None] + nodes * width_um / 2).flatten() / high_um for c in (y_um[near_y], x_um[near_x]))
    across = light(y[:, None], x).unflatten(-1, (-1, count)) @ (weights / 2)
    inside = across.unflatten(-2, (-1, count)).mT @ (weights / 2)
    means = inside.new_zeros(*inside.shape[:-2], len(y_um), len(x_um))
    means[..., near_y[:, None] & near_x] = inside.flatten(-2)
    return means


def pixel_response(
    acceptance: AngularAcceptance,
    depth_um: float,
    y_um: Tensor,
    x_um: Tensor,
    pixel_pitch_um: float,
    oversample: int = 5,
) -> Tensor:
    """Light of a point source in each pixel, relative to the irradiance right below it; see `pixel_means`."""

    def light(y: Tensor, x: Tensor) -> Tensor:
        return irradiance(torch.hypot(y, x), acceptance.fwhm_deg)

    return pixel_means(light, acceptance, depth_um, y_um, x_um, pixel_pitch_um, oversample)


def acceptance_kernels(
    acceptance: AngularAcceptance, depths_um: Tensor, n_pixels: int, pixel_pitch_um: float, oversample: int = 5
) -> Tensor:
    """Kernels of an imager, from the angular acceptance of its pixels.

    Parameters
    ----------
    acceptance : AngularAcceptance
        The optics.
    depths_um : Tensor (D,)
        Depths [um].
    n_pixels : int
        Pixels of a measurement in y and x.
    pixel_pitch_um : float
        Distance between neighbouring pixels [um].
    oversample : int
        Samples across the half-maximum width of a kernel.

    Returns
    -------
    Tensor (D, K, K), float64
        Kernels with ``K = 2 * n_pixels - 1``, each with sum 1.
    """
    centres_um = torch.arange(n_pixels, dtype=torch.float64) * pixel_pitch_um
    about = centres_um, centres_um, pixel_pitch_um, oversample
    quarters = torch.stack([pixel_response(acceptance, depth_um, *about) for depth_um in depths_um.tolist()])
    halves = torch.cat([quarters[:, 1:].flip(1), quarters], 1)
    kernels = torch.cat([halves[:, :, 1:].flip(2), halves], 2)
    return kernels / kernels.sum((1, 2), keepdim=True)
