"""Scenes of cells: stacks of synthetic layers, and a cluster that moves through a stack.

A layer has cells where Perlin noise, or the field of another shape, exceeds a threshold. The pixels of a cell, and of
the background, are log-normal: independent of each other, as in the paper's scenes, or with a smooth texture and soft
borders, as in images of real cells. Each scene has its own random generator, so that it does not depend on which scenes
are drawn with it.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from numpy.random import Generator
from scipy import ndimage
from scipy.special import ndtri
from torch import Tensor
from torch.nn import functional

from foci3d.config.datasets import DatasetConfig, SceneConfig
from foci3d.io.samples import Scenes
from foci3d.optics.linalg import batched_matmul
from foci3d.simulation import perlin
from foci3d.simulation.shapes import draw_fields

UInts = npt.NDArray[np.uint64]

N_QUANTILES = 2**16
"""Values that the intensity of a pixel can take, all equally likely: quantiles of its distribution."""

N_LATTICES = 32
"""Images whose noise is computed at once, of about the same number of lattice cells."""

LAYER_VARIABLES = ("lattice_cells", "x", "y", "threshold", "ratio", "gain", "depth")
"""Uniform random variables of a layer; x, y and depth are between 0 and 1."""

TEXTURE_VARIABLES = ("persistence", "intensity_cv", "background_cv", "texture_sigma_px", "edge_sigma_px")
"""Further uniform random variables of a layer, drawn only where one of them varies between layers."""


@dataclass(frozen=True)
class SceneDraws:
    """The random variables of N scenes of L layers.

    Parameters
    ----------
    field : Tensor (N, L, Y, X), float32
        Perlin noise or the field of another shape, from about -1 to 1.
    ranks : Tensor (N, L, Y, X), int32
        Index of the quantile that a pixel takes, cell or background: 0 to ``N_QUANTILES - 1``, equally likely.
    threshold, ratio, gain : Tensor (N, L), float32
        Threshold of the noise, mean of the cell pixels over that of the background, and mean of the cell pixels.
    intensity_cv, background_cv : Tensor (N, L), float32
        Coefficients of variation of the cell and of the background pixels.
    texture_sigma_px, edge_sigma_px : Tensor (N, L), float32
        Standard deviations of the Gaussian filters of the texture and of the borders [pixels].
    depths : Tensor (N, L), float64
        Uniform numbers from 0 to 1, for `place_depths`.
    """

    field: Tensor
    ranks: Tensor
    threshold: Tensor
    ratio: Tensor
    gain: Tensor
    intensity_cv: Tensor
    background_cv: Tensor
    texture_sigma_px: Tensor
    edge_sigma_px: Tensor
    depths: Tensor


def draw_layers(
    generators: Sequence[Generator], n_layers: int, scene: SceneConfig, n_pixels: int, margin_pixels: int = 0
) -> SceneDraws:
    """Draw the random variables of `n_layers` layers of each scene.

    Parameters
    ----------
    generators : sequence of numpy.random.Generator
        One for each of N scenes.
    n_layers : int
        Layers L of a scene.
    scene : SceneConfig
        Appearance of a layer.
    n_pixels : int
        Pixels of a measurement in y and x.
    margin_pixels : int
        Width of the scene beyond each edge of the measurement [pixels].

    Returns
    -------
    SceneDraws
        Of N scenes, with ``n_pixels + 2 * margin_pixels`` pixels in y and x.
    """
    scale = 1 + 2 * margin_pixels / n_pixels
    extent = n_pixels + 2 * margin_pixels
    sizes = perlin.lattice_sizes(scene.lattice_cells[1] * scale, scene.octaves)
    n_nodes = sum(size**2 for size in sizes) if scene.shape == "perlin" else 0
    n_texture = len(TEXTURE_VARIABLES) if any(low < high for low, high in _texture_intervals(scene)) else 0
    counts = (len(LAYER_VARIABLES), n_nodes / 8, extent**2 / 4, n_texture)
    words_by_use = [math.ceil(n_layers * count) for count in counts]
    # All words of a scene at once, because a call costs more than the words.
    words = np.stack([generator.bit_generator.random_raw(sum(words_by_use)) for generator in generators])
    for_layers, for_lattice, for_ranks, for_texture = np.split(words, np.cumsum(words_by_use)[:-1], 1)
    variables = _layer_variables(for_layers, n_layers, scene) | _texture_variables(for_texture, n_layers, scene)
    cells, persistence = variables["lattice_cells"].flatten() * scale, variables["persistence"].flatten()
    corner = torch.stack([variables["x"], variables["y"]], -1).flatten(0, 1)
    if scene.shape != "perlin":
        field = draw_fields(generators, n_layers, scene, extent).flatten(0, 1)
    elif scene.perlin_backend == "batched":
        codes = _small_integers(for_lattice, np.uint8, n_layers, n_nodes)
        field = _lattice_noise(codes, sizes, cells, corner, extent, persistence)
    else:
        field = perlin.package_noise(cells, corner * perlin.PERIOD, extent, scene.octaves, persistence)
    ranks = _small_integers(for_ranks, np.uint16, n_layers, extent**2)
    names = ("threshold", "ratio", "gain", "intensity_cv", "background_cv", "texture_sigma_px", "edge_sigma_px")
    return SceneDraws(
        field=field.unflatten(0, (-1, n_layers)),
        ranks=ranks.view(-1, n_layers, extent, extent),
        depths=variables["depth"],
        **{name: variables[name].float() for name in names},
    )


def _layer_variables(words: UInts, n_layers: int, scene: SceneConfig) -> dict[str, Tensor]:
    """The `LAYER_VARIABLES` of each layer `(N, L)`, float64, from random words `(N, L * variables)`."""
    unit = (0.0, 1.0)
    # The noise is between -1 and 1, the configured threshold between 0 and 1.
    threshold = [2 * value - 1 for value in scene.threshold]
    intervals = [scene.lattice_cells, unit, unit, threshold, scene.tumour_to_background, scene.gain, unit]
    values = _uniform(words.reshape(len(words), n_layers, -1), np.array(intervals))
    return dict(zip(LAYER_VARIABLES, values.unbind(-1), strict=True))


def _texture_variables(words: UInts, n_layers: int, scene: SceneConfig) -> dict[str, Tensor]:
    """The `TEXTURE_VARIABLES` of each layer `(N, L)`, float64; `words` is empty where none of them varies."""
    if not words.size:
        words = np.zeros((len(words), n_layers * len(TEXTURE_VARIABLES)), np.uint64)
    values = _uniform(words.reshape(len(words), n_layers, -1), np.array(_texture_intervals(scene)))
    return dict(zip(TEXTURE_VARIABLES, values.unbind(-1), strict=True))


def _texture_intervals(scene: SceneConfig) -> list[tuple[float, float]]:
    return [getattr(scene, name) for name in TEXTURE_VARIABLES]


def _uniform(words: UInts, intervals: npt.NDArray[np.float64]) -> Tensor:
    """Numbers that are uniform over `intervals (V, 2)`, float64, from random words `(..., V)`."""
    low, high = intervals.T
    return torch.from_numpy(low + (high - low) * ((words >> 11) * 2.0**-53))


def _small_integers(words: UInts, dtype: type[np.unsignedinteger], n_layers: int, count: int) -> Tensor:
    """Random words `(N, words)` split into `count` integers of a smaller type for each layer: `(N * L, count)`."""
    integers = words.view(dtype)[:, : n_layers * count]
    return torch.from_numpy(integers.astype(np.int32)).view(-1, count)


def _lattice_noise(
    codes: Tensor, sizes: Sequence[int], cells: Tensor, corner: Tensor, extent: int, persistence: Tensor
) -> Tensor:
    """Perlin noise `(N, extent, extent)`, the images with few `cells (N,)` apart: they need few nodes.

    Gradients follow from random bytes `(N, nodes of all octaves)`, for `sizes` nodes along an axis in each octave.
    """
    lattices = codes.split([size**2 for size in sizes], -1)
    field = torch.empty(len(codes), extent, extent)
    for images in cells.argsort().split(N_LATTICES):
        needed = perlin.lattice_sizes(cells[images].max().item(), len(sizes))
        gradients = [
            _gradients(lattice[images].view(-1, size, size)[:, :count, :count])
            for lattice, size, count in zip(lattices, sizes, needed, strict=True)
        ]
        field[images] = perlin.perlin_noise(gradients, cells[images], corner[images], extent, persistence[images])
    return field


def _gradients(codes: Tensor) -> Tensor:
    """Gradients `(N, 2, G, G)` from random bytes `(N, G, G)`."""
    indices = (codes & (len(perlin.GRADIENTS) - 1)).flatten()
    return torch.stack([part.index_select(0, indices).view_as(codes) for part in perlin.GRADIENTS.T], 1)


@functools.cache
def _speckle(background_cv: float, cell_cv: float) -> Tensor:
    """Quantiles of log-normal distributions with mean 1, of the background and then of cells, float32."""
    normal = _normal_quantiles()
    sigmas = [math.sqrt(math.log1p(cv**2)) for cv in (background_cv, cell_cv)]
    return torch.from_numpy(np.concatenate([np.exp(sigma * normal - sigma**2 / 2) for sigma in sigmas])).float()


@functools.cache
def _normal_quantiles() -> npt.NDArray[np.float64]:
    """Quantiles of the standard normal distribution."""
    return np.asarray(ndtri((np.arange(N_QUANTILES) + 0.5) / N_QUANTILES))


def render_intensities(masks: Tensor, draws: SceneDraws, scene: SceneConfig) -> Tensor:
    """Intensities of cells and background, each pixel log-normal.

    Parameters
    ----------
    masks : Tensor (N, L, Y, X), bool
        Where there are cells.
    draws : SceneDraws
        Random variables of the layers.
    scene : SceneConfig
        Whether pixels are independent and borders sharp, as in the paper's scenes, which is faster.

    Returns
    -------
    Tensor (N, L, Y, X), float32
        Layers [a.u.]. Cell pixels have mean ``draws.gain``, background pixels ``draws.gain / draws.ratio``, before
        the borders are softened.
    """
    if not scene.has_independent_pixels:
        return _render_textured(masks, draws)
    ranks = torch.add(draws.ranks, masks, alpha=N_QUANTILES).flatten()
    pixels = _speckle(scene.background_cv[0], scene.intensity_cv[0]).index_select(0, ranks).view_as(draws.field)
    background = (draws.gain / draws.ratio)[..., None, None]
    return pixels.mul_(masks.float().mul_(draws.gain[..., None, None] - background).add_(background))


def _render_textured(masks: Tensor, draws: SceneDraws) -> Tensor:
    """Intensities with a correlated texture, which runs across the borders of cells, and with soft borders."""
    quantiles = torch.from_numpy(_normal_quantiles()).float()
    normal = quantiles.index_select(0, draws.ranks.flatten()).view_as(draws.field)
    # With weights whose squares add up to 1, the filtered noise is standard normal, up to the edges of the image.
    normal = _gaussian_filter(normal, draws.texture_sigma_px, norm=2)
    share = _gaussian_filter(masks.float(), draws.edge_sigma_px, norm=1)
    cells = draws.gain[..., None, None] * _log_normal(normal, draws.intensity_cv)
    background = (draws.gain / draws.ratio)[..., None, None] * _log_normal(normal, draws.background_cv)
    return torch.lerp(background, cells, share)


def _gaussian_filter(images: Tensor, sigmas_px: Tensor, norm: float) -> Tensor:
    """`images (N, L, Y, X)` filtered along y and x, with weights of unit `norm` at each pixel, also at the edges."""
    pixels = torch.arange(images.shape[-1], dtype=torch.float32)
    # A filter of almost no width leaves an image as it is.
    offsets = (pixels[:, None] - pixels) / sigmas_px.flatten().clamp_min(1e-3)[:, None, None]
    # Beyond 9 standard deviations, weights are too small to count, and then denormal, which is slow to multiply.
    weights = functional.normalize((-(offsets**2) / 2).masked_fill(offsets.abs() > 9, -torch.inf).exp(), norm, dim=-1)
    return batched_matmul(batched_matmul(weights, images.flatten(0, 1)), weights.mT).view_as(images)


def _log_normal(normal: Tensor, cv: Tensor) -> Tensor:
    """Log-normal numbers with mean 1 and coefficients of variation `cv (N, L)` from `normal (N, L, Y, X)` ones."""
    sigma = cv.square().log1p().sqrt()[..., None, None]
    return (sigma * normal - sigma.square() / 2).exp()


def place_depths(uniform: Tensor, dataset: DatasetConfig, n_layers: Tensor | None = None) -> Tensor:
    """Depths of the layers of stacks, in increasing order.

    Depths are uniform over all stacks of the dataset's depth range, and grid if it has one, that respect its minimum
    gap.

    Parameters
    ----------
    uniform : Tensor (N, L)
        Uniform numbers from 0 to below 1.
    dataset : DatasetConfig
        Range, step (0: continuous) and minimum gap of the depths.
    n_layers : Tensor (N,), optional
        Number of layers of each stack, by default L; a stack of 0 is placed as one of 1. Further layers are in the
        middle of the range.

    Returns
    -------
    Tensor (N, L), float32
        Distances from sensor A [um], increasing from layer to layer of a stack.
    """
    low, high = dataset.depth_range_um
    step, gap = dataset.depth_step_um, dataset.minimum_gap_um
    order = torch.arange(uniform.shape[-1], device=uniform.device)
    last = order[-1] if n_layers is None else n_layers[:, None].clamp_min(1) - 1
    ordered = uniform.double().masked_fill(order > last, 1.0).sort(-1).values
    if step == 0:
        free = high - low - last * gap
        depths_um = low + ordered * free + order * gap
    else:
        n_free = dataset.n_depth_steps + 1 - last * dataset.minimum_gap_steps
        depths_um = low + step * ((ordered * n_free).floor() + order * dataset.minimum_gap_steps)
    return depths_um.masked_fill(order > last, (low + high) / 2).float()


def remove_overlap(masks: Tensor) -> Tensor:
    """Masks `(N, L, Y, X)` without the pixels at which more than one layer has cells."""
    return masks & (masks.sum(1, keepdim=True) < 2)


def occupied_first(stacks: Scenes[Tensor]) -> Scenes[Tensor]:
    """Layers, masks and depths of stacks with their empty layers last; the order is kept otherwise.

    So the number of a layer counts the layers with cells before it, whatever the number of empty ones.
    """
    is_empty = ~(stacks.masks > 0).any(-1).any(-1)
    order = is_empty.to(torch.uint8).argsort(dim=1, stable=True)
    rows = torch.arange(len(order), device=order.device)[:, None]
    return stacks.map(lambda values: values[rows, order])


def draw_stacks(
    generators: Sequence[Generator], scene: SceneConfig, dataset: DatasetConfig, n_pixels: int, margin_pixels: int = 0
) -> Scenes[Tensor]:
    """Draw stacks of independent layers.

    Parameters
    ----------
    generators : sequence of numpy.random.Generator
        One for each of N stacks.
    scene : SceneConfig
        Appearance of a layer.
    dataset : DatasetConfig
        Number of layers, overlap and depths.
    n_pixels, margin_pixels : int
        Pixels of a measurement in y and x, and of the scene beyond each of its edges.

    Returns
    -------
    Scenes
        Of N stacks, with their margin.
    """
    draws = draw_layers(generators, dataset.n_layers, scene, n_pixels, margin_pixels)
    masks = draws.field > draws.threshold[..., None, None]
    if dataset.overlap == "remove":
        masks = remove_overlap(masks)
    if dataset.empty_layers:
        uniform = np.stack([generator.random(dataset.n_layers) for generator in generators])
        masks = masks & torch.from_numpy(uniform >= dataset.empty_layers)[..., None, None]
    n_layers = None
    if dataset.minimum_layers is not None:
        bounds = dataset.minimum_layers, dataset.n_layers + 1
        n_layers = torch.tensor([int(generator.integers(*bounds)) for generator in generators])
        has_cells, is_lit = (part[..., None, None] for part in present_layers(n_layers, dataset.n_layers))
        masks = masks & has_cells
    layers = render_intensities(masks, draws, scene)
    stacks = Scenes(
        layers=layers if n_layers is None else layers * is_lit,
        masks=masks.view(torch.uint8),
        depths_um=place_depths(draws.depths, dataset, n_layers),
    )
    return occupied_first(stacks) if dataset.has_empty_layers else stacks


def present_layers(n_layers: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Which of at `most` layers of stacks with `n_layers (N,)` hold cells, and which give light, `(N, most)`.

    The others are dark, but for the first of a stack without cells: its background is what such a specimen shows.
    """
    order = torch.arange(most, device=n_layers.device)
    return order < n_layers[:, None], order < n_layers.clamp_min(1)[:, None]


