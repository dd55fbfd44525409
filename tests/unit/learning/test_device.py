"""Device and precision depend on the hardware and the request alone."""

from pathlib import Path

import pytest
import torch

from foci3d.errors import InputError
from foci3d.learning import device

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A machine with a number of GPUs."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: request.param > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: request.param)


@pytest.mark.parametrize(
    ("requested", "gpus", "expected"),
    [
        ("auto", 1, "cuda"),
        ("auto", 0, "cpu"),
        ("cpu", 1, "cpu"),
        ("cuda", 1, "cuda"),
        ("cuda:0", 1, "cuda:0"),
        ("cuda:1", 2, "cuda:1"),
    ],
    indirect=["gpus"],
)
def test_device(gpus: None, requested: str, expected: str) -> None:
    assert device.resolve_device(requested) == torch.device(expected)


@pytest.mark.parametrize(
    ("requested", "gpus", "available"),
    [("cuda", 0, "auto, cpu"), ("cuda:1", 1, "auto, cpu, cuda, cuda:0")]
    + [(name, 0, "auto, cpu") for name in ("gpu", "mps", "banana", "cpu:1", "")],
    indirect=["gpus"],
)
def test_a_device_that_is_not_there(gpus: None, requested: str, available: str) -> None:
    with pytest.raises(InputError) as error:
        device.resolve_device(requested)
    problem = f"device {requested}: torch finds no such device; expected {available}"
    assert str(error.value) == f"{problem}. Correct compute.device or --device."


@pytest.mark.parametrize(
    ("vendor", "instructions", "expected"),
    [
        ("AuthenticAMD", {"avx2", "avx512_bf16"}, "bfloat16"),
        ("AuthenticAMD", {"avx2", "avx512_f", "avx512_vnni"}, "float32"),
        ("GenuineIntel", {"avx512_bf16", "amx_bf16"}, "bfloat16"),
        ("GenuineIntel", {"avx512_bf16"}, "float32"),
        ("", {"neon", "bf16"}, "float32"),
    ],
)
def test_auto_on_a_processor(
    monkeypatch: pytest.MonkeyPatch, vendor: str, instructions: set[str], expected: str
) -> None:
    monkeypatch.setattr(device, "cpu_vendor", lambda: vendor)
    monkeypatch.setattr(device, "cpu_instructions", lambda: frozenset(instructions))
    assert device.resolve_precision("auto", CPU) == expected


@pytest.mark.parametrize(("supported", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_auto_on_a_gpu(monkeypatch: pytest.MonkeyPatch, supported: bool, expected: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported)
    assert device.resolve_precision("auto", CUDA) == expected


@pytest.mark.parametrize("requested", ["float32", "bfloat16"])
@pytest.mark.parametrize("hardware", [CPU, CUDA], ids=str)
def test_an_explicit_precision_is_used_on_any_hardware(
    monkeypatch: pytest.MonkeyPatch, requested: str, hardware: torch.device
) -> None:
    monkeypatch.setattr(device, "cpu_instructions", frozenset)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert device.resolve_precision(requested, hardware) == requested


def test_torch_and_linux_report_the_same_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    cpuinfo = Path("/proc/cpuinfo")
    if not hasattr(torch.cpu, "get_capabilities") or not cpuinfo.is_file() or "flags" not in cpuinfo.read_text():
        pytest.skip("needs Linux on x86 and a torch that reports the instructions of the processor")
    from_torch = device.cpu_instructions()
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    from_linux = device.cpu_instructions()
    relevant = frozenset.union(*device.BFLOAT16_INSTRUCTIONS.values())
    assert from_torch & relevant == from_linux & relevant
    assert ("avx2" in from_torch) == ("avx2" in from_linux)


def test_instructions_from_linux(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nvendor_id\t: AuthenticAMD\nflags\t\t: fpu avx2 avx512_bf16\nbogomips : 1\n")
    assert device.cpu_instructions(cpuinfo) == {"fpu", "avx2", "avx512_bf16"}
    assert device.cpu_vendor(cpuinfo) == "AuthenticAMD"
    assert device.cpu_instructions(tmp_path / "missing") == frozenset()
    assert device.cpu_vendor(tmp_path / "missing") == ""


def test_an_unknown_precision_is_no_choice_of_the_processor():
    with pytest.raises(InputError, match="precision bf16: expected auto, float32, bfloat16"):
        device.resolve_precision("bf16", torch.device("cpu"))
