"""Products of small matrices by both libraries."""

import torch

from foci3d.optics.linalg import batched_matmul


def stacks() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(4, 3, 51, 34, generator=generator), torch.randn(4, 3, 34, 51, generator=generator)


def test_both_libraries_give_the_same_product() -> None:
    left, right = stacks()
    by_torch = batched_matmul(left.clone().requires_grad_(), right)
    torch.testing.assert_close(batched_matmul(left, right), by_torch)
    torch.testing.assert_close(batched_matmul(left, right), (left.double() @ right.double()).float())


def test_transposed_matrices_are_multiplied() -> None:
    left, right = stacks()
    torch.testing.assert_close(batched_matmul(right.mT, left.mT), batched_matmul(left, right).mT)


def test_gradients_pass() -> None:
    left, right = stacks()
    left.requires_grad_()
    batched_matmul(left, right).sum().backward()
    torch.testing.assert_close(left.grad, right.sum(-1)[..., None, :].expand_as(left))


def test_mixed_precision_does_not_round() -> None:
    left, right = stacks()
    exact = batched_matmul(left, right)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = batched_matmul(left.requires_grad_(), right)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, exact)