def draw_moving(
    generators: Sequence[Generator], scene: SceneConfig, dataset: DatasetConfig, n_pixels: int, margin_pixels: int = 0
) -> Scenes[Tensor]:
    """Draw stacks in which a cluster moves from the first layer to the last, one layer per step.

    The cluster has the same pixels in each step, and so has everything else; in the layers where the cluster is not,
    its footprint holds background. Soft borders end at the footprint.

    Parameters
    ----------
    generators : sequence of numpy.random.Generator
        One for each of M sequences; a sequence has as many samples as layers.
    scene, dataset, n_pixels, margin_pixels
        As for `draw_stacks`.

    Returns
    -------
    Scenes
        Of ``N = M * L`` samples, with their margin, step and cluster.
    """
    n_layers, margin = dataset.n_layers, margin_pixels
    draws = draw_layers(generators, n_layers + 1, scene, n_pixels, margin)
    visible = draws.field[:, -1, margin : margin + n_pixels, margin : margin + n_pixels].numpy()
    cluster = torch.from_numpy(np.stack([segment_focus(field, scene.cluster_coverage) for field in visible]))
    cluster = functional.pad(cluster, (margin, margin, margin, margin))
    masks = draws.field > draws.threshold[..., None, None]
    masks[:, :-1] &= ~cluster[:, None]
    masks[:, -1] = cluster
    layers = render_intensities(masks, draws, scene)
    is_cluster = torch.eye(n_layers, dtype=torch.bool)[..., None, None] & cluster[:, None, None]  # (M, steps, L, Y, X)
    return Scenes(
        layers=torch.where(is_cluster, layers[:, None, -1:], layers[:, None, :-1]).flatten(0, 1),
        masks=(is_cluster | masks[:, None, :-1]).flatten(0, 1).to(torch.uint8),
        depths_um=place_depths(draws.depths[:, :-1], dataset).repeat_interleave(n_layers, 0),
        step=torch.arange(n_layers).repeat(len(generators)),
        cluster=cluster.repeat_interleave(n_layers, 0).to(torch.uint8),
    )


def segment_focus(field: npt.NDArray[np.float32], coverage: float) -> npt.NDArray[np.bool_]:
    """The connected focus `(Y, X)` around the peak of the noise, where cells cover a share `coverage` of the image."""
    labels, _ = ndimage.label(field >= np.quantile(field, 1 - coverage))
    return np.asarray(labels == labels.flat[field.argmax()])
