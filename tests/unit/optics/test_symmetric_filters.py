"""Filters as products of matrices: against Fourier transforms, for images with an even and an odd number of pixels."""

import pytest
import torch

from foci3d.optics.symmetric_filters import (
    are_mirror_symmetric,
    filter_images,
    fourier_basis,
    padded_size,
    symmetric_transfer,
)


def make_kernels(extent: int) -> torch.Tensor:
    """Two kernels that are symmetric in y and in x, but not under an exchange of the axes."""
    distance = (torch.arange(extent) - extent // 2).double().abs()
    return torch.stack([torch.exp(-distance[:, None] / wide - distance / 2) for wide in (1.0, 5.0)]).float()


@pytest.mark.parametrize("n_pixels", [6, 9, 51])
def test_filtered_images_are_those_of_fourier_transforms(n_pixels):
    kernels, images = make_kernels(2 * n_pixels - 1), torch.rand(3, 1, n_pixels, n_pixels)
    size = (padded_size(n_pixels),) * 2
    transfer = torch.fft.rfft2(kernels, size)
    full = torch.fft.irfft2(torch.fft.rfft2(images, size) * transfer, size)
    expected = full[..., n_pixels - 1 : 2 * n_pixels - 1, n_pixels - 1 : 2 * n_pixels - 1]
    found = filter_images(images, symmetric_transfer(kernels)[None])
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5 * float(expected.max()))


@pytest.mark.parametrize("n_pixels", [6, 9])
def test_gradients(n_pixels):
    images = torch.rand(3, 2, n_pixels, n_pixels, requires_grad=True)
    n_frequencies = len(fourier_basis(n_pixels, images.device)) // 2
    filters = torch.rand(2, 2, n_frequencies, n_frequencies, requires_grad=True)
    weights = torch.rand(3, 4, n_pixels, n_pixels)
    found = torch.autograd.grad((weights * filter_images(images, filters)).sum(), [images, filters])
    for number, (values, gradient) in enumerate(zip((images, filters), found, strict=True)):
        change = torch.rand_like(values)
        changed = [images, filters]
        changed[number] = values + change  # the filtered images are linear in each of both
        difference = (weights * (filter_images(*changed) - filter_images(images, filters))).sum()
        torch.testing.assert_close((gradient * change).sum(), difference, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("n_pixels", [6, 9])
def test_the_basis_keeps_the_power_of_an_image(n_pixels):
    basis = fourier_basis(n_pixels, torch.device("cpu"))
    torch.testing.assert_close(basis.mT @ basis, torch.eye(n_pixels), rtol=0, atol=1e-6)


def test_the_basis_of_a_prediction_serves_a_training():
    images, n_frequencies = torch.rand(1, 1, 14, 14), padded_size(14) // 2 + 1
    filters = torch.rand(1, 1, n_frequencies, n_frequencies, requires_grad=True)
    fourier_basis.cache_clear()
    with torch.inference_mode():
        filter_images(images, filters)
    filter_images(images, filters).sum().backward()
    assert filters.grad.any()


def test_symmetry_of_kernels():
    kernels = make_kernels(11)
    assert are_mirror_symmetric(kernels)
    assert not are_mirror_symmetric(kernels + 1e-4 * torch.rand(kernels.shape))
