import numpy as np
import pytest
import torch
from ray_sum import bead_light, gaussian_acceptance
from scipy import integrate, signal

from foci3d.errors import InputError
from foci3d.optics import (
    Acceptance,
    Blur,
    Psf,
    acceptance_kernels,
    convolve,
    depth_grid,
    separable_terms,
    wiener,
)

PITCH_UM = 55.0
IMAGER = Acceptance(36.0, 20.0, 1.0)


def model_psf(pixels, depths_um, acceptance=IMAGER):
    return Psf(acceptance_kernels(acceptance, depths_um, pixels, PITCH_UM).float(), depths_um.float(), PITCH_UM)


@pytest.fixture(scope="module")
def psf():
    return model_psf(51, depth_grid([0, 2000], 10))


@pytest.fixture(scope="module")
def blur(psf):
    return Blur(psf, 51)


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


def test_kernels_sum_to_one_and_are_centred_and_not_negative():
    kernels = acceptance_kernels(IMAGER, depth_grid([0, 2000], 250), 51, PITCH_UM)
    assert kernels.shape == (9, 101, 101)
    torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(9).double())
    assert kernels.min() >= 0
    assert (kernels.flatten(1).argmax(1) == 50 * 101 + 50).all()
    for symmetric in (kernels.flip(1), kernels.flip(2), kernels.mT):
        torch.testing.assert_close(symmetric, kernels)


@pytest.mark.parametrize(("depth_um", "standoff_um"), [(25, 20), (25, 0), (0, 20), (110, 20), (1000, 0)])
def test_kernel_equals_numerical_integration(depth_um, standoff_um):
    """Ratios of pixels against adaptive integration of the solid angle that each pixel fills."""

    def light(y, x):
        height = depth_um + standoff_um
        angle = np.arctan2(np.hypot(x, y), height)
        return np.exp(-4 * np.log(2) * (angle / np.radians(36)) ** 2) * height / np.hypot(np.hypot(x, y), height) ** 3

    def pixel(j, i):
        return integrate.dblquad(
            light, (i - 0.5) * PITCH_UM, (i + 0.5) * PITCH_UM, (j - 0.5) * PITCH_UM, (j + 0.5) * PITCH_UM, epsrel=1e-9
        )[0]

    kernel = acceptance_kernels(Acceptance(36, standoff_um, 1), torch.tensor([float(depth_um)]), 51, PITCH_UM)[0]
    found = [(kernel[50 + j, 50 + i] / kernel[50, 50]).item() for j, i in ((0, 1), (1, 1), (2, 0), (3, 2))]
    assert found == pytest.approx([pixel(j, i) / pixel(0, 0) for j, i in ((0, 1), (1, 1), (2, 0), (3, 2))], abs=2e-6)


def test_kernel_equals_the_ray_sum():
    rays = bead_light(7 * PITCH_UM, 7 * PITCH_UM, 170.0, 15, PITCH_UM, 0.7, gaussian_acceptance(50.0))
    kernel = acceptance_kernels(Acceptance(50.0, 20.0, 0.7), torch.tensor([150.0]), 8, PITCH_UM)[0].numpy()
    np.testing.assert_allclose(kernel, rays / rays.sum(), atol=2e-4 * kernel.max())


def test_a_source_on_the_pixels_lights_one_pixel():
    kernel = acceptance_kernels(Acceptance(36.0, 0.0, 1.0), torch.tensor([0.0]), 6, PITCH_UM)[0]
    assert kernel[5, 5] == pytest.approx(1, abs=1e-6)


def test_width_grows_with_height_as_the_angle_says():
    kernels = acceptance_kernels(IMAGER, torch.tensor([480.0, 980.0, 1480.0]), 51, PITCH_UM)
    offsets_um = (torch.arange(101) - 50) * PITCH_UM
    profiles = kernels.sum(1)
    widths = (profiles * offsets_um**2).sum(1).sqrt()
    assert (widths / widths[0]).tolist() == pytest.approx([1, 2, 3], rel=0.03)


