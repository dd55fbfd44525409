"""One training on several devices of a machine: its processes, their share of a batch, and statistics over the batch.

Each process holds a copy of the network. It trains on its share of the batch of a step, and the gradients are averaged.
As losses are means over samples, the processes together do what one of them would do with the whole batch, but for
the rounding of floating-point sums.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from foci3d.config.fields import Precision
from foci3d.errors import InputError
from foci3d.io.samples import Samples

FABRIC_PRECISIONS: dict[Precision, Literal["32-true", "bf16-mixed"]] = {
    "float32": "32-true",
    "bfloat16": "bf16-mixed",
}

END_TIMEOUT_S = 60
"""Seconds that the other processes have to end after the first."""


def local_rank() -> int:
    """Number of this process among those of a training; 0 for the first one, which writes the files."""
    return LightningEnvironment().local_rank()


def local_device(device: torch.device, n_devices: int) -> torch.device:
    """Device of this process, for a training on `n_devices` devices like `device`.

    Raises
    ------
    InputError
        If there are fewer GPUs.
    """
    if device.type != "cuda" or n_devices == 1:
        return device
    if n_devices > torch.cuda.device_count():
        raise InputError(
            f"compute.devices is {n_devices}, but torch finds {torch.cuda.device_count()} GPUs; expected at most that "
            "many, lower it."
        )
    return torch.device("cuda", local_rank())


def make_fabric(device: torch.device, n_devices: int, precision: Precision) -> Fabric:
    """Fabric for a training in `n_devices` processes, one for each device."""
    return Fabric(
        accelerator=device.type,
        strategy="ddp" if n_devices > 1 else "auto",
        devices=n_devices,
        precision=FABRIC_PRECISIONS[precision],
        # Under SLURM, Fabric would expect that `srun` has started a process for each device; a job starts one.
        plugins=LightningEnvironment(),
    )


@contextmanager
def launched(fabric: Fabric) -> Iterator[None]:
    """Start the other processes, each of which runs the script of this one, and end them with the context.

    If this process fails, the others are killed: they would wait for it.
    """
    fabric.launch()
    # A launcher is there for several devices alone, and started nothing in the processes that were started.
    others: list[subprocess.Popen[bytes]] = getattr(fabric.strategy.launcher, "procs", [])
    try:
        yield
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        for process in others:
            process.wait(END_TIMEOUT_S)
    except BaseException:
        for process in others:
            process.kill()
        raise


def take_share(samples: Samples[Tensor], fabric: Fabric) -> Samples[Tensor]:
    """The share of this process in a batch, whose size is a multiple of the number of processes."""
    n_samples = len(samples) // fabric.world_size
    return samples[fabric.global_rank * n_samples : (fabric.global_rank + 1) * n_samples]


def average(value: Tensor, fabric: Fabric) -> float:
    """Mean of a number over all processes."""
    mean = fabric.all_reduce(value)
    assert isinstance(mean, Tensor)
    return mean.item()


class _Total(torch.autograd.Function):
    """Sum of a tensor over all processes; so is its gradient."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.contiguous().clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _Total.forward(ctx, gradient)


class CpuSyncBatchNorm(_BatchNorm):
    """Batch normalization over the samples of all processes on CPUs, which `torch.nn.SyncBatchNorm` refuses."""

    def _check_input_dim(self, input: Tensor) -> None:
        """Accept all that the layer in whose place this one is accepts."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalize `input` (N, C, ...)."""
        if not self.training:
            return super().forward(input)
        values, axes = input.float(), [0, *range(2, input.ndim)]
        n_processes = torch.distributed.get_world_size()
        mean = _Total.apply(values.mean(axes, keepdim=True)) / n_processes
        variance = _Total.apply((values - mean).square().mean(axes, keepdim=True)) / n_processes
        if self.track_running_stats:
            self._update_statistics(mean.flatten(), variance.flatten(), n_processes * values.numel() // values.shape[1])
        normalized = (values - mean) * (variance + self.eps).rsqrt()
        if self.affine:
            normalized = normalized * self.weight.view(mean.shape) + self.bias.view(mean.shape)
        return normalized.to(input.dtype)

    @torch.no_grad()
    def _update_statistics(self, mean: Tensor, variance: Tensor, n_values: int) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        momentum = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance * n_values / (n_values - 1), momentum)


def synchronize_batch_norm(network: nn.Module, device: torch.device) -> None:
    """Let the batch normalizations below `network` use the statistics of the samples of all processes."""
    for name, child in network.named_children():
        if not isinstance(child, _BatchNorm):
            synchronize_batch_norm(child, device)
        elif device.type == "cpu":
            settings = (child.num_features, child.eps, child.momentum, child.affine, child.track_running_stats)
            synchronized = CpuSyncBatchNorm(*settings)
            synchronized.load_state_dict(child.state_dict())
            setattr(network, name, synchronized)
        else:
            setattr(network, name, nn.SyncBatchNorm.convert_sync_batchnorm(child))
