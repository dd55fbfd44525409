"""Products of many small matrices."""

import numpy as np
import torch
from torch import Tensor


def batched_matmul(left: Tensor, right: Tensor) -> Tensor:
    """Product ``left @ right`` by the faster of two libraries.

    On a CPU, and where no gradient is required, numpy computes it: its OpenBLAS has kernels for small matrices, which
    PyTorch's library lacks (`products_vs_torch` of `tests/performance/synthesis.py`).

    Parameters
    ----------
    left : Tensor (..., M, K), float32
        Matrices.
    right : Tensor (..., K, N), float32
        Matrices, with the same leading axes.

    Returns
    -------
    Tensor (..., M, N), float32
        Their products, never rounded to 16 bits by the mixed precision of a training step.
    """
    if left.device.type == "cpu" and not (left.requires_grad or right.requires_grad):
        return torch.from_numpy(np.matmul(left.numpy(), right.numpy()))
    with torch.autocast(left.device.type, enabled=False):
        return left @ right
