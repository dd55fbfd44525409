"""Measurements that a network for stacks was not trained for, made from the samples of a test."""

import math

import torch
from torch import Tensor

from foci3d.io.samples import Scenes
from foci3d.optics.forward import ForwardModel
from foci3d.simulation.dataset import resample_background
from foci3d.simulation.imager import perturb_distances

WIDTH_ERROR = 0.25
"""Relative error of the width of another point-spread function."""

GRADIENT = (0.3, 0.9)
"""Range of the contrast of gradients: largest difference from the mean, over the mean."""


def out_of_distribution_measurements(
    samples: Scenes[Tensor], forward: ForwardModel, generator: torch.Generator
) -> dict[str, Tensor]:
    """Make measurements of several kinds that do not fit the training data.

    Parameters
    ----------
    samples : Scenes
        N samples.
    forward : ForwardModel
        The imager.
    generator : torch.Generator
        Source of the random numbers.

    Returns
    -------
    dict of str to Tensor (N, S, P, P)
        Measurements [a.u.] by kind: ``wider_psf`` and ``narrower_psf`` (the same scenes through a point-spread function
        that is `WIDTH_ERROR` wider or narrower), ``extra_layer`` (a layer of another sample in the middle of the widest
        gap), ``no_cells`` (background alone), ``gradient`` (a plane of random direction and slope on each sensor) and
        ``noise`` (independent uniform pixels).
    """
    layers, depths_um = samples.layers, samples.depths_um
    distances_um = forward.distances_um(depths_um)
    widths = {"wider_psf": torch.tensor(WIDTH_ERROR), "narrower_psf": torch.tensor(-WIDTH_ERROR)}
    other = {
        kind: forward.project(layers, perturb_distances(distances_um, error, forward.depths_um))
        for kind, error in widths.items()
    }
    shape = other["wider_psf"].shape
    return {
        **other,
        "extra_layer": forward(*_add_layer(layers, depths_um, forward.sensor_separation_um, generator)),
        "no_cells": forward(resample_background(layers, samples.masks > 0, generator), depths_um),
        "gradient": _gradients(shape, generator),
        "noise": torch.rand(shape, generator=generator),
    }


def _add_layer(
    layers: Tensor, depths_um: Tensor, separation_um: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Layers and depths with one more layer each, from the next sample, in the middle of the widest gap."""
    ends = torch.tensor([0.0, separation_um]).expand(len(layers), -1)
    planes_um = torch.cat([depths_um, ends], 1).sort(1).values
    gaps_um = planes_um.diff(dim=1)
    widest = gaps_um.argmax(1, keepdim=True)
    middle_um = planes_um.gather(1, widest) + gaps_um.gather(1, widest) / 2
    chosen = torch.randint(layers.shape[1], (len(layers),), generator=generator)
    extra = layers.roll(1, 0)[torch.arange(len(layers)), chosen]
    return torch.cat([layers, extra[:, None]], 1), torch.cat([depths_um, middle_um], 1)


def _gradients(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Planes with mean 1."""
    low, high = GRADIENT
    turn, slope = torch.rand((2, *shape[:2], 1, 1), generator=generator)
    angle, contrast = 2 * math.pi * turn, low + (high - low) * slope
    position = torch.linspace(-1, 1, shape[-1])
    plane = angle.sin() * position[:, None] + angle.cos() * position
    return 1 + contrast * plane / plane.abs().amax((-2, -1), keepdim=True)
