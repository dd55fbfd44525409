"""ResNet-18 as the encoder of a dense network, its pretraining, and weights in torchvision's format."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from foci3d.config.architectures import EncoderConfig, ResNetCnnConfig
from foci3d.errors import InputError
from foci3d.learning.networks.cnn import convolution_block
from foci3d.learning.networks.registry import register
from foci3d.learning.weights import find_misfits

STAGE_CHANNELS = (64, 128, 256, 512)
"""Channels of the four stages of a ResNet-18."""


def _resnet18(in_channels: int, stem_stride: int, n_outputs: int | None) -> nn.Module:
    """ResNet-18 without max pooling, named as in torchvision; with a linear head where `n_outputs` is given."""
    from monai.networks.nets.resnet import resnet18  # takes 2 s to import, which other networks need not wait for

    return resnet18(
        spatial_dims=2,
        n_input_channels=in_channels,
        conv1_t_stride=stem_stride,
        no_max_pool=True,
        bias_downsample=False,
        feed_forward=n_outputs is not None,
        num_classes=n_outputs or 0,
    )


@register("encoder", EncoderConfig, selectable=False)
def build_encoder(settings: EncoderConfig, in_channels: int, out_channels: int, n_pixels: int) -> nn.Module:
    """ResNet-18 with its linear head, for pretraining."""
    return _resnet18(in_channels, settings.stem_stride, out_channels)


@register("resnet_cnn", ResNetCnnConfig)
class ResNetCnn(nn.Module):
    """A CNN of two layers on the features of a ResNet-18.

    The features of each stage are projected, resized to those of the first stage and added. A pixel shuffle then
    restores the size of the input, so that a stem with a stride loses no detail.

    Parameters
    ----------
    settings : ResNetCnnConfig
        Stride of the first convolution (a stride of 1 takes about twice the time of 2) and channels of the CNN.
    in_channels, out_channels : int
        Channels of the input and of the output.
    n_pixels : int
        Not used; any size fits.
    """

    def __init__(self, settings: ResNetCnnConfig, in_channels: int, out_channels: int, n_pixels: int) -> None:
        super().__init__()
        stride, channels = settings.stem_stride, settings.head_channels
        self.encoder = _resnet18(in_channels, stride, None)
        self.projections = nn.ModuleList(nn.Conv2d(stage, channels * stride**2, 1) for stage in STAGE_CHANNELS)
        self.cnn = nn.Sequential(
            nn.PixelShuffle(stride),
            convolution_block(channels, channels, 3),
            nn.Conv2d(channels, out_channels, 3, padding=1),
        )

    def forward(self, measurements: Tensor) -> Tensor:
        """Map `(N, in_channels, Y, X)` to `(N, out_channels, Y, X)`."""
        encoder: Any = self.encoder
        features = encoder.act(encoder.bn1(encoder.conv1(measurements)))
        stages = (encoder.layer1, encoder.layer2, encoder.layer3, encoder.layer4)
        size, dense = features.shape[-2:], torch.zeros(())
        for stage, projection in zip(stages, self.projections, strict=True):
            features = stage(features)
            dense = dense + functional.interpolate(projection(features), size, mode="bilinear")
        height, width = measurements.shape[-2:]
        return self.cnn(dense)[..., :height, :width]


def load_encoder(encoder: nn.Module, path: str | Path) -> None:
    """Load pretrained weights into a ResNet-18.

    ImageNet weights fit, too: the kernels of the first convolution for red, green and blue are averaged and scaled, so
    that its response to identical channels is unchanged. The linear head is ignored.

    Parameters
    ----------
    encoder : torch.nn.Module
        ResNet-18 without a head, the `encoder` of a `ResNetCnn`; modified in place.
    path : str or Path
        State dictionary with the names of torchvision's ResNet-18, ``.safetensors`` or ``.pt``.

    Raises
    ------
    InputError
        If the file cannot be read, or its names or shapes are not those of a ResNet-18.
    """
    expected = encoder.state_dict()
    weights = {name: values for name, values in _read_weights(path).items() if not name.startswith("fc.")}
    stem, in_channels = weights.get("conv1.weight"), expected["conv1.weight"].shape[1]
    if stem is not None and stem.is_floating_point() and stem.shape[1:2] == (3,) and in_channels != 3:
        weights["conv1.weight"] = stem.mean(1, keepdim=True).expand(-1, in_channels, -1, -1) * (3 / in_channels)
    # Files of older versions of torch lack the numbers of batches, which are not weights.
    n_batches = {name: values for name, values in expected.items() if name.endswith("num_batches_tracked")}
    weights = {**n_batches, **weights}
    misfits = find_misfits(weights, expected)
    if misfits:
        examples = ", ".join(
            f"{name} (found {_shape(weights, name)}, expected {_shape(expected, name)})" for name in misfits[:3]
        )
        raise InputError(
            f"{path}: {len(misfits)} arrays do not fit or are not finite, first {examples}; expected the weights of a "
            "ResNet-18 with torchvision's names, choose another file."
        )
    encoder.load_state_dict(weights)


def _shape(weights: Mapping[str, Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(weights[name].shape) if name in weights else None


def _read_weights(path: str | Path) -> dict[str, Tensor]:
    try:
        if Path(path).suffix == ".safetensors":
            return load_file(path)
        # From memory, where a damaged length cannot claim more than the file holds.
        content = io.BytesIO(Path(path).read_bytes())
        weights = torch.load(content, map_location="cpu", weights_only=True)
        return {name: values for name, values in weights.items() if isinstance(values, Tensor)}
    except MemoryError:
        raise
    except Exception as error:  # torch raises exceptions of any type on damaged files
        raise InputError(
            f"{path}: not a readable file of weights; expected a state dictionary, as .safetensors or as .pt by "
            "torch.save, choose another file."
        ) from error
