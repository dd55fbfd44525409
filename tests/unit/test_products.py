import torch

from foci3d.products import multiply


def stacks() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(4, 3, 51, 34, generator=generator), torch.randn(4, 3, 34, 51, generator=generator)


def test_both_libraries_give_the_same_product() -> None:
    left, right = stacks()
    by_torch = multiply(left.clone().requires_grad_(), right)
    torch.testing.assert_close(multiply(left, right), by_torch)
    torch.testing.assert_close(multiply(left, right), (left.double() @ right.double()).float())


def test_transposed_matrices_need_no_copy_of_the_caller() -> None:
    left, right = stacks()
    torch.testing.assert_close(multiply(right.mT, left.mT), multiply(left, right).mT)


def test_gradients_pass() -> None:
    left, right = stacks()
    left.requires_grad_()
    multiply(left, right).sum().backward()
    torch.testing.assert_close(left.grad, right.sum(-1)[..., None, :].expand_as(left))


def test_mixed_precision_does_not_round() -> None:
    left, right = stacks()
    exact = multiply(left, right)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = multiply(left.requires_grad_(), right)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, exact)
