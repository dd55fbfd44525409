"""Reconstruction of fields larger than the imager that a network is trained for, by overlapping tiles.

Each tile is a measurement of the size that the network was trained for. Its prediction is worst at its borders, where
light comes from cells outside the tile. So next to a border inside the field a tile is not used, and along a ramp it
replaces its neighbour, without a seam. Elsewhere the field is the prediction of one tile. Memory holds the field and a
batch of tiles.

At the edges of the field, a network expects darkness beyond. Where light comes from beyond, as of tissue that is larger
than the sensors, the measurement does not fall off towards its edges. It is then continued by its mirror image, which
looks much like that light, and what is predicted there is cut off. On another simulator (fields of 128 x 128
pixels, tests/independent/fields.py), the error of `two_sensors` in the outer 8 pixels is 8.6 instead of 14.4 %.

Networks divide a measurement by its mean. In a field, this is the mean of the tile, as in training. A tile without
cells would then be as bright as any other, so its prediction is to be judged by its probability of cells.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from foci3d.errors import InputError
from foci3d.io.progress import Progress, progress_log
from foci3d.io.samples import NumpyOutputs

Floats = npt.NDArray[np.float32]

BATCH_SIZE = 64
"""Tiles that are predicted together."""


MIN_EDGE_LIGHT = 0.9
"""Light at the edges, relative to that next to them, above which light comes from beyond.

