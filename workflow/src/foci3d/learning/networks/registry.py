"""The registry of networks: by name, the class of the settings and the builder."""

from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn

from foci3d.config.architectures import ARCHITECTURES, Architecture
from foci3d.config.registry import Registry

Builder = TypeVar("Builder", bound=Callable[[Any, int, int, int], nn.Module])

NETWORKS = Registry("network")
"""Settings of every network that can be built: those of `ARCHITECTURES`, and the encoder while it is pretrained."""

_BUILDERS: dict[str, Callable[[Any, int, int, int], nn.Module]] = {}


def register(name: str, settings: type[Architecture], *, selectable: bool = True) -> Callable[[Builder], Builder]:
    """Register the decorated builder of a network.

    Parameters
    ----------
    name : str
        Name of the network, the value of `name` in its settings.
    settings : type
        Class of the settings, with the keys that the configuration must give.
    selectable : bool
        Whether `networks.<network>.architecture` of the configuration may name it.

    Returns
    -------
    callable
        Decorator of a function or class ``build(settings, in_channels, out_channels, n_pixels)`` that gives a
        `torch.nn.Module`.
    """
    for registry in (NETWORKS, ARCHITECTURES) if selectable else (NETWORKS,):
        registry.add(name)(settings)

    def decorate(builder: Builder) -> Builder:
        _BUILDERS[name] = builder
        return builder

    return decorate


def build_network(architecture: Architecture, in_channels: int, out_channels: int, n_pixels: int) -> nn.Module:
    """Build a network with random weights.

    Parameters
    ----------
    architecture : Architecture
        Settings of a registered network.
    in_channels : int
        Sensors of a measurement.
    out_channels : int
        Outputs, as the task needs.
    n_pixels : int
        Pixels of a measurement in y and in x.

    Returns
    -------
    torch.nn.Module
        The network, in training mode. Its weights come from torch's global generator.
    """
    return _BUILDERS[architecture.name](architecture, in_channels, out_channels, n_pixels)


def count_parameters(network: nn.Module) -> int:
    """Number of trainable parameters of a network."""
    return sum(parameter.numel() for parameter in network.parameters())
