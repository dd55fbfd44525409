"""Synthetic layers of cells, stacks of them, and a cluster that moves through a stack.

A layer's cells are where Perlin noise exceeds a threshold; each pixel of a cell, and of the background, is drawn on its
own from a log-normal distribution. A sample has its own generator of random numbers, so that it depends on seed, set,
split and its number alone.
"""

import functools
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from numpy.random import SFC64, Generator, SeedSequence
from scipy import ndimage
from scipy.special import ndtri
from torch import Tensor
from torch.nn import functional

from foci3d import perlin

Interval = Sequence[float]
UInts = npt.NDArray[np.uint64]

RANKS = 2**16
"""Values that a pixel's brightness can take, all equally likely: quantiles of its distribution."""

NUMBERS = ("cells", "x", "y", "threshold", "ratio", "gain", "depth")
"""Uniform numbers behind a layer; x, y and depth are between 0 and 1."""


@dataclass(frozen=True)
class SceneConfig:
    """How one synthetic layer looks; intervals are drawn from uniformly, anew for each layer.

    Parameters
    ----------
    noise : str
        ``matrix``, a fresh lattice for each layer; or ``noise``, the package of that name.
    octaves : int
        Octaves of the noise.
    persistence : float
        Amplitude of an octave relative to the one before.
    cells : interval
        Lattice cells across the picture.
    threshold : interval
        Noise, from 0 to 1, above which there are cells.
    intensity_cv : float
        Coefficient of variation of a cell pixel.
    tumour_to_background : interval
        Mean of the cell pixels over that of the background.
    background_cv : float
        Coefficient of variation of a background pixel.
    gain : interval
        Mean of the cell pixels [a.u.].
    cluster_coverage : float
        Largest share of the picture that a moving cluster covers.
    """

    noise: str
    octaves: int
    persistence: float
    cells: Interval
    threshold: Interval
    intensity_cv: float
    tumour_to_background: Interval
    background_cv: float
    gain: Interval
    cluster_coverage: float


@dataclass(frozen=True)
class Draws:
    """Everything random about layers of cells: N samples of L layers.

    Parameters
    ----------
    field : Tensor (N, L, Y, X), float32
        Perlin noise, from about -1 to 1.
    ranks : Tensor (N, L, Y, X), int32
        Which of the `RANKS` equally likely values a pixel takes, cell or background.
    threshold, ratio, gain : Tensor (N, L), float32
        Threshold of the noise, mean of the cell pixels over that of the background, and mean of the cell pixels.
    depths : Tensor (N, L), float64
        Uniform numbers from 0 to 1, for `place_depths`.
    """

    field: Tensor
    ranks: Tensor
    threshold: Tensor
    ratio: Tensor
    gain: Tensor
    depths: Tensor


def sample_generator(seed: int, set_name: str, split: str, index: int) -> Generator:
    """Generator of the random numbers of one sample.

    Parameters
    ----------
    seed : int
        Root of all random numbers, at least 0.
    set_name, split : str
        Name of the set and of its split.
    index : int
        Number of the sample in the split, from 0.

    Returns
    -------
    numpy.random.Generator
        Independent of that of any other seed, set, split or number.
    """
    name = hashlib.sha256(f"{set_name}/{split}".encode()).digest()
    return Generator(SFC64(SeedSequence([seed, int.from_bytes(name[:8], "little"), index])))


