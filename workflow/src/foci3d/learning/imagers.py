"""The imagers that a network is trained for: the configured one, or many with random optics and noise."""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from foci3d.config.datasets import DatasetConfig
from foci3d.config.imager import ImagerConfig
from foci3d.config.training import ImagerRangesConfig, NoiseRangesConfig
from foci3d.optics.acceptance import AngularAcceptance, acceptance_kernels
from foci3d.optics.forward import ForwardModel
from foci3d.optics.psf import PSF, depth_grid
from foci3d.optics.sensor import detect_electrons
from foci3d.optics.symmetries import Symmetry

DEPTH_STEP_UM = 10.0
"""Smallest step between the kernels of a random imager [um]."""

DEPTH_STEP_SHARE = 0.05
"""Step between distant kernels, relative to their depth. Kernels widen with depth: it is as exact as the small step."""

MAX_KEPT = 64
"""Imagers in memory. Of more, each is made when its step comes, in a fifth of a second."""

ROUNDING_UM = 1e-3
"""What scaled depths of up to a few thousand micrometres may lose in float32, and then lie beyond the kernels [um]."""

TransferFunctions = Callable[[ForwardModel, float], Tensor]


@dataclass(frozen=True)
class TrainingImager:
    """An imager to train for.

    Parameters
    ----------
    forward : ForwardModel
        Its forward operator.
    depth_scale : float
        Factor on the depths of the dataset: the separation of its sensors over that of the configured imager.
    transfer : Tensor, optional
        What a network that uses the PSF needs of it, see `foci3d.learning.networks.physics.PhysicsNetwork`.
    symmetries : tuple of Symmetry
        Symmetries of its point-spread function; an angular acceptance has all.
    """

    forward: ForwardModel
    depth_scale: float = 1.0
    transfer: Tensor | None = None
    symmetries: tuple[Symmetry, ...] = tuple(Symmetry)

    def measure(self, layers: Tensor, depths_um: Tensor) -> Tensor:
        """Measurements `(N, S, Y, X)` of `layers (N, L, Y, X)`, whose depths `(N, L)` are those of the dataset [um]."""
        distances_um = self.forward.distances_um(self.depth_scale * depths_um)
        nearest_um = self.forward.clamp(distances_um)
        is_rounding = (distances_um - nearest_um).abs() <= ROUNDING_UM
        return self.forward.project(layers, torch.where(is_rounding, nearest_um, distances_um))


def kernel_depths_um(max_depth_um: float) -> Tensor:
    """Depths `(D,)` of the kernels of a random imager, from 0 to the largest [um], float64."""
    even = depth_grid((0, min(DEPTH_STEP_UM / DEPTH_STEP_SHARE, max_depth_um)), DEPTH_STEP_UM)
    last_um = even[-1].item()
    n_steps = math.ceil(math.log(max_depth_um / last_um) / math.log1p(DEPTH_STEP_SHARE))
    return torch.cat([even[:-1], torch.from_numpy(np.geomspace(last_um, max_depth_um, n_steps + 1))])


