"""The loop: it learns, stops, selects the best weights and resumes where it was interrupted."""

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from foci3d.config.architectures import ConvDeconvConfig
from foci3d.config.training import TrainingConfig
from foci3d.errors import InputError
from foci3d.io.samples import Samples
from foci3d.learning.batches import Batch
from foci3d.learning.checkpoint import load_checkpoint
from foci3d.learning.networks import build_network
from foci3d.learning.optimization import one_cycle
from foci3d.learning.tasks import make_task
from foci3d.learning.training import TrainingSetup, TrainingState, fit, validate

TRAINING = TrainingConfig(
    max_steps=12,
    batch_size=8,
    optimizer="adamw",
    max_learning_rate=0.01,
    weight_averaging=0.0,
    weight_decay=0.01,
    augment=False,
    resample_stacks=False,
    imagers=None,
    validation_interval=4,
    patience=9,
)
ARCHITECTURE = ConvDeconvConfig(name="conv_deconv", channels=(8, 8), strides=(1, 2), kernel_size=3)
MASKS = make_task("masks", 1, ())
CPU = torch.device("cpu")
TIMES = ["seconds", "processor_seconds"]
CURVES = ["step", "samples", "learning_rate", "train_loss", "validation_loss", "validation_score", *TIMES]


def samples_of(step: int, n_samples: int = 8) -> Batch:
    """Images of cells that are three times as bright as what is around them."""
    generator = torch.Generator().manual_seed(step)
    masks = torch.rand(n_samples, 1, 9, 9, generator=generator) < 0.4
    layers = 1 + 2 * masks + 0.1 * torch.rand(masks.shape, generator=generator)
    depths_um = torch.zeros(n_samples, 1)
    return Batch(Samples(measurements=layers, layers=layers, masks=masks.to(torch.uint8), depths_um=depths_um))


VALIDATION = samples_of(1000, 30).samples


def inverted_from_24(step: int) -> Batch:
    """Samples whose masks are inverted from step 24."""
    samples = samples_of(step).samples
    return Batch(replace(samples, masks=1 - samples.masks) if step >= 24 else samples)


def interrupted_at(last: int) -> Callable[[int], Batch]:
    def batches(step: int) -> Batch:
        if step == last:
            raise KeyboardInterrupt
        return samples_of(step)

    return batches


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., TrainingState]:
    """Train a small network; resumes from the checkpoint that another training of the test has left."""

    def train_small(
        batches: Callable[[int], Batch] = samples_of, seed: int = 0, precision: Any = "float32", **change: Any
    ) -> TrainingState:
        torch.manual_seed(seed)
        network = build_network(ARCHITECTURE, 1, 1, 9)
        config = TRAINING.model_copy(update=change)
        return fit(TrainingSetup(network, MASKS, batches, VALIDATION, config, CPU, precision, tmp_path / "checkpoint"))

    return train_small


def without_times(state: TrainingState) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name not in TIMES} for row in state.curves]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_learns_a_threshold(run: Callable[..., TrainingState], precision: str) -> None:
    state = run(max_steps=150, validation_interval=50, precision=precision)
    coverage = VALIDATION.masks.float().mean().item()
    assert state.best["validation_score"] < coverage / 4
    assert {values.dtype for values in state.best_weights.values()} == {torch.float32, torch.int64}


def test_curves(run: Callable[..., TrainingState]) -> None:
    curves = run(max_steps=10).curves
    assert [list(row) for row in curves] == [CURVES] * 3
    assert [row["step"] for row in curves] == [4, 8, 10]
    assert [row["samples"] for row in curves] == [32, 64, 80]
    schedule = one_cycle(torch.optim.AdamW([torch.zeros(1)]), TRAINING.model_copy(update={"max_steps": 10}))
    rates = []
    for _ in range(9):
        rates.append(schedule.get_last_lr()[0])
        schedule.optimizer.step()
        schedule.step()
    assert [row["learning_rate"] for row in curves] == pytest.approx([rates[3], rates[7], schedule.get_last_lr()[0]])
    assert all(before[clock] < after[clock] for before, after in pairwise(curves) for clock in TIMES)


def test_best_weights_are_those_of_the_best_validation(run: Callable[..., TrainingState]) -> None:
    state = run(batches=inverted_from_24, max_steps=40)
    assert 20 <= state.best["step"] < 40
    network = build_network(ARCHITECTURE, 1, 1, 9)
    network.load_state_dict(state.best_weights)
    found = validate(network, MASKS, VALIDATION, 8)
    assert found["validation_score"] == pytest.approx(state.best["validation_score"])
    assert found["validation_loss"] == pytest.approx(state.best["validation_loss"], rel=1e-5)


