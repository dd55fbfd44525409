"""Averages over the symmetries of the imager."""

import pytest
import torch

from foci3d.io.samples import Outputs
from foci3d.learning.symmetries import average_over_symmetries, deviation_of_average, reverse_layers
from foci3d.optics.symmetries import Symmetry

MEASUREMENTS = torch.rand(3, 2, 5, 5, generator=torch.Generator().manual_seed(0))


def average_output(predict, images, separation_um, symmetries=tuple(Symmetry)):
    return average_over_symmetries(lambda seen: Outputs(output=predict(seen)), images, symmetries, separation_um).output


def test_average_of_an_equivariant_prediction_is_the_prediction():
    average = average_output(torch.exp, MEASUREMENTS, 1000.0)
    torch.testing.assert_close(average, MEASUREMENTS.exp())


@pytest.mark.parametrize("separation_um", [None, 1000.0])
@pytest.mark.parametrize("symmetries", [("identity",), ("identity", "flip_y"), tuple(Symmetry)])
def test_average_of_any_prediction_is_equivariant_under_the_symmetries_alone(separation_um, symmetries):
    weights = torch.rand(2, 5, 5, generator=torch.Generator().manual_seed(1))
    symmetries = [Symmetry(name) for name in symmetries]

    def average(images):
        return average_output(lambda seen: seen * weights, images, separation_um, symmetries)

    for symmetry in Symmetry:
        equal = torch.allclose(average(symmetry.apply(MEASUREMENTS)), symmetry.apply(average(MEASUREMENTS)))
        assert equal == (symmetry in symmetries)
    swapped = torch.allclose(average(MEASUREMENTS.flip(1)), average(MEASUREMENTS).flip(1))
    assert swapped == (separation_um is not None)


def test_depths_are_mirrored_where_the_scene_is_seen_from_the_opposite_side():
    depths_um = torch.tensor([[100.0, 350.0, 900.0]])
    measurements = torch.stack([torch.zeros(5, 5), torch.ones(5, 5)])[None]

    def predict_by_brightness(images):
        from_opposite = images[:, 0, 0, :1] > 0
        seen = torch.where(from_opposite, 1000 - depths_um.flip(1), depths_um)
        sds = torch.tensor([[1.0, 2.0, 3.0]]).expand(len(images), -1)
        return Outputs(output=images, predicted_depths_um=seen, predicted_depth_sds_um=sds)

    average = average_over_symmetries(predict_by_brightness, measurements, tuple(Symmetry), 1000.0)
    torch.testing.assert_close(average.predicted_depths_um, depths_um)
    torch.testing.assert_close(average.predicted_depth_sds_um, torch.tensor([[5.0, 4.0, 5.0]]).sqrt())


def test_layers_of_every_head_are_mirrored_where_their_number_is_predicted():
    depths_um = torch.tensor([[400.0, 100.0, 350.0]])  # of one layer, and of two
    measurements = torch.stack([torch.zeros(5, 5), torch.ones(5, 5)])[None]

    def predict_by_brightness(images):
        from_opposite = images[:, 0, 0, :1] > 0
        seen = torch.where(from_opposite, 1000 - depths_um[:, [0, 2, 1]], depths_um)
        counts = torch.tensor([[0.1, 0.2, 0.7]]).expand(len(images), -1)
        output = (seen - 500 * from_opposite)[..., None, None].expand(-1, -1, 5, 5)
        return Outputs(
            output=output, predicted_depths_um=seen, predicted_depth_sds_um=seen / 10, count_probabilities=counts
        )

    average = average_over_symmetries(predict_by_brightness, measurements, tuple(Symmetry), 1000.0)
    torch.testing.assert_close(average.predicted_depths_um, depths_um)
    torch.testing.assert_close(average.count_probabilities, torch.tensor([[0.1, 0.2, 0.7]]))
    expected = (depths_um + 500 - depths_um) / 2
    torch.testing.assert_close(average.output[..., 0, 0], expected)


def test_empty_layers_stay_last_from_either_side():
    depths_um = torch.tensor([[100.0, 300.0, 600.0, 900.0], [100.0, 300.0, 600.0, 900.0]])
    found = 1000 - reverse_layers(depths_um, torch.tensor([4, 2]))
    assert found.tolist() == [[100, 400, 700, 900], [700, 900, 400, 100]]
    masks = torch.rand(2, 4, 3, 3)
    assert torch.equal(reverse_layers(masks), masks.flip(1))
    assert torch.equal(reverse_layers(masks, torch.tensor([4, 2]))[1], masks[1, [1, 0, 2, 3]])


@pytest.mark.parametrize(("common_um", "own_um"), [(30.0, 0.0), (20.0, 40.0)])
def test_deviation_of_an_average(common_um, own_um):
    """Sixteen predictions of each of many depths, with an error that they share and one of their own."""
    generator = torch.Generator().manual_seed(0)
    errors_um = common_um * torch.randn(20000, generator=generator)
    errors_um = errors_um + own_um * torch.randn(16, 20000, generator=generator)
    sds_um = torch.full_like(errors_um, (common_um**2 + own_um**2) ** 0.5)
    actual_um = errors_um.mean(0).std()
    predicted_um = deviation_of_average(errors_um, sds_um).square().mean().sqrt()
    assert predicted_um.item() == pytest.approx(actual_um.item(), rel=0.1)


@pytest.mark.parametrize(("separation_um", "count"), [(None, 8), (1000.0, 16)])
def test_every_symmetry_is_seen_once(separation_um, count):
    seen = []
    average_output(lambda images: seen.append(images) or images[:, :, 0, 0], MEASUREMENTS, separation_um)
    (together,) = seen
    views = together.split(len(MEASUREMENTS))
    assert len(views) == len({tuple(images.flatten().tolist()) for images in views}) == count
