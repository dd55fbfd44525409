"""Symmetries of the imager: what they do to samples in training, and averages over them in prediction.

A scene that is flipped or transposed gives flipped or transposed measurements where the kernels of the point-spread
function stay the same under it, see `foci3d.optics.psf.PSF.symmetries`. Two sensors that face each other have the same
kernels. If the distribution of the depths is symmetric about the middle between them, a scene seen from the opposite
side is a scene of the dataset, too: sensors and layers in reverse order.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import torch
from torch import Tensor

from foci3d.config.datasets import DatasetConfig
from foci3d.io.samples import Outputs, Samples
from foci3d.learning.layer_counts import opposite_channels
from foci3d.optics.symmetries import Symmetry

GENERATORS = (Symmetry.FLIP_X, Symmetry.FLIP_Y, Symmetry.TRANSPOSE)


def is_sensor_symmetric(dataset: DatasetConfig, sensor_separation_um: float) -> bool:
    """Whether the samples of a dataset, seen from the opposite side, have the distribution of the dataset."""
    return (
        dataset.sensors == "AB" and dataset.depth_step_um == 0 and sum(dataset.depth_range_um) == sensor_separation_um
    )


def apply_symmetries(samples: Samples[Tensor], symmetries: Sequence[Symmetry], numbers: Tensor) -> Samples[Tensor]:
    """Transform each sample by the one of the `symmetries` with its number `(N,)`."""
    flags = torch.tensor([symmetry.flags for symmetry in symmetries], device=numbers.device)[numbers].T
    images = {name: values for name, values in samples.arrays().items() if values.ndim > 2}
    for flag, generator in zip(flags, GENERATORS, strict=True):
        images = {name: _where(flag, generator.apply(values), values) for name, values in images.items()}
    return replace(samples, **images)


def swap_sensors(
    samples: Samples[Tensor], flag: Tensor, sensor_separation_um: float, n_occupied: Tensor | None = None
) -> Samples[Tensor]:
    """View the samples for which `flag` (N,) is true from the opposite side: sensors and layers in reverse order.

    If layers are empty and come last, `n_occupied` (N,) is the number of the others.
    """
    swapped = {
        "measurements": reverse_layers(samples.measurements),
        "layers": reverse_layers(samples.layers, n_occupied),
        "masks": reverse_layers(samples.masks, n_occupied),
        "depths_um": sensor_separation_um - reverse_layers(samples.depths_um, n_occupied),
    }
    return replace(samples, **{name: _where(flag, new, getattr(samples, name)) for name, new in swapped.items()})


def _where(flag: Tensor, values: Tensor, others: Tensor) -> Tensor:
    return torch.where(flag.view(-1, *[1] * (values.ndim - 1)), values, others)


def reverse_layers(values: Tensor, n_occupied: Tensor | None = None) -> Tensor:
    """`values (N, L, ...)` of layers, or sensors, in reverse order.

    `n_occupied (N,)` is the number of layers with cells, which come before the empty ones from either side; by default
    all layers are reversed.
    """
    order = torch.arange(values.shape[1], device=values.device).expand(len(values), -1)
    count = values.shape[1] if n_occupied is None else n_occupied[:, None]
    order = torch.where(order < count, count - 1 - order, order)
    return values[torch.arange(len(values), device=values.device)[:, None], order]


def average_over_symmetries(
    predict: Callable[[Tensor], Outputs[Tensor]],
    measurements: Tensor,
    symmetries: Sequence[Symmetry],
    sensor_separation_um: float | None = None,
) -> Outputs[Tensor]:
    """Mean of a prediction over the symmetries of an imager.

    Parameters
    ----------
    predict : callable
        From measurements `(N, S, Y, X)` to outputs; called once, for all views of the measurements.
    measurements : Tensor (N, S, Y, X)
        Measurements.
    symmetries : sequence of Symmetry
        Symmetries of the point-spread function.
    sensor_separation_um : float, optional
        Distance between the sensors [um] if the scene is to be seen from the opposite side, too, where channels of the
        outputs are layers.

    Returns
    -------
    Outputs
        In the orientation of the measurements.
    """
    views = [*product(symmetries, (False,) if sensor_separation_um is None else (False, True))]
    images = [symmetry.apply(measurements.flip(1) if swap else measurements) for symmetry, swap in views]
    together, predictions = predict(torch.cat(images)), []
    for number, (symmetry, swap) in enumerate(views):
        outputs = together[number * len(measurements) : (number + 1) * len(measurements)]
        if outputs.output.ndim == measurements.ndim:
            outputs = replace(outputs, output=symmetry.undo(outputs.output))
        if swap and sensor_separation_um is not None:
            outputs = _view_from_opposite(outputs, sensor_separation_um)
        predictions.append(outputs.arrays())
    stacked = Outputs(**{name: torch.stack([each[name] for each in predictions]) for name in predictions[0]})
    averages = stacked.map(lambda values: values.mean(0))
    if stacked.predicted_depths_um is None or stacked.predicted_depth_sds_um is None:
        return averages
    sds_um = deviation_of_average(stacked.predicted_depths_um, stacked.predicted_depth_sds_um)
    return replace(averages, predicted_depth_sds_um=sds_um)


def _view_from_opposite(outputs: Outputs[Tensor], sensor_separation_um: float) -> Outputs[Tensor]:
    counts = outputs.count_probabilities
    if counts is None:
        n_occupied = None if outputs.occupancy is None else (outputs.occupancy > 0.5).sum(1)
        seen = outputs.map(lambda values: reverse_layers(values, n_occupied))
    else:
        order = opposite_channels(counts.shape[1] - 1)
        seen = replace(outputs, count_probabilities=None).map(lambda values: values[:, order])
        seen = replace(seen, count_probabilities=counts)
    if seen.predicted_depths_um is None:
        return seen
    return replace(seen, predicted_depths_um=sensor_separation_um - seen.predicted_depths_um)


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
