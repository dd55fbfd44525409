"""The tasks of networks: what the target is, how the output is decoded, the loss and the error of each.

`foci3d.config.tasks` describes each task. Networks see normalized measurements, so their outputs do not depend on the
unit of the measurements; images are converted to that unit.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from foci3d.config.registry import NameRegistry
from foci3d.config.tasks import (
    COUNTED_STACKS,
    DEBLURRING,
    DEPTH_CLASS,
    DEPTH_COVERAGE,
    DEPTH_MAP,
    MASKS,
    STACKS,
    TASKS,
    TaskSpec,
)
from foci3d.evaluation.metrics import CELL_THRESHOLD, normalized_error
from foci3d.io.samples import Outputs, Samples
from foci3d.learning.layer_counts import count_layers, head_channels, n_channels

UM_PER_MM = 1000.0
LOG_SD_RANGE = (-7.0, 2.0)
"""Range of the logarithm of a depth's standard deviation [mm]: 1 um to 7 mm."""

NORMALIZATION = "divided by the mean over all sensors and pixels of the sample"


def mean_intensity(measurements: Tensor) -> Tensor:
    """Mean `(N, 1, 1, 1)` over all sensors and pixels of measurements `(N, S, Y, X)`."""
    return measurements.mean((1, 2, 3), keepdim=True)


def compute_logits(network: nn.Module, measurements: Tensor, transfer: Tensor | None = None) -> Tensor:
    """Output of a network for measurements `(N, S, Y, X)` in any unit, which it sees normalized to a mean of 1.

    `transfer` are the transfer functions of the imager for a network that uses the PSF, if not those it was set to.
    """
    normalized = measurements / mean_intensity(measurements)
    return network(normalized) if transfer is None else network(normalized, transfer)


@dataclass(frozen=True)
class Task(ABC):
    """What a network predicts; a class for each task of `foci3d.config.tasks`.

    Parameters
    ----------
    n_layers : int
        Layers of a sample.
    classes_um : tuple of float
        Depths of the dataset where they come in steps [um].
    """

    spec: ClassVar[TaskSpec]
    """Description of the task, set by `register_task`."""

    n_layers: int
    classes_um: tuple[float, ...] = ()

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """Output channels of the network."""

    @abstractmethod
    def target(self, samples: Samples[Tensor]) -> Tensor:
        """Ideal output for the samples."""

    @abstractmethod
    def decode(self, logits: Tensor, measurements: Tensor) -> Tensor:
        """Output in its unit, from that of the network and the measurements `(N, S, Y, X)` before normalization."""

    def outputs(self, logits: Tensor, measurements: Tensor) -> Outputs[Tensor]:
        """The decoded output, and values of each layer where the task has them."""
        return Outputs(output=self.decode(logits, measurements))

    @abstractmethod
    def loss(self, logits: Tensor, samples: Samples[Tensor]) -> Tensor:
        """What training minimizes, a mean over the samples."""

    @abstractmethod
    def error(self, output: Tensor, target: Tensor) -> Tensor:
        """Error `(N,)` of each sample, by which weights are selected."""


NETWORK_TASKS: NameRegistry[type[Task]] = NameRegistry("task")
"""The class of each task."""


def register_task(spec: TaskSpec) -> Callable[[type[Task]], type[Task]]:
    """Register the decorated subclass of `Task` for a task that is described by `spec`."""

    def decorate(task: type[Task]) -> type[Task]:
        task.spec = TASKS.register(spec)
        NETWORK_TASKS[spec.name] = task
        return task

    return decorate


def make_task(name: str, n_layers: int, classes_um: Sequence[float]) -> Task:
    """Create the task that is registered under a name; see `Task` for the parameters.

    Raises
    ------
    InputError
        If no task has this name.
    """
    return NETWORK_TASKS[name](n_layers, tuple(classes_um))


@register_task(DEPTH_CLASS)
class DepthClass(Task):
    """The depth of a single layer, as one of `classes_um`."""

    @property
    def n_outputs(self) -> int:
        """One for each depth."""
        return len(self.classes_um)

    def target(self, samples: Samples[Tensor]) -> Tensor:
        """Index `(N,)` of the nearest depth."""
        depths_um = samples.depths_um
        return (depths_um - depths_um.new_tensor(self.classes_um)).abs().argmin(1)

    def decode(self, logits: Tensor, measurements: Tensor) -> Tensor:
        """Probability `(N, C)` of each depth."""
        return logits.softmax(1)

    def loss(self, logits: Tensor, samples: Samples[Tensor]) -> Tensor:
        """Cross-entropy."""
        return functional.cross_entropy(logits, self.target(samples))

    def error(self, output: Tensor, target: Tensor) -> Tensor:
        """1 where the most probable depth is wrong, else 0."""
        return (output.argmax(1) != target).float()


