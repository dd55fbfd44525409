"""The noise, compared with package `noise` on its own lattice."""

import math

import noise
import pytest
import torch

from foci3d.simulation import perlin


@pytest.fixture(scope="module")
def package_lattice():
    """Gradients (y, x, component) of package `noise`, from its values next to the nodes."""
    step = 1 / 64
    nodes = range(perlin.PERIOD)
    return torch.tensor(
        [
            [(round(noise.pnoise2(x + step, y) / step), round(noise.pnoise2(x, y + step) / step)) for x in nodes]
            for y in nodes
        ]
    ).float()


def window(lattice, origin, size, octave):
    """Gradients (N, 2, size, size) of the package's lattice at windows of one octave."""
    nodes = ((origin * 2**octave).floor().long()[..., None] + torch.arange(size)) % perlin.PERIOD
    x, y = nodes[:, 0, None, :], nodes[:, 1, :, None]
    return lattice[y, x].permute(0, 3, 1, 2)


@pytest.mark.parametrize(("octaves", "persistence"), [(1, 0.5), (2, 0.5), (4, 0.5), (5, 0.8)])
def test_equals_package_noise_on_its_lattice(package_lattice, octaves, persistence):
    generator = torch.Generator().manual_seed(octaves)
    cells = 0.5 + 4.5 * torch.rand(24, generator=generator, dtype=torch.float64)
    origin = perlin.PERIOD / 2 * torch.rand(24, 2, generator=generator, dtype=torch.float64)
    gradients = [
        window(package_lattice, origin, size, octave) for octave, size in enumerate(perlin.lattice_sizes(5.0, octaves))
    ]
    persistences = persistence * (1 - 0.2 * torch.rand(24, generator=generator))
    ours = perlin.perlin_noise(gradients, cells, origin, 51, persistences)
    theirs = perlin.package_noise(cells, origin, 51, octaves, persistences)
    assert theirs.std() > 0.1
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def test_package_noise_has_x_along_the_last_axis():
    images = perlin.package_noise(torch.tensor([3.0]), torch.tensor([[10.0, 20.0]]), 6, 2, torch.tensor([0.5]))
    assert images[0, 4, 1] == pytest.approx(noise.pnoise2(10 + 3 * 1 / 6, 20 + 3 * 4 / 6, 2, 0.5), abs=1e-6)


def test_gradients_have_the_frequencies_of_the_package(package_lattice):
    values, counts = torch.unique(package_lattice.flatten(0, 1), dim=0, return_counts=True)
    expected, ours = torch.unique(perlin.GRADIENTS, dim=0, return_counts=True)
    assert torch.equal(values, expected)
    assert torch.equal(counts * len(perlin.GRADIENTS), ours * perlin.PERIOD**2)


def test_lattice_sizes_suffice_for_any_origin():
    for cells in (0.3, 2.0, 3.7, 4.0):
        for octave, size in enumerate(perlin.lattice_sizes(cells, 4)):
            last = 0.999999 + cells * 2**octave * 50 / 51
            assert math.floor(last) + 1 < size


def test_noise_is_zero_at_nodes_and_linear_beside_them():
    gradients = [torch.zeros(1, 2, 4, 4)]
    gradients[0][0, :, 1, 2] = torch.tensor([3.0, -2.0])
    image = perlin.perlin_noise(gradients, torch.tensor([2.0]), torch.zeros(1, 2), 2000, torch.tensor([0.5]))[0]
    assert image[1000, 0] == 0
    # Node (x 2, y 1) is just outside the right edge of the image.
    step = 2 / 2000
    assert image[1000, -1] == pytest.approx(-3 * step, rel=1e-3)
    assert image[1001, -1] == pytest.approx(-3 * step - 2 * step, rel=1e-3)
