"""The samples of each training step: stored ones or newly combined layers, augmented by the symmetries of the imager.

They depend on the seed and the step alone, so that an interrupted training resumes exactly.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from foci3d.config.datasets import DatasetConfig
from foci3d.config.training import TrainingConfig
from foci3d.errors import InputError
from foci3d.io.samples import Samples
from foci3d.io.shards import ShardedArray
from foci3d.learning.datasets import ShardDataset
from foci3d.learning.imagers import TrainingImager, add_noise, add_offset, surround
from foci3d.learning.symmetries import apply_symmetries, is_sensor_symmetric, swap_sensors
from foci3d.simulation.dataset import appearance_numbers, resample_stacks

log = logging.getLogger(__name__)


class Batch(NamedTuple):
    """Samples of a step, and the transfer functions of their imager for a network that sees many."""

    samples: Samples[Tensor]
    transfer: Tensor | None = None


def step_generator(seed: int, step: int, device: torch.device) -> torch.Generator:
    """Random generator of a step."""
    state = np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(state[0]))


@dataclass(frozen=True)
class TrainingBatches:
    """The samples of each training step.

    Parameters
    ----------
    split : ShardDataset
        The training split.
    training : TrainingConfig
        Batch size, and whether stacks are resampled and samples augmented.
    dataset : DatasetConfig
        Configuration of the dataset.
    imagers : sequence of TrainingImager
        The imagers to train for, on the device of `split`; the steps have them in turn.
    sensor_separation_um : float
        Distance between the sensors that the depths of the dataset belong to [um].
    seed : int
        Root of the random numbers.
    """

    split: ShardDataset
    training: TrainingConfig
    dataset: DatasetConfig
    imagers: Sequence[TrainingImager]
    sensor_separation_um: float
    seed: int

    def __call__(self, step: int) -> Batch:
        """Samples of a step, counted from 0.

        Raises
        ------
        InputError
            If stacks are to be made of layers with cells, and no sample has any.
        """
        imager, device = self.imagers[step % len(self.imagers)], self.split.device
        generator = step_generator(self.seed, step, device)
        if self.training.resample_stacks:
            layers, masks = self._layers
            indices = self._draw_layers(generator)
            measure = partial(self._measure, imager=imager, generator=generator)
            samples = resample_stacks(layers[indices], masks[indices], generator, self.dataset, measure)
        else:
            samples = stored_batch(self.split, self.training.batch_size, step, self.seed)
        if self.training.augment:
            samples = self._augment(samples, imager, generator)
        if self.training.maximum_offset:
            measurements = add_offset(samples.measurements, self.training.maximum_offset, generator)
            samples = replace(samples, measurements=measurements)
        if noise := self.training.noise_ranges:
            samples = replace(samples, measurements=add_noise(samples.measurements, noise, generator))
        return Batch(samples, imager.transfer)

    @cached_property
    def _layers(self) -> tuple[ShardedArray, ShardedArray]:
        """Layers and masks of the split, whichever sample they are from."""
        return self.split.samples.layers.flatten(), self.split.samples.masks.flatten()

    @cached_property
    def _sources(self) -> dict[str, Tensor]:
        """Numbers of the layers by appearance, which hold cells if some of the dataset do not by intention.

        An appearance without any, as one of so small a share that no sample has it, is left out.
        """
        shares, n_layers = self.dataset.appearance, self.dataset.n_layers
        numbers = appearance_numbers(torch.arange(len(self.split)), [*shares.values()]).repeat_interleave(n_layers)
        usable = self.split.has_cells.flatten() if self.dataset.varies_layers else torch.ones_like(numbers)
        rows = [((numbers == each) & usable).nonzero()[:, 0].to(self.split.device) for each in range(len(shares))]
        sources = {name: each for name, each in zip(shares, rows, strict=True) if len(each)}
        if not sources:
            raise InputError(
                f"none of the {len(self.split)} training samples holds cells; expected some, of which new stacks are "
                "made. Raise n_samples.train, or minimum_layers of the dataset."
            )
        if missing := [name for name in shares if name not in sources]:
            log.warning("no layers of appearance %s among %d samples", " and ".join(missing), len(self.split))
        return sources

    def _draw_layers(self, generator: torch.Generator) -> Tensor:
        """Numbers `(N, L)` of the layers of new stacks, those of a stack of one appearance."""
        shape, device = (self.training.batch_size, self.dataset.n_layers), self.split.device
        appearance = torch.zeros(shape[0], dtype=torch.int64, device=device)
        if len(self._sources) > 1:
            shares = torch.tensor([self.dataset.appearance[name] for name in self._sources], device=device)
            appearance = torch.multinomial(shares, shape[0], replacement=True, generator=generator)
        draws = [
            source[torch.randint(len(source), shape, generator=generator, device=device)]
            for source in self._sources.values()
        ]
        return torch.stack(draws)[appearance, torch.arange(shape[0], device=device)]

    def _measure(self, layers: Tensor, depths_um: Tensor, imager: TrainingImager, generator: torch.Generator) -> Tensor:
        """Measurements of layers, in half of the samples with light from beyond their edges."""
        if self.training.margin_pixels:
            layers = surround(layers, self.training.margin_pixels, generator)
        return imager.measure(layers, depths_um)

    def _augment(self, samples: Samples[Tensor], imager: TrainingImager, generator: torch.Generator) -> Samples[Tensor]:
        """Each sample in a random one of the orientations that the imager allows."""
        device = samples.layers.device
        bits = torch.rand(4, len(samples), generator=generator, device=device) < 0.5
        numbers = 4 * bits[0] + 2 * bits[1] + bits[2].int()
        # The number of symmetries divides 8, so that all are equally likely.
        samples = apply_symmetries(samples, imager.symmetries, numbers % len(imager.symmetries))
        if not is_sensor_symmetric(self.dataset, self.sensor_separation_um):
            return samples
        n_occupied = (samples.masks > 0).any(-1).any(-1).sum(1) if self.dataset.has_empty_layers else None
        return swap_sensors(samples, bits[3], self.sensor_separation_um, n_occupied)


def stored_batch(split: ShardDataset, batch_size: int, step: int, seed: int) -> Samples[Tensor]:
    """Samples of a step from a split that is shuffled in each epoch; the last, incomplete batch is left out."""
    epoch, batch = divmod(step, len(split) // batch_size)
    order = torch.randperm(len(split), generator=step_generator(seed, epoch, torch.device("cpu")))
    return split[order[batch * batch_size : (batch + 1) * batch_size].to(split.device)]
