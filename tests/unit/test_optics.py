import numpy as np
import pytest
import torch
from ray_sum import bead_light, gaussian_acceptance
from scipy import integrate

from foci3d.blur import Blur
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
