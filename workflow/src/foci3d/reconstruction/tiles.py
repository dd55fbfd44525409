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

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from foci3d.errors import InputError
from foci3d.io.progress import Progress, progress_log
from foci3d.io.samples import NumpyOutputs, Outputs

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
) -> NumpyOutputs:
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
    Outputs
        Arrays (L, Y, X), float32, of the field; a value becomes a map that varies from tile to tile.

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
    fields: dict[str, Floats] = {}
    n_tiles = math.prod(len(tiling.starts(extent)) for extent in measurement.shape[1:])
    progress, n_done = Progress(progress_log, "tiles", n_tiles), 0
    for windows, weights, tiles in _batches(measurement, tiling):
        for name, values in predict(tiles).arrays().items():
            predicted = values if values.ndim == 4 else values[..., None, None]
            field = fields.setdefault(name, np.zeros((predicted.shape[1], *measurement.shape[1:]), np.float32))
            for window, weight, tile in zip(windows, weights, predicted, strict=True):
                field[:, *window] += weight * tile
        n_done += len(tiles)
        progress.report(n_done)
    return Outputs(**{name: field[:, rows, columns] for name, field in fields.items()})


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
    rows, columns = (
        [(slice(start, start + tiling.n_pixels), weights) for start, weights in zip(starts, profiles, strict=True)]
        for starts, profiles in ((tiling.starts(extent), tiling.weights(extent)) for extent in measurement.shape[1:])
    )
    places = list(product(rows, columns))
    for batch in (places[first : first + BATCH_SIZE] for first in range(0, len(places), BATCH_SIZE)):
        windows = [(y, x) for (y, _), (x, _) in batch]
        weights = np.stack([np.outer(along_y, along_x) for (_, along_y), (_, along_x) in batch])
        yield windows, weights, np.stack([measurement[:, *window] for window in windows]).astype(np.float32)
