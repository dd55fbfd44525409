"""The loop: it learns, stops, keeps the best and goes on where it was interrupted."""

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric import Fabric

from foci3d import nets, train
from foci3d.errors import InputError
from foci3d.tasks import Samples, make_task
from foci3d.train import Progress, Training, fit, validate

TRAINING = Training(
    steps=12, batch=8, learning_rate=0.01, weight_decay=0.01, augment=False, remix=False, validate_every=4, patience=9
)
ARCHITECTURE = {"name": "conv_deconv", "widths": [8, 8], "strides": [1, 2], "kernel": 3}
MASKS = make_task("masks", 1, [])
CURVES = ["step", "samples", "learning_rate", "train_loss", "validation_loss", "validation_score", "seconds"]


def samples_of(step: int, count: int = 8) -> Samples:
    """Pictures of cells that are three times as bright as what is around them."""
    generator = torch.Generator().manual_seed(step)
    masks = torch.rand(count, 1, 9, 9, generator=generator) < 0.4
    layers = 1 + 2 * masks + 0.1 * torch.rand(masks.shape, generator=generator)
    return {"sensors": layers, "layers": layers, "masks": masks.to(torch.uint8), "depths_um": torch.zeros(count, 1)}


def spoilt_after_24(step: int) -> Samples:
    """Samples whose masks are the wrong way round from step 24."""
    samples = samples_of(step)
    return {**samples, "masks": 1 - samples["masks"]} if step >= 24 else samples


def interrupted_at(last: int) -> Callable[[int], Samples]:
    def batches(step: int) -> Samples:
        if step == last:
            raise KeyboardInterrupt
        return samples_of(step)

    return batches


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Progress]:
    """Train the same small network, one that another training of this test may have left unfinished."""

    def train_small(
        batches: Callable[[int], Samples] = samples_of, seed: int = 0, precision: Any = "32-true", **change: Any
    ) -> Progress:
        torch.manual_seed(seed)
        network = nets.build(ARCHITECTURE, 1, 1, 9)
        training = Training(**{**vars(TRAINING), **change})
        fabric = Fabric(accelerator="cpu", devices=1, precision=precision)
        return fit(network, MASKS, batches, samples_of(1000, 30), training, fabric, tmp_path / "checkpoint")

    return train_small


def without_seconds(progress: Progress) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in progress.curves]


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_learns_what_a_threshold_tells(run: Callable[..., Progress], precision: str) -> None:
    progress = run(steps=150, validate_every=50, precision=precision)
    coverage = samples_of(1000, 30)["masks"].float().mean().item()
    assert progress.best["validation_score"] < coverage / 4
    assert {values.dtype for values in progress.weights.values()} == {torch.float32, torch.int64}


def test_curves(run: Callable[..., Progress]) -> None:
    curves = run(steps=10).curves
    assert [list(row) for row in curves] == [CURVES] * 3
    assert [row["step"] for row in curves] == [4, 8, 10]
    assert [row["samples"] for row in curves] == [32, 64, 80]
    schedule = torch.optim.lr_scheduler.OneCycleLR(torch.optim.AdamW([torch.zeros(1)]), 0.01, total_steps=10)
    rates = []
    for _ in range(9):
        rates.append(schedule.get_last_lr()[0])
        schedule.optimizer.step()
        schedule.step()
    assert [row["learning_rate"] for row in curves] == pytest.approx([rates[3], rates[7], schedule.get_last_lr()[0]])
    assert all(before["seconds"] < after["seconds"] for before, after in pairwise(curves))


def test_best_weights_are_kept(run: Callable[..., Progress]) -> None:
    progress = run(batches=spoilt_after_24, steps=40)
    assert 20 <= progress.best["step"] < 40
    network = nets.build(ARCHITECTURE, 1, 1, 9)
    network.load_state_dict(progress.weights)
    loss, score = validate(network, MASKS, samples_of(1000, 30), 8)
    assert score == pytest.approx(progress.best["validation_score"])
    assert loss == pytest.approx(progress.best["validation_loss"], rel=1e-5)


def test_stops_when_nothing_gets_better(run: Callable[..., Progress]) -> None:
    progress = run(batches=spoilt_after_24, steps=80, patience=2)
    assert progress.step == progress.best["step"] + 2 * 4 < 80


def test_validation_is_a_mean_over_all_samples() -> None:
    network = nets.build(ARCHITECTURE, 1, 1, 9)
    samples = samples_of(3, 30)
    assert validate(network, MASKS, samples, 7) == pytest.approx(validate(network, MASKS, samples, 30), rel=1e-5)
    assert network.training


@pytest.mark.parametrize("last", [7, 9])
def test_goes_on_as_if_never_interrupted(tmp_path: Path, run: Callable[..., Progress], last: int) -> None:
    whole = run()
    (tmp_path / "checkpoint").unlink()
    with pytest.raises(KeyboardInterrupt):
        run(batches=interrupted_at(last))
    seen: list[int] = []
    resumed = run(batches=lambda step: seen.append(step) or samples_of(step), seed=1)
    assert seen == list(range(last // 4 * 4, 12))
    assert without_seconds(resumed) == without_seconds(whole)
    assert all(torch.equal(resumed.weights[name], values) for name, values in whole.weights.items())
    assert [row["seconds"] for row in resumed.curves] == sorted(row["seconds"] for row in resumed.curves)


def test_another_start_is_another_training(tmp_path: Path, run: Callable[..., Progress]) -> None:
    whole = run()
    (tmp_path / "checkpoint").unlink()
    assert without_seconds(run(seed=1)) != without_seconds(whole)


def test_an_interruption_after_the_last_step_trains_no_more(run: Callable[..., Progress]) -> None:
    whole = run()
    again = run(batches=interrupted_at(0))
    assert again.curves == whole.curves


def test_tells_how_far_it_is(
    run: Callable[..., Progress], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "PROGRESS_S", 0.0)
    with caplog.at_level("INFO"):
        progress = run(steps=6)
    assert re.fullmatch(r"step 3 of 6: training loss \d\.\d{4}, \d+ s left", caplog.messages[2])
    assert f"step 4: validation loss {progress.curves[0]['validation_loss']:.4f}" in caplog.messages[4]


def test_a_loss_that_is_no_number(run: Callable[..., Progress]) -> None:
    broken = {name: values * torch.nan if name == "sensors" else values for name, values in samples_of(0).items()}
    with pytest.raises(InputError, match=r"training: the loss is nan after step 4; expected a number, lower training"):
        run(batches=lambda step: broken)
