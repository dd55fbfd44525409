"""Inner products over random backgrounds, compared with dense covariances."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from foci3d.classical.background import Background, InnerProduct, constant_background, most_probable

SHAPE = (2, 3, 3)
RNG = np.random.default_rng(0)
BASIS = RNG.normal(size=(4, 18))
VARIANCE = RNG.uniform(1, 2, SHAPE)
PRECISION = np.array([1.0, 2.0, 0.5, 4.0])


def dense_covariance(background):
    return np.diag(VARIANCE.ravel()) + background.basis.T @ np.diag(1 / background.precision) @ background.basis


def test_products_are_those_of_the_inverse_covariance():
    background = Background(BASIS, PRECISION)
    product, inverse = InnerProduct(VARIANCE, background), np.linalg.inv(dense_covariance(background))
    image, others = RNG.normal(size=SHAPE), RNG.normal(size=(3, *SHAPE))
    flat = others.reshape(3, -1)
    assert product.norm(image) == pytest.approx(image.ravel() @ inverse @ image.ravel())
    np.testing.assert_allclose(product.weigh(image).ravel(), inverse @ image.ravel())
    information, gradient = product.normal_equations(others, image)
    np.testing.assert_allclose(information, flat @ inverse @ flat.T)
    np.testing.assert_allclose(gradient, flat @ inverse @ image.ravel())


def test_background_is_the_conditional_mean():
    background = Background(BASIS, PRECISION)
    covariance, image = dense_covariance(background), RNG.normal(size=SHAPE)
    expected = (covariance - np.diag(VARIANCE.ravel())) @ np.linalg.solve(covariance, image.ravel())
    np.testing.assert_allclose(InnerProduct(VARIANCE, background).background(image).ravel(), expected)


def test_evidence_is_a_normal_density():
    image, values = RNG.normal(size=SHAPE), []
    for scale in (0.3, 2.0):
        background = Background(BASIS, PRECISION / scale**2)
        density = multivariate_normal(np.zeros(18), dense_covariance(background)).logpdf(image.ravel())
        values.append(InnerProduct(VARIANCE, Background(BASIS, PRECISION)).scaled(scale).log_evidence(image) - density)
    assert values[0] == pytest.approx(values[1])


def test_a_constant_of_each_sensor_does_not_matter():
    product = InnerProduct(VARIANCE, constant_background(2, 9))
    offsets = np.array([3.0, -1.0])[:, None, None] * np.ones(SHAPE)
    assert product.norm(offsets) == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(product.background(offsets), offsets)


def test_the_most_probable_scale():
    wide = Background(RNG.normal(size=(8, 2 * 400)), np.ones(8))
    image = (3.0 * RNG.normal(size=8) @ wide.basis + RNG.normal(size=800)).reshape(2, 20, 20)
    product = most_probable(image, np.ones(image.shape), wide)
    assert 1 < product.random.precision[0] ** -0.5 < 9
