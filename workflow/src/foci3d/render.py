"""From scenes to what the sensors see."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

from foci3d import scene
from foci3d.blur import Blur
from foci3d.optics import Psf
from foci3d.tissue import Tissue, beam_profile, embed, expose, misjudge, smear

BLOCK = 32
"""Samples that are rendered together: few enough to stay in a processor's cache."""

BLAS = ThreadpoolController()


def sensor_distances(depths_um: Tensor, sensors: str, separation_um: float) -> Tensor:
    """Distance `(N, S, L)` [um] of layers at depths `(N, L)` from sensors ``A`` or ``AB``, B facing A."""
    return torch.stack([depths_um, separation_um - depths_um][: len(sensors)], 1)


def blur_onto(layers: Tensor, distances_um: Tensor, blur: Blur) -> Tensor:
    """Sum at each sensor `(N, S, Y, X)` of layers `(N, L, Y, X)`, blurred by their distances `(N, S, L)` [um]."""
    return torch.stack([blur(layers, distance_um).sum(-3) for distance_um in distances_um.unbind(1)], 1)


def sensor_pictures(layers: Tensor, depths_um: Tensor, blur: Blur, sensors: str, separation_um: float) -> Tensor:
    """What the sensors see of stacks of layers, by the point-spread function alone.

    Parameters
    ----------
    layers : Tensor (N, L, Y, X)
        Un-blurred layers [a.u.].
    depths_um : Tensor (N, L)
        Their distance from sensor A [um].
    blur : Blur
        The imager's point-spread function.
    sensors : str
        ``A``, or ``AB`` with sensor B opposite.
    separation_um : float
        Distance of sensor B from sensor A [um].

    Returns
    -------
    Tensor (N, S, Y, X)
        Sum of the blurred layers at each sensor [a.u.].

    Raises
    ------
    InputError
        If a layer is outside the depths of the point-spread function.
    """
    return blur_onto(layers, sensor_distances(depths_um, sensors, separation_um), blur)


@dataclass(frozen=True)
class Camera:
    """An imager and the tissue before it.

    Parameters
    ----------
    blur : Blur
        Point-spread function in tissue, for layers with their margin.
    tissue : Tissue
        Effects beyond the point-spread function.
    pixels : int
        Pixels of a picture in y and x.
    pixel_pitch_um : float
        Distance of neighbouring pixels [um].
    separation_um : float
        Distance of sensor B from sensor A [um].
    """

    blur: Blur
    tissue: Tissue
    pixels: int
    pixel_pitch_um: float
    separation_um: float

    @classmethod
    def of(cls, psf: Psf, imager: Mapping[str, Any], tissue: Tissue) -> Self:
        """Make the camera from a calibrated point-spread function and the configuration's section `imager`."""
        pixels = imager["pixels"]
        blur = Blur(embed(psf, tissue), pixels + 2 * tissue.margin_pixels)
        return cls(blur, tissue, pixels, imager["pixel_pitch_um"], imager["sensor_separation_um"])

    def crop(self, pictures: Tensor) -> Tensor:
        """Take the margin off pictures `(..., Y, X)`."""
        field = slice(self.tissue.margin_pixels, self.tissue.margin_pixels + self.pixels)
        return pictures[..., field, field]


def take_pictures(
    camera: Camera, layers: Tensor, depths_um: Tensor, sensors: str, generators: Sequence[np.random.Generator]
) -> Tensor:
    """Take pictures of stacks with everything that tissue and sensor do.

    Parameters
    ----------
    camera : Camera
        The imager.
    layers : Tensor (N, L, Y, X)
        Un-blurred layers with their margin [a.u.].
    depths_um : Tensor (N, L)
        Their distance from sensor A [um].
    sensors : str
        ``A``, or ``AB`` with sensor B opposite.
    generators : sequence of N numpy.random.Generator
        Sources of the random numbers of each sample.

    Returns
    -------
    Tensor (N, S, Y, X)
        Pictures without the margin [a.u.].
    """
    tissue, pitch_um = camera.tissue, camera.pixel_pitch_um
    distances_um = sensor_distances(depths_um, sensors, camera.separation_um)
    if tissue.width_error:
        errors = tissue.width_error * _draw(generators, lambda generator: generator.standard_normal(1))
        distances_um = misjudge(distances_um, errors[..., None], camera.blur.depths_um)
    if tissue.beam_radius_um:
        centres_um = tissue.beam_offset_um * _draw(generators, lambda generator: generator.standard_normal(2))
        layers = layers * beam_profile(centres_um, tissue.beam_radius_um, layers.shape[-1], pitch_um)[:, None]
    pictures = blur_onto(layers, distances_um, camera.blur)
    if tissue.motion_um:
        longest = tissue.motion_um / pitch_um
        pictures = smear(pictures, longest * _draw(generators, _point_in_disc), longest)
    pictures = camera.crop(pictures)
    if tissue.full_scale_electrons:
        sources = [torch.Generator().manual_seed(int(generator.integers(2**63))) for generator in generators]
        pictures = torch.stack([expose(*pair, tissue) for pair in zip(pictures, sources, strict=True)])
    return pictures


