"""Device and precision of a computation."""

from pathlib import Path
from typing import get_args

import torch

from foci3d.config.fields import Precision, PrecisionChoice
from foci3d.errors import InputError

BFLOAT16_INSTRUCTIONS = {"AuthenticAMD": frozenset({"avx512_bf16"}), "GenuineIntel": frozenset({"amx_bf16"})}
"""Instruction sets, by vendor of the processor, with which training in bfloat16 is faster than in float32.

With avx512_bf16 alone, an Intel Xeon needs 1.5 times as long for a step of `physics_unet` as in float32.
"""

CPUINFO = Path("/proc/cpuinfo")


def resolve_device(requested: str) -> torch.device:
    """Device for a request: ``cpu``, ``cuda``, ``cuda:1``, or ``auto`` for a GPU where there is one.

    Raises
    ------
    InputError
        If torch finds no such device.

    Examples
    --------
    >>> resolve_device("cpu")
    device(type='cpu')
    """
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if requested == "auto":
        return torch.device("cuda" if n_gpus else "cpu")
    available = ["cpu", *(["cuda"] if n_gpus else []), *(f"cuda:{index}" for index in range(n_gpus))]
    if requested not in available:
        raise InputError(
            f"device {requested}: torch finds no such device; expected auto, {', '.join(available)}. Correct "
            "compute.device or --device."
        )
    return torch.device(requested)


def resolve_precision(requested: PrecisionChoice, device: torch.device) -> Precision:
    """Precision for a request: ``float32``, ``bfloat16``, or ``auto`` for bfloat16 where it is faster on `device`.

    The choice depends on the hardware alone, so that it is the same in every run on a machine.

    Raises
    ------
    InputError
        If there is no such precision.
    """
    if requested not in get_args(PrecisionChoice):
        raise InputError(f"precision {requested}: expected {', '.join(get_args(PrecisionChoice))}.")
    if requested == "float32":
        return "float32"
    if requested == "bfloat16":
        return "bfloat16"
    if device.type == "cuda":
        supported = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        supported = bool(BFLOAT16_INSTRUCTIONS.get(cpu_vendor(), frozenset()) & cpu_instructions())
    return "bfloat16" if supported else "float32"


def cpu_vendor(cpuinfo: Path = CPUINFO) -> str:
    """Vendor of the processor as Linux names it; empty elsewhere."""
    return _cpuinfo_field("vendor_id", cpuinfo)


def cpu_instructions(cpuinfo: Path = CPUINFO) -> frozenset[str]:
    """Instruction sets of the processor, from torch or, where its version does not report them, from Linux."""
    if hasattr(torch.cpu, "get_capabilities"):
        return frozenset(name for name, supported in torch.cpu.get_capabilities().items() if supported is True)
    return frozenset(_cpuinfo_field("flags", cpuinfo).split())


def _cpuinfo_field(name: str, cpuinfo: Path) -> str:
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    fields = (line.partition(":") for line in lines)
    return next((value.strip() for field, _, value in fields if field.strip() == name), "")
