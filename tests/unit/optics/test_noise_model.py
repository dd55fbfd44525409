"""Noise estimated from images of known noise, and the bias of clipping against a simulation."""

import numpy as np
import pytest

from foci3d.optics.noise_model import NoiseModel, estimate_noise


def smooth_light(peak):
    y, x = np.mgrid[:120, :120]
    return peak * np.exp(-((y - 60) ** 2 + (x - 50) ** 2) / 500)[None]


@pytest.mark.parametrize("offset", [0.0, 500.0])
def test_estimate_of_shot_and_read_noise(offset):
    """Gain 0.5 readings per electron, 20 electrons of read noise; without an offset readings are clipped at zero."""
    rng, light = np.random.default_rng(0), smooth_light(8000.0) + offset
    readings = 0.5 * (rng.poisson(light) + rng.normal(0, 20, light.shape))
    noise = estimate_noise(readings.clip(0))
    assert noise.is_clipped == (offset == 0)
    for level in (100 + offset, 1000 + offset, 6000.0):
        assert noise.variance(np.array(0.5 * level)) == pytest.approx(0.25 * (level + 400), rel=0.25)


def test_clipping_bias_is_that_of_clipped_readings():
    noise = NoiseModel(per_light=0.0, constant=4.0, is_clipped=True)
    light = np.array([-3.0, 0.0, 1.0, 5.0, 30.0])
    readings = light + 2 * np.random.default_rng(1).standard_normal((400_000, 1))
    np.testing.assert_allclose(noise.clipping_bias(light), readings.clip(0).mean(0) - light, atol=0.02)
    assert not NoiseModel(1.0, 4.0).clipping_bias(light).any()
