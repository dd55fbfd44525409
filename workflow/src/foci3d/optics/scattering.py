"""Tissue before the imager: the point-spread function with scatter and absorption."""

from dataclasses import replace

import numpy as np
import torch
from scipy.special import ive
from torch import Tensor
from torch.nn import functional

from foci3d.config.models import TissueConfig
from foci3d.optics.psf import PSF


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


def apply_tissue(psf: PSF, tissue: TissueConfig) -> PSF:
    r"""Point-spread function of the imager in tissue that scatters and absorbs.

    A kernel is convolved with the discrete analogue of a Gaussian (Lindeberg, IEEE PAMI 12, 234 (1990)), which has no
    negative values and exactly the wanted variance however narrow it is, and multiplied by the transmission
    :math:`e^{-\mu_a z}` of Beer and Lambert.

    Parameters
    ----------
    psf : PSF
        Point-spread function without tissue.
    tissue : TissueConfig
        Scatter, absorption and margin.

    Returns
    -------
    PSF
        With kernels of ``2 * (n_pixels + 2 * margin_pixels) - 1`` pixels, whose sum is below 1 where light is absorbed
        or lands beyond them.
    """
    margin = 2 * tissue.margin_pixels
    kernels = functional.pad(psf.kernels.double(), (margin, margin, margin, margin))
    depths_um = psf.depths_um.double()
    variances = (scatter_sd_um(depths_um, tissue.scatter_per_mm) / psf.pixel_pitch_um) ** 2
    offsets = np.arange(kernels.shape[-1])
    spread = torch.from_numpy(ive(offsets, variances.numpy()[:, None])[:, abs(offsets[:, None] - offsets)])
    transmission = torch.exp(-tissue.absorption_per_mm * depths_um / 1000)
    in_tissue = spread @ kernels @ spread.mT * transmission[:, None, None]
    return replace(psf, kernels=in_tissue.float())