Of scenes of blobs and discs, 0.67 to 0.91 in darkness and 0.87 to 1.17 in the middle of more cells.
"""

EDGE_PIXELS = 4
"""Width of the rings of pixels that are compared: the first from the edge, and the third and the fourth."""


@dataclass(frozen=True)
class Tiling:
    """Tiles of a field, along each of its axes.

    Parameters
    ----------
    n_pixels : int
        Pixels P of a tile in y and in x.
    cut : int
        Pixels next to a border of a tile inside the field that are not used, at least.
    ramp : int
        Pixels over which a tile replaces its neighbour.
    """

    n_pixels: int
    cut: int
    ramp: int

    def __post_init__(self) -> None:
        if self.cut < 0 or self.ramp < 1 or 2 * (self.cut + self.ramp) > self.n_pixels:
            raise ValueError(f"tiles of {self.n_pixels} pixels leave no middle between cuts and ramps")

    def starts(self, extent: int) -> npt.NDArray[np.int64]:
        """First pixel of each tile along an axis of `extent` pixels, evenly spaced from border to border."""
        longest_step = self.n_pixels - 2 * self.cut - self.ramp
        n_steps = -(-(extent - self.n_pixels) // longest_step)
        return np.linspace(0, extent - self.n_pixels, n_steps + 1).round().astype(np.int64)

    def corners(self, shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
        """First pixels y, x `(K, 2)` of all tiles of a field of a `shape (Y, X)`, row by row."""
        return np.array(list(product(*map(self.starts, shape))))

    def window(self, corner: npt.NDArray[np.integer]) -> tuple[slice, slice]:
        """Pixels in y and in x of the tile with a first pixel."""
        y, x = corner.tolist()
        return slice(y, y + self.n_pixels), slice(x, x + self.n_pixels)

    def weights(self, extent: int) -> Floats:
        """Weights `(tile, P)` of all tiles along an axis: 1 but for the ramps, with a sum of 1 at each pixel."""
        starts = self.starts(extent)
        middles = (starts[:-1] + self.n_pixels + starts[1:]) / 2  # of the overlaps
        pixels = starts[:, None] + np.arange(self.n_pixels) + 0.5
        rising = ((pixels[1:] - middles[:, None]) / self.ramp + 0.5).clip(0, 1)
        falling = ((middles[:, None] - pixels[:-1]) / self.ramp + 0.5).clip(0, 1)
        weights = np.ones(pixels.shape, np.float32)
        weights[1:] *= rising
        weights[:-1] *= falling
        return weights


def predict_field(
    predict: Callable[[Floats], NumpyOutputs],
    measurement: npt.NDArray[np.number],
    tiling: Tiling,
    n_mirrored: int = 0,
) -> tuple[Floats, dict[str, Floats]]:
    """Apply a network to a field of any size.

    Parameters
    ----------
    predict : callable
        From measurements (N, S, P, P) to outputs, as `foci3d.learning.model.Model.predict`: images (N, L, P, P), and
        values (N, L) of the layers.
    measurement : ndarray (S, Y, X)
        Images of the sensors, with at least P pixels in y and in x.
    tiling : Tiling
        Size and overlap of the tiles.
    n_mirrored : int
        Pixels by which the measurement is continued beyond each edge by its mirror image.

    Returns
    -------
    ndarray (L, Y, X), dict of str to ndarray (K, ...)
        Images of the field, float32, and the other outputs of its K tiles by name.

    Raises
    ------
    InputError
        If the field is smaller than a tile.
    """
    extents = measurement.shape[1:]
    if min(extents) < tiling.n_pixels:
        raise InputError(
            f"measurement: found {' x '.join(map(str, extents))} pixels; expected at least {tiling.n_pixels} x "
            f"{tiling.n_pixels}, those of the imager. Record a larger field, or choose another model."
        )
    if n_mirrored:
        measurement = np.pad(measurement, ((0, 0), (n_mirrored,) * 2, (n_mirrored,) * 2), mode="symmetric")
    rows, columns = (slice(n_mirrored, n_mirrored + extent) for extent in extents)
    field, parts = np.zeros((0, 0, 0), np.float32), []
    n_tiles = len(tiling.corners(measurement.shape[1:]))
    progress, n_done = Progress(progress_log, "tiles", n_tiles), 0
    for windows, weights, tiles in _batches(measurement, tiling):
        predicted = predict(tiles).arrays()
        images = predicted.pop("output")
        field = field if field.size else np.zeros((images.shape[1], *measurement.shape[1:]), np.float32)
        for window, weight, image in zip(windows, weights, images, strict=True):
            field[:, *window] += weight * image
        parts.append(predicted)
        n_done += len(tiles)
        progress.report(n_done)
    return field[:, rows, columns], {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def spread(values: Floats, extents: tuple[int, ...], tiling: Tiling, n_mirrored: int = 0) -> Floats:
    """Maps `(L, Y, X)` of values `(K, L)` of the tiles of a field of `extents (Y, X)`; see `predict_field`."""
    padded = tuple(extent + 2 * n_mirrored for extent in extents)
    maps = np.zeros((values.shape[1], *padded), np.float32)
    profiles = product(*map(tiling.weights, padded))
    for corner, (along_y, along_x), value in zip(tiling.corners(padded), profiles, values, strict=True):
        maps[:, *tiling.window(corner)] += value[:, None, None] * np.outer(along_y, along_x)
    rows, columns = (slice(n_mirrored, n_mirrored + extent) for extent in extents)
    return maps[:, rows, columns]


def has_light_beyond(measurement: npt.NDArray[np.number]) -> bool:
    """Whether a `measurement (S, Y, X)` does not fall off towards its edges, so that light comes from beyond them."""
    rings = (
        np.minimum.outer(*(np.minimum(np.arange(n), np.arange(n)[::-1]) for n in measurement.shape[1:])) // EDGE_PIXELS
    )
    edge, next_to_it = measurement[:, rings == 0], measurement[:, (rings == 2) | (rings == 3)]
    return bool(next_to_it.size and edge.mean() > MIN_EDGE_LIGHT * next_to_it.mean())


def _batches(
    measurement: npt.NDArray[np.number], tiling: Tiling
) -> Iterator[tuple[list[tuple[slice, slice]], Floats, Floats]]:
    """Places y, x of some tiles in the field, their weights `(N, P, P)`, and the tiles `(N, S, P, P)`."""
    corners = tiling.corners(measurement.shape[1:])
    profiles = list(product(*map(tiling.weights, measurement.shape[1:])))
    for first in range(0, len(corners), BATCH_SIZE):
        batch = slice(first, first + BATCH_SIZE)
        windows = [tiling.window(corner) for corner in corners[batch]]
        weights = np.stack([np.outer(along_y, along_x) for along_y, along_x in profiles[batch]])
        yield windows, weights, np.stack([measurement[:, *window] for window in windows]).astype(np.float32)
