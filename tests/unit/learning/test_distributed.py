"""A training in two processes is that of one; if the first process fails, no other is left."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from unit.learning import train_on_devices

from foci3d.errors import InputError
from foci3d.io.samples import Samples
from foci3d.learning.distributed import local_device, synchronize_batch_norm, take_share

TESTS = Path(__file__).parents[2]
NEVER = 1000
# A bias that batch normalization cancels has no gradient but rounding errors, which AdamW scales to whole steps.
CANCELLED = {"deconvolutions.0.bias", "norms.0.running_mean"}


def train_on_two(folder: Path, fail_at: int) -> subprocess.CompletedProcess[str]:
    """Train in two processes; this waits for every process that holds the output."""
    command = [sys.executable, train_on_devices.__file__, str(folder), "2", str(fail_at)]
    path = os.pathsep.join([str(TESTS), str(TESTS.parent / "workflow" / "src")])
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)


def test_two_processes_fail_together_and_resume_to_the_weights_of_one(tmp_path: Path) -> None:
    failed = train_on_two(tmp_path, fail_at=7)
    log = (tmp_path / "train.log").read_text()
    assert failed.returncode == 1
    assert log.count("internal error in rule train") == 1
    assert "device 1" not in log
    resumed = train_on_two(tmp_path, NEVER)
    assert resumed.returncode == 0, resumed.stderr
    assert (tmp_path / "train.log").read_text().count("resuming from step 4") == 1
    found = torch.load(tmp_path / "state", weights_only=True)
    (tmp_path / "checkpoint").unlink()
    expected = train_on_devices.train(tmp_path, 1, NEVER)
    for row, single in zip(found["curves"], expected.curves, strict=True):
        assert row["train_loss"] == pytest.approx(single["train_loss"], rel=1e-4)
        assert row["validation_loss"] == pytest.approx(single["validation_loss"], rel=5e-3)
    assert found["best_weights"].keys() == expected.best_weights.keys()
    for name in expected.best_weights.keys() - CANCELLED:
        torch.testing.assert_close(found["best_weights"][name], expected.best_weights[name], rtol=1e-3, atol=5e-4)


def test_the_shares_are_the_batch() -> None:
    batch = Samples(**dict.fromkeys(("measurements", "layers", "masks", "depths_um"), torch.arange(6)))
    ranks = [SimpleNamespace(world_size=3, global_rank=rank) for rank in range(3)]
    shares = [take_share(batch, rank) for rank in ranks]
    assert [share.measurements.tolist() for share in shares] == [[0, 1], [2, 3], [4, 5]]


def test_gpus_synchronize_batch_norm_with_the_layer_of_torch() -> None:
    network = nn.Sequential(nn.Sequential(nn.BatchNorm2d(3)), nn.Conv2d(3, 3, 1))
    network[0][0].running_mean += 1
    before = {name: values.clone() for name, values in network.state_dict().items()}
    synchronize_batch_norm(network, torch.device("cuda"))
    assert isinstance(network[0][0], nn.SyncBatchNorm)
    assert all(torch.equal(values, before[name]) for name, values in network.state_dict().items())


def test_each_process_has_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert local_device(torch.device("cuda"), 2) == torch.device("cuda", 1)
    assert local_device(torch.device("cpu"), 2) == torch.device("cpu")
    with pytest.raises(InputError, match=r"compute\.devices is 4, but torch finds 2 GPUs; expected at most"):
        local_device(torch.device("cuda"), 4)
