"""Specimen before the imager: scatter and absorption, motion during the exposure, and its illumination."""

import math
from dataclasses import replace

import numpy as np
import torch
from scipy.special import ive
from torch import Tensor
from torch.nn import functional

from foci3d.config.imager import SpecimenConfig
from foci3d.optics.psf import PSF

POINTS_PER_PIXEL = 8
"""Points along the path of a motion, each with an equal share of the exposure."""


def scatter_sd_um(depths_um: Tensor, scatter_per_mm: float) -> Tensor:
    r"""Standard deviation, along x or y, by which scatter widens the light of a point.

    :math:`\sigma^2 = \mu_s' z^3 / 3`, the diffusion of directions along the path; valid where :math:`\mu_s' z < 1`.

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


def apply_specimen(psf: PSF, specimen: SpecimenConfig) -> PSF:
    r"""Point-spread function of the imager behind a specimen that scatters and absorbs.

    A kernel is convolved with the discrete analogue of a Gaussian (Lindeberg, IEEE PAMI 12, 234 (1990)), which has no
    negative values and exactly the wanted variance however narrow it is, and multiplied by the transmission
    :math:`e^{-\mu_a z}` of Beer and Lambert.

    Parameters
    ----------
    psf : PSF
        Point-spread function without specimen.
    specimen : SpecimenConfig
        Scatter, absorption and margin.

    Returns
    -------
    PSF
        With kernels of ``2 * (n_pixels + 2 * margin_pixels) - 1`` pixels, whose sum is below 1 where light is absorbed
        or lands beyond them.
    """
    margin = 2 * specimen.margin_pixels
    kernels = functional.pad(psf.kernels.double(), (margin, margin, margin, margin))
    depths_um = psf.depths_um.double()
    variances = (scatter_sd_um(depths_um, specimen.scatter_per_mm) / psf.pixel_pitch_um) ** 2
    offsets = np.arange(kernels.shape[-1])
    spread = torch.from_numpy(ive(offsets, variances.numpy()[:, None])[:, abs(offsets[:, None] - offsets)])
    transmission = torch.exp(-specimen.absorption_per_mm * depths_um / 1000)
    kernels = spread @ kernels @ spread.mT * transmission[:, None, None]
    return replace(psf, kernels=kernels.float())


def beam_profile(centres_um: Tensor, radius_um: float, n_pixels: int, pixel_pitch_um: float) -> Tensor:
    """Illumination by a Gaussian beam.

    Parameters
    ----------
    centres_um : Tensor (N, 2)
        x and y of the beam's centre, from the centre of the image [um].
    radius_um : float
        Radius at which the illumination has fallen to 1/e^2 [um].
    n_pixels : int
        Pixels of the image in y and x.
    pixel_pitch_um : float
        Distance between neighbouring pixels [um].

    Returns
    -------
    Tensor (N, Y, X)
        Illumination, 1 at the beam's centre.
    """
    positions_um = (torch.arange(n_pixels, device=centres_um.device) - (n_pixels - 1) / 2) * pixel_pitch_um
    profile = torch.exp(-2 * ((positions_um - centres_um[..., None]) / radius_um) ** 2)  # (N, x or y, pixels)
    return profile[:, 1, :, None] * profile[:, 0, None, :]


def motion_blur(measurements: Tensor, paths: Tensor, longest: float) -> Tensor:
    """Motion of the specimen at constant speed along a straight path during the exposure.

    Parameters
    ----------
    measurements : Tensor (N, S, Y, X)
        Measurements of the specimen at rest in the middle of its path.
    paths : Tensor (N, 2)
        x and y from the start of each path to its end [pixels].
    longest : float
        Length that no path exceeds [pixels].

    Returns
    -------
    Tensor (N, S, Y, X)
        Mean of the measurements along the path, linearly interpolated between pixels.
    """
    reach = math.ceil(longest / 2)
    offsets = torch.arange(-reach, reach + 1, device=paths.device)
    count = max(1, math.ceil(longest * POINTS_PER_PIXEL))
    times = (torch.arange(count, device=paths.device) + 0.5) / count - 0.5
    points = times[:, None, None] * paths  # (points, N, 2)
    shares = (1 - (offsets - points[..., None]).abs()).clamp_min(0)  # (points, N, 2, offsets)
    kernels = torch.einsum("pny,pnx->nyx", shares[:, :, 1], shares[:, :, 0]) / count
    # conv2d correlates, but a path and its reverse have the same kernel.
    moved = functional.conv2d(measurements.transpose(0, 1), kernels[:, None], padding=reach, groups=len(paths))
    return moved.transpose(0, 1)
