"""The tasks: truth, answer, loss and error, against scikit-learn, SciPy and closed forms."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.metrics import log_loss, mean_absolute_error, zero_one_loss

from foci3d.tasks import Samples, depth_classes_um, make_task, normalised

CLASSES_UM = [50.0, 150.0, 250.0]


@pytest.fixture
def samples() -> Samples:
    """Six samples of two layers without overlap."""
    generator = torch.Generator().manual_seed(0)
    owner = torch.randint(3, (6, 1, 9, 9), generator=generator)
    return {
        "sensors": torch.rand(6, 2, 9, 9, generator=generator),
        "layers": torch.rand(6, 2, 9, 9, generator=generator),
        "masks": torch.cat([owner == 1, owner == 2], 1).to(torch.uint8),
        "depths_um": 1000 * torch.rand(6, 2, generator=generator),
    }


@pytest.fixture
def single(samples: Samples) -> Samples:
    """The same with one layer."""
    return {name: values if name == "sensors" else values[:, :1] for name, values in samples.items()}


def raw_output(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def test_networks_see_the_same_pictures_in_any_unit(samples: Samples) -> None:
    seen = normalised(samples["sensors"])
    torch.testing.assert_close(seen.mean((1, 2, 3)), torch.ones(6))
    torch.testing.assert_close(normalised(samples["sensors"] * 4321), seen)
    ratio = seen / samples["sensors"]
    torch.testing.assert_close(ratio, ratio[:, :1, :1, :1].expand_as(ratio))  # one factor for both sensors


def test_depth_class(single: Samples) -> None:
    task = make_task("depth_class", 1, CLASSES_UM)
    single = {**single, "depths_um": torch.tensor([[50.0], [250.0], [150.0], [150.0], [50.0], [250.0]])}
    raw = raw_output(6, task.outputs)
    truth, answer = task.truth(single), task.answer(raw, single["sensors"])
    assert truth.tolist() == [0, 2, 1, 1, 0, 2]
    np.testing.assert_allclose(answer, softmax(raw.numpy(), 1), rtol=1e-5)
    assert task.loss(raw, single).item() == pytest.approx(
        log_loss(truth, softmax(raw.double(), 1), labels=[0, 1, 2]), rel=1e-5
    )
    assert task.errors(answer, truth).mean().item() == pytest.approx(zero_one_loss(truth, answer.argmax(1)))


def test_image_is_in_the_unit_of_the_pictures(single: Samples) -> None:
    task, raw = make_task("image", 1, []), raw_output(6, 1, 9, 9)
    answer = task.answer(raw, single["sensors"])
    torch.testing.assert_close(task.answer(raw, 50 * single["sensors"]), 50 * answer)
    torch.testing.assert_close(task.answer(0 * raw, single["sensors"]), single["sensors"][:, :1])


def test_image_error_is_relative_to_the_range_of_the_truth(single: Samples) -> None:
    task, raw = make_task("image", 1, []), raw_output(6, 1, 9, 9)
    answer, truth = task.answer(raw, single["sensors"]), single["layers"]
    expected = [
        mean_absolute_error(right.flatten(), said.flatten()) / (right.max() - right.min()).item()
        for right, said in zip(truth, answer, strict=True)
    ]
    np.testing.assert_allclose(task.errors(answer, task.truth(single)), expected, rtol=1e-5)
    assert task.loss(raw, single).item() == pytest.approx(np.mean(np.log(expected)), rel=1e-5)
    brighter = {**single, "sensors": 50 * single["sensors"], "layers": 50 * single["layers"]}
    assert task.loss(raw, brighter).item() == pytest.approx(np.mean(np.log(expected)), rel=1e-4)


def test_depth_map(samples: Samples) -> None:
    task, raw = make_task("depth_map", 2, []), raw_output(6, 5, 9, 9)
    truth, answer = task.truth(samples), task.answer(raw, samples["sensors"])
    cells = [samples["masks"][:, layer].numpy() > 0 for layer in (0, 1)]
    depths_um = [samples["depths_um"][:, layer, None, None].numpy() for layer in (0, 1)]
    np.testing.assert_allclose(truth[:, 0], np.select(cells, depths_um, 0.0))
    assert task.errors(answer, truth).mean().item() == pytest.approx(
        mean_absolute_error(truth.flatten(), answer.flatten()) / 1000, rel=1e-5
    )
    classes = np.select(cells, [1, 2], 0).flatten()
    chances = softmax(raw[:, :3].movedim(1, -1).reshape(-1, 3).double().numpy(), -1)
    deviation = np.select(cells, [np.abs(raw[:, 3 + layer] - depths_um[layer] / 1000) for layer in (0, 1)], 0.0)
    expected = log_loss(classes, chances, labels=[0, 1, 2]) + deviation.mean()
    assert task.loss(raw, samples).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("chances", "expected_um"),
    [((0.6, 0.1, 0.3), 0), ((0.4, 0.2, 0.4), 200), ((0.2, 0.2, 0.6), 900), ((0.1, 0.6, 0.3), 200)],
)
def test_depth_map_tells_the_median(chances: tuple[float, ...], expected_um: float) -> None:
    raw = torch.cat([torch.tensor(chances).log(), torch.tensor([0.2, 0.9])]).view(1, 5, 1, 1)
    answer = make_task("depth_map", 2, []).answer(raw, torch.ones(1, 1, 1, 1))
    torch.testing.assert_close(answer, torch.full((1, 1, 1, 1), float(expected_um)))
    # No depth has a smaller mean deviation.
    deviations = [np.dot(chances, np.abs(np.array([0, 200, 900]) - depth_um)) for depth_um in range(0, 1001, 10)]
    assert np.dot(chances, np.abs(np.array([0, 200, 900]) - expected_um)) == pytest.approx(min(deviations))


def test_masks(samples: Samples) -> None:
    task, raw = make_task("masks", 2, []), raw_output(6, 2, 9, 9)
    truth, answer = task.truth(samples), task.answer(raw, samples["sensors"])
    assert task.loss(raw, samples).item() == pytest.approx(
        log_loss(truth.flatten(), answer.flatten().double()), rel=1e-5
    )
    assert task.errors(answer, truth).mean().item() == pytest.approx(
        zero_one_loss(truth.flatten(), answer.flatten() > 0.5)
    )


def test_depth_and_coverage(samples: Samples) -> None:
    task = make_task("depth_coverage", 2, [])
    truth = task.truth(samples)
    np.testing.assert_allclose(truth[:, :2], samples["depths_um"] / 1000, rtol=1e-6)
    np.testing.assert_allclose(truth[:, 2:], samples["masks"].numpy().mean((2, 3)), rtol=1e-6)
    raw = raw_output(6, task.outputs)
    expected = mean_absolute_error(truth, raw)
    assert task.loss(raw, samples).item() == pytest.approx(expected, rel=1e-5)
    assert task.errors(task.answer(raw, samples["sensors"]), truth).mean().item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("depth_range_um", "step", "expected"),
    [([50, 1950], 100, [50 + 100 * place for place in range(20)]), ([0, 250], 100, [0, 100, 200]), ([0, 1000], 0, [])],
)
def test_depth_classes(depth_range_um: list[float], step: float, expected: list[float]) -> None:
    assert depth_classes_um({"depth_range_um": depth_range_um, "depth_step_um": step}) == expected
