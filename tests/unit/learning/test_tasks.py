"""The tasks: target, decoded output, loss and error, against scikit-learn, SciPy and closed forms."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.metrics import log_loss, mean_absolute_error, zero_one_loss
from torch import Tensor, nn

from foci3d.config.tasks import TASKS
from foci3d.errors import InputError
from foci3d.io.samples import Samples
from foci3d.learning import tasks
from foci3d.learning.layer_counts import head, joint_probabilities, n_channels, select_layers
from foci3d.learning.tasks import compute_logits, make_task

CLASSES_UM = (50.0, 150.0, 250.0)


@pytest.fixture
def samples() -> Samples[Tensor]:
    """Six samples of two layers without overlap."""
    generator = torch.Generator().manual_seed(0)
    owner = torch.randint(3, (6, 1, 9, 9), generator=generator)
    return Samples(
        measurements=torch.rand(6, 2, 9, 9, generator=generator),
        layers=torch.rand(6, 2, 9, 9, generator=generator),
        masks=torch.cat([owner == 1, owner == 2], 1).to(torch.uint8),
        depths_um=1000 * torch.rand(6, 2, generator=generator),
    )


@pytest.fixture
def single(samples: Samples[Tensor]) -> Samples[Tensor]:
    """The same with one layer."""
    return replace(samples.map(lambda values: values[:, :1]), measurements=samples.measurements)


def random_logits(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def test_networks_see_the_same_measurement_in_any_unit(samples: Samples[Tensor]) -> None:
    normalized = compute_logits(nn.Identity(), samples.measurements)
    torch.testing.assert_close(normalized.mean((1, 2, 3)), torch.ones(6))
    torch.testing.assert_close(compute_logits(nn.Identity(), samples.measurements * 4321), normalized)
    ratio = normalized / samples.measurements
    torch.testing.assert_close(ratio, ratio[:, :1, :1, :1].expand_as(ratio))  # one factor for both sensors


def test_depth_class(single: Samples[Tensor]) -> None:
    task = make_task("depth_class", 1, CLASSES_UM)
    single = replace(single, depths_um=torch.tensor([[50.0], [250.0], [150.0], [150.0], [50.0], [250.0]]))
    logits = random_logits(6, task.n_outputs)
    target, output = task.target(single), task.decode(logits, single.measurements)
    assert target.tolist() == [0, 2, 1, 1, 0, 2]
    np.testing.assert_allclose(output, softmax(logits.numpy(), 1), rtol=1e-5)
    assert task.loss(logits, single).item() == pytest.approx(
        log_loss(target, softmax(logits.double(), 1), labels=[0, 1, 2]), rel=1e-5
    )
    assert task.error(output, target).mean().item() == pytest.approx(zero_one_loss(target, output.argmax(1)))


def test_deblurring_is_in_the_unit_of_the_measurement(single: Samples[Tensor]) -> None:
    task, logits = make_task("deblurring", 1, ()), random_logits(6, 1, 9, 9)
    output = task.decode(logits, single.measurements)
    torch.testing.assert_close(task.decode(logits, 50 * single.measurements), 50 * output)
    torch.testing.assert_close(task.decode(0 * logits, single.measurements), single.measurements[:, :1])


def test_deblurring_error_is_relative_to_the_range_of_the_target(single: Samples[Tensor]) -> None:
    task, logits = make_task("deblurring", 1, ()), random_logits(6, 1, 9, 9)
    output, target = task.decode(logits, single.measurements), single.layers
    expected = [
        mean_absolute_error(truth.flatten(), predicted.flatten()) / (truth.max() - truth.min()).item()
        for truth, predicted in zip(target, output, strict=True)
    ]
    np.testing.assert_allclose(task.error(output, task.target(single)), expected, rtol=1e-5)
    assert task.loss(logits, single).item() == pytest.approx(np.mean(np.log(expected)), rel=1e-5)
    brighter = replace(single, measurements=50 * single.measurements, layers=50 * single.layers)
    assert task.loss(logits, brighter).item() == pytest.approx(np.mean(np.log(expected)), rel=1e-4)


def test_depth_map(samples: Samples[Tensor]) -> None:
    task, logits = make_task("depth_map", 2, ()), random_logits(6, 5, 9, 9)
    target, output = task.target(samples), task.decode(logits, samples.measurements)
    cells = [samples.masks[:, layer].numpy() > 0 for layer in (0, 1)]
    depths_um = [samples.depths_um[:, layer, None, None].numpy() for layer in (0, 1)]
    np.testing.assert_allclose(target[:, 0], np.select(cells, depths_um, 0.0))
    assert task.error(output, target).mean().item() == pytest.approx(
        mean_absolute_error(target.flatten(), output.flatten()) / 1000, rel=1e-5
    )
    classes = np.select(cells, [1, 2], 0).flatten()
    probabilities = softmax(logits[:, :3].movedim(1, -1).reshape(-1, 3).double().numpy(), -1)
    depths_mm = [logits[:, 3 + layer].numpy() for layer in (0, 1)]
    deviation = np.select(cells, [np.abs(depths_mm[layer] - depths_um[layer] / 1000) for layer in (0, 1)], 0.0)
    expected = log_loss(classes, probabilities, labels=[0, 1, 2]) + deviation.mean()
    assert task.loss(logits, samples).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("probabilities", "expected_um"),
    [((0.6, 0.1, 0.3), 0), ((0.4, 0.2, 0.4), 200), ((0.2, 0.2, 0.6), 900), ((0.1, 0.6, 0.3), 200)],
)
def test_depth_map_is_the_median(probabilities: tuple[float, ...], expected_um: float) -> None:
    logits = torch.cat([torch.tensor(probabilities).log(), torch.tensor([0.2, 0.9])]).view(1, 5, 1, 1)
    output = make_task("depth_map", 2, ()).decode(logits, torch.ones(1, 1, 1, 1))
    torch.testing.assert_close(output, torch.full((1, 1, 1, 1), float(expected_um)))
    # No depth has a smaller expected absolute error.
    errors = [np.dot(probabilities, np.abs(np.array([0, 200, 900]) - depth_um)) for depth_um in range(0, 1001, 10)]
    assert np.dot(probabilities, np.abs(np.array([0, 200, 900]) - expected_um)) == pytest.approx(min(errors))


def test_masks(samples: Samples[Tensor]) -> None:
    task, logits = make_task("masks", 2, ()), random_logits(6, 2, 9, 9)
    target, output = task.target(samples), task.decode(logits, samples.measurements)
    assert task.loss(logits, samples).item() == pytest.approx(
        log_loss(target.flatten(), output.flatten().double()), rel=1e-5
    )
    assert task.error(output, target).mean().item() == pytest.approx(
        zero_one_loss(target.flatten(), output.flatten() > 0.5)
    )


def test_depth_coverage(samples: Samples[Tensor]) -> None:
    task = make_task("depth_coverage", 2, ())
    target = task.target(samples)
    np.testing.assert_allclose(target[:, :2], samples.depths_um / 1000, rtol=1e-6)
    np.testing.assert_allclose(target[:, 2:], samples.masks.numpy().mean((2, 3)), rtol=1e-6)
    logits = random_logits(6, task.n_outputs)
    expected = mean_absolute_error(target, logits)
    assert task.loss(logits, samples).item() == pytest.approx(expected, rel=1e-5)
    output = task.decode(logits, samples.measurements)
    assert task.error(output, target).mean().item() == pytest.approx(expected, rel=1e-5)


def test_every_task_is_described_and_implemented() -> None:
    assert tasks.NETWORK_TASKS.keys() == TASKS.keys()
    assert all(tasks.NETWORK_TASKS[name].spec is spec for name, spec in TASKS.items())


def test_a_task_that_is_not_registered() -> None:
    with pytest.raises(InputError, match="task colour is not registered; expected one of depth_class, deblurring, "):
        make_task("colour", 1, ())


def stack_logits(samples: Samples[Tensor], sd_um: float = 50.0) -> torch.Tensor:
    """Logits of task stacks that are right: masks, depths with their standard deviation, and occupancy."""
    masks = samples.masks.float()
    depths_mm = (samples.depths_um / 1000)[..., None, None].expand_as(masks)
    log_sds = torch.full_like(masks, np.log(sd_um / 1000))
    occupancy = 20 * masks.amax((2, 3), keepdim=True).expand_as(masks) - 10
    return torch.cat([20 * masks - 10, depths_mm, log_sds, occupancy], 1)


def test_stacks_right_logits_give_the_masks_and_depths(samples: Samples[Tensor]) -> None:
    task, logits = make_task("stacks", 2, ()), stack_logits(samples)
    assert logits.shape[1] == task.n_outputs
    outputs = task.outputs(logits, samples.measurements)
    assert task.error(outputs.output, task.target(samples)).tolist() == [0] * 6
    torch.testing.assert_close(outputs.predicted_depths_um, samples.depths_um, rtol=1e-4, atol=1e-2)
    torch.testing.assert_close(outputs.predicted_depth_sds_um, torch.full((6, 2), 50.0), rtol=1e-4, atol=1e-3)
    assert (outputs.occupancy > 0.99).all()


def test_depth_of_a_layer_is_the_weighted_mean_over_its_cells() -> None:
    """Of three pixels the last holds no cell; the first two have standard deviations of 100 and 200 um."""
    task = make_task("stacks", 1, ())
    masks, depths_mm = torch.tensor([50.0, 50.0, -50.0]), torch.tensor([0.2, 0.7, 5.0])
    log_sds = torch.tensor([0.1, 0.2, 0.001]).log()
    logits = torch.stack([masks, depths_mm, log_sds, torch.zeros(3)])[None, :, None]
    outputs = task.outputs(logits, torch.ones(1, 1, 1, 3))
    weights = np.array([1 / 100**2, 1 / 200**2])
    assert outputs.predicted_depths_um.item() == pytest.approx(np.average([200, 700], weights=weights), rel=1e-4)
    assert outputs.predicted_depth_sds_um.item() == pytest.approx(np.sqrt(2 / weights.sum()), rel=1e-4)
    assert outputs.occupancy.item() == 0.5


@pytest.mark.parametrize(("sd_um", "sign"), [(40.0, -1), (80.0, 0), (160.0, 1)])
def test_predicted_deviation_is_drawn_to_the_actual_error(samples: Samples[Tensor], sd_um: float, sign: int) -> None:
    """All depths are 80 um off."""
    logits = stack_logits(replace(samples, depths_um=samples.depths_um + 80), sd_um).requires_grad_()
    make_task("stacks", 2, ()).loss(logits, samples).backward()
    gradient = logits.grad[:, 4:6].sum().item()
    assert gradient == pytest.approx(0, abs=1e-5) if sign == 0 else gradient * sign > 1e-3


def test_depth_of_an_empty_layer_does_not_count(samples: Samples[Tensor]) -> None:
    task = make_task("stacks", 2, ())
    samples.masks[:, 1] = 0
    elsewhere = replace(samples, depths_um=samples.depths_um + torch.tensor([0.0, 300.0]))
    logits = stack_logits(samples)
    assert task.loss(logits, samples) == task.loss(logits, elsewhere)
    assert (task.outputs(logits, samples.measurements).occupancy[:, 1] < 0.01).all()


def counted_logits(samples: Samples[Tensor], most: int = 3) -> torch.Tensor:
    """Logits of task counted_stacks that are right in the head of the true number, and wrong in the others."""
    n_layers = (samples.masks > 0).flatten(2).any(-1).sum(1)
    masks, counts = (
        torch.full((len(n_layers), n_channels(most), 9, 9), 3.0),
        torch.full((len(n_layers), most + 1), -2.0),
    )
    depths_mm = torch.full_like(masks, 7.0)
    for sample, n in enumerate(n_layers.tolist()):
        counts[sample, n] = 2
        masks[sample, head(n)] = 20 * samples.masks[sample, :n].float() - 10
        depths_mm[sample, head(n)] = (samples.depths_um[sample, :n] / 1000)[:, None, None]
    log_sds = torch.full_like(masks, np.log(0.05))
    return torch.cat([masks, depths_mm, log_sds, counts[..., None, None].expand(-1, -1, 9, 9)], 1)


@pytest.fixture
def counted(samples: Samples[Tensor]) -> Samples[Tensor]:
    """Samples of two, one and no layers."""
    samples.masks[2:4, 1] = 0
    samples.masks[4:] = 0
    return samples


def test_counted_stacks_are_those_of_the_head_of_the_most_probable_number(counted: Samples[Tensor]) -> None:
    task, logits = make_task("counted_stacks", 3, ()), counted_logits(counted)
    assert logits.shape[1] == task.n_outputs == 22
    outputs = task.outputs(logits, counted.measurements)
    assert task.error(outputs.output, task.target(counted)).tolist() == [0] * 6
    found = select_layers(outputs.map(Tensor.numpy))
    assert found.count_probabilities.argmax(1).tolist() == [2, 2, 1, 1, 0, 0]
    np.testing.assert_array_equal(found.output > 0.5, task.target(counted) > 0)
    depths_um = np.where(
        (task.target(counted) > 0).any(-1).any(-1), np.pad(counted.depths_um, ((0, 0), (0, 1))), np.nan
    )
    np.testing.assert_allclose(found.predicted_depths_um, depths_um, rtol=1e-4)
    known = select_layers(outputs.map(Tensor.numpy), np.full(6, 3))
    assert (known.output > 0.5).all()
    np.testing.assert_allclose(known.predicted_depths_um, 7000, rtol=1e-4)


def test_a_sample_trains_the_head_of_its_number_of_layers_alone(counted: Samples[Tensor]) -> None:
    task, logits = make_task("counted_stacks", 3, ()), counted_logits(counted).requires_grad_()
    task.loss(logits, counted).backward()
    has_gradient = (logits.grad.abs().sum((2, 3)) > 0)[:, :18].unflatten(1, (3, 6)).any(1)
    heads = [[False, True, True, False, False, False], [True] + [False] * 5, [False] * 6]
    assert has_gradient.tolist() == [heads[0]] * 2 + [heads[1]] * 2 + [heads[2]] * 2
    assert (logits.grad[:, 18:].abs().sum((2, 3)) > 0).all()


def test_loss_of_counted_stacks_is_a_mean_over_the_layers_of_each_sample(counted: Samples[Tensor]) -> None:
    """With right logits, the masks add next to nothing: a wrong number costs its cross-entropy, a depth its share."""
    task, logits = make_task("counted_stacks", 3, ()), counted_logits(counted)
    right = task.loss(logits, counted).item()
    swapped = torch.cat([logits[:, :18], logits[:, 18:].roll(1, 1)], 1)
    assert task.loss(swapped, counted).item() - right == pytest.approx(task.count_weight * 4, rel=1e-3)
    moved = replace(counted, depths_um=counted.depths_um + torch.tensor([0.0, 50.0]))
    cost = task.depth_weight * 0.05 * 0.5  # half a squared standard deviation, weighted with it
    assert task.loss(logits, moved).item() - right == pytest.approx(cost * (1 / 2 + 1 / 2) / 6, rel=1e-3)


def test_the_number_of_layers_of_a_field_is_that_of_all_tiles() -> None:
    """One tile that excludes a number outweighs others that find it a little more probable."""
    tiles = np.array([[0.0, 0.6, 0.4], [0.0, 0.6, 0.4], [0.0, 0.01, 0.99]])
    joint = joint_probabilities(tiles)
    assert joint.argmax() == 2
    assert joint.sum() == pytest.approx(1)
    assert joint[0] < 1e-5
