"""Optimizers of a training, and the average of the weights along it."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel

from foci3d.config.training import TrainingConfig

HEAD = "head"
"""Name of the module of a network that gives its output; Muon is meant for the hidden layers alone."""


class KernelMuon(Muon):
    """Muon for the kernels of convolutions, each seen as a matrix (output channels, pixels and input channels).

    Muon orthogonalizes the momentum of a matrix by Newton-Schulz iterations (Jordan et al., 2024,
    https://kellerjordan.github.io/posts/muon). The learning rate is scaled so that the update has the root mean square
    of AdamW's (Liu et al., arXiv:2502.16982).

    Parameters
    ----------
    kernels : sequence of Parameter
        Weights of convolutions, in the memory format `torch.channels_last`, or of linear layers.
    lr, weight_decay : float
        As for AdamW.
    """

    def __init__(self, kernels: Sequence[nn.Parameter], lr: float, weight_decay: float) -> None:
        self.kernels = list(kernels)
        # Views, which share the memory of the kernels: a kernel in another memory format is refused, not copied.
        matrices = [nn.Parameter(_rows(kernel.detach()).view(len(kernel), -1)) for kernel in self.kernels]
        super().__init__(matrices, lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
        self.matrices = matrices

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update the kernels from their gradients."""
        for matrix, kernel in zip(self.matrices, self.kernels, strict=True):
            matrix.grad = None if kernel.grad is None else _rows(kernel.grad).reshape(matrix.shape)
        return super().step(closure)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of the kernels."""
        for kernel in self.kernels:
            kernel.grad = None
        super().zero_grad(set_to_none)


def _rows(kernel: Tensor) -> Tensor:
    """A kernel with its axes in the order of the memory format `torch.channels_last`."""
    return kernel.permute(0, 2, 3, 1) if kernel.ndim == 4 else kernel


def make_optimizers(network: nn.Module, config: TrainingConfig) -> list[Optimizer]:
    """Optimizers of a network: AdamW for all parameters, or Muon for the weights of its hidden layers beside it.

    Parameters
    ----------
    network : torch.nn.Module
        The network, in the memory format `torch.channels_last`.
    config : TrainingConfig
        Optimizer, peak learning rate and weight decay.

    Returns
    -------
    list of Optimizer
        Together they hold every parameter once.
    """
    settings: dict[str, Any] = {"lr": config.max_learning_rate, "weight_decay": config.weight_decay}
    if config.optimizer == "adamw":
        return [AdamW(network.parameters(), fused=True, **settings)]
    hidden = {
        name: parameter
        for name, parameter in network.named_parameters()
        if name.endswith("weight") and parameter.ndim in (2, 4) and HEAD not in name.split(".")
    }
    rest = [parameter for name, parameter in network.named_parameters() if name not in hidden]
    return [KernelMuon([*hidden.values()], **settings), AdamW(rest, fused=True, **settings)]


def one_cycle(optimizer: Optimizer, config: TrainingConfig) -> OneCycleLR:
    """The schedule of an optimizer: its learning rate rises in the first steps, and falls in the others.

    The momentum changes in the opposite direction (Smith and Topin, arXiv:1708.07120).
    """
    # Half a step more: where the rise takes exactly one step, the scheduler divides by zero.
    n_rising = int(config.warmup * config.max_steps) + 0.5
    share = n_rising / config.max_steps
    return OneCycleLR(optimizer, config.max_learning_rate, total_steps=config.max_steps, pct_start=share)


def average_weights(network: nn.Module, decay: float) -> AveragedModel:
    """Exponential moving average of the weights and the batch statistics of a network.

    Parameters
    ----------
    network : torch.nn.Module
        The network.
    decay : float
        Decay per update; the first updates decay faster, so that the initial weights are forgotten.
    """

    def average(averaged: Sequence[Tensor], current: Sequence[Tensor], n_averaged: Tensor | int) -> None:
        count = int(n_averaged)  # read once for all tensors: on a GPU, every read waits for what is being computed
        weight = min(decay, (1 + count) / (10 + count)) if averaged[0].is_floating_point() else 0
        for mean, values in zip(averaged, current, strict=True):
            mean.copy_(torch.lerp(values, mean, weight) if weight else values)

    return AveragedModel(network, multi_avg_fn=average, use_buffers=True)
