"""The blur of pictures by a point-spread function, as products of matrices."""

from itertools import pairwise

import torch
from torch import Tensor

from foci3d.errors import InputError
from foci3d.optics import Psf, bracket
from foci3d.products import multiply


def separable_terms(kernels: Tensor, terms: int) -> tuple[Tensor, Tensor]:
    r"""Factors of the best approximation of each kernel by a sum of separable ones, aligned from kernel to kernel.

    The singular value decomposition leaves the factors free up to an orthogonal mix of the terms. Each kernel's mix is
    chosen to come closest to the kernel before (orthogonal Procrustes problem), so that factors between two depths can
    be interpolated: signs agree, and terms that change order do not matter.

    Parameters
    ----------
    kernels : Tensor (D, K, K)
        Kernels.
    terms : int
        Number of terms T.

    Returns
    -------
    Tensor (D, K, T), Tensor (D, K, T)
        Factors a and b of :math:`k_{yx} \approx \sum_t a_{yt} b_{xt}`, float64.
    """
    left, values, right = torch.linalg.svd(kernels.double(), full_matrices=False)
    root = values[:, None, :terms].sqrt()
    factors = torch.cat([left[..., :terms] * root, right.mT[..., :terms] * root], 1)
    for before, here in pairwise(factors):
        u, _, v = torch.linalg.svd(here.mT @ before)
        here.copy_(here @ u @ v)
    rows, columns = factors.chunk(2, 1)
    return rows, columns


class Blur(torch.nn.Module):
    """Zero-padded "same" convolution with the kernel of each picture's depth, as products of matrices.

    Each kernel is a sum of a few separable terms, a separable term two band matrices. For 51 pixels this is several
    times faster than Fourier transforms. The factors are interpolated between the depths of the PSF.

    Parameters
    ----------
    psf : Psf
        Point-spread function.
    pixels : int
        Pixels of the pictures in y and x.
    terms : int
        Separable terms; three keep the angular acceptance's kernels to 1e-4 of their peak.

    Raises
    ------
    InputError
        If the kernels are not of ``2 * pixels - 1`` pixels.
    """

    depths_um: Tensor
    rows: Tensor
    columns: Tensor

    def __init__(self, psf: Psf, pixels: int, terms: int = 3) -> None:
        super().__init__()
        if psf.kernels.shape[-1] != 2 * pixels - 1:
            raise InputError(
                f"point-spread function: its kernels have {psf.kernels.shape[-1]} pixels; expected {2 * pixels - 1} "
                f"for pictures of {pixels}, set imager.pixels to that of the PSF or make the PSF anew."
            )
        self.pixels, self.terms = pixels, terms
        rows, columns = separable_terms(psf.kernels, terms)
        self.register_buffer("depths_um", psf.depths_um, persistent=False)
        self.register_buffer("rows", rows.float().contiguous(), persistent=False)
        self.register_buffer("columns", columns.mT.float().contiguous(), persistent=False)

    def forward(self, images: Tensor, depths_um: Tensor) -> Tensor:
        """Blur pictures.

        Parameters
        ----------
        images : Tensor (..., Y, X), float32
            Pictures of layers.
        depths_um : Tensor (...)
            Their depths [um].

        Returns
        -------
        Tensor (..., Y, X)
            Blurred pictures, differentiable with respect to `images`.

        Raises
        ------
        InputError
            If a depth lies outside the range of the PSF.
        """
        return self._product(images, *self._factors(depths_um))

    def adjoint(self, images: Tensor, depths_um: Tensor) -> Tensor:
        """Transpose of `forward` in `images`: correlation with the kernels."""
        rows, columns = self._factors(depths_um)
        return self._product(images, rows.flip(-2), columns.flip(-1))

    def _factors(self, depths_um: Tensor) -> tuple[Tensor, Tensor]:
        lower, share = bracket(self.depths_um, depths_um.to(self.depths_um))
        share = share[..., None, None]
        return (
            torch.lerp(self.rows[lower], self.rows[lower + 1], share),
            torch.lerp(self.columns[lower], self.columns[lower + 1], share),
        )

    def _product(self, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        by_row, by_column = self._windows(rows, columns)
        partial = multiply(images.flip((-2, -1)), by_column)  # (..., Y', T * X)
        return multiply(by_row, partial.reshape(*partial.shape[:-2], -1, self.pixels))

    def _windows(self, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Band matrices `(..., Y, Y' * T)` and `(..., X', T * X)` for pictures that are flipped.

        With the picture flipped, the band matrices a[P-1 + i-j] become a[i+j]: plain windows of the factors.
        """
        by_row = rows.flatten(-2).unfold(-1, self.pixels * self.terms, self.terms)
        return by_row.contiguous(), columns.unfold(-1, self.pixels, 1).transpose(-3, -2).flatten(-2)
