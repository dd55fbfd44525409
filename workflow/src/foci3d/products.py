"""Products of stacks of small matrices."""

import numpy as np
import torch
from torch import Tensor


def multiply(left: Tensor, right: Tensor) -> Tensor:
    """Product ``left @ right`` by the faster of two libraries.

    On a processor, and where no gradient is asked for, it is numpy's: its OpenBLAS has kernels for small matrices,
    which the library behind PyTorch lacks (`products_vs_torch` of `tests/performance/synthesis.py`).

    Parameters
    ----------
    left : Tensor (..., M, K), float32
        Matrices.
    right : Tensor (..., K, N), float32
        Matrices, with the same leading axes.

    Returns
    -------
    Tensor (..., M, N), float32
        Their products, never rounded to 16 bits by a training step's mixed precision.
    """
    if left.device.type == "cpu" and not (left.requires_grad or right.requires_grad):
        return torch.from_numpy(np.matmul(left.numpy(), right.numpy()))
    with torch.autocast(left.device.type, enabled=False):
        return left @ right
