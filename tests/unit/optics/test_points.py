"""Images of points and their derivatives, compared with sums over rays and with differences."""

from dataclasses import asdict

import numpy as np
import pytest
from imager import point_light
from scipy.ndimage import gaussian_filter

from foci3d.errors import InputError
from foci3d.optics.acceptance import AngularAcceptance
from foci3d.optics.points import BRIGHTNESS, DEPTH, VARIANCE, PointOptics
from foci3d.optics.psf import PSF

ACCEPTANCE = asdict(AngularAcceptance(fwhm_deg=36.0, standoff_um=20.0, linear_fill_factor=1.0))


@pytest.fixture(scope="module")
def psf(make_psf):
    each = make_psf(51, (0.0, 1000.0), 10.0)
    return PSF(each.kernels, each.depths_um, each.pixel_pitch_um, ACCEPTANCE)


@pytest.fixture(scope="module")
def optics(psf):
    return PointOptics(psf, [0.0, 1000.0])


@pytest.mark.parametrize("depth_um", [25.0, 57.0, 155.0, 252.0, 503.0, 968.0])
def test_images_are_sums_over_rays(optics, depth_um):
    expected = point_light(np.array([[20.37, 31.81, depth_um, 2.0]]))
    image = optics.images(np.array([[20.37, 31.81, depth_um, 0.0, 2.0]]))[0]
    for each, exact in zip(image, expected, strict=True):
        np.testing.assert_allclose(each, exact, atol=1e-3 * exact.max())


def test_kernels_alone_suffice_away_from_the_sensor(psf):
    optics = PointOptics(PSF(psf.kernels, psf.depths_um, psf.pixel_pitch_um), [0.0])
    expected = point_light(np.array([[20.37, 31.81, 300.0, 1.0]]))[0]
    image = optics.images(np.array([[20.37, 31.81, 300.0, 0.0, 1.0]]))[0, 0]
    np.testing.assert_allclose(image, expected, atol=1e-3 * expected.max())


def test_derivatives_are_limits_of_differences(optics):
    points = np.array([[20.3, 21.2, 133.0, 0.3, 2.0], [3.0, 40.3, 644.0, 0.1, 3.0]])
    derivatives = optics.derivatives(points)
    for column, step in enumerate((1e-4, 1e-4, 1e-2, 1e-4, 1e-3)):
        change = step * (np.arange(5) == column)
        numeric = (optics.images(points + change) - optics.images(points - change)) / (2 * step)
        np.testing.assert_allclose(derivatives[:, column], numeric, atol=1e-6 * abs(numeric).max())


def test_a_size_is_a_gaussian_filter(optics):
    points = np.array([[25.0, 25.0, 500.0, 0.0, 1.0], [25.0, 25.0, 500.0, 1.5, 1.0]])
    point, blurred = optics.images(points)[:, 0]
    np.testing.assert_allclose(blurred, gaussian_filter(point, 1.5**0.5, truncate=8), atol=1e-3 * point.max())


def test_any_number_of_sensors(psf):
    optics = PointOptics(psf, [0.0, 600.0, 1000.0])
    images = optics.images(np.array([[25.3, 24.0, 450.0, 0.0, 1.0]]))[0]
    for image, distance_um in zip(images, (450.0, 150.0, 550.0), strict=True):
        alone = PointOptics(psf).images(np.array([[25.3, 24.0, distance_um, 0.0, 1.0]]))[0, 0]
        np.testing.assert_allclose(image, alone, atol=1e-12)
    slope = optics.derivatives(np.array([[25.3, 24.0, 450.0, 0.0, 1.0]]))[0, DEPTH]
    assert slope[0].min() < 0 < slope[1].max()  # farther from the first, nearer to the second


def test_columns_and_depths(optics):
    assert (VARIANCE, BRIGHTNESS) == (3, 4)
    assert optics.depth_range_um == (0.0, 1000.0)


def test_sensors_farther_apart_than_the_depths_of_the_psf(psf):
    with pytest.raises(InputError, match="its depths end at 1000 um; expected at least 1200 um"):
        PointOptics(psf, [0.0, 1200.0])
