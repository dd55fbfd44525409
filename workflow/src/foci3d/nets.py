"""The networks by name, and the weights that a pretrained one starts from.

==============  =============================================================================  =====================
name            network                                                                        outputs
==============  =============================================================================  =====================
`cnn_fc`        convolutions, each followed by pooling, then two fully connected layers        `(N, outputs)`
`conv_deconv`   as many deconvolutions as convolutions, three in the paper                     `(N, outputs, Y, X)`
`resnet_cnn`    ResNet-18, its stages brought to the picture's size, then two convolutions     `(N, outputs, Y, X)`
`encoder`       ResNet-18 with its linear head, to pretrain the ResNet-18 of `resnet_cnn`      `(N, outputs)`
==============  =============================================================================  =====================

Their inputs are normalised pictures of the sensors, `(N, inputs, Y, X)`. Outputs have any value: `foci3d.tasks` says
what they mean.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from foci3d.errors import InputError

STAGE_WIDTHS = (64, 128, 256, 512)
"""Channels of the four stages of a ResNet-18."""

Architecture = Mapping[str, Any]


def build(architecture: Architecture, inputs: int, outputs: int, pixels: int) -> nn.Module:
    """Make a network with random weights.

    Parameters
    ----------
    architecture : mapping
        `name` and the keys that belong to it: `cnn_fc`: widths, kernel, hidden; `conv_deconv`: widths, strides,
        kernel; `resnet_cnn`: stem_stride, head_width; `encoder`: stem_stride.
    inputs : int
        Pictures of a sample.
    outputs : int
        Classes, layers or channels to tell.
    pixels : int
        Pixels of the pictures in y and x; only `cnn_fc` is bound to it.

    Returns
    -------
    torch.nn.Module
        The network, in training mode. Weights come from torch's global generator.
    """
    builders: dict[str, Callable[[], nn.Module]] = {
        "cnn_fc": lambda: _cnn_fc(architecture, inputs, outputs, pixels),
        "conv_deconv": lambda: ConvDeconv(
            inputs, outputs, architecture["widths"], architecture["strides"], architecture["kernel"]
        ),
        "resnet_cnn": lambda: ResNetCnn(inputs, outputs, architecture["stem_stride"], architecture["head_width"]),
        "encoder": lambda: _resnet18(inputs, architecture["stem_stride"], outputs),
    }
    return builders[architecture["name"]]()


def count_parameters(network: nn.Module) -> int:
    """Number of trained values of a network."""
    return sum(parameter.numel() for parameter in network.parameters())


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, rectifier."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def _cnn_fc(architecture: Architecture, inputs: int, outputs: int, pixels: int) -> nn.Sequential:
    widths, hidden = architecture["widths"], architecture["hidden"]
    layers: list[nn.Module] = []
    for before, width in pairwise([inputs, *widths]):
        layers += [_convolution(before, width, architecture["kernel"]), nn.MaxPool2d(2, ceil_mode=True)]
        pixels = (pixels + 1) // 2
    layers += [nn.Flatten(), nn.Linear(widths[-1] * pixels**2, hidden), nn.ReLU(), nn.Linear(hidden, outputs)]
    return nn.Sequential(*layers)


class ConvDeconv(nn.Module):
    """Convolutions, then as many deconvolutions that bring the picture back to its size.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    widths : sequence of int
        Channels after each convolution; three are the paper's.
    strides : sequence of int
        Stride of each convolution, and of the deconvolution that undoes it: 1 keeps detail, 2 is faster and sees
        farther.
    kernel : int
        Width of every convolution and deconvolution, odd [pixels].
    """

    def __init__(self, inputs: int, outputs: int, widths: Sequence[int], strides: Sequence[int], kernel: int) -> None:
        super().__init__()
        channels = list(pairwise([inputs, *widths]))
        self.convolutions = nn.ModuleList(
            _convolution(before, width, kernel, stride)
            for (before, width), stride in zip(channels, strides, strict=True)
        )
        back = [(width, before) for before, width in reversed(channels)]
        back[-1] = (back[-1][0], outputs)
        self.deconvolutions = nn.ModuleList(
            nn.ConvTranspose2d(width, before, kernel, stride, kernel // 2)
            for (width, before), stride in zip(back, reversed(strides), strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(before) for _, before in back[:-1])

    def forward(self, pictures: Tensor) -> Tensor:
        """Map pictures `(N, inputs, Y, X)` to `(N, outputs, Y, X)` of the same size, odd or even."""
        sizes, features = [], pictures
        for convolution in self.convolutions:
            sizes.append(features.shape[-2:])
            features = convolution(features)
        for place, deconvolution in enumerate(self.deconvolutions):
            features = deconvolution(features, output_size=sizes.pop())
            if place < len(self.norms):
                features = functional.relu(self.norms[place](features))
        return features


def _resnet18(inputs: int, stem_stride: int, outputs: int | None) -> nn.Module:
    """ResNet-18 without max pooling, parameters named as torchvision's; with a linear head if there are `outputs`."""
    from monai.networks.nets.resnet import resnet18  # takes 2 s, which most networks need not wait for

    return resnet18(
        spatial_dims=2,
        n_input_channels=inputs,
        conv1_t_stride=stem_stride,
        no_max_pool=True,
        bias_downsample=False,
        feed_forward=outputs is not None,
        num_classes=outputs or 0,
    )


