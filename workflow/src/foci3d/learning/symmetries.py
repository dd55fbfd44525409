"""Exact symmetries of the imager, for augmentation in training and for averaging at prediction.

A scene that is flipped or transposed gives flipped or transposed measurements, as the point-spread function is
symmetric. With two sensors that face each other, and depths whose distribution is symmetric about the middle, a scene
seen from the opposite side is a scene of the dataset, too: sensors and layers in reverse order.
"""

from collections.abc import Callable, Mapping
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


DEPTH_SDS = "predicted_depth_sds_um"

DIHEDRAL = (flip_x, flip_y, transpose)
"""Generators of the eight symmetries of a square; each is its own inverse."""


def is_sensor_symmetric(dataset: DatasetConfig, sensor_separation_um: float) -> bool:
    """Whether the samples of a dataset, seen from the opposite side, have the distribution of the dataset."""
    return (
        dataset.sensors == "AB" and dataset.depth_step_um == 0 and sum(dataset.depth_range_um) == sensor_separation_um
    )


def average_over_symmetries(
    predict: Callable[[Tensor], Mapping[str, Tensor]], measurements: Tensor, sensor_separation_um: float | None
) -> dict[str, Tensor]:
    """Mean of a prediction over all symmetries of the measurements.

    Parameters
    ----------
    predict : callable
        From measurements `(N, S, Y, X)` to outputs by name: images `(N, C, Y, X)`, or values `(N, C)`, which change
        only with the direction of view.
    measurements : Tensor (N, S, Y, X)
        Measurements.
    sensor_separation_um : float or None
        Distance between the sensors [um] if the scene is to be seen from the opposite side, too, where channels of the
        outputs are layers.

    Returns
    -------
    dict of str to Tensor
        Outputs in the orientation of the measurements.
    """
    outputs: dict[str, list[Tensor]] = {}
    swaps = (False,) if sensor_separation_um is None else (False, True)
    for *flags, swap in product((False, True), (False, True), (False, True), swaps):
        transforms = [transform for transform, flag in zip(DIHEDRAL, flags, strict=True) if flag]
        images = measurements.flip(1) if swap else measurements
        for transform in transforms:
            images = transform(images)
        predicted = predict(images)
        n_occupied = (predicted["occupancy"] > 0.5).sum(1) if "occupancy" in predicted else None
        for name, output in predicted.items():
            if output.ndim == measurements.ndim:
                for transform in reversed(transforms):
                    output = transform(output)
            if swap and sensor_separation_um is not None:
                output = view_from_opposite(name, output, sensor_separation_um, n_occupied)
            outputs.setdefault(name, []).append(output)
    stacked = {name: torch.stack(values) for name, values in outputs.items()}
    averages = {name: values.mean(0) for name, values in stacked.items()}
    if DEPTH_SDS in stacked:
        averages[DEPTH_SDS] = deviation_of_average(stacked["predicted_depths_um"], stacked[DEPTH_SDS])
    return averages


def deviation_of_average(values: Tensor, sds: Tensor) -> Tensor:
    r"""Standard deviation of the average of K predictions of one quantity, whose errors are partly their own.

    The mean squared error of the predictions is that of their average and their variance about it, so

    .. math:: \sigma^2 = \frac{1}{K} \sum_k \sigma_k^2 - \frac{1}{K} \sum_k (z_k - \bar z)^2 .

    Parameters
    ----------
    values, sds : Tensor (K, ...)
        Predictions with their standard deviations.

    Returns
    -------
    Tensor (...)
        Standard deviations; at least as large as if the errors were independent.
    """
    variances = sds.square().mean(0)
    return (variances - values.var(0, correction=0)).maximum(variances / len(sds)).sqrt()


def view_from_opposite(
    name: str, values: Tensor, sensor_separation_um: float, n_occupied: Tensor | None = None
) -> Tensor:
    """An array of a scene that is seen from the opposite side: sensors or layers in reverse order, depths mirrored.

    Parameters
    ----------
    name : str
        Name of the array, which tells depths.
    values : Tensor (N, sensors or layers, ...)
        The array.
    sensor_separation_um : float
        Distance between the sensors [um].
    n_occupied : Tensor (N,), optional
        Number of layers with cells, which come before the empty ones from either side; by default all.

    Returns
    -------
    Tensor
        The array, of the same shape.
    """
    order = torch.arange(values.shape[1], device=values.device).expand(len(values), -1)
    count = values.shape[1] if n_occupied is None else n_occupied[:, None]
    order = torch.where(order < count, count - 1 - order, order)
    mirrored = values[torch.arange(len(values), device=values.device)[:, None], order]
    return sensor_separation_um - mirrored if name.endswith("depths_um") else mirrored
