"""Averages over the symmetries of the imager."""

import pytest
import torch

from foci3d.learning.symmetries import average_over_symmetries

MEASUREMENTS = torch.rand(3, 2, 5, 5, generator=torch.Generator().manual_seed(0))


def test_average_of_an_equivariant_prediction_is_the_prediction():
    average = average_over_symmetries(lambda images: images.exp(), MEASUREMENTS, swap_sensors=True)
    torch.testing.assert_close(average, MEASUREMENTS.exp())


@pytest.mark.parametrize("swap_sensors", [False, True])
def test_average_of_any_prediction_is_equivariant(swap_sensors):
    weights = torch.rand(2, 5, 5, generator=torch.Generator().manual_seed(1))

    def average(images):
        return average_over_symmetries(lambda seen: seen * weights, images, swap_sensors=swap_sensors)

    for transform in (lambda images: images.flip(-1), lambda images: images.flip(-2), lambda images: images.mT):
        torch.testing.assert_close(average(transform(MEASUREMENTS)), transform(average(MEASUREMENTS)))
    swapped = torch.allclose(average(MEASUREMENTS.flip(1)), average(MEASUREMENTS).flip(1))
    assert swapped == swap_sensors


@pytest.mark.parametrize(("swap_sensors", "count"), [(False, 8), (True, 16)])
def test_every_symmetry_is_seen_once(swap_sensors, count):
    seen = []
    average_over_symmetries(
        lambda images: seen.append(images) or images[:, :, 0, 0], MEASUREMENTS, swap_sensors=swap_sensors
    )
    assert len({tuple(images.flatten().tolist()) for images in seen}) == count