class ResNetCnn(nn.Module):
    """A CNN of two layers on the features of a ResNet-18.

    Each stage's features are projected, brought to the size of the first stage and added. A pixel shuffle then brings
    them to the size of the picture, so that a stem with a stride loses no detail.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    stem_stride : int
        Stride of the ResNet's first convolution: 1 takes about twice the time of 2.
    head_width : int
        Channels between the two layers of the CNN.
    """

    def __init__(self, inputs: int, outputs: int, stem_stride: int, head_width: int) -> None:
        super().__init__()
        self.encoder = _resnet18(inputs, stem_stride, None)
        self.projections = nn.ModuleList(nn.Conv2d(width, head_width * stem_stride**2, 1) for width in STAGE_WIDTHS)
        self.cnn = nn.Sequential(
            nn.PixelShuffle(stem_stride),
            _convolution(head_width, head_width, 3),
            nn.Conv2d(head_width, outputs, 3, padding=1),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """Map pictures `(N, inputs, Y, X)` to `(N, outputs, Y, X)`."""
        encoder: Any = self.encoder
        features = encoder.act(encoder.bn1(encoder.conv1(pictures)))
        stages = (encoder.layer1, encoder.layer2, encoder.layer3, encoder.layer4)
        size, dense = features.shape[-2:], torch.zeros(())
        for stage, projection in zip(stages, self.projections, strict=True):
            features = stage(features)
            dense = dense + functional.interpolate(projection(features), size, mode="bilinear")
        height, width = pictures.shape[-2:]
        return self.cnn(dense)[..., :height, :width]


def load_encoder(encoder: nn.Module, path: str | Path) -> None:
    """Start a ResNet-18 from pretrained weights.

    Those of ImageNet fit too: the kernels of a first convolution for red, green and blue are averaged and scaled, so
    that its response to equal pictures stays the same. The linear head is left out.

    Parameters
    ----------
    encoder : torch.nn.Module
        ResNet-18 without a head, the `encoder` of a `resnet_cnn`; it is changed.
    path : str or Path
        State dictionary with the names of torchvision's ResNet-18, ``.safetensors`` or ``.pt``.

    Raises
    ------
    InputError
        If the file cannot be read, or its names or shapes are not those of a ResNet-18.
    """
    wanted = encoder.state_dict()
    found = {name: values for name, values in _read_weights(path).items() if not name.startswith("fc.")}
    stem, inputs = found.get("conv1.weight"), wanted["conv1.weight"].shape[1]
    if stem is not None and stem.shape[1:2] == (3,) and inputs != 3:
        found["conv1.weight"] = stem.mean(1, keepdim=True).expand(-1, inputs, -1, -1) * (3 / inputs)
    # Counts of batches are no weights, and older files lack them.
    counts = {name: values for name, values in wanted.items() if name.endswith("num_batches_tracked")}
    found = {**counts, **found}
    wrong = [name for name in {**wanted, **found} if _shape(found, name) != _shape(wanted, name)]
    if wrong:
        listed = ", ".join(
            f"{name} (found {_shape(found, name)}, expected {_shape(wanted, name)})" for name in wrong[:3]
        )
        raise InputError(
            f"{path}: {len(wrong)} of its arrays do not fit, the first are {listed}; expected the weights of a "
            "ResNet-18 with torchvision's names, choose another file."
        )
    encoder.load_state_dict(found)


def _shape(weights: Mapping[str, Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(weights[name].shape) if name in weights else None


def _read_weights(path: str | Path) -> dict[str, Tensor]:
    try:
        if Path(path).suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, SafetensorError, UnpicklingError) as error:
        raise InputError(
            f"{path}: not a readable file of weights; expected a state dictionary, .safetensors or saved by torch.save "
            "as .pt, choose another file."
        ) from error
