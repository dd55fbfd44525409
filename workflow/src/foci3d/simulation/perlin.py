"""Perlin's gradient noise on a regular grid, for many images at once.

On a grid, gradient noise is separable: with the fade weights W (pixel, node) and the ramps B = W * (pixel - node), an
octave is ``Wy (Gx Bx^T) + By (Gy Wx^T)``, small matrix products instead of a call for each pixel. With the gradients
of package `noise`, `perlin_noise` equals ``noise.pnoise2``.
"""

import math
from collections.abc import Sequence
from functools import cache

import noise
import numpy as np
import torch
from torch import Tensor

from foci3d.optics.linalg import batched_matmul

GRADIENTS = torch.tensor([(1, 0), (-1, 0), (0, 1), (0, -1)] * 3 + [(1, 1), (1, -1), (-1, 1), (-1, -1)]).float()
"""The 16 gradients (x, y) of package `noise`, with its frequencies."""

PERIOD = 256
"""Lattice cells after which the lattice of package `noise` repeats."""


def lattice_sizes(cells: float, octaves: int) -> list[int]:
    """Nodes that an image needs along an axis, in each octave.

    Parameters
    ----------
    cells : float
        Largest number of lattice cells across the image, in the first octave.
    octaves : int
        Number of octaves; each has twice the frequency of the one before.

    Returns
    -------
    list of int
        Nodes by octave, enough for any origin.
    """
    return [math.ceil(cells * 2**octave) + 2 for octave in range(octaves)]


def perlin_noise(
    gradients: Sequence[Tensor], cells: Tensor, origin: Tensor, n_pixels: int, persistence: Tensor
) -> Tensor:
    """Gradient noise on the grid of each image.

    Pixel i is at ``origin + cells * i / n_pixels`` in the lattice of the first octave; each further octave has twice
    the frequency and `persistence` times the amplitude.

    Parameters
    ----------
    gradients : sequence of Tensor (N, 2, G, G), float32
        Of each octave k, the x and y components at nodes (y, x); the first node is ``floor(2**k * origin)``, and
        ``G = lattice_sizes(...)[k]``.
    cells : Tensor (N,)
        Lattice cells of the first octave across the image.
    origin : Tensor (N, 2)
        Position x, y of the image's corner in the lattice [cells of the first octave].
    n_pixels : int
        Pixels of the image in y and x.
    persistence : Tensor (N,)
        Amplitude of an octave relative to the one before.

    Returns
    -------
    Tensor (N, Y, X), float32
        Noise between about -1 and 1, divided by the sum of the amplitudes as in ``noise.pnoise2``.
    """
    sizes = tuple(gradient.shape[-1] for gradient in gradients)
    along_x, along_y = _interpolation(sizes, cells, origin, n_pixels, persistence)
    parts = along_x.split(sizes, 2)
    across = torch.cat([batched_matmul(gradient, part) for gradient, part in zip(gradients, parts, strict=True)], 2)
    return batched_matmul(along_y.flatten(1, 2).mT, across.flatten(1, 2))


def _interpolation(
    sizes: tuple[int, ...], cells: Tensor, origin: Tensor, n_pixels: int, persistence: Tensor
) -> tuple[Tensor, Tensor]:
    """Ramps and weights along x, then weights and ramps along y times the amplitudes of the octaves.

    Both are `(N, 2, nodes, pixels)`, with the nodes of all octaves one after the other.
    """
    frequencies, first, steps = _octaves(sizes, n_pixels)
    start = (origin.T.double()[..., None, None] * frequencies) % 1  # (2, N, octaves, 1)
    stride = cells[:, None, None] * frequencies
    offset = torch.addcmul(start.float(), stride.float(), steps)  # (2, N, octaves, pixels)
    node = offset.floor()
    offset -= node
    upper = offset * offset * offset * (offset * (offset * 6 - 15) + 10)
    weights = torch.stack([1 - upper, upper], 2)  # (2, N, lower or upper node, octaves, pixels)
    amplitudes = (persistence.double()[:, None] ** torch.arange(len(sizes))).float()
    weights[1] *= (amplitudes / amplitudes.sum(1, keepdim=True))[:, None, :, None]
    ramps = weights * torch.stack([offset, offset - 1], 2)
    index = node.long()[:, :, None] + first
    nodes = sum(sizes)
    tables = offset.new_zeros(2, len(cells), 2 * nodes, n_pixels)
    # Along x the ramps come first, along y the weights, so that one product with the gradients adds both terms.
    for axis, (upper_half, lower_half) in enumerate(((ramps, weights), (weights, ramps))):
        tables[axis].scatter_(1, index[axis].flatten(1, 2), upper_half[axis].flatten(1, 2))
        tables[axis, :, nodes:].scatter_(1, index[axis].flatten(1, 2), lower_half[axis].flatten(1, 2))
    along_x, along_y = tables.unflatten(2, (2, nodes))
    return along_x, along_y


@cache
def _octaves(sizes: tuple[int, ...], n_pixels: int) -> tuple[Tensor, Tensor, Tensor]:
    """Frequencies (octaves, 1), number of the lower and the upper first node (2, octaves, 1), and steps (pixels,)."""
    frequencies = torch.tensor([[2.0**octave] for octave in range(len(sizes))], dtype=torch.float64)
    lower = torch.tensor([0, *sizes[:-1]]).cumsum(0)[:, None]
    return frequencies, torch.stack([lower, lower + 1]), torch.arange(n_pixels) / n_pixels


def package_noise(cells: Tensor, origin: Tensor, n_pixels: int, octaves: int, persistence: Tensor) -> Tensor:
    """The same noise by ``noise.pnoise2``: one call for each pixel, and one lattice of period 256 for all images.

    This lattice has few distinct windows, so that images of a large dataset share foci. Its argument `base` reads
    beyond the package's tables where it is large, and is not used.

    Parameters
    ----------
    cells, origin, n_pixels, persistence
        As for `perlin_noise`.
    octaves : int
        Number of octaves.

    Returns
    -------
    Tensor (N, Y, X), float32
        Noise between about -1 and 1.
    """
    steps = np.arange(n_pixels) / n_pixels
    images = [
        [[noise.pnoise2(x, y, octaves, ratio) for x in x0 + across * steps] for y in y0 + across * steps]
        for across, (x0, y0), ratio in zip(cells.tolist(), origin.tolist(), persistence.tolist(), strict=True)
    ]
    return torch.tensor(images, dtype=torch.float32)