def draw(generators: Sequence[Generator], layers: int, config: SceneConfig, pixels: int, margin: int = 0) -> Draws:
    """Draw what `layers` layers of each sample are made from.

    Parameters
    ----------
    generators : sequence of numpy.random.Generator
        One for each of N samples.
    layers : int
        Layers L of a sample.
    config : SceneConfig
        How a layer looks.
    pixels : int
        Pixels of the picture in y and x.
    margin : int
        Width of the scene beyond each edge of the picture [pixels].

    Returns
    -------
    Draws
        Of N samples, with ``pixels + 2 * margin`` pixels in y and x.
    """
    extent = 1 + 2 * margin / pixels
    pixels = pixels + 2 * margin
    sizes = perlin.lattice_sizes(config.cells[1] * extent, config.octaves)
    nodes = sum(size**2 for size in sizes)
    for_numbers, for_lattice, for_ranks = layers * len(NUMBERS), -(-layers * nodes // 8), -(-layers * pixels**2 // 4)
    # A sample takes all its random words at once, for a call costs more than the words.
    words = np.stack(
        [generator.bit_generator.random_raw(for_numbers + for_lattice + for_ranks) for generator in generators]
    )
    numbers = _numbers(words[:, :for_numbers].reshape(-1, layers, len(NUMBERS)), config)
    cells, corner = numbers["cells"].flatten() * extent, torch.stack([numbers["x"], numbers["y"]], -1).flatten(0, 1)
    if config.noise == "matrix":
        codes = _small_integers(words[:, for_numbers:-for_ranks], np.uint8, layers, nodes)
        field = perlin.perlin(_gradients(codes, sizes), cells, corner, pixels, config.persistence)
    else:
        field = perlin.package_noise(cells, corner * perlin.PERIOD, pixels, config.octaves, config.persistence)
    ranks = _small_integers(words[:, -for_ranks:], np.uint16, layers, pixels**2)
    return Draws(
        field=field.unflatten(0, (-1, layers)),
        ranks=ranks.view(-1, layers, pixels, pixels),
        threshold=numbers["threshold"].float(),
        ratio=numbers["ratio"].float(),
        gain=numbers["gain"].float(),
        depths=numbers["depth"],
    )


def _numbers(words: UInts, config: SceneConfig) -> dict[str, Tensor]:
    """The `NUMBERS` of each layer `(N, L)`, float64, from random words `(N, L, NUMBERS)`."""
    unit = (0.0, 1.0)
    # The noise is between -1 and 1 here, the configured threshold between 0 and 1.
    threshold = [2 * value - 1 for value in config.threshold]
    low, high = np.array([config.cells, unit, unit, threshold, config.tumour_to_background, config.gain, unit]).T
    values = torch.from_numpy(low + (high - low) * ((words >> 11) * 2.0**-53))
    return dict(zip(NUMBERS, values.unbind(-1), strict=True))


def _small_integers(words: UInts, dtype: type[np.unsignedinteger], layers: int, count: int) -> Tensor:
    """Random words `(N, words)` cut into `count` integers of a smaller type for each layer: `(N * layers, count)`."""
    integers = words.view(dtype)[:, : layers * count]
    return torch.from_numpy(integers.astype(np.int32)).view(-1, count)


def _gradients(codes: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    """Gradients `(N, 2, G, G)` of each octave from random bytes `(N, nodes of all octaves)`."""
    chosen = (codes & (len(perlin.GRADIENTS) - 1)).flatten()
    gradients = torch.stack([part.index_select(0, chosen).view_as(codes) for part in perlin.GRADIENTS.T], 1)
    parts = gradients.split([size**2 for size in sizes], -1)
    return [part.unflatten(-1, (size, size)) for part, size in zip(parts, sizes, strict=True)]


@functools.cache
def _speckle(background_cv: float, cell_cv: float) -> Tensor:
    """The `RANKS` quantiles of log-normal distributions with mean 1, of the background and then of cells, float32."""
    normal = ndtri((np.arange(RANKS) + 0.5) / RANKS)
    sigmas = [math.sqrt(math.log1p(cv**2)) for cv in (background_cv, cell_cv)]
    return torch.from_numpy(np.concatenate([np.exp(sigma * normal - sigma**2 / 2) for sigma in sigmas])).float()


def paint(masks: Tensor, draws: Draws, config: SceneConfig) -> Tensor:
    """Paint cells and background, each pixel on its own.

    Parameters
    ----------
    masks : Tensor (N, L, Y, X), bool
        Where there are cells.
    draws : Draws
        The layers' random numbers.
    config : SceneConfig
        Coefficients of variation.

    Returns
    -------
    Tensor (N, L, Y, X), float32
        Layers [a.u.]. Cell pixels have mean ``draws.gain``, background pixels ``draws.gain / draws.ratio``.
    """
    ranks = torch.add(draws.ranks, masks, alpha=RANKS).flatten()
    pixels = _speckle(config.background_cv, config.intensity_cv).index_select(0, ranks).view_as(draws.field)
    background = (draws.gain / draws.ratio)[..., None, None]
    return pixels.mul_(masks.float().mul_(draws.gain[..., None, None] - background).add_(background))


def place_depths(uniform: Tensor, entry: Mapping[str, Any]) -> Tensor:
    """Depths of the layers of stacks, from near to far.

    Continuous depths are uniform over all stacks that keep the least gap; those in steps are drawn alike.

    Parameters
    ----------
    uniform : Tensor (N, L)
        Uniform numbers from 0 to below 1.
    entry : mapping
        The set's configuration: depth_range_um, depth_step_um (0: continuous) and minimum_gap_um [um].

    Returns
    -------
    Tensor (N, L), float32
        Depths from sensor A [um], increasing.
    """
    low, high = entry["depth_range_um"]
    step, gap = entry["depth_step_um"], entry["minimum_gap_um"]
    gaps = torch.arange(uniform.shape[-1], device=uniform.device)
    ordered = uniform.double().sort(-1).values
    if step == 0:
        room = high - low - gaps[-1] * gap
        return (low + ordered * room + gaps * gap).float()
    steps_apart = math.ceil(gap / step)
    places = math.floor((high - low) / step) + 1 - gaps[-1] * steps_apart
    return (low + step * ((ordered * places).floor() + gaps * steps_apart)).float()


def without_overlap(masks: Tensor) -> Tensor:
    """Masks `(N, L, Y, X)` without the pixels at which more than one layer has cells."""
    return masks & (masks.sum(1, keepdim=True) < 2)


def draw_stacks(
    generators: Sequence[Generator], config: SceneConfig, entry: Mapping[str, Any], pixels: int, margin: int = 0
) -> dict[str, Tensor]:
    """Draw stacks of independent layers.

    Parameters
    ----------
    generators : sequence of numpy.random.Generator
        One for each of N samples.
    config : SceneConfig
        How a layer looks.
    entry : mapping
        The set's configuration: layers, overlap, and what `place_depths` reads.
    pixels, margin : int
        Pixels of the picture in y and x, and of the scene beyond each of its edges.

    Returns
    -------
    dict of str to Tensor
        layers (N, L, Y, X) float32 [a.u.] and masks (N, L, Y, X) uint8 with their margin, depths_um (N, L) float32.
    """
    draws = draw(generators, entry["layers"], config, pixels, margin)
    masks = draws.field > draws.threshold[..., None, None]
    if entry["overlap"] == "remove":
        masks = without_overlap(masks)
    return {
        "layers": paint(masks, draws, config),
        "masks": masks.view(torch.uint8),
        "depths_um": place_depths(draws.depths, entry),
    }


def draw_moving(
    generators: Sequence[Generator], config: SceneConfig, entry: Mapping[str, Any], pixels: int, margin: int = 0
) -> dict[str, Tensor]:
    """Draw stacks in which one cluster moves from the first layer to the last, a layer in each step.

    Pixel for pixel the cluster is the same in each step, and so is everything else: in the layers where the cluster is
    not, its footprint holds background.

    Parameters
    ----------
    generators : sequence of numpy.random.Generator
        One for each of M groups; a group has as many samples as layers.
    config, entry, pixels, margin
        As for `draw_stacks`.

    Returns
    -------
    dict of str to Tensor
        As of `draw_stacks` with ``N = M * L``, and step (N,) int64, the layer that the cluster is in, from 0;
        cluster (N, Y, X) uint8, its footprint.
    """
    layers = entry["layers"]
    draws = draw(generators, layers + 1, config, pixels, margin)
    seen = draws.field[:, -1, margin : margin + pixels, margin : margin + pixels].numpy()
    cluster = torch.from_numpy(np.stack([focus(field, config.cluster_coverage) for field in seen]))
    cluster = functional.pad(cluster, (margin, margin, margin, margin))
    masks = draws.field > draws.threshold[..., None, None]
    masks[:, :-1] &= ~cluster[:, None]
    masks[:, -1] = cluster
    painted = paint(masks, draws, config)
    here = torch.eye(layers, dtype=torch.bool)[..., None, None] & cluster[:, None, None]  # (M, steps, L, Y, X)
    return {
        "layers": torch.where(here, painted[:, None, -1:], painted[:, None, :-1]).flatten(0, 1),
        "masks": (here | masks[:, None, :-1]).flatten(0, 1).to(torch.uint8),
        "depths_um": place_depths(draws.depths[:, :-1], entry).repeat_interleave(layers, 0),
        "step": torch.arange(layers).repeat(len(generators)),
        "cluster": cluster.repeat_interleave(layers, 0).to(torch.uint8),
    }


def focus(field: np.ndarray, coverage: float) -> np.ndarray:
    """The connected focus `(Y, X)` bool around the noise's peak, when cells cover a share `coverage` of the picture."""
    labels, _ = ndimage.label(field >= np.quantile(field, 1 - coverage))
    return labels == labels.flat[field.argmax()]
