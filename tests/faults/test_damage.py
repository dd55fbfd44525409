"""Damaged files of the smoke run, `damage.py` damages many more; and a damaged checkpoint of a training."""

import random
from pathlib import Path

import pytest
import torch
from damage import KINDS, damage, damage_files
from unit.learning.train_on_devices import train

from foci3d.learning.checkpoint import load_checkpoint, save_checkpoint

CPU = torch.device("cpu")


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_noticed_or_harmless(smoke: Path, kind: str) -> None:
    assert damage_files(smoke, kind, n_damages=20, seed=1)["noticed"] > 10


def test_a_damaged_checkpoint_is_not_loaded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, rng = tmp_path / "checkpoint", random.Random(0)
    save_checkpoint(path, {"weights": torch.arange(500.0)})
    content = path.read_bytes()
    assert load_checkpoint(path, CPU) is not None
    damaged = [b"", b"other content", content[: len(content) // 2], content + b"more", bytes(len(content))]
    damaged += [damage(content, rng) for _ in range(100)]
    for each in damaged:
        path.write_bytes(each)
        assert load_checkpoint(path, CPU) is None
    expected = f"{path}: the checkpoint is damaged, so the training starts from the beginning"
    assert caplog.messages == [expected] * len(damaged)
    path.unlink()
    path.mkdir()
    assert load_checkpoint(path, CPU) is None


def test_a_training_with_a_damaged_checkpoint_starts_from_the_beginning(tmp_path: Path) -> None:
    undisturbed = train(tmp_path, 1, fail_at=1000)
    checkpoint = tmp_path / "checkpoint"
    checkpoint.unlink()
    with pytest.raises(RuntimeError, match="first process"):
        train(tmp_path, 1, fail_at=7)
    checkpoint.write_bytes(damage(checkpoint.read_bytes(), random.Random(0)))
    repaired = train(tmp_path, 1, fail_at=1000)
    assert len(repaired.curves) == len(undisturbed.curves)
    assert all(torch.equal(values, repaired.best_weights[name]) for name, values in undisturbed.best_weights.items())
