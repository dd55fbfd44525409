"""Convolutional networks: a classifier, and an encoder-decoder for dense outputs."""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from foci3d.config.architectures import CnnFcConfig, ConvDeconvConfig
from foci3d.learning.networks.registry import register


def convolution_block(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch normalization and ReLU."""
    convolution = nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))


@register("cnn_fc", CnnFcConfig)
def build_cnn_fc(settings: CnnFcConfig, in_channels: int, out_channels: int, n_pixels: int) -> nn.Sequential:
    """Convolutions, each followed by pooling, then two fully connected layers; the only network bound to `n_pixels`."""
    layers: list[nn.Module] = []
    for before, after in pairwise([in_channels, *settings.channels]):
        layers += [convolution_block(before, after, settings.kernel_size), nn.MaxPool2d(2, ceil_mode=True)]
        n_pixels = (n_pixels + 1) // 2
    n_features = settings.channels[-1] * n_pixels**2
    layers += [nn.Flatten(), nn.Linear(n_features, settings.hidden_features), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(settings.hidden_features, out_channels))


@register("conv_deconv", ConvDeconvConfig)
class ConvDeconv(nn.Module):
    """Convolutions, then as many deconvolutions that restore the size of the input.

    Parameters
    ----------
    settings : ConvDeconvConfig
        Channels and stride of each convolution; the deconvolution that mirrors it has the same stride. A stride of 1
        preserves detail, a stride of 2 is faster and widens the receptive field.
    in_channels, out_channels : int
        Channels of the input and of the output.
    n_pixels : int
        Not used; any size fits.
    """

    def __init__(self, settings: ConvDeconvConfig, in_channels: int, out_channels: int, n_pixels: int) -> None:
        super().__init__()
        kernel_size, padding = settings.kernel_size, settings.kernel_size // 2
        channels = list(pairwise([in_channels, *settings.channels]))
        self.convolutions = nn.ModuleList(
            convolution_block(before, after, kernel_size, stride)
            for (before, after), stride in zip(channels, settings.strides, strict=True)
        )
        mirrored = [(after, before) for before, after in reversed(channels)]
        mirrored[-1] = (mirrored[-1][0], out_channels)
        self.deconvolutions = nn.ModuleList(
            nn.ConvTranspose2d(before, after, kernel_size, stride, padding)
            for (before, after), stride in zip(mirrored, reversed(settings.strides), strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(after) for _, after in mirrored[:-1])

    def forward(self, measurements: Tensor) -> Tensor:
        """Map `(N, in_channels, Y, X)` to `(N, out_channels, Y, X)`, for any Y and X."""
        sizes, features = [], measurements
        for convolution in self.convolutions:
            sizes.append(features.shape[-2:])
            features = convolution(features)
        for index, deconvolution in enumerate(self.deconvolutions):
            features = deconvolution(features, output_size=sizes.pop())
            if index < len(self.norms):
                features = functional.relu(self.norms[index](features))
        return features
