"""What the outputs of a network mean: truth, answer, loss and error of each task, in one place.

===================  ==============================================  ============================================
task                 answer and truth                                error, the less the better
===================  ==============================================  ============================================
`depth_class`        probability of each depth, class                share of wrong classes
`image`              un-blurred layer [a.u.]                         mean deviation, relative to the truth's range
`depth_map`          depth of the cell at each pixel, 0: none [um]   mean deviation [mm]
`masks`              probability of a cell at each pixel, 0 or 1     share of pixels on the wrong side of 0.5
`depth_coverage`     depth [mm] and coverage of each layer           mean deviation
===================  ==============================================  ============================================

The last is the pretext on which an encoder is pretrained. Networks see `normalised` pictures, so an answer does not
depend on the unit of the pictures, and that of `image` is in their unit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

UM_PER_MM = 1000.0
NORMALISATION = "divided by the mean over all sensors and pixels of the sample"

Samples = Mapping[str, Tensor]
"""Arrays of a shard by name: sensors (N, S, Y, X), layers and masks (N, L, Y, X), depths_um (N, L)."""


def brightness(sensors: Tensor) -> Tensor:
    """Mean of the pictures `(N, S, Y, X)` of each sample, `(N, 1, 1, 1)`."""
    return sensors.mean((1, 2, 3), keepdim=True)


def normalised(sensors: Tensor) -> Tensor:
    """Pictures `(N, S, Y, X)` divided by the mean over all sensors and pixels of the sample: what networks see."""
    return sensors / brightness(sensors)


@dataclass(frozen=True)
class Task:
    """What a network is asked, and how its output is read.

    Parameters
    ----------
    outputs : int
        Classes or channels of the network's output.
    truth : callable
        From samples to what the answer should be.
    answer : callable
        From the network's output and the pictures `sensors` as they are to the answer in its unit.
    loss : callable
        From the network's output and the samples to what training makes small, a mean over samples.
    errors : callable
        From answer and truth to the error of each sample (N,).
    """

    outputs: int
    truth: Callable[[Samples], Tensor]
    answer: Callable[[Tensor, Tensor], Tensor]
    loss: Callable[[Tensor, Samples], Tensor]
    errors: Callable[[Tensor, Tensor], Tensor]


def make_task(name: str, layers: int, classes_um: Sequence[float]) -> Task:
    """Make a task.

    Parameters
    ----------
    name : str
        As in the table above.
    layers : int
        Layers of a sample.
    classes_um : sequence of float
        Depths to choose from, for `depth_class` [um].

    Returns
    -------
    Task
        The task.
    """
    makers: dict[str, Callable[[], Task]] = {
        "depth_class": lambda: _depth_class(classes_um),
        "image": _image,
        "depth_map": lambda: _depth_map(layers),
        "masks": lambda: _masks(layers),
        "depth_coverage": lambda: _depth_coverage(layers),
    }
    return makers[name]()


def depth_classes_um(entry: Mapping[str, Any]) -> list[float]:
    """Depths of a set whose depths come in steps, none where they are continuous [um]."""
    low, high = entry["depth_range_um"]
    step = entry["depth_step_um"]
    return [low + place * step for place in range(int((high - low) / step) + 1)] if step else []


def _depth_class(classes_um: Sequence[float]) -> Task:
    def truth(samples: Samples) -> Tensor:
        depths_um = samples["depths_um"]
        return (depths_um - depths_um.new_tensor(classes_um)).abs().argmin(1)

    return Task(
        outputs=len(classes_um),
        truth=truth,
        answer=lambda raw, sensors: raw.softmax(1),
        loss=lambda raw, samples: functional.cross_entropy(raw, truth(samples)),
        errors=lambda answer, truth: (answer.argmax(1) != truth).float(),
    )


def _image() -> Task:
    def answer(raw: Tensor, sensors: Tensor) -> Tensor:
        # The network only has to tell how the layer differs from what sensor A sees.
        return sensors[:, :1] + raw * brightness(sensors)

    def errors(answer: Tensor, truth: Tensor) -> Tensor:
        return (answer - truth).abs().mean((1, 2, 3)) / (truth.amax((1, 2, 3)) - truth.amin((1, 2, 3)))

    return Task(
        outputs=1,
        truth=lambda samples: samples["layers"],
        answer=answer,
        # Without the logarithm far layers, of which little can be recovered, drown what near ones teach.
        loss=lambda raw, samples: errors(answer(raw, samples["sensors"]), samples["layers"]).log().mean(),
        errors=errors,
    )


def _depth_map(layers: int) -> Task:
    def truth(samples: Samples) -> Tensor:
        return (samples["masks"] * samples["depths_um"][..., None, None]).sum(1, keepdim=True)

    def answer(raw: Tensor, sensors: Tensor) -> Tensor:
        # The median over what may be there, nothing or one of the layers by depth, has the least mean deviation.
        chances, depths_mm = raw.split([layers + 1, layers], 1)
        place = (chances.softmax(1).cumsum(1) < 0.5).sum(1, keepdim=True).clamp_max(layers)
        candidates_mm = functional.pad(depths_mm.clamp_min(0), (0, 0, 0, 0, 1, 0))
        return candidates_mm.gather(1, place) * UM_PER_MM

    def loss(raw: Tensor, samples: Samples) -> Tensor:
        chances, depths_mm = raw.split([layers + 1, layers], 1)
        cells = functional.pad(samples["masks"], (0, 0, 0, 0, 1, 0))
        cells[:, 0] = 1 - cells[:, 1:].amax(1)
        deviation = (depths_mm - samples["depths_um"][..., None, None] / UM_PER_MM).abs() * samples["masks"]
        return functional.cross_entropy(chances, cells.argmax(1)) + deviation.sum(1).mean()

    return Task(
        outputs=2 * layers + 1,
        truth=truth,
        answer=answer,
        loss=loss,
        errors=lambda answer, truth: (answer - truth).abs().mean((1, 2, 3)) / UM_PER_MM,
    )


def _masks(layers: int) -> Task:
    return Task(
        outputs=layers,
        truth=lambda samples: samples["masks"],
        answer=lambda raw, sensors: raw.sigmoid(),
        loss=lambda raw, samples: functional.binary_cross_entropy_with_logits(raw, samples["masks"].float()),
        errors=lambda answer, truth: ((answer > 0.5) != (truth > 0)).float().mean((1, 2, 3)),
    )


def _depth_coverage(layers: int) -> Task:
    def truth(samples: Samples) -> Tensor:
        return torch.cat([samples["depths_um"] / UM_PER_MM, samples["masks"].float().mean((2, 3))], 1)

    return Task(
        outputs=2 * layers,
        truth=truth,
        answer=lambda raw, sensors: raw,
        loss=lambda raw, samples: functional.l1_loss(raw, truth(samples)),
        errors=lambda answer, truth: (answer - truth).abs().mean(1),
    )
