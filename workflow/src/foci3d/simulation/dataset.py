"""Samples of a dataset: from random numbers to scenes, measurements and the arrays of a shard."""

import hashlib
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from numpy.random import SFC64, Generator, SeedSequence
from threadpoolctl import ThreadpoolController
from torch import Tensor

from foci3d.config.datasets import DatasetConfig, SceneConfig, SlidesConfig
from foci3d.io.progress import Progress
from foci3d.io.samples import NumpySamples, Samples, Scenes
from foci3d.simulation.imager import Imager, simulate_measurements
from foci3d.simulation.scene import (
    draw_moving,
    draw_stacks,
    occupied_first,
    place_depths,
    present_layers,
    remove_overlap,
)
from foci3d.simulation.slides import crop_stacks, load_label

BLOCK_SIZE = 32
"""Samples that are rendered together: few enough to stay in a processor's cache."""

log = logging.getLogger(__name__)
BLAS = ThreadpoolController()


@dataclass(frozen=True)
class Split:
    """A split of a synthetic dataset.

    Parameters
    ----------
    seed : int
        Root of all random numbers, at least 0.
    dataset_name, name : str
        Names of the dataset and of its split.
    dataset : DatasetConfig
        The dataset.
    """

    seed: int
    dataset_name: str
    name: str
    dataset: DatasetConfig

    @property
    def samples_per_scene(self) -> int:
        """Samples that show one scene: the steps of a moving cluster, else 1."""
        return self.dataset.n_layers if self.dataset.scene == "moving" else 1

    def generator(self, index: int) -> Generator:
        """Generator of the random numbers of scene `index`, independent of that of any other seed, split or scene."""
        name = hashlib.sha256(f"{self.dataset_name}/{self.name}".encode()).digest()
        return Generator(SFC64(SeedSequence([self.seed, int.from_bytes(name[:8], "little"), index])))


def appearance_numbers(indices: Tensor, shares: Sequence[float]) -> Tensor:
    """Number of the appearance of each scene of a split, by the shares of these; the same for any number of scenes.

    >>> appearance_numbers(torch.arange(8), [3, 1]).tolist()
    [0, 1, 0, 0, 1, 0, 0, 0]
    """
    golden = (math.sqrt(5) - 1) / 2  # the multiples of this fraction fill the interval from 0 to 1 evenly
    bounds = torch.tensor(shares, dtype=torch.float64).cumsum(0)
    return torch.bucketize(((indices.double() + 0.5) * golden % 1) * bounds[-1], bounds[:-1], right=True)


