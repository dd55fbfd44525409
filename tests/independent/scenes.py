"""Scenes of four layers in numpy, by other means than `foci3d.simulation`: blobs, discs, filaments, spheres, nuclei.

Each generator takes a random generator and the number of pixels, and gives the light `(Y, X)` and the mask of the cells
of one layer. `make_scene` draws the depths as the paper does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import tifffile
from scipy import ndimage
from skimage.filters import threshold_otsu

NUCLEI = Path(__file__).parents[2] / "resources" / "cells" / "human_mitosis.tif"

Layer = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Scene:
    """Light `layers (L, Y, X)`, `masks (L, Y, X)` of the cells in it, and `depths_um (L,)` from sensor A."""

    layers: np.ndarray
    masks: np.ndarray
    depths_um: np.ndarray


def speckle(rng: np.random.Generator, shape: tuple[int, ...], cv: float) -> np.ndarray:
    """Log-normal values with mean 1 and coefficient of variation `cv`, independent from pixel to pixel."""
    sigma = np.sqrt(np.log1p(cv**2))
    return rng.lognormal(-(sigma**2) / 2, sigma, shape)


def fill(rng: np.random.Generator, mask: np.ndarray, cell_cv: float, background: float, background_cv: float) -> Layer:
    """Cells of mean 1 on a background with the mean `background`, both speckled."""
    cells, between = speckle(rng, mask.shape, cell_cv), background * speckle(rng, mask.shape, background_cv)
    return np.where(mask, cells, between), mask


def blobs(rng: np.random.Generator, n_pixels: int) -> Layer:
    """Ragged blobs as in the paper: noise of four scales, thresholded for a coverage of 5 to 60 %, with speckle."""
    scale, noise = rng.uniform(4, 7), np.zeros((n_pixels, n_pixels))
    for octave in range(4):
        smooth = ndimage.gaussian_filter(rng.normal(size=(n_pixels + 40,) * 2), scale / 2**octave)[20:-20, 20:-20]
        noise += smooth / smooth.std() / 2**octave
    return fill(rng, noise > np.quantile(noise, 1 - rng.uniform(0.05, 0.6)), 0.78, 0.25, 0.5)


def disc_mask(rng: np.random.Generator, n_pixels: int, count: int, radii: tuple[float, float]) -> np.ndarray:
    y, x = np.mgrid[:n_pixels, :n_pixels]
    mask = np.zeros((n_pixels, n_pixels), bool)
    for cy, cx in rng.uniform(0, n_pixels - 1, (count, 2)):
        mask |= (y - cy) ** 2 + (x - cx) ** 2 <= rng.uniform(*radii) ** 2
    return mask


def speckled_discs(rng: np.random.Generator, n_pixels: int) -> Layer:
    """Discs with the texture of the paper's cells."""
    return fill(rng, disc_mask(rng, n_pixels, rng.integers(5, 20), (1.5, 7.5)), 0.78, 0.25, 0.5)


def smooth_discs(rng: np.random.Generator, n_pixels: int) -> Layer:
    """Discs of even brightness on an even background."""
    return fill(rng, disc_mask(rng, n_pixels, rng.integers(5, 20), (1.5, 7.5)), 0.0, 0.25, 0.0)


def single_cells(rng: np.random.Generator, n_pixels: int) -> Layer:
    """A few cells of one to two pixels in radius, in the dark."""
    return fill(rng, disc_mask(rng, n_pixels, rng.integers(1, 5), (1.0, 2.0)), 0.2, 0.0, 0.0)


def filaments(rng: np.random.Generator, n_pixels: int) -> Layer:
    """Curved filaments, about three pixels wide, on a faint background."""
    mask = np.zeros((n_pixels, n_pixels), bool)
    for _ in range(rng.integers(2, 6)):
        headings = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.08, 2 * n_pixels))
        path = rng.uniform(0, n_pixels, 2)[:, None] + np.cumsum(0.7 * np.stack([np.sin(headings), np.cos(headings)]), 1)
        y, x = np.rint(path[:, ((path > 0) & (path < n_pixels - 1)).all(0)]).astype(int)
        mask[y, x] = True
    return fill(rng, ndimage.binary_dilation(mask, iterations=1), 0.3, 0.1, 0.3)


def spheres(rng: np.random.Generator, n_pixels: int) -> Layer:
    """Spheres, as bright as they are thick."""
    y, x = np.mgrid[:n_pixels, :n_pixels]
    light = np.zeros((n_pixels, n_pixels))
    for cy, cx in rng.uniform(0, n_pixels - 1, (rng.integers(4, 15), 2)):
        radius = rng.uniform(2, 7)
        light += np.sqrt(np.maximum(1 - ((y - cy) ** 2 + (x - cx) ** 2) / radius**2, 0))
    return light + 0.05, light > 0


@cache
def _nuclei(binning: int) -> tuple[np.ndarray, float]:
    image = tifffile.imread(NUCLEI).astype(float)
    extent = len(image) // binning * binning
    binned = image[:extent, :extent].reshape(extent // binning, binning, -1, binning).mean((1, 3))
    return binned / binned.max(), threshold_otsu(binned / binned.max())


def nuclei(rng: np.random.Generator, n_pixels: int, binning: int = 2) -> Layer:
    """Fluorescent nuclei of a micrograph, `binning` of whose pixels are one of the imager."""
    image, threshold = _nuclei(binning)
    image = np.rot90(image, rng.integers(4))
    y, x = rng.integers(0, len(image) - n_pixels + 1, 2)
    crop = image[y : y + n_pixels, x : x + n_pixels]
    return crop.copy(), crop > threshold


def small_nuclei(rng: np.random.Generator, n_pixels: int) -> Layer:
    """The same at half the magnification."""
    return nuclei(rng, n_pixels, 4)


def draw_depths(rng: np.random.Generator, n_layers: int, extent_um: float = 1000, gap_um: float = 200) -> np.ndarray:
    """Increasing depths between the sensors, at least a gap apart."""
    free = np.sort(rng.uniform(0, extent_um - gap_um * (n_layers - 1), n_layers))
    return free + gap_um * np.arange(n_layers)


def make_scene(
    layer: Callable[[np.random.Generator, int], Layer],
    seed: int,
    n_pixels: int = 51,
    n_layers: int = 4,
    extent_um: float = 1000,
    gap_um: float = 200,
) -> Scene:
    """A scene whose layers have a brightness of 0.5 to 1.5; the same seed gives the same scene."""
    rng = np.random.default_rng(seed)
    layers, masks = zip(*(layer(rng, n_pixels) for _ in range(n_layers)), strict=True)
    gains = rng.uniform(0.5, 1.5, n_layers)[:, None, None]
    return Scene(gains * np.array(layers), np.array(masks), draw_depths(rng, n_layers, extent_um, gap_um))
