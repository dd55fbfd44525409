"""What this machine computes with: device and precision."""

import time

import torch

from foci3d.errors import InputError

PAYING = 0.75
"""Share of float32's time below which bfloat16 is worth its rounding."""


def find_device(wish: str) -> torch.device:
    """Device for `wish`: ``cpu``, ``cuda``, or ``auto`` for a GPU if there is one.

    Raises
    ------
    InputError
        If a GPU is wished for, and torch finds none.
    """
    found = torch.cuda.is_available()
    if wish == "cuda" and not found:
        raise InputError("compute.device is cuda, and torch finds no GPU; expected auto or cpu here, change it.")
    return torch.device("cuda" if found and wish != "cpu" else "cpu")


def find_precision(wish: str, device: torch.device) -> str:
    """Precision for `wish`: ``float32``, ``bfloat16``, or ``auto`` for the faster one on `device`."""
    if wish != "auto":
        return wish
    if device.type == "cuda":
        pays = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # Processors that have the instructions differ: some are twice as fast with them, some half as fast.
        pays = _matmul_seconds(torch.bfloat16) < PAYING * _matmul_seconds(torch.float32)
    return "bfloat16" if pays else "float32"


def _matmul_seconds(dtype: torch.dtype) -> float:
    """Shortest time of a matrix product on the CPU, some milliseconds."""
    matrix = torch.ones(512, 512, dtype=dtype)
    times = []
    for _ in range(10):
        start = time.perf_counter()
        matrix @ matrix
        times.append(time.perf_counter() - start)
    return min(times)
