"""Cells localized in images of another simulator, `tests/independent`."""

from dataclasses import asdict

import numpy as np
import pytest
from imager import Imperfections, measure_light, point_light, read_out
from scipy.ndimage import gaussian_filter

from foci3d.classical.points import PointLocalizer
from foci3d.optics.acceptance import AngularAcceptance
from foci3d.optics.noise_model import NoiseModel
from foci3d.optics.points import DEPTH, VARIANCE, PointOptics
from foci3d.optics.psf import PSF

CELLS = np.array(
    [[12.3, 14.8, 130.0, 1.0], [30.7, 9.2, 480.0, 1.2], [25.1, 26.4, 660.0, 0.8], [41.0, 40.5, 900.0, 1.0]]
)


@pytest.fixture(scope="module")
def psf(make_psf):
    each = make_psf(51, (0.0, 1000.0), 20.0)
    acceptance = AngularAcceptance(fwhm_deg=36.0, standoff_um=20.0, linear_fill_factor=1.0)
    return PSF(each.kernels, each.depths_um, each.pixel_pitch_um, asdict(acceptance))


@pytest.fixture(scope="module")
def localizer(psf):
    return PointLocalizer(PointOptics(psf, [0.0, 1000.0]))


def read(light, seed=0):
    return read_out(light, Imperfections(), np.random.default_rng(seed))


def errors_of(fit, cells):
    """Errors of y, x and depth in standard errors, of points in the order of the cells."""
    order = [int(np.hypot(*(fit.points[:, :2] - cell[:2]).T).argmin()) for cell in cells]
    assert len(fit.points) == len(set(order)) == len(cells)
    return (fit.points[order, :3] - cells[:, :3]) / fit.standard_errors[order, :3]


@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_cells_are_found_within_their_standard_errors(localizer, offset):
    light = point_light(CELLS)
    fit = localizer.localize(read(light + offset * light.max()))
    assert abs(errors_of(fit, CELLS)).max() < 4
    assert fit.standard_errors[:, DEPTH].max() < (5, 30)[offset > 0]
    assert fit.misfit < 1.25
    assert not fit.has_tissue
    assert not fit.points[:, VARIANCE].any()


def test_one_sensor(psf):
    fit = PointLocalizer(PointOptics(psf)).localize(read(point_light(CELLS))[:1])
    assert abs(errors_of(fit, CELLS)).max() < 4


def test_two_cells_above_each_other(localizer):
    cells = np.array([[25.0, 25.0, 300.0, 1.0], [25.3, 25.2, 700.0, 1.0]])
    fit = localizer.localize(read(point_light(cells)))
    np.testing.assert_allclose(sorted(fit.points[:, DEPTH]), [300, 700], atol=10)


def test_noise_alone_holds_no_cells(localizer):
    rng = np.random.default_rng(3)
    for _ in range(4):
        assert len(localizer.localize(rng.poisson(900.0, (2, 51, 51))).points) == 0


@pytest.mark.slow
def test_known_noise_and_a_limit_of_the_points(psf):
    light = 1e4 * point_light(CELLS[:2])
    measurement = light + np.random.default_rng(0).normal(0, 3, light.shape)
    optics, noise = PointOptics(psf, [0.0, 1000.0]), NoiseModel(0.0, 9.0)
    assert len(PointLocalizer(optics).localize(measurement, noise).points) == 2
    assert len(PointLocalizer(optics, max_points=1).localize(measurement, noise).points) == 1


def test_the_size_of_a_cell(localizer):
    points = np.array([[20.0, 30.0, 300.0, 0.5, 1.0], [34.0, 15.0, 520.0, 0.0, 1.0]])
    fit = localizer.localize(read(localizer.optics.images(points).sum(0)))
    order = fit.points[:, DEPTH].argsort()
    np.testing.assert_allclose(fit.points[order, VARIANCE], [0.5, 0], atol=0.05)
    np.testing.assert_allclose(fit.points[order, DEPTH], [300, 520], atol=5)


@pytest.mark.slow
def test_cells_in_diffuse_tissue(localizer):
    noise = gaussian_filter(np.random.default_rng(5).normal(size=(4, 91, 91)), (0, 6, 6))[:, 20:-20, 20:-20]
    tissue = measure_light(np.exp(0.5 * noise / noise.std((1, 2), keepdims=True)), np.array([150, 400, 600, 850.0]))
    light = point_light(CELLS)
    fit = localizer.localize(read(light + 0.3 * light.max() / tissue.mean() * tissue))
    assert fit.has_tissue
    assert abs(errors_of(fit, CELLS)[:, :2]).max() < 5
