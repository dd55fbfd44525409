"""Exact symmetries of the imager, for augmentation in training and for averaging at prediction.

A scene that is flipped or transposed gives flipped or transposed measurements, as the point-spread function is
symmetric. With two sensors that face each other, and depths whose distribution is symmetric about the middle, a scene
seen from the opposite side is a scene of the dataset, too: sensors and layers in reverse order.
"""

from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor

from foci3d.config.models import DatasetConfig


def flip_x(images: Tensor) -> Tensor:
    """Mirror `(..., Y, X)` in x."""
    return images.flip(-1)


def flip_y(images: Tensor) -> Tensor:
    """Mirror `(..., Y, X)` in y."""
    return images.flip(-2)


def transpose(images: Tensor) -> Tensor:
    """Exchange the axes of `(..., Y, X)`."""
    return images.mT


DIHEDRAL = (flip_x, flip_y, transpose)
"""Generators of the eight symmetries of a square; each is its own inverse."""


def is_sensor_symmetric(dataset: DatasetConfig, sensor_separation_um: float) -> bool:
    """Whether the samples of a dataset, seen from the opposite side, have the distribution of the dataset."""
    return (
        dataset.sensors == "AB" and dataset.depth_step_um == 0 and sum(dataset.depth_range_um) == sensor_separation_um
    )


def average_over_symmetries(predict: Callable[[Tensor], Tensor], measurements: Tensor, *, swap_sensors: bool) -> Tensor:
    """Mean of a prediction over all symmetries of the measurements.

    Parameters
    ----------
    predict : callable
        From measurements `(N, S, Y, X)` to outputs: images `(N, C, Y, X)`, or values `(N, C)` that no symmetry changes.
    measurements : Tensor (N, S, Y, X)
        Measurements.
    swap_sensors : bool
        Whether to see the scene from the opposite side, too, where channels of the output are layers.

    Returns
    -------
    Tensor
        Outputs in the orientation of the measurements.
    """
    outputs = []
    for *flags, swap in product((False, True), (False, True), (False, True), (False, True)[: 1 + swap_sensors]):
        transforms = [transform for transform, flag in zip(DIHEDRAL, flags, strict=True) if flag]
        images = measurements.flip(1) if swap else measurements
        for transform in transforms:
            images = transform(images)
        output = predict(images)
        if output.ndim == measurements.ndim:
            for transform in reversed(transforms):
                output = transform(output)
        outputs.append(output.flip(1) if swap else output)
    return torch.stack(outputs).mean(0)