class RandomImagers(Sequence[TrainingImager]):
    """Imagers with random optics, each made when it is first used. They depend on the seed alone.

    Parameters
    ----------
    ranges : ImagerRangesConfig
        Number of imagers, and the intervals of their optics.
    imager : ImagerConfig
        The configured imager.
    dataset : DatasetConfig
        The dataset.
    seed : int
        Root of the random numbers.
    device : torch.device
        Device of the forward operators.
    transfer_functions : callable, optional
        What a network that uses the PSF needs of a forward operator and a depth scale.
    """

    def __init__(
        self,
        ranges: ImagerRangesConfig,
        imager: ImagerConfig,
        dataset: DatasetConfig,
        seed: int,
        device: torch.device,
        transfer_functions: TransferFunctions | None = None,
    ) -> None:
        self.ranges, self.imager, self.dataset, self.device = ranges, imager, dataset, device
        self.transfer_functions = transfer_functions
        self.uniform = np.random.default_rng([seed, ranges.n_imagers]).random((ranges.n_imagers, 5))
        self._make = functools.lru_cache(MAX_KEPT)(self._make_imager)

    def __len__(self) -> int:
        return self.ranges.n_imagers

    def __getitem__(self, index: int) -> TrainingImager:  # type: ignore[override]
        return self._make(index)

    def _make_imager(self, index: int) -> TrainingImager:
        names = ("fwhm_deg", "standoff_um", "linear_fill_factor", "pixel_pitch_um", "sensor_separation_um")
        intervals = np.array([getattr(self.ranges, name) for name in names])
        low, high = intervals.T
        values = dict(zip(names, (low + (high - low) * self.uniform[index]).tolist(), strict=True))
        pitch_um, separation_um = values.pop("pixel_pitch_um"), values.pop("sensor_separation_um")
        depth_scale = separation_um / self.imager.sensor_separation_um if self.dataset.n_sensors > 1 else 1.0
        max_distance_um = max(separation_um, depth_scale * self.dataset.depth_range_um[1])
        depths_um = kernel_depths_um(max_distance_um)
        kernels = acceptance_kernels(AngularAcceptance(**values), depths_um, self.imager.n_pixels, pitch_um)
        psf = PSF(kernels.float(), depths_um.float(), pitch_um)
        forward = ForwardModel(psf, self.imager.n_pixels, self.dataset.n_sensors, separation_um).to(self.device)
        transfer = self.transfer_functions(forward, depth_scale) if self.transfer_functions else None
        return TrainingImager(forward, depth_scale, transfer)


def surround(layers: Tensor, margin_pixels: int, generator: torch.Generator, share: float = 0.5) -> Tensor:
    """Layers `(N, L, Y, X)` with a margin at each edge, in a share of the samples with light in it.

    The light is that of the next sample, whose layers are mirrored at the edges: cells beyond an edge tell nothing of
    those within. Layers without any light stay dark.
    """
    margins = (margin_pixels,) * 4
    is_surrounded = torch.rand((len(layers), 1, 1, 1), generator=generator, device=layers.device) < share
    is_lit = layers.amax((2, 3), keepdim=True) > 0
    others = functional.pad(layers.roll(1, 0) * (is_surrounded & is_lit), margins, mode="reflect")
    others[..., margin_pixels:-margin_pixels, margin_pixels:-margin_pixels] = layers
    return others


def add_offset(measurements: Tensor, maximum: float, generator: torch.Generator) -> Tensor:
    """Measurements `(N, S, Y, X)`, in half of the samples with a constant added to each sensor.

    The constants are uniform from 0 to `maximum` times the mean over the sensors and pixels of the sample.
    """
    shape = (*measurements.shape[:2], 1, 1)
    uniform = torch.rand(shape, generator=generator, device=measurements.device)
    is_offset = torch.rand((shape[0], 1, 1, 1), generator=generator, device=measurements.device) < 0.5
    return measurements + is_offset * maximum * uniform * measurements.mean((1, 2, 3), keepdim=True)


def add_noise(measurements: Tensor, ranges: NoiseRangesConfig, generator: torch.Generator) -> Tensor:
    """Measurements with shot noise and read noise in a share of the samples.

    Parameters
    ----------
    measurements : Tensor (N, S, Y, X)
        Light on the pixels [a.u.].
    ranges : NoiseRangesConfig
        Share of the samples, electrons of their brightest pixel (log-uniform) and read noise (uniform).
    generator : torch.Generator
        Source of the random numbers, on the device of `measurements`.

    Returns
    -------
    Tensor (N, S, Y, X)
        Readings [a.u.], without saturation and conversion.
    """
    uniform = torch.rand((3, len(measurements), 1, 1, 1), generator=generator, device=measurements.device)
    is_noisy = uniform[0] < ranges.noisy_share
    low, high = ranges.full_well_electrons
    full_well = low * (high / low) ** uniform[1]
    lowest, highest = ranges.read_noise_electrons
    read_noise = lowest + (highest - lowest) * uniform[2]
    per_electron = measurements.amax((1, 2, 3), keepdim=True) / full_well
    electrons = detect_electrons(measurements / per_electron, read_noise, generator)
    return torch.where(is_noisy, electrons * per_electron, measurements)
