"""Kernels of the angular acceptance, compared with numerical integration and a sum of rays."""

import numpy as np
import pytest
import torch
from ray_sum import bead_light, gaussian_acceptance
from scipy import integrate

from foci3d.optics.acceptance import AngularAcceptance, acceptance_kernels
from foci3d.optics.psf import depth_grid

PITCH_UM = 55.0
ACCEPTANCE = AngularAcceptance(36.0, 20.0, 1.0)


def test_kernels_are_normalized_centred_and_non_negative():
    kernels = acceptance_kernels(ACCEPTANCE, depth_grid([0, 2000], 250), 51, PITCH_UM)
    assert kernels.shape == (9, 101, 101)
    torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(9).double())
    assert kernels.min() >= 0
    assert (kernels.flatten(1).argmax(1) == 50 * 101 + 50).all()
    for symmetric in (kernels.flip(1), kernels.flip(2), kernels.mT):
        torch.testing.assert_close(symmetric, kernels)


@pytest.mark.parametrize(("depth_um", "standoff_um"), [(25, 20), (25, 0), (0, 20), (110, 20), (1000, 0)])
def test_kernel_equals_numerical_integration(depth_um, standoff_um):
    """Ratios of pixels, compared with adaptive integration of the solid angle that each pixel covers."""

    def irradiance(y, x):
        height = depth_um + standoff_um
        angle = np.arctan2(np.hypot(x, y), height)
        return np.exp(-4 * np.log(2) * (angle / np.radians(36)) ** 2) * height / np.hypot(np.hypot(x, y), height) ** 3

    def pixel(j, i):
        return integrate.dblquad(
            irradiance,
            (i - 0.5) * PITCH_UM,
            (i + 0.5) * PITCH_UM,
            (j - 0.5) * PITCH_UM,
            (j + 0.5) * PITCH_UM,
            epsrel=1e-9,
        )[0]

    kernel = acceptance_kernels(AngularAcceptance(36, standoff_um, 1), torch.tensor([float(depth_um)]), 51, PITCH_UM)[0]
    ratios = [(kernel[50 + j, 50 + i] / kernel[50, 50]).item() for j, i in ((0, 1), (1, 1), (2, 0), (3, 2))]
    assert ratios == pytest.approx([pixel(j, i) / pixel(0, 0) for j, i in ((0, 1), (1, 1), (2, 0), (3, 2))], abs=2e-6)


def test_kernel_equals_the_ray_sum():
    rays = bead_light(7 * PITCH_UM, 7 * PITCH_UM, 170.0, 15, PITCH_UM, 0.7, gaussian_acceptance(50.0))
    kernel = acceptance_kernels(AngularAcceptance(50.0, 20.0, 0.7), torch.tensor([150.0]), 8, PITCH_UM)[0].numpy()
    np.testing.assert_allclose(kernel, rays / rays.sum(), atol=2e-4 * kernel.max())


def test_source_on_the_pixels_illuminates_one_pixel():
    kernel = acceptance_kernels(AngularAcceptance(36.0, 0.0, 1.0), torch.tensor([0.0]), 6, PITCH_UM)[0]
    assert kernel[5, 5] == pytest.approx(1, abs=1e-6)


def test_width_is_proportional_to_the_height():
    kernels = acceptance_kernels(ACCEPTANCE, torch.tensor([480.0, 980.0, 1480.0]), 51, PITCH_UM)
    offsets_um = (torch.arange(101) - 50) * PITCH_UM
    profiles = kernels.sum(1)
    widths = (profiles * offsets_um**2).sum(1).sqrt()
    assert (widths / widths[0]).tolist() == pytest.approx([1, 2, 3], rel=0.03)
