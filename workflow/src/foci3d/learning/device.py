"""Device and precision of a computation."""

from pathlib import Path
from typing import Literal

import torch

from foci3d.errors import InputError

Precision = Literal["float32", "bfloat16"]

BFLOAT16_INSTRUCTIONS = frozenset({"avx512_bf16", "amx_bf16"})
"""Instruction sets with which convolutions in bfloat16 are about twice as fast as in float32."""


def resolve_device(requested: str) -> torch.device:
    """Device for a request: ``cpu``, ``cuda``, or ``auto`` for a GPU where there is one.

    Raises
    ------
    InputError
        If a GPU is requested and torch finds none.
    """
    available = torch.cuda.is_available()
    if requested == "cuda" and not available:
        raise InputError("compute.device is cuda, but torch finds no GPU; expected auto or cpu, change it.")
    return torch.device("cuda" if available and requested != "cpu" else "cpu")


def resolve_precision(requested: str, device: torch.device) -> Precision:
    """Precision for a request: ``float32``, ``bfloat16``, or ``auto`` for bfloat16 where `device` has it in hardware.

    The choice depends on the hardware alone, so that it is the same in every run on a machine.
    """
    if requested == "float32":
        return "float32"
    if requested == "bfloat16":
        return "bfloat16"
    if device.type == "cuda":
        supported = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        supported = bool(BFLOAT16_INSTRUCTIONS & cpu_instructions())
    return "bfloat16" if supported else "float32"


def cpu_instructions(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Instruction sets of the processor, from torch or, where its version does not report them, from Linux."""
    if hasattr(torch.cpu, "get_capabilities"):
        return frozenset(name for name, supported in torch.cpu.get_capabilities().items() if supported is True)
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    flags = (line.partition(":")[2] for line in lines if line.startswith("flags"))
    return frozenset(next(flags, "").split())