@register_task(DEBLURRING)
class Deblurring(Task):
    """A single layer without blur. The network estimates its difference from the measurement of sensor A."""

    @property
    def n_outputs(self) -> int:
        """One image."""
        return 1

    def target(self, samples: Samples[Tensor]) -> Tensor:
        """Sharp layer `(N, 1, Y, X)`."""
        return samples.layers

    def decode(self, logits: Tensor, measurements: Tensor) -> Tensor:
        """Sharp layer `(N, 1, Y, X)` in the unit of the measurements."""
        return measurements[:, :1] + logits * mean_intensity(measurements)

    def loss(self, logits: Tensor, samples: Samples[Tensor]) -> Tensor:
        """Mean logarithm of the error: without it, far layers, which are barely recoverable, dominate near ones."""
        return self.error(self.decode(logits, samples.measurements), samples.layers).log().mean()

    def error(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean absolute error over the range of the target."""
        return normalized_error(output, target).mean(1)


@register_task(DEPTH_MAP)
class DepthMap(Task):
    """The depth of the cells at each pixel. The network estimates which layer is there, if any, and its depth."""

    @property
    def n_outputs(self) -> int:
        """Logits of no cell and of each layer, and the depth of each layer [mm]."""
        return 2 * self.n_layers + 1

    def target(self, samples: Samples[Tensor]) -> Tensor:
        """Depth `(N, 1, Y, X)` [um], 0 without cells."""
        return (samples.masks * samples.depths_um[..., None, None]).sum(1, keepdim=True)

    def decode(self, logits: Tensor, measurements: Tensor) -> Tensor:
        """Median `(N, 1, Y, X)` [um] of the predicted distribution, which minimizes the expected absolute error."""
        occupancy, depths_mm = self._split(logits)
        median = (occupancy.softmax(1).cumsum(1) < 0.5).sum(1, keepdim=True).clamp_max(self.n_layers)
        candidates_mm = functional.pad(depths_mm.clamp_min(0), (0, 0, 0, 0, 1, 0))
        return candidates_mm.gather(1, median) * UM_PER_MM

    def loss(self, logits: Tensor, samples: Samples[Tensor]) -> Tensor:
        """Cross-entropy of the layer, and absolute error of its depth [mm] where it holds cells."""
        occupancy, depths_mm = self._split(logits)
        cells = functional.pad(samples.masks, (0, 0, 0, 0, 1, 0))
        cells[:, 0] = 1 - cells[:, 1:].amax(1)
        deviation = (depths_mm - samples.depths_um[..., None, None] / UM_PER_MM).abs() * samples.masks
        return functional.cross_entropy(occupancy, cells.argmax(1)) + deviation.sum(1).mean()

    def error(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean absolute error [mm]."""
        return (output - target).abs().mean((1, 2, 3)) / UM_PER_MM

    def _split(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Logits `(N, L + 1, Y, X)` of no cell and of each layer, and depths `(N, L, Y, X)` [mm]."""
        occupancy, depths_mm = logits.split([self.n_layers + 1, self.n_layers], 1)
        return occupancy, depths_mm


@register_task(MASKS)
class Masks(Task):
    """The cells in each layer."""

    @property
    def n_outputs(self) -> int:
        """One for each layer."""
        return self.n_layers

    def target(self, samples: Samples[Tensor]) -> Tensor:
        """Mask `(N, L, Y, X)`."""
        return samples.masks

    def decode(self, logits: Tensor, measurements: Tensor) -> Tensor:
        """Probability `(N, L, Y, X)` of a cell."""
        return logits.sigmoid()

    def loss(self, logits: Tensor, samples: Samples[Tensor]) -> Tensor:
        """Binary cross-entropy."""
        return functional.binary_cross_entropy_with_logits(logits, samples.masks.float())

    def error(self, output: Tensor, target: Tensor) -> Tensor:
        """Share of pixels on the wrong side of the threshold."""
        return ((output > CELL_THRESHOLD) != (target > 0)).float().mean((1, 2, 3))


@register_task(STACKS)
class Stacks(Masks):
    r"""The cells in each layer, the depth of the layer, and whether it holds cells.

    The network estimates a depth :math:`z_i` [mm] and its standard deviation :math:`\sigma_i` at each pixel i of a
    layer. The depth of the layer is their mean weighted with :math:`w_i = p_i / \sigma_i^2`, where p is the probability
    of a cell. Errors of the pixels of one layer agree, so its variance is the weighted mean of theirs,
    :math:`\sum_i w_i \sigma_i^2 / \sum_i w_i`, and not smaller by their number.
    """

    depth_weight: ClassVar[float] = 0.2
    """Weight of the depths and of occupancy in the loss, beside the masks."""

    @property
    def n_outputs(self) -> int:
        """Logits of a cell, depths [mm], logarithms of their standard deviations and logits of occupancy, by layer."""
        return 4 * self.n_layers

    def decode(self, logits: Tensor, measurements: Tensor) -> Tensor:
        """Probability `(N, L, Y, X)` of a cell."""
        return logits[:, : self.n_layers].sigmoid()

    def outputs(self, logits: Tensor, measurements: Tensor) -> Outputs[Tensor]:
        """Probabilities of cells, depths with their standard deviations [um], and occupancy of the layers."""
        depths_mm, variances, occupancy = self._pool(*logits.split(self.n_layers, 1))
        return Outputs(
            output=self.decode(logits, measurements),
            predicted_depths_um=depths_mm * UM_PER_MM,
            predicted_depth_sds_um=variances.sqrt() * UM_PER_MM,
            occupancy=occupancy.sigmoid(),
        )

    def loss(self, logits: Tensor, samples: Samples[Tensor]) -> Tensor:
        """Cross-entropy of the masks and of occupancy, and `depth_loss` of the layers that hold cells."""
        # Split once: the gradients of separate slices would each be an image of all outputs.
        masks, *others = logits.split(self.n_layers, 1)
        depths_mm, variances, occupancy = self._pool(masks, *others[:3])
        occupied = (samples.masks > 0).any(-1).any(-1).float()
        depths_loss = (depth_loss(depths_mm, variances, samples.depths_um) * occupied).mean()
        occupancy_loss = functional.binary_cross_entropy_with_logits(occupancy, occupied)
        loss = super().loss(masks, samples) + self.depth_weight * (depths_loss + occupancy_loss)
        for first_stage in others[3:]:
            deviations_mm = first_stage[..., 0, 0] - samples.depths_um / UM_PER_MM
            loss = loss + (deviations_mm.abs() * occupied).mean()
        return loss

    def _pool(self, *logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Depths [mm], their variances [mm^2] and logits of occupancy, each `(N, L)`."""
        *images, occupancy = [each.float().flatten(2) for each in logits]
        return (*pool_depths(*images), occupancy.mean(-1))


def pool_depths(masks: Tensor, depths_mm: Tensor, log_sds: Tensor) -> tuple[Tensor, Tensor]:
    """Depths [mm] of layers and their variances [mm^2], both `(N, L)`, as `Stacks` describes.

    From logits of a cell, depths [mm] and logarithms of their standard deviations at each pixel, `(N, L, pixels)`.
    """
    probability = masks.detach().sigmoid()
    weights = probability * torch.exp(-2 * log_sds.clamp(*LOG_SD_RANGE))
    total = weights.sum(-1)
    return (weights * depths_mm).sum(-1) / total, probability.sum(-1) / total


def depth_loss(depths_mm: Tensor, variances: Tensor, target_um: Tensor) -> Tensor:
    """Negative logarithm of the likelihood of each depth `(N, L)`.

    It is weighted with its standard deviation, without which the depths that are already accurate have the largest
    gradients (beta-NLL, Seitzer et al., ICLR 2022).
    """
    target_mm = target_um / UM_PER_MM
    likelihood = functional.gaussian_nll_loss(depths_mm, target_mm, variances, reduction="none")
    return likelihood * variances.detach().sqrt()


@register_task(COUNTED_STACKS)
class CountedStacks(Stacks):
    """The number of layers and, for each number from 1 to L, the cells and the depths of as many layers.

    A network has a head for each number; its channels are those of `foci3d.learning.layer_counts`. A sample trains the
    head of its own number of layers, and the logits of the number, which are means over the pixels.
    """

    count_weight: ClassVar[float] = 0.05
    """Weight of the number of layers in the loss, beside the masks."""

    @property
    def n_outputs(self) -> int:
        """Logits of a cell, depths [mm] and log standard deviations of all heads, and logits of 0 to L layers."""
        return 3 * n_channels(self.n_layers) + self.n_layers + 1

    def target(self, samples: Samples[Tensor]) -> Tensor:
        """Mask `(N, L, Y, X)`, without cells in layers that a sample does not have."""
        return self._pad(samples.masks, (0, 0, 0, 0))

    def decode(self, logits: Tensor, measurements: Tensor) -> Tensor:
        """Probability `(N, channels of all heads, Y, X)` of a cell."""
        return logits[:, : n_channels(self.n_layers)].sigmoid()

    def outputs(self, logits: Tensor, measurements: Tensor) -> Outputs[Tensor]:
        """Cells and depths of all heads, and the probability of each number of layers."""
        images, counts = self._split(logits)
        depths_mm, variances = pool_depths(*images.unbind(1))
        return Outputs(
            output=self.decode(logits, measurements),
            predicted_depths_um=depths_mm * UM_PER_MM,
            predicted_depth_sds_um=variances.sqrt() * UM_PER_MM,
            count_probabilities=counts.softmax(1),
        )

    def loss(self, logits: Tensor, samples: Samples[Tensor]) -> Tensor:
        """Loss of the masks and depths, a mean over the layers of each sample, and cross-entropy of their number."""
        images, counts = self._split(logits)
        n_layers, masks = count_layers(samples.masks), self.target(samples).flatten(2).float()
        depths_um = self._pad(samples.depths_um)
        chosen, is_present = self._choose(images.transpose(1, 2), n_layers)
        logits, *depths = chosen.unbind(2)
        masks_loss = functional.binary_cross_entropy_with_logits(logits, masks, reduction="none").mean(-1)
        losses = masks_loss + self.depth_weight * depth_loss(*pool_depths(logits, *depths), depths_um)
        mean = (losses * is_present).sum(1) / n_layers.clamp_min(1)
        return mean.mean() + self.count_weight * functional.cross_entropy(counts, n_layers)

    def error(self, output: Tensor, target: Tensor) -> Tensor:
        """Share of pixels on the wrong side of the threshold, in the head of the true number of layers."""
        n_layers = count_layers(target)
        chosen, is_present = self._choose(output, n_layers)
        errors = ((chosen > CELL_THRESHOLD) != (target > 0)).float().mean((2, 3))
        return (errors * is_present).sum(1) / n_layers.clamp_min(1)

    def _split(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Images `(N, 3, channels of all heads, pixels)`, and logits of each number of layers `(N, L + 1)`."""
        values, size = logits.float().flatten(2), 3 * n_channels(self.n_layers)
        return values[:, :size].unflatten(1, (3, -1)), values[:, size:].mean(-1)

    def _choose(self, values: Tensor, n_layers: Tensor) -> tuple[Tensor, Tensor]:
        """Values `(N, L, ...)` of the head for `n_layers (N,)` in `values (N, channels, ...)`; which are of layers."""
        channels = torch.from_numpy(head_channels(self.n_layers)).to(n_layers.device)[n_layers]
        is_present = torch.arange(self.n_layers, device=n_layers.device) < n_layers[:, None]
        return values[torch.arange(len(values), device=values.device)[:, None], channels], is_present

    def _pad(self, values: Tensor, other_axes: tuple[int, ...] = ()) -> Tensor:
        """Values `(N, layers of a sample, ...)` as `(N, L, ...)`."""
        return functional.pad(values, (*other_axes, 0, self.n_layers - values.shape[1]))


@register_task(DEPTH_COVERAGE)
class DepthCoverage(Task):
    """The depth and the coverage of each layer."""

    @property
    def n_outputs(self) -> int:
        """A depth and a coverage for each layer."""
        return 2 * self.n_layers

    def target(self, samples: Samples[Tensor]) -> Tensor:
        """Depths [mm], then coverages `(N, 2 L)`."""
        return torch.cat([samples.depths_um / UM_PER_MM, samples.masks.float().mean((2, 3))], 1)

    def decode(self, logits: Tensor, measurements: Tensor) -> Tensor:
        """The output of the network."""
        return logits

    def loss(self, logits: Tensor, samples: Samples[Tensor]) -> Tensor:
        """Mean absolute error."""
        return functional.l1_loss(logits, self.target(samples))

    def error(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean absolute error."""
        return (output - target).abs().mean(1)
