"""The blur, beside scipy's convolution."""

import numpy as np
import pytest
import torch
from scipy import signal

from foci3d.blur import Blur, separable_terms
from foci3d.errors import InputError
from foci3d.optics import (
    Acceptance,
    Psf,
    acceptance_kernels,
    depth_grid,
)

PITCH_UM = 55.0
IMAGER = Acceptance(36.0, 20.0, 1.0)


def model_psf(pixels, depths_um, acceptance=IMAGER):
    return Psf(acceptance_kernels(acceptance, depths_um, pixels, PITCH_UM).float(), depths_um.float(), PITCH_UM)


@pytest.fixture(scope="module")
def psf():
    return model_psf(51, depth_grid([0, 2000], 10))


@pytest.fixture(scope="module")
def small():
    """A small PSF without any symmetry."""
    rng = np.random.default_rng(0)
    kernels = acceptance_kernels(IMAGER, depth_grid([0, 900], 100), 8, PITCH_UM).numpy()
    kernels *= rng.uniform(0.5, 1.5, kernels.shape)
    kernels /= kernels.sum((1, 2), keepdims=True)
    return Psf(torch.from_numpy(kernels).float(), depth_grid([0, 900], 100).float(), PITCH_UM)


def pictures(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).lognormal(0, 0.7, shape).astype(np.float32))


def depths(*shape, low=0.0, high=2000.0, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32))


# Kernels of the angular acceptance


def convolve(images, kernels):
    """The middle of scipy's full convolution."""
    pixels = images.shape[-1]
    full = signal.fftconvolve(images.numpy(), kernels.numpy(), axes=(-2, -1))
    return torch.from_numpy(full)[..., pixels - 1 : 2 * pixels - 1, pixels - 1 : 2 * pixels - 1]


@pytest.fixture(scope="module")
def blur(psf):
    return Blur(psf, 51)


@pytest.mark.parametrize(("low", "high"), [(0, 60), (60, 250), (250, 1000), (1000, 2000)])
def test_blur_equals_exact_convolution(psf, blur, low, high):
    images, depths_um = pictures(8, 4, 51, 51), depths(8, 4, low=low, high=high)
    exact = convolve(images, psf.at(depths_um))
    deviation = (blur(images, depths_um) - exact).abs().amax((-2, -1)) / exact.amax((-2, -1))
    assert deviation.max() < 1.5e-3


def test_blur_with_all_terms_is_exact_at_the_nodes(small):
    images, depths_um = pictures(10, 8, 8), small.depths_um
    found = Blur(small, 8, terms=15)(images, depths_um)
    torch.testing.assert_close(found, convolve(images, small.at(depths_um)), rtol=1e-4, atol=1e-5)


def test_blur_is_the_convolution_with_its_own_factors(small):
    blur = Blur(small, 8, terms=2)
    images, depths_um = pictures(4, 8, 8), torch.tensor([0.0, 130.0, 555.0, 900.0])
    rows, columns = blur._factors(depths_um)
    torch.testing.assert_close(blur(images, depths_um), convolve(images, rows @ columns), rtol=1e-4, atol=1e-5)


def test_terms_are_the_best_of_their_number(small):
    rows, columns = separable_terms(small.kernels, 3)
    error = torch.linalg.matrix_norm(small.kernels.double() - rows @ columns.mT)
    left_out = torch.linalg.svdvals(small.kernels.double())[:, 3:].norm(dim=1)
    torch.testing.assert_close(error, left_out)


def test_factors_change_smoothly_with_depth(psf):
    """Neither a sign nor the order of terms flips between neighbouring depths."""
    rows, columns = separable_terms(psf.kernels, 3)
    for factors in (rows, columns):
        steps = (factors[1:] - factors[:-1]).abs().amax(1)
        assert (steps < 0.2 * factors[:-1].abs().amax((1, 2))[:, None]).all()


def test_terms_that_change_order_with_depth_are_interpolated_as_one():
    """The stronger of two separable terms becomes the weaker one between 100 and 200 um."""
    wide, narrow = torch.full((15,), 1 / 15), torch.eye(15)[7]
    first, second = wide.outer(narrow), narrow.outer(wide)
    kernels = torch.stack([share * first + (1 - share) * second for share in (0.8, 0.55, 0.45, 0.2)])
    psf = Psf(kernels, torch.tensor([0.0, 100.0, 200.0, 300.0]), PITCH_UM)
    images, depths_um = pictures(3, 8, 8), torch.tensor([50.0, 150.0, 250.0])
    exact = convolve(images, psf.at(depths_um))
    torch.testing.assert_close(Blur(psf, 8, terms=2)(images, depths_um), exact, rtol=0.02, atol=0)


def test_blur_and_its_adjoint(small):
    blur = Blur(small, 8)
    depths_um = depths(5, 2, high=900)
    x, y = pictures(5, 2, 8, 8), pictures(5, 2, 8, 8, seed=1)
    torch.testing.assert_close((blur(x, depths_um) * y).sum(), (x * blur.adjoint(y, depths_um)).sum())
    assert not torch.allclose(blur(x, depths_um), blur.adjoint(x, depths_um), rtol=1e-2)


def test_gradient_of_the_blur_is_its_adjoint(small):
    blur = Blur(small, 8)
    depths_um, y = depths(3, high=900), pictures(3, 8, 8, seed=1)
    x = pictures(3, 8, 8).requires_grad_()
    (blur(x, depths_um) * y).sum().backward()
    torch.testing.assert_close(x.grad, blur.adjoint(y, depths_um))


def test_blur_takes_any_leading_axes(small):
    blur = Blur(small, 8)
    images, depths_um = pictures(2, 3, 4, 8, 8), depths(2, 3, 4, high=900)
    flat = blur(images.reshape(-1, 8, 8), depths_um.flatten())
    torch.testing.assert_close(blur(images, depths_um), flat.reshape(images.shape))
    torch.testing.assert_close(blur(images[0, 0, 0], depths_um[0, 0, 0]), flat[0])


def test_a_sample_does_not_depend_on_its_neighbours(blur):
    images, depths_um = pictures(16, 4, 51, 51), depths(16, 4)
    others, other_depths_um = images.flip(0).clone(), depths_um.flip(0).clone()
    others[3], other_depths_um[3] = images[3], depths_um[3]
    assert torch.equal(blur(images, depths_um)[3], blur(others, other_depths_um)[3])


def test_blur_keeps_the_light_of_the_middle(blur):
    image = torch.zeros(1, 51, 51)
    image[0, 25, 25] = 7
    assert blur(image, torch.tensor([300.0])).sum() == pytest.approx(7, rel=1e-3)


def test_blur_keeps_its_precision_in_a_training_step(small):
    blur = Blur(small, 8)
    images, depths_um = pictures(2, 8, 8), torch.tensor([100.0, 500.0])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = blur(images, depths_um)
    assert torch.equal(inside, blur(images, depths_um))


def test_blur_refuses_pictures_of_another_size(small):
    with pytest.raises(InputError, match="kernels have 15 pixels; expected 19"):
        Blur(small, 10)


# Deconvolution