def _draw(
    generators: Sequence[np.random.Generator], draw: Callable[[np.random.Generator], npt.NDArray[np.float64]]
) -> Tensor:
    return torch.from_numpy(np.stack([draw(generator) for generator in generators])).float()


def _point_in_disc(generator: np.random.Generator) -> npt.NDArray[np.float64]:
    """A path: its direction and its length, up to 1, are uniform."""
    length, turn = generator.random(2)
    return length * np.array([np.cos(2 * np.pi * turn), np.sin(2 * np.pi * turn)])


@dataclass(frozen=True)
class Split:
    """One split of a synthetic set, as the configuration describes it.

    Parameters
    ----------
    seed : int
        Root of all random numbers.
    set, split : str
        Name of the set and of its split.
    entry : mapping
        The set's configuration.
    scene : SceneConfig
        How a layer looks.
    """

    seed: int
    set: str
    split: str
    entry: Mapping[str, Any]
    scene: scene.SceneConfig

    @property
    def together(self) -> int:
        """Samples that show one scene: the steps of a moving cluster, else one."""
        return self.entry["layers"] if self.entry["scene"] == "moving" else 1


def synthesize(split: Split, rows: range, camera: Camera) -> Iterator[dict[str, npt.NDArray[Any]]]:
    """Make samples of a split, a block at a time.

    They are rendered in blocks of a fixed number of samples that start at a multiple of it; what `rows` leaves out of a
    block is made and cut away. So the bytes of a sample depend neither on the shards nor on the threads.

    Parameters
    ----------
    split : Split
        What to make.
    rows : range
        Numbers of the samples in the split.
    camera : Camera
        The imager.

    Yields
    ------
    dict of str to ndarray
        The arrays of a shard for the next samples of `rows`; see `foci3d.shards`.
    """
    size = max(1, BLOCK // split.together) * split.together
    for first in range(rows.start // size * size, rows.stop, size):
        with _one_thread():
            arrays = _block(split, range(first, first + size), camera)
        kept = slice(max(rows.start - first, 0), rows.stop - first)
        yield {name: values[kept].numpy() for name, values in arrays.items()}


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute with one thread: where threads share out an array, vector and scalar code round differently."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with BLAS.limit(limits=1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(threads)


def _block(split: Split, rows: range, camera: Camera) -> dict[str, Tensor]:
    scenes = range(rows.start // split.together, rows.stop // split.together)
    generators = [scene.sample_generator(split.seed, split.set, split.split, number) for number in scenes]
    draw = scene.draw_moving if split.entry["scene"] == "moving" else scene.draw_stacks
    stacks = draw(generators, split.scene, split.entry, camera.pixels, camera.tissue.margin_pixels)
    sources = [generator for generator in generators for _ in range(split.together)]
    sensors = take_pictures(camera, stacks["layers"], stacks["depths_um"], split.entry["sensors"], sources)
    arrays = {name: camera.crop(values) if values.ndim > 2 else values for name, values in stacks.items()}
    arrays |= {"sensors": sensors, "index": torch.tensor(rows)}
    if "cluster" in arrays:
        arrays["group"] = torch.tensor(scenes).repeat_interleave(split.together)
    return arrays


def remix(
    layers: Tensor,
    masks: Tensor,
    generator: torch.Generator,
    entry: Mapping[str, Any],
    blur: Blur,
    separation_um: float,
) -> dict[str, Tensor]:
    """Make new samples of a set from stored layers, put at new depths.

    Parameters
    ----------
    layers : Tensor (N, L, Y, X), float32
        Un-blurred layers, whatever stack each comes from [a.u.].
    masks : Tensor (N, L, Y, X), uint8
        Where they hold cells.
    generator : torch.Generator
        Source of the random numbers, on the device of `layers`.
    entry : mapping
        The set's configuration: sensors, overlap, and what `scene.place_depths` reads.
    blur : Blur
        The imager's point-spread function.
    separation_um : float
        Distance of the sensors [um].

    Returns
    -------
    dict of str to Tensor
        layers (N, L, Y, X), masks (N, L, Y, X) uint8, sensors (N, S, Y, X), depths_um (N, L) as of a shard.
    """
    uniform = torch.rand(layers.shape[:2], generator=generator, device=layers.device, dtype=torch.float64)
    depths_um = scene.place_depths(uniform, entry)
    cells = masks > 0
    if entry["overlap"] == "remove":
        kept = scene.without_overlap(cells)
        layers = torch.where(cells & ~kept, _background(layers, cells, generator), layers)
        cells = kept
    return {
        "layers": layers,
        "masks": cells.to(torch.uint8),
        "sensors": sensor_pictures(layers, depths_um, blur, entry["sensors"], separation_um),
        "depths_um": depths_um,
    }


def _background(layers: Tensor, cells: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures `(N, L, Y, X)` of background alone: each pixel repeats a random one without cells of its layer."""
    pixels = layers.flatten(-2).flatten(0, -2)
    # A layer full of cells has no background; the small weight makes it repeat its cells instead of failing.
    weights = (~cells).float().clamp_min(1e-9).view_as(pixels)
    drawn = torch.multinomial(weights, pixels.shape[-1], replacement=True, generator=generator)
    return pixels.gather(-1, drawn).view_as(layers)
