"""Shapes of cells other than thresholded Perlin noise.

A shape is a field that exceeds 0 inside the cells: 1 at the middle of a cell, 0 at its outline, falling to -1 outside.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from numpy.random import Generator
from scipy import ndimage
from torch import Tensor

from foci3d.config.datasets import SceneConfig
from foci3d.config.registry import NameRegistry

Field = npt.NDArray[np.float32]
Shape = Callable[[Generator, SceneConfig, int], Field]

SHAPES: NameRegistry[Shape] = NameRegistry("shape")
"""By the value of the key `shape`: from a random generator, the appearance and the pixels to the field `(Y, X)`."""

MAX_ELONGATION = 2.0
MAX_CELLS = 500
STEP_PX = 0.7
TURN_RAD = 0.08
"""Standard deviation of the change of a filament's direction in a step of `STEP_PX`."""


def shape(name: str) -> Callable[[Shape], Shape]:
    """Register the decorated function under the name of a shape."""

    def register(function: Shape) -> Shape:
        SHAPES[name] = function
        return function

    return register


def draw_fields(generators: Sequence[Generator], n_layers: int, scene: SceneConfig, n_pixels: int) -> Tensor:
    """Fields `(N, n_layers, Y, X)` of the shape of a scene, float32, of one random generator for each of N scenes."""
    draw = SHAPES[scene.shape]
    fields = [[draw(generator, scene, n_pixels) for _ in range(n_layers)] for generator in generators]
    return torch.from_numpy(np.array(fields, np.float32))


@shape("ellipses")
def draw_ellipses(generator: Generator, scene: SceneConfig, n_pixels: int) -> Field:
    """Ellipses of any direction, in places that do not depend on each other, so that some overlap.

    Their number gives the coverage in the mean, ``1 - exp(-number * area / area of the field)`` of a Boolean model.
    """
    coverage = generator.uniform(*scene.coverage)
    smallest_px, largest_px = scene.cell_radius_px
    extent_px = n_pixels + 2 * largest_px
    mean_area = math.pi * (smallest_px**2 + smallest_px * largest_px + largest_px**2) / 3
    count = min(MAX_CELLS, max(1, round(-math.log1p(-coverage) * extent_px**2 / mean_area)))
    centre = generator.uniform(-largest_px, n_pixels - 1 + largest_px, (2, count, 1, 1))
    radius_px = generator.uniform(*scene.cell_radius_px, count)
    root = np.sqrt(generator.uniform(1, MAX_ELONGATION, count))
    angle = generator.uniform(0, math.pi, count)
    y, x = np.arange(n_pixels)[:, None] - centre[0], np.arange(n_pixels) - centre[1]
    sine, cosine, long_px, short_px = (
        values[:, None, None] for values in (np.sin(angle), np.cos(angle), radius_px * root, radius_px / root)
    )
    distance = np.hypot((cosine * x + sine * y) / long_px, (cosine * y - sine * x) / short_px).min(0)
    return np.maximum(1 - distance, -1).astype(np.float32)


@shape("filaments")
def draw_filaments(generator: Generator, scene: SceneConfig, n_pixels: int) -> Field:
    """Curved filaments that cross the image; `cell_radius_px` is half their width."""
    radius_px, coverage = generator.uniform(*scene.cell_radius_px), generator.uniform(*scene.coverage)
    count = max(1, round(-math.log1p(-coverage) * n_pixels / (2 * radius_px)))
    n_steps = math.ceil(2 * n_pixels / STEP_PX)
    turns = np.cumsum(generator.normal(0, TURN_RAD, (count, n_steps)), 1)
    heading = generator.uniform(0, 2 * math.pi, (count, 1)) + turns - turns[:, n_steps // 2, None]
    steps = np.cumsum(STEP_PX * np.stack([np.sin(heading), np.cos(heading)]), 2)
    start = generator.uniform(0, n_pixels - 1, (2, count, 1))
    path = np.rint(start + steps - steps[:, :, n_steps // 2, None]).astype(int).reshape(2, -1)
    seen = path[:, ((path >= 0) & (path < n_pixels)).all(0)]
    outside = np.ones((n_pixels, n_pixels), bool)
    outside[*seen] = False
    distance_px = ndimage.distance_transform_edt(outside)
    return np.maximum(1 - distance_px / radius_px, -1).astype(np.float32)
