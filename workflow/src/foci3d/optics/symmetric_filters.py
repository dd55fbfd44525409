r"""Filters that are mirror-symmetric in y and in x, applied with products of real matrices.

The transfer function of such a kernel is real and even. It multiplies the cosine and the sine of a frequency, both
about the middle of an image, by the same number, so that an image that is zero beyond its edges is filtered as

.. math:: \hat x = B^T \left(G \circ B\, y\, B^T\right) B

with an orthonormal basis B of cosines and sines and the values G of the filter. This is what zero-padded Fourier
transforms give, to rounding, in half of their time for measurements of 51 pixels.
"""

from functools import cache
from typing import Any

import torch
from scipy.fft import next_fast_len
from torch import Tensor

MIRROR_TOLERANCE = 1e-6
"""Share of its peak by which a kernel that counts as symmetric may differ from its mirror images."""


def are_mirror_symmetric(kernels: Tensor) -> bool:
    """Whether all `kernels (..., K, K)` equal their mirror images in y and in x."""
    tolerances = MIRROR_TOLERANCE * kernels.amax((-2, -1), keepdim=True)
    return all(bool(((kernels - kernels.flip(axis)).abs() <= tolerances).all()) for axis in (-2, -1))


def symmetric_transfer(kernels: Tensor) -> Tensor:
    """Transfer functions `(..., F, F)`, float32, of mirror-symmetric centred `kernels (..., K, K)`, K odd.

    Real values at the frequencies of `fourier_basis` for images of ``(K + 1) / 2`` pixels.
    """
    extent = kernels.shape[-1]
    cosines = torch.cos(_angles(extent, (extent + 1) // 2)).to(kernels.device)
    return (cosines @ kernels.double() @ cosines.mT).float()


@cache
@torch.inference_mode(mode=False)  # a later training uses the same tensor
def fourier_basis(n_pixels: int, device: torch.device) -> Tensor:
    """Cosines, then sines, of F frequencies about the middle of P pixels, `(2 F, P)`, float32.

    Rows of the orthonormal transform of P pixels padded with zeros to the extent of their convolution with a kernel.
    """
    size, angles = padded_size(n_pixels), _angles(n_pixels, n_pixels)
    weights = torch.full((len(angles), 1), 2 / size, dtype=torch.float64)
    weights[0] = 1 / size
    if size % 2 == 0:
        weights[-1] = 1 / size
    return (torch.cat([angles.cos(), angles.sin()]) * weights.sqrt().repeat(2, 1)).float().to(device)


def padded_size(n_pixels: int) -> int:
    """Pixels in y and in x to which images of P pixels are padded."""
    return next_fast_len(2 * n_pixels - 1, real=True)


def _angles(extent: int, n_pixels: int) -> Tensor:
    """Phases `(F, extent)` of centred positions at the frequencies for images of P pixels, float64."""
    size = padded_size(n_pixels)
    positions = torch.arange(extent, dtype=torch.float64) - (extent - 1) / 2
    return torch.arange(size // 2 + 1)[:, None] * positions * (2 * torch.pi / size)


def filter_images(images: Tensor, filters: Tensor) -> Tensor:
    """Apply filters to images that are zero beyond their edges.

    Parameters
    ----------
    images : Tensor (N, S, P, P), float32
        Images of S sensors.
    filters : Tensor (S, C, F, F), float32
        Real, even transfer functions of C filters for each sensor, at the frequencies of `fourier_basis`.

    Returns
    -------
    Tensor (N, S * C, P, P)
        Filtered images, differentiable in both.
    """
    basis = fourier_basis(images.shape[-1], images.device)
    spectra = _spectra(images, basis)
    filtered: Tensor = _FilterSpectra.apply(spectra, filters, basis)
    return filtered


def filter_jointly(images: Tensor, filters: Tensor) -> Tensor:
    """Apply filters of each sample, and add those of all sensors.

    Parameters
    ----------
    images : Tensor (N, S, P, P), float32
        Images of S sensors, which are zero beyond their edges.
    filters : Tensor (N, S, C, F, F), float32
        Real, even transfer functions of C filters for each sample and sensor, as for `filter_images`.

    Returns
    -------
    Tensor (N, C, P, P)
        Sums over the sensors, differentiable in both.
    """
    basis = fourier_basis(images.shape[-1], images.device)
    spectra = _spectra(images, basis)
    filtered = (spectra[:, :, None] * filters[..., None, :, None, :]).sum(1)
    return basis.mT @ (filtered.flatten(-4, -3).flatten(-2) @ basis)


def _spectra(images: Tensor, basis: Tensor) -> Tensor:
    """Cosines and sines `(..., 2, F, 2, F)` of `images (..., P, P)`, by the `fourier_basis`."""
    return (basis @ images @ basis.mT).unflatten(-1, (2, -1)).unflatten(-3, (2, -1))


class _FilterSpectra(torch.autograd.Function):
    """Filtered images of `spectra (N, S, 2, F, 2, F)`, on CPUs one sample at a time: its products stay in the cache."""

    @staticmethod
    def forward(ctx: Any, spectra: Tensor, filters: Tensor, basis: Tensor) -> Tensor:
        ctx.save_for_backward(spectra, filters, basis)
        factors = filters[:, :, None, :, None, :]
        parts = [
            (basis.mT @ ((part * factors).flatten(-4, -3).flatten(-2) @ basis)).flatten(1, 2)
            for part in spectra[:, :, None].split(_chunk(spectra))
        ]
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        spectra, filters, basis = ctx.saved_tensors
        of_spectra = torch.empty_like(spectra) if ctx.needs_input_grad[0] else None
        factors = filters[:, :, None, :, None, :]
        of_factors = filters.new_zeros(factors.expand(-1, -1, 2, -1, 2, -1).shape)
        chunk = _chunk(spectra)
        images = gradients[0].float().unflatten(1, filters.shape[:2])
        with torch.autocast(spectra.device.type, enabled=False):
            for first in range(0, len(spectra), chunk):
                rows = slice(first, first + chunk)
                changes = (basis @ (images[rows] @ basis.mT)).unflatten(-1, (2, -1)).unflatten(-3, (2, -1))
                for change, spectrum in zip(changes, spectra[rows, :, None], strict=True):
                    of_factors.addcmul_(change, spectrum)
                if of_spectra is not None:
                    of_spectra[rows] = (changes * factors).sum(2)
        return of_spectra, of_factors.sum((2, 4)), None


def _chunk(spectra: Tensor) -> int:
    """Samples that are filtered at once."""
    return 1 if spectra.device.type == "cpu" else max(1, len(spectra))
