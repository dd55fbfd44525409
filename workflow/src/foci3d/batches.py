"""The samples of each training step: stored or rendered anew, and augmented.

A step's samples depend on the seed and the number of the step alone, so a training that was interrupted goes on as if
it had not been. The training split is not held in memory: `foci3d.shards.Rows` reads what a step needs.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from foci3d import render
from foci3d.blur import Blur
from foci3d.shards import Rows
from foci3d.tasks import Samples

Batches = Callable[[int], Samples]
"""Gives the samples of a step, counted from 0."""

PICTURES = ("sensors", "layers", "masks")


def step_generator(seed: int, step: int, device: torch.device) -> torch.Generator:
    """Source of the random numbers of a step."""
    state = np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(state[0]))


def make_batches(
    samples: Mapping[str, Rows],
    batch: int,
    remix: bool,
    augment: bool,
    entry: Mapping[str, Any],
    blur: Blur,
    separation_um: float,
    seed: int,
) -> Batches:
    """Make the function that gives the samples of a step.

    Parameters
    ----------
    samples : mapping of str to Rows
        The training split.
    batch : int
        Samples in a step.
    remix : bool
        Whether to render new combinations and depths of the stored layers, instead of taking stored samples.
    augment : bool
        Whether to flip and rotate samples, and to swap the sensors where that is exact.
    entry : mapping
        The set's configuration.
    blur : Blur
        Renders new samples, on the device of `samples`.
    separation_um : float
        Distance of the sensors [um].
    seed : int
        Root of the random numbers.

    Returns
    -------
    callable
        From the number of a step to its samples, on the device of `samples`.
    """
    layers, masks = samples["layers"].flatten(), samples["masks"].flatten()
    swappable = is_swap_exact(entry, separation_um)

    def draw(step: int) -> Samples:
        generator = step_generator(seed, step, layers.device)
        if remix:
            chosen = torch.randint(len(layers), (batch, entry["layers"]), generator=generator, device=layers.device)
            drawn: Samples = render.remix(layers[chosen], masks[chosen], generator, entry, blur, separation_um)
        else:
            drawn = stored_batch(samples, batch, step, seed)
        if augment:
            coins = torch.rand(4, batch, generator=generator, device=layers.device) < 0.5
            drawn = reorient(drawn, coins[:3])
            drawn = swap_sensors(drawn, coins[3], separation_um) if swappable else drawn
        return drawn

    return draw


def stored_batch(samples: Mapping[str, Rows], batch: int, step: int, seed: int) -> Samples:
    """Samples of a step from a split that is read in a new order in each epoch, without the rest of its division."""
    count, device = len(samples["sensors"]), samples["sensors"].device
    epoch, place = divmod(step, count // batch)
    order = torch.randperm(count, generator=step_generator(seed, epoch, torch.device("cpu")))
    rows = order[place * batch : (place + 1) * batch].to(device)
    return {name: values[rows] for name, values in samples.items()}


def reorient(samples: Samples, coins: Sequence[Tensor] | Tensor) -> Samples:
    """Mirror in x, mirror in y and transpose the pictures of the samples for which each of three `coins` (N,) is true.

    Exact where the point-spread function has these symmetries, as every fitted one has.
    """
    turned = dict(samples)
    for coin, turn in zip(coins, (_mirror_x, _mirror_y, _transpose), strict=True):
        for name in PICTURES:
            turned[name] = _choose(coin, turn(turned[name]), turned[name])
    return turned


def _mirror_x(pictures: Tensor) -> Tensor:
    return pictures.flip(-1)


def _mirror_y(pictures: Tensor) -> Tensor:
    return pictures.flip(-2)


def _transpose(pictures: Tensor) -> Tensor:
    return pictures.mT


def is_swap_exact(entry: Mapping[str, Any], separation_um: float) -> bool:
    """Whether samples of a set are samples of the set when seen from the other side."""
    return entry["sensors"] == "AB" and entry["depth_step_um"] == 0 and sum(entry["depth_range_um"]) == separation_um


def swap_sensors(samples: Samples, coin: Tensor, separation_um: float) -> Samples:
    """Look from the other side at the samples for which `coin` (N,) is true: B becomes A, the last layer the first."""
    from_behind = {name: samples[name].flip(1) for name in PICTURES}
    from_behind["depths_um"] = separation_um - samples["depths_um"].flip(1)
    return {name: _choose(coin, values, samples[name]) for name, values in from_behind.items()}


def _choose(coin: Tensor, values: Tensor, others: Tensor) -> Tensor:
    return torch.where(coin.view(-1, *[1] * (values.ndim - 1)), values, others)
