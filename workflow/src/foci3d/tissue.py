"""What the paper leaves out: scatter and absorption, an uneven beam, motion, an inexact calibration and sensor noise.

Each effect is a function of its own. Their sizes are the section `tissue` of the configuration, where 0 is off.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.special import ive
from torch import Tensor
from torch.nn import functional

from foci3d.optics import Psf

POINTS_PER_PIXEL = 8
"""Points along the path of a motion, each a share of the exposure."""


@dataclass(frozen=True)
class Tissue:
    """Sizes of all effects; 0 turns one off.

    Parameters
    ----------
    scatter_per_mm : float
        Reduced scattering coefficient [1/mm].
    absorption_per_mm : float
        Absorption coefficient [1/mm].
    beam_radius_um : float
        Radius at which the laser beam has fallen to 1/e^2 of its centre [um].
    beam_offset_um : float
        Standard deviation of the beam's centre from the picture's, in x and in y [um].
    motion_um : float
        Longest path that the specimen moves in an exposure [um].
    margin_pixels : int
        Width of the scene beyond each edge of the picture, from where light falls in [pixels].
    width_error : float
        Standard deviation of the relative error of the calibrated widths.
    full_scale : float
        Picture value at which a pixel is full [a.u.].
    full_scale_electrons : float
        Electrons of a full pixel; 0 leaves out all of the sensor: noise, saturation and converter.
    read_noise_electrons : float
        Standard deviation of the read noise.
    converter_bits : int
        Bits of the analogue-to-digital converter.
    """

    scatter_per_mm: float
    absorption_per_mm: float
    beam_radius_um: float
    beam_offset_um: float
    motion_um: float
    margin_pixels: int
    width_error: float
    full_scale: float
    full_scale_electrons: float
    read_noise_electrons: float
    converter_bits: int


def scatter_sd_um(depths_um: Tensor, scatter_per_mm: float) -> Tensor:
    r"""Standard deviation, along x or y, by which scatter widens the light of a point.

    :math:`\sigma^2 = \mu_s' z^3 / 3`, the diffusion of directions along the path; good where :math:`\mu_s' z < 1`.

    Parameters
    ----------
    depths_um : Tensor (...)
        Depths z [um].
    scatter_per_mm : float
        Reduced scattering coefficient [1/mm].

    Returns
    -------
    Tensor (...)
        Standard deviations [um].
    """
    return (scatter_per_mm / 1000 * depths_um**3 / 3).sqrt()


def embed(psf: Psf, tissue: Tissue) -> Psf:
    r"""Put a point-spread function into tissue that scatters and absorbs.

    A kernel is convolved with the discrete analogue of a Gaussian (Lindeberg, IEEE PAMI 12, 234 (1990)), which has no
    negative values and exactly the wanted variance however narrow it is, and multiplied by Beer and Lambert's
    :math:`e^{-\mu_a z}`.

    Parameters
    ----------
    psf : Psf
        As calibrated, without tissue.
    tissue : Tissue
        Scatter, absorption and margin.

    Returns
    -------
    Psf
        With kernels of ``2 * (pixels + 2 * margin) - 1`` pixels, whose sum is below 1 where light is absorbed or lands
        beyond them.
    """
    margin = 2 * tissue.margin_pixels
    kernels = functional.pad(psf.kernels.double(), (margin, margin, margin, margin))
    depths_um = psf.depths_um.double()
    variances = (scatter_sd_um(depths_um, tissue.scatter_per_mm) / psf.pixel_pitch_um) ** 2
    offsets = np.arange(kernels.shape[-1])
    spread = torch.from_numpy(ive(offsets, variances.numpy()[:, None])[:, abs(offsets[:, None] - offsets)])
    transmission = torch.exp(-tissue.absorption_per_mm * depths_um / 1000)
    embedded = spread @ kernels @ spread.mT * transmission[:, None, None]
    return replace(psf, kernels=embedded.float())


def misjudge(distances_um: Tensor, errors: Tensor, calibrated_um: Tensor) -> Tensor:
    """Distances at which a calibrated point-spread function is as wide as the real one.

    Its width grows in proportion to the distance, so a relative error of one is a relative error of the other.

    Parameters
    ----------
    distances_um : Tensor (...)
        Distances of layers from a sensor [um].
    errors : Tensor (...)
        How much wider the real one is, relative to the calibrated one.
    calibrated_um : Tensor (D,)
        Depths of the calibration, increasing; distances end with them [um].

    Returns
    -------
    Tensor (...)
        Distances [um].
    """
    return (distances_um * (1 + errors)).clamp(calibrated_um[0], calibrated_um[-1])


def beam_profile(centres_um: Tensor, radius_um: float, pixels: int, pixel_pitch_um: float) -> Tensor:
    """Illumination by a Gaussian beam.

    Parameters
    ----------
    centres_um : Tensor (N, 2)
        x and y of the beam's centre from the picture's [um].
    radius_um : float
        Radius at which it has fallen to 1/e^2 [um].
    pixels : int
        Pixels of the picture in y and x.
    pixel_pitch_um : float
        Distance of neighbouring pixels [um].

    Returns
    -------
    Tensor (N, Y, X)
        Illumination, 1 at the beam's centre.
    """
    positions_um = (torch.arange(pixels, device=centres_um.device) - (pixels - 1) / 2) * pixel_pitch_um
    profile = torch.exp(-2 * ((positions_um - centres_um[..., None]) / radius_um) ** 2)  # (N, x or y, pixels)
    return profile[:, 1, :, None] * profile[:, 0, None, :]


def smear(pictures: Tensor, paths: Tensor, longest: float) -> Tensor:
    """Move the specimen at constant speed along a straight path during the exposure.

    Parameters
    ----------
    pictures : Tensor (N, S, Y, X)
        Pictures of the specimen at rest, in the middle of its path.
    paths : Tensor (N, 2)
        x and y from the start of each path to its end [pixels].
    longest : float
        Length that no path exceeds [pixels].

    Returns
    -------
    Tensor (N, S, Y, X)
        Mean of the pictures along the path, linearly interpolated between pixels.
    """
    reach = math.ceil(longest / 2)
    offsets = torch.arange(-reach, reach + 1, device=paths.device)
    count = max(1, math.ceil(longest * POINTS_PER_PIXEL))
    times = (torch.arange(count, device=paths.device) + 0.5) / count - 0.5
    points = times[:, None, None] * paths  # (points, N, 2)
    shares = (1 - (offsets - points[..., None]).abs()).clamp_min(0)  # (points, N, 2, offsets)
    kernels = torch.einsum("pny,pnx->nyx", shares[:, :, 1], shares[:, :, 0]) / count
    # A convolution mirrors its kernel, a correlation as in conv2d does not; a path and its reverse are the same.
    return functional.conv2d(pictures.transpose(0, 1), kernels[:, None], padding=reach, groups=len(paths)).transpose(
        0, 1
    )


def expose(pictures: Tensor, generator: torch.Generator, tissue: Tissue) -> Tensor:
    """Take pictures with a real sensor: shot noise, read noise, saturation and converter.

    The variance is ``a x + b`` at picture value x: ``a = full_scale / full_scale_electrons``, and b of the read noise
    and of the converter's steps.

    Parameters
    ----------
    pictures : Tensor (...)
        Light on the pixels [a.u.].
    generator : torch.Generator
        Source of the random numbers, on the device of `pictures`.
    tissue : Tissue
        Full scale, read noise and converter.

    Returns
    -------
    Tensor (...)
        Readings, from 0 to `full_scale` [a.u.].
    """
    electrons = torch.poisson(pictures * (tissue.full_scale_electrons / tissue.full_scale), generator)
    read_noise = torch.randn(pictures.shape, generator=generator, device=pictures.device)
    charge = (electrons + tissue.read_noise_electrons * read_noise) / tissue.full_scale_electrons
    steps = 2**tissue.converter_bits - 1
    return (charge.clamp(0, 1) * steps).round() * (tissue.full_scale / steps)