def test_depth_grid_covers_the_range_evenly():
    assert depth_grid([0, 100], 30).tolist() == [0, 25, 50, 75, 100]
    assert depth_grid([50, 150], 50).tolist() == [50, 100, 150]


# The PSF and its file


def test_psf_file_keeps_everything(tmp_path, small):
    described = Psf(small.kernels, small.depths_um, PITCH_UM, {"source": "test", "fwhm_deg": 36.0})
    described.save(tmp_path / "psf.h5")
    loaded = Psf.load(tmp_path / "psf.h5")
    assert torch.equal(loaded.kernels, small.kernels)
    assert torch.equal(loaded.depths_um, small.depths_um)
    assert (loaded.pixel_pitch_um, loaded.attributes) == (PITCH_UM, {"source": "test", "fwhm_deg": 36.0})
    assert loaded.digest == small.digest


@pytest.mark.parametrize("part", ["kernels", "depths_um", "pixel_pitch_um"])
def test_digest_tells_any_change(small, part):
    parts = {name: getattr(small, name) for name in ("kernels", "depths_um", "pixel_pitch_um")}
    assert Psf(**parts | {part: parts[part] * 1.0000002}).digest != small.digest


def test_interpolation_is_linear_and_exact_at_the_nodes(small):
    found = small.at(torch.tensor([[0.0, 300.0], [340.0, 900.0]]))
    assert torch.equal(found[0, 1], small.kernels[3])
    assert torch.equal(found[1, 1], small.kernels[9])
    torch.testing.assert_close(found[1, 0], 0.6 * small.kernels[3] + 0.4 * small.kernels[4])


@pytest.mark.parametrize("depth_um", [-0.1, 900.5, float("nan")])
def test_depths_outside_the_range_are_refused(small, depth_um):
    with pytest.raises(InputError, match="expected 0 to 900 um"):
        small.at(torch.tensor([10.0, depth_um]))
    with pytest.raises(InputError, match="expected 0 to 900 um"):
        Blur(small, 8)(torch.ones(1, 8, 8), torch.tensor([depth_um]))


# Convolution


def test_convolve_equals_scipy(small):
    images, kernels = pictures(3, 8, 8), small.at(depths(3, high=900))
    expected = [signal.convolve2d(i, k, "same") for i, k in zip(images.numpy(), kernels.numpy(), strict=True)]
    # scipy centres "same" on the first array; the kernel is larger here, so the middle is cut from the full one.
    full = [signal.convolve2d(i, k)[7:15, 7:15] for i, k in zip(images.numpy(), kernels.numpy(), strict=True)]
    assert np.allclose(expected, full)
    np.testing.assert_allclose(convolve(images, kernels), full, rtol=1e-5)


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


def test_layers_added_in_one_product_are_the_sum_of_blurred_layers(small):
    blur, layers, depths_um = Blur(small, 8), pictures(4, 3, 8, 8), depths(4, 3, high=900)
    torch.testing.assert_close(blur.onto(layers, depths_um), blur(layers, depths_um).sum(1))


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


def test_wiener_equals_its_formula(small):
    """On a circle of 15 pixels the estimate is one division in the Fourier domain."""
    images, kernels = pictures(2, 8, 8).double(), small.kernels[:2].double()
    field = np.zeros((2, 15, 15))
    field[:, :8, :8] = images
    wrapped = np.zeros((2, 15, 15))
    for y in range(15):
        for x in range(15):
            wrapped[:, y - 7, x - 7] += kernels[:, y, x].numpy()
    transfer = np.fft.fft2(wrapped)
    estimate = np.fft.ifft2(np.fft.fft2(field) * transfer.conj() / (np.abs(transfer) ** 2 + 0.01)).real
    np.testing.assert_allclose(wiener(images, kernels, 0.01), estimate[:, :8, :8], atol=1e-9)


def test_wiener_sharpens(psf):
    scene = torch.zeros(51, 51)
    scene[22:29, 20:32] = pictures(7, 12)
    kernel = psf.at(torch.tensor(110.0))
    blurred = convolve(scene, kernel)
    restored = wiener(blurred, kernel, 1e-4)
    assert (restored - scene).square().mean() < 0.05 * (blurred - scene).square().mean()