def test_stops_when_the_score_does_not_improve(run: Callable[..., TrainingState]) -> None:
    state = run(batches=inverted_from_24, max_steps=80, patience=2)
    assert state.step == state.best["step"] + 2 * 4 < 80


def test_validation_is_a_mean_over_all_samples() -> None:
    network = build_network(ARCHITECTURE, 1, 1, 9)
    assert validate(network, MASKS, VALIDATION, 7) == pytest.approx(validate(network, MASKS, VALIDATION, 30), rel=1e-5)
    assert network.training


def means_of_batches(state: TrainingState) -> torch.Tensor:
    return torch.cat([values for name, values in state.best_weights.items() if name.endswith("running_mean")])


def test_frozen_statistics_are_those_of_the_steps_before(tmp_path: Path, run: Callable[..., TrainingState]) -> None:
    whole = run(validation_interval=6, frozen_statistics=0.5, weight_averaging=0.9)
    (tmp_path / "checkpoint").unlink()
    with pytest.raises(KeyboardInterrupt):
        run(validation_interval=6, frozen_statistics=0.5, weight_averaging=0.9, batches=interrupted_at(7))
    before = load_checkpoint(tmp_path / "checkpoint", CPU)["parts"][-1]
    means = torch.cat([values for name, values in before.items() if name.endswith("running_mean")])
    assert whole.best["step"] == 12
    torch.testing.assert_close(means_of_batches(whole), means)


@pytest.mark.parametrize("change", [{}, {"weight_averaging": 0.9, "frozen_statistics": 2 / 3}])
@pytest.mark.parametrize("last", [7, 9])
def test_resumes_exactly(tmp_path: Path, run: Callable[..., TrainingState], last: int, change: dict[str, Any]) -> None:
    whole = run(**change)
    (tmp_path / "checkpoint").unlink()
    with pytest.raises(KeyboardInterrupt):
        run(batches=interrupted_at(last), **change)
    seen: list[int] = []
    resumed = run(batches=lambda step: seen.append(step) or samples_of(step), seed=1, **change)
    assert seen == list(range(last // 4 * 4, 12))
    assert without_times(resumed) == without_times(whole)
    assert all(torch.equal(resumed.best_weights[name], values) for name, values in whole.best_weights.items())
    for clock in TIMES:
        assert [row[clock] for row in resumed.curves] == sorted(row[clock] for row in resumed.curves)


def test_resumes_in_the_precision_of_the_start(
    tmp_path: Path, run: Callable[..., TrainingState], caplog: pytest.LogCaptureFixture
) -> None:
    whole = run(precision="bfloat16")
    (tmp_path / "checkpoint").unlink()
    with pytest.raises(KeyboardInterrupt):
        run(batches=interrupted_at(7), precision="bfloat16")
    with caplog.at_level("INFO"):
        resumed = run(precision="float32")
    assert "precision is bfloat16 as at the start, although float32 would be chosen now" in caplog.text
    assert resumed.precision == "bfloat16"
    assert without_times(resumed) == without_times(whole)


def test_precisions_differ(tmp_path: Path, run: Callable[..., TrainingState]) -> None:
    state = run(precision="bfloat16")
    (tmp_path / "checkpoint").unlink()
    assert without_times(run(precision="float32")) != without_times(state)


def test_initial_weights_matter(tmp_path: Path, run: Callable[..., TrainingState]) -> None:
    whole = run()
    (tmp_path / "checkpoint").unlink()
    assert without_times(run(seed=1)) != without_times(whole)


def test_an_interruption_after_the_last_step_trains_no_more(run: Callable[..., TrainingState]) -> None:
    whole = run()
    again = run(batches=interrupted_at(0))
    assert again.curves == whole.curves


def test_logs_progress(
    run: Callable[..., TrainingState], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foci3d.io.progress.INTERVAL_S", 0.0)
    with caplog.at_level("INFO"):
        state = run(max_steps=6)
    rate = r"[\d.e+]+ a second, \d+ s left; training loss \d\.\d{4}"
    assert re.fullmatch(rf"3 of 6 steps: {rate}", caplog.messages[2])
    assert re.fullmatch(rf"5 of 6 steps: {rate}, validation score \d\.\d{{4}}", caplog.messages[5])
    assert f"step 4: validation loss {state.curves[0]['validation_loss']:.4f}" in caplog.messages[4]


def test_a_loss_that_is_not_finite(run: Callable[..., TrainingState]) -> None:
    samples = samples_of(0).samples
    broken = Batch(replace(samples, measurements=samples.measurements * torch.nan))
    with pytest.raises(InputError, match=r"training: the loss is nan after step 4; expected a finite number, lower"):
        run(batches=lambda step: broken)
