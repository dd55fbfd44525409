"""Blocks of pixels, over which large images are averaged before they are drawn."""

from typing import Any

import numpy as np
import numpy.typing as npt


def average_blocks(images: npt.NDArray[Any], block: int) -> npt.NDArray[np.floating]:
    """Means of images over square blocks of pixels; those at the far edges have the pixels that are left.

    Parameters
    ----------
    images : ndarray (..., Y, X)
        Images.
    block : int
        Pixels of a block in y and in x.

    Returns
    -------
    ndarray (..., ceil(Y / block), ceil(X / block))
        Means, of the type of the images if that is floating.

    >>> average_blocks(np.array([[1, 3, 8], [1, 3, 4]]), 2).tolist()
    [[2.0, 6.0]]
    """
    sums = images.astype(np.result_type(images.dtype, np.float32))
    for axis in (-2, -1):
        edges = block_edges(images.shape[axis], block)
        sizes = np.diff(edges).reshape(-1, 1) if axis == -2 else np.diff(edges)
        sums = np.add.reduceat(sums, edges[:-1], axis) / sizes.astype(sums.dtype)
    return sums


def block_edges(n_pixels: int, block: int) -> npt.NDArray[np.int_]:
    """First pixel of each block along an axis, and the end of the last, which may have fewer pixels.

    >>> block_edges(5, 2).tolist()
    [0, 2, 4, 5]
    """
    return np.minimum(np.arange(0, n_pixels + block, block), n_pixels)
