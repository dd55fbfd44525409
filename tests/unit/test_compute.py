"""What this machine computes with."""

import pytest
import torch

from foci3d import compute
from foci3d.errors import InputError

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("wish", "gpu", "expected"),
    [("auto", True, "cuda"), ("auto", False, "cpu"), ("cpu", True, "cpu"), ("cuda", True, "cuda")],
)
def test_device(monkeypatch: pytest.MonkeyPatch, wish: str, gpu: bool, expected: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert compute.find_device(wish).type == expected


def test_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"compute\.device is cuda, and torch finds no GPU"):
        compute.find_device("cuda")


@pytest.mark.parametrize(("seconds", "expected"), [(0.5, "bfloat16"), (0.9, "float32"), (2.0, "float32")])
def test_a_processor_computes_in_what_is_faster(monkeypatch: pytest.MonkeyPatch, seconds: float, expected: str) -> None:
    times = {torch.bfloat16: seconds, torch.float32: 1.0}
    monkeypatch.setattr(compute, "_matmul_seconds", times.__getitem__)
    assert compute.find_precision("auto", CPU) == expected


@pytest.mark.parametrize(("supported", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_a_gpu_computes_in_what_it_has(monkeypatch: pytest.MonkeyPatch, supported: bool, expected: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported)
    assert compute.find_precision("auto", CUDA) == expected


@pytest.mark.parametrize("wish", ["float32", "bfloat16"])
def test_a_wish_is_a_command(wish: str) -> None:
    assert compute.find_precision(wish, CPU) == wish


def test_the_clock_runs() -> None:
    assert 0 < compute._matmul_seconds(torch.float32) < 10
