"""Outputs for every number of layers, of a network that predicts the number, too.

For each number n from 1 to L there is a head of n layers, in the order from sensor A. Their channels follow each other:
1 of the first head, 2 of the second, and so on, ``L * (L + 1) / 2`` in all.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from foci3d.io.samples import NumpyOutputs, Outputs

MIN_PROBABILITY = 1e-6
"""Least probability of a number of layers, whose logarithm is taken."""


def n_channels(most: int) -> int:
    """Channels of the heads for 1 to `most` layers.

    >>> n_channels(6)
    21
    """
    return most * (most + 1) // 2


def most_layers(channels: int) -> int:
    """The largest number of layers, whose heads have so many channels in all.

    >>> most_layers(21)
    6
    """
    return (math.isqrt(8 * channels + 1) - 1) // 2


def head(n_layers: int) -> slice:
    """Channels of the head for a number of layers.

    >>> head(3)
    slice(3, 6, None)
    """
    return slice(n_channels(n_layers - 1), n_channels(n_layers))


def head_channels(most: int) -> npt.NDArray[np.int64]:
    """Channels `(L + 1, L)` of the layers in the head for each number of layers from 0 to `most`; others are 0.

    >>> head_channels(2).tolist()
    [[0, 0], [0, 0], [1, 2]]
    """
    numbers, layers = np.arange(most + 1)[:, None], np.arange(most)
    return np.where(layers < numbers, n_channels(numbers - 1) + layers, 0)  # type: ignore[arg-type]


def opposite_channels(most: int) -> Tensor:
    """Order of all channels as they are seen from sensor B: the layers of each head in reverse.

    >>> opposite_channels(3).tolist()
    [0, 2, 1, 5, 4, 3]
    """
    channels = torch.arange(n_channels(most))
    return torch.cat([channels[head(n_layers)].flip(0) for n_layers in range(1, most + 1)])


def count_layers(masks: Tensor) -> Tensor:
    """Number of layers with cells `(N,)` of `masks (N, L, Y, X)`."""
    return (masks > 0).flatten(2).any(-1).sum(1)


def joint_probabilities(probabilities: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Probabilities `(L + 1,)` of the numbers of layers of a field, of those `(K, L + 1)` of its tiles.

    Their geometric mean: all tiles have the same number, and their evidence is not independent.
    """
    means = np.exp(np.log(np.maximum(probabilities, MIN_PROBABILITY)).mean(0))
    return np.asarray(means / means.sum(), probabilities.dtype)


def choose_layers(values: npt.NDArray[Any], n_layers: npt.NDArray[np.int64], absent: float) -> npt.NDArray[Any]:
    """Values `(N, L, ...)` of the head for each number of layers `(N,)`, of values `(N, channels, ...)` of all heads.

    Layers beyond the number have the value `absent`.
    """
    most = most_layers(values.shape[1])
    chosen = values[np.arange(len(values))[:, None], head_channels(most)[n_layers]]
    chosen[np.arange(most) >= n_layers[:, None]] = absent
    return chosen


def select_layers(outputs: NumpyOutputs, n_layers: npt.NDArray[np.int64] | None = None) -> NumpyOutputs:
    """Outputs of the head for one number of layers, of outputs of all heads.

    Parameters
    ----------
    outputs : Outputs
        Of all heads: images (N, channels, Y, X), values (N, channels), and probabilities of each number of layers
        (N, L + 1).
    n_layers : ndarray (N,), optional
        Number of layers of each sample, by default the most probable one.

    Returns
    -------
    Outputs
        Images (N, L, Y, X), and values (N, L). Layers beyond the number hold no cells, and their depth is NaN.
    """
    assert outputs.count_probabilities is not None
    assert outputs.predicted_depths_um is not None
    assert outputs.predicted_depth_sds_um is not None
    numbers = outputs.count_probabilities.argmax(1) if n_layers is None else n_layers
    return Outputs(
        output=choose_layers(outputs.output, numbers, 0.0),
        predicted_depths_um=choose_layers(outputs.predicted_depths_um, numbers, np.nan),
        predicted_depth_sds_um=choose_layers(outputs.predicted_depth_sds_um, numbers, np.nan),
        count_probabilities=outputs.count_probabilities,
    )
