"""The samples of each training step: stored ones or newly combined layers, augmented by the symmetries of the imager.

They depend on the seed and the step alone, so that an interrupted training resumes exactly.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from foci3d.config.models import DatasetConfig
from foci3d.config.training import TrainingConfig
from foci3d.learning.datasets import ShardDataset
from foci3d.learning.imagers import TrainingImager, add_noise
from foci3d.learning.symmetries import DIHEDRAL, is_sensor_symmetric, view_from_opposite
from foci3d.learning.tasks import Samples
from foci3d.simulation.dataset import resample_stacks

IMAGES = ("sensors", "layers", "masks")


def step_generator(seed: int, step: int, device: torch.device) -> torch.Generator:
    """Random generator of a step."""
    state = np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(state[0]))


class TrainingBatches:
    """The samples of each training step.

    Parameters
    ----------
    samples : ShardDataset
        The training split.
    training : TrainingConfig
        Batch size, and whether stacks are resampled and samples augmented.
    dataset : DatasetConfig
        Configuration of the dataset.
    imagers : sequence of TrainingImager
        The imagers to train for, on the device of `samples`; the steps have them in turn.
    sensor_separation_um : float
        Distance between the sensors that the depths of the dataset belong to [um].
    seed : int
        Root of the random numbers.
    """

    def __init__(
        self,
        samples: ShardDataset,
        training: TrainingConfig,
        dataset: DatasetConfig,
        imagers: Sequence[TrainingImager],
        sensor_separation_um: float,
        seed: int,
    ) -> None:
        self.samples, self.training, self.dataset, self.imagers, self.seed = samples, training, dataset, imagers, seed
        self.sensor_separation_um = sensor_separation_um
        self.layers, self.masks = (samples.arrays[name].flatten() for name in ("layers", "masks"))

    def __call__(self, step: int) -> Samples:
        """Samples of a step, counted from 0."""
        n_samples, device = self.training.batch_size, self.layers.device
        imager = self.imagers[step % len(self.imagers)]
        generator = step_generator(self.seed, step, device)
        if self.training.resample_stacks:
            shape = (n_samples, self.dataset.n_layers)
            indices = torch.randint(len(self.layers), shape, generator=generator, device=device)
            samples: Samples = resample_stacks(
                self.layers[indices], self.masks[indices], generator, self.dataset, imager.measure
            )
        else:
            samples = stored_batch(self.samples, n_samples, step, self.seed)
        if self.training.augment:
            flags = torch.rand(4, n_samples, generator=generator, device=device) < 0.5
            samples = apply_dihedral(samples, flags[:3])
            if is_sensor_symmetric(self.dataset, self.sensor_separation_um):
                n_occupied = (samples["masks"] > 0).any(-1).any(-1).sum(1) if self.dataset.empty_layers else None
                samples = swap_sensors(samples, flags[3], self.sensor_separation_um, n_occupied)
        if self.training.imagers:
            samples = {**samples, "sensors": add_noise(samples["sensors"], self.training.imagers, generator)}
        return samples if imager.transfer is None else {**samples, "transfer": imager.transfer}


def stored_batch(samples: ShardDataset, batch_size: int, step: int, seed: int) -> Samples:
    """Samples of a step from a split that is shuffled in each epoch; the last, incomplete batch is left out."""
    epoch, batch = divmod(step, len(samples) // batch_size)
    order = torch.randperm(len(samples), generator=step_generator(seed, epoch, torch.device("cpu")))
    indices = order[batch * batch_size : (batch + 1) * batch_size]
    return samples.take(indices.to(samples.arrays["sensors"].device))


def apply_dihedral(samples: Samples, flags: Tensor) -> Samples:
    """Flip in x, flip in y and transpose the samples for which each of three `flags` (3, N) is true.

    Exact where the point-spread function has these symmetries, as every fitted one does.
    """
    images = {name: samples[name] for name in IMAGES}
    for flag, transform in zip(flags, DIHEDRAL, strict=True):
        images = {name: _where(flag, transform(values), values) for name, values in images.items()}
    return {**samples, **images}


def swap_sensors(
    samples: Samples, flag: Tensor, sensor_separation_um: float, n_occupied: Tensor | None = None
) -> Samples:
    """View the samples for which `flag` (N,) is true from the opposite side: sensors and layers in reverse order.

    If layers are empty and come last, `n_occupied` (N,) is the number of the others.
    """
    swapped = {
        name: view_from_opposite(name, samples[name], sensor_separation_um, None if name == "sensors" else n_occupied)
        for name in (*IMAGES, "depths_um")
    }
    return {name: _where(flag, values, samples[name]) for name, values in swapped.items()}


def _where(flag: Tensor, values: Tensor, others: Tensor) -> Tensor:
    return torch.where(flag.view(-1, *[1] * (values.ndim - 1)), values, others)
