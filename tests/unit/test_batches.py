"""The samples of a step: what they depend on, and that every augmentation is a symmetry of the imager."""

import pytest
import torch

from foci3d import batches
from foci3d.blur import Blur
from foci3d.optics import Acceptance, Psf, acceptance_kernels
from foci3d.render import sensor_pictures
from foci3d.shards import Rows
from foci3d.tasks import Samples

PIXELS, SEPARATION_UM = 13, 1000.0
ENTRY = {
    "layers": 3,
    "sensors": "AB",
    "overlap": "keep",
    "depth_range_um": [0, 1000],
    "depth_step_um": 0,
    "minimum_gap_um": 200,
}


@pytest.fixture(scope="module")
def blur() -> Blur:
    depths_um = torch.linspace(0, 1000, 11)
    kernels = acceptance_kernels(Acceptance(36.0, 20.0, 1.0), depths_um, PIXELS, 55.0)
    return Blur(Psf(kernels.float(), depths_um, 55.0), PIXELS)


@pytest.fixture(scope="module")
def samples(blur: Blur) -> Samples:
    """Twenty stacks of three layers, as two sensors see them."""
    generator = torch.Generator().manual_seed(0)
    layers = torch.rand(20, 3, PIXELS, PIXELS, generator=generator)
    depths_um = (1000 * torch.rand(20, 3, generator=generator)).sort(1).values
    return {
        "layers": layers,
        "masks": (layers > 0.6).to(torch.uint8),
        "sensors": sensor_pictures(layers, depths_um, blur, "AB", SEPARATION_UM),
        "depths_um": depths_um,
    }


def in_rows(samples: Samples) -> dict[str, Rows]:
    """The samples as two shards hold them."""
    return {name: Rows([values[:8], values[8:]], torch.device("cpu")) for name, values in samples.items()}


def draw(
    samples: Samples, blur: Blur, step: int, *, seed: int = 5, remix: bool = True, augment: bool = True
) -> Samples:
    return batches.make_batches(in_rows(samples), 6, remix, augment, ENTRY, blur, SEPARATION_UM, seed)(step)


def assert_rendered(found: Samples, blur: Blur) -> None:
    """The sensors' pictures are what the sensors see of the layers at their depths."""
    expected = sensor_pictures(found["layers"], found["depths_um"], blur, "AB", SEPARATION_UM)
    torch.testing.assert_close(found["sensors"], expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(found["masks"], (found["layers"] > 0.6).to(torch.uint8))
    assert (found["depths_um"].diff(dim=1) > 0).all()


def test_swapped_sensors_are_exact(samples: Samples, blur: Blur) -> None:
    coin = torch.arange(20) % 2 == 0
    swapped = batches.swap_sensors(samples, coin, SEPARATION_UM)
    assert_rendered(swapped, blur)
    assert torch.equal(swapped["sensors"][coin][:, 0], samples["sensors"][coin][:, 1])
    assert torch.equal(swapped["sensors"][~coin], samples["sensors"][~coin])


def test_orientations_are_exact_and_eight(samples: Samples, blur: Blur) -> None:
    coins = torch.tensor([[case >> bit & 1 for case in range(8)] for bit in range(3)]) > 0
    same = {name: values[:1].expand(8, *values.shape[1:]) for name, values in samples.items()}
    turned = batches.reorient(same, coins)
    assert_rendered(turned, blur)
    expected = [
        turn(samples["layers"][0])
        for flip in (lambda p: p, lambda p: p.flip(-1))
        for turn in (lambda p, flip=flip, k=k: torch.rot90(flip(p), k, (-2, -1)) for k in range(4))
    ]
    for picture in expected:
        assert sum(torch.equal(picture, found) for found in turned["layers"]) == 1


@pytest.mark.parametrize("remix", [True, False])
@pytest.mark.parametrize("augment", [True, False])
def test_drawn_samples_are_rendered_right(samples: Samples, blur: Blur, remix: bool, augment: bool) -> None:
    assert_rendered(draw(samples, blur, 0, remix=remix, augment=augment), blur)


@pytest.mark.parametrize("remix", [True, False])
def test_samples_depend_on_seed_and_step_alone(samples: Samples, blur: Blur, remix: bool) -> None:
    first = draw(samples, blur, 3, remix=remix)
    torch.manual_seed(99)
    again = draw(samples, blur, 3, remix=remix)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["sensors"], draw(samples, blur, 4, remix=remix)["sensors"])
    assert not torch.equal(first["sensors"], draw(samples, blur, 3, seed=6, remix=remix)["sensors"])


def test_an_epoch_shows_each_sample_once(samples: Samples) -> None:
    rows = {value.item(): row for row, value in enumerate(samples["depths_um"][:, 0])}
    epochs = [
        [
            rows[value.item()]
            for step in steps
            for value in batches.stored_batch(in_rows(samples), 5, step, 1)["depths_um"][:, 0]
        ]
        for steps in (range(4), range(4, 8))
    ]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(20))
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize(
    ("change", "exact"),
    [({}, True), ({"sensors": "A"}, False), ({"depth_range_um": [0, 900]}, False), ({"depth_step_um": 100}, False)],
)
def test_sensors_are_swapped_where_that_is_exact(change: dict, exact: bool) -> None:
    assert batches.is_swap_exact({**ENTRY, **change}, SEPARATION_UM) == exact
