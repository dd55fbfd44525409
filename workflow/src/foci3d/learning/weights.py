"""Weights of a file compared with those that a network has."""

from collections.abc import Mapping

import torch
from torch import Tensor

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""Types of weights that are converted to that of the network."""


def find_misfits(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    """Names of weights that are missing, unknown, of another shape, of no usable type, or not finite."""
    return [
        name
        for name in {**expected, **weights}
        if name not in weights or name not in expected or not _fits(weights[name], expected[name])
    ]


def _fits(values: Tensor, expected: Tensor) -> bool:
    types = FLOATS if expected.is_floating_point() else (expected.dtype,)
    return values.shape == expected.shape and values.dtype in types and bool(values.isfinite().all())