def generate_samples(
    split: Split, samples: range, scenes: Sequence[SceneConfig], imager: Imager
) -> Iterator[NumpySamples]:
    """Generate samples of a split block by block.

    Blocks have a fixed number of samples and start at a multiple of it; samples of a block that are not asked for are
    rendered and discarded. So the bytes of a sample depend neither on the shards nor on the threads.

    Parameters
    ----------
    split : Split
        The split.
    samples : range
        Numbers of the samples in the split.
    scenes : sequence of SceneConfig
        The appearances of the dataset, in the order of their shares.
    imager : Imager
        The imager.

    Yields
    ------
    Samples
        The next samples.
    """
    size = max(1, BLOCK_SIZE // split.samples_per_scene) * split.samples_per_scene
    progress = Progress(log, "samples", len(samples))
    for first in range(samples.start // size * size, samples.stop, size):
        with _one_thread():
            block = _generate_block(split, range(first, first + size), scenes, imager)
        progress.report(max(first - samples.start, 0))
        yield block[max(samples.start - first, 0) : samples.stop - first].map(Tensor.numpy)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute with one thread: at the borders between threads, vector and scalar code round differently."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with BLAS.limit(limits=1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(threads)


def _generate_block(
    split: Split, samples: range, appearances: Sequence[SceneConfig], imager: Imager
) -> Samples[Tensor]:
    repeats = split.samples_per_scene
    scenes = range(samples.start // repeats, samples.stop // repeats)
    generators = [split.generator(index) for index in scenes]
    numbers = appearance_numbers(torch.tensor(scenes), [*split.dataset.appearance.values()])
    drawn = _draw_scenes(split.dataset, generators, [appearances[number] for number in numbers], imager)
    sources = [generator for generator in generators for _ in range(repeats)]
    measurements = simulate_measurements(imager, drawn.layers, drawn.depths_um, sources)
    visible = drawn.map(lambda values: imager.crop(values) if values.ndim > 2 else values)
    sequence = None if drawn.cluster is None else torch.tensor(scenes).repeat_interleave(repeats)
    return replace(visible, index=torch.tensor(samples), sequence=sequence).measured(measurements)


def _draw_scenes(
    dataset: DatasetConfig, generators: Sequence[Generator], appearances: Sequence[SceneConfig], imager: Imager
) -> Scenes[Tensor]:
    """Draw a scene with each of the generators and appearances; those of the same appearance together."""
    draw = draw_moving if dataset.scene == "moving" else draw_stacks
    parts, order = [], []
    for appearance in dict.fromkeys(appearances):
        rows = [row for row, each in enumerate(appearances) if each == appearance]
        chosen = [generators[row] for row in rows]
        parts.append(draw(chosen, appearance, dataset, imager.n_pixels, imager.specimen.margin_pixels))
        order += rows
    if len(parts) == 1:
        return parts[0]
    joined = {name: torch.cat([part.arrays()[name] for part in parts]) for name in parts[0].arrays()}
    return Scenes(**joined)[torch.tensor(order).argsort()]


def generate_slides(split: Split, slides: SlidesConfig, nuclei: Path, imager: Imager) -> NumpySamples:
    """Generate stacks of crops of a real microscope image, and their measurements.

    Parameters
    ----------
    split : Split
        The split.
    slides : SlidesConfig
        The image and the number of stacks.
    nuclei : Path
        File of the image ``human_mitosis``.
    imager : Imager
        The imager, without margin: a crop has nothing beyond its edges.

    Returns
    -------
    Samples
        Of NumPy.

    Raises
    ------
    InputError
        If the image cannot be read or is too small.
    """
    generators = [split.generator(index) for index in range(slides.n_stacks)]
    stacks = crop_stacks(load_label(slides, nuclei), generators, split.dataset, imager.n_pixels)
    measurements = simulate_measurements(imager, stacks.layers, stacks.depths_um, generators)
    return replace(stacks, index=torch.arange(slides.n_stacks)).measured(measurements).map(Tensor.numpy)


def resample_stacks(
    layers: Tensor,
    masks: Tensor,
    generator: torch.Generator,
    dataset: DatasetConfig,
    forward: Callable[[Tensor, Tensor], Tensor],
) -> Samples[Tensor]:
    """New samples of a dataset from stored layers, at new depths.

    Parameters
    ----------
    layers : Tensor (N, L, Y, X), float32
        Un-blurred layers, in any combination [a.u.].
    masks : Tensor (N, L, Y, X), uint8
        1 where a layer holds cells.
    generator : torch.Generator
        Source of the random numbers, on the device of `layers`.
    dataset : DatasetConfig
        The dataset.
    forward : callable
        The forward operator: from layers and depths_um (N, L) to measurements (N, S, Y, X), on the device of `layers`.

    Returns
    -------
    Samples
        On the device of `layers`.

    Raises
    ------
    InputError
        If a depth lies outside the depths of the point-spread function.
    """
    uniform = torch.rand(layers.shape[:2], generator=generator, device=layers.device, dtype=torch.float64)
    cells = masks > 0
    kept = remove_overlap(cells) if dataset.overlap == "remove" else cells
    if dataset.empty_layers:
        is_empty = torch.rand(layers.shape[:2], generator=generator, device=layers.device) < dataset.empty_layers
        kept = kept & ~is_empty[..., None, None]
    if kept is not cells:
        layers = torch.where(cells & ~kept, resample_background(layers, cells, generator), layers)
    n_layers = None
    if dataset.minimum_layers is not None:
        bounds = dataset.minimum_layers, dataset.n_layers + 1
        n_layers = torch.randint(*bounds, layers.shape[:1], generator=generator, device=layers.device)
        layers, kept = _limit_layers(n_layers, layers, kept, generator)
    depths_um = place_depths(uniform, dataset, n_layers)
    stacks = Scenes(layers=layers, masks=kept.to(torch.uint8), depths_um=depths_um)
    if dataset.has_empty_layers:
        stacks = occupied_first(stacks)
    return stacks.measured(forward(stacks.layers, stacks.depths_um))


def _limit_layers(n_layers: Tensor, layers: Tensor, cells: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Layers and their cells `(N, L, Y, X)` in stacks of `n_layers (N,)`; the first of none is background."""
    has_cells, is_lit = (part[..., None, None] for part in present_layers(n_layers, layers.shape[1]))
    layers, is_empty = layers * is_lit, n_layers == 0
    layers[is_empty, :1] = resample_background(layers[is_empty, :1], cells[is_empty, :1], generator)
    return layers, cells & has_cells


def resample_background(layers: Tensor, cells: Tensor, generator: torch.Generator) -> Tensor:
    """Layers `(N, L, Y, X)` of background alone: each pixel repeats a random one without cells of its layer."""
    pixels = layers.flatten(-2).flatten(0, -2)
    # The small weight lets a layer that is full of cells, and has no background, repeat its cells.
    weights = (~cells).float().clamp_min(1e-9).view_as(pixels)
    drawn = torch.multinomial(weights, pixels.shape[-1], replacement=True, generator=generator)
    return pixels.gather(-1, drawn).view_as(layers)
