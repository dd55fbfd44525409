"""Blocks of pixels, against sums of slices."""

import numpy as np
import pytest

from foci3d.plots.blocks import average_blocks, block_edges


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64, bool])
@pytest.mark.parametrize("block", [1, 2, 3, 7, 11])
def test_means_are_those_of_the_pixels_of_each_block(block: int, dtype: type) -> None:
    images = (100 * np.random.default_rng(0).random((2, 7, 10))).astype(dtype)
    means = average_blocks(images, block)
    rows, columns = (np.arange(0, pixels, block) for pixels in images.shape[1:])
    assert means.shape == (2, len(rows), len(columns))
    assert means.dtype == (np.float64 if dtype == np.float64 else np.float32)
    for y, row in enumerate(rows):
        for x, column in enumerate(columns):
            expected = images[:, row : row + block, column : column + block].mean((1, 2))
            np.testing.assert_allclose(means[:, y, x], expected, rtol=1e-6)


@pytest.mark.parametrize(("n_pixels", "block"), [(6, 2), (7, 2), (1, 5), (5, 5)])
def test_edges_cover_the_axis(n_pixels: int, block: int) -> None:
    edges = block_edges(n_pixels, block)
    assert (edges[0], edges[-1]) == (0, n_pixels)
    assert (np.diff(edges)[:-1] == block).all()
    assert 0 < edges[-1] - edges[-2] <= block
