r"""Networks that use the PSF: an encoder-decoder behind regularized inverses of the forward operator.

The measurement of sensor s is deconvolved for each depth z of a fixed grid, in the Fourier domain and in float32,

.. math:: \hat x_{szk} = \frac{\overline{H_s(z)}}{|H_s(z)|^2 + \lambda_{szk}}\, y_s ,

with the transfer function H of the imager at hand and trained regularizations :math:`\lambda`. The encoder-decoder sees
these images beside the measurements. The transfer functions are inputs of the network, not weights: one network serves
any imager whose point-spread function is given. This follows MultiWienerNet (Yanny et al., Optica 9, 96 (2022)).
"""

import math
from abc import ABC, abstractmethod
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from foci3d.config.architectures import (
    ATTENTION_HEADS,
    DepthGridConfig,
    PhysicsConfig,
    PhysicsEncoderConfig,
    PhysicsUNetConfig,
    UnrolledUNetConfig,
)
from foci3d.learning.networks.cnn import convolution_block
from foci3d.learning.networks.registry import register
from foci3d.optics.forward import ForwardModel, FourierOperator
from foci3d.optics.symmetric_filters import are_mirror_symmetric, filter_images, symmetric_transfer

INITIAL_REGULARIZATION = 1e-2
"""The first regularization of each depth before training; each further one starts at a hundredth of the one before."""


def initial_log_regularizations(n_regularizations: int) -> Tensor:
    """Logarithms `(R,)` of the regularizations of a depth before training."""
    return torch.tensor([math.log(INITIAL_REGULARIZATION / 100**index) for index in range(n_regularizations)])


def depth_grid_um(settings: DepthGridConfig) -> Tensor:
    """Depths `(D,)` at which a network looks at the measurements [um]."""
    return torch.linspace(*settings.depth_range_um, settings.n_depths, device="cpu")


class Bank(nn.Module, ABC):
    """Base of what maps measurements to images by the optics of an imager.

    Parameters
    ----------
    depths_um : Tensor (D,)
        Depths from sensor A [um].
    """

    transfer: Tensor

    def __init__(self, depths_um: Tensor) -> None:
        super().__init__()
        self.depths_um = depths_um
        self.register_buffer("transfer", None, persistent=False)

    @property
    def n_images(self) -> int:
        """Images that the bank gives for a measurement, by default one for each depth."""
        return len(self.depths_um)

    def transfer_functions(self, forward: ForwardModel, depth_scale: float = 1.0) -> Tensor:
        """Transfer functions `(S, D, F, F')` of an imager, complex64; see `PhysicsNetwork.set_optics`."""
        return self._to_device(forward.at(self._depths_of(forward, depth_scale)).transfer[0])

    def _depths_of(self, forward: ForwardModel, depth_scale: float) -> Tensor:
        return (depth_scale * self.depths_um)[None].to(forward.depths_um)

    def _to_device(self, transfer: Tensor) -> Tensor:
        return transfer.to(next(self.parameters(), transfer).device)

    @abstractmethod
    def images(self, transfer: Tensor, measurements: Tensor) -> Tensor:
        """Images `(N, n_images, P, P)` of `measurements (N, S, P, P)`, both in float32."""

    def forward(self, measurements: Tensor, transfer: Tensor | None = None) -> Tensor:
        """Images `(N, n_images, P, P)` of `measurements (N, S, P, P)`, in float32."""
        transfer = self.transfer if transfer is None else transfer
        with torch.autocast(measurements.device.type, enabled=False):
            return self.images(transfer, measurements.float())


class WienerBank(Bank):
    """Regularized inverses of the measurements at a grid of depths.

    Parameters
    ----------
    depths_um : Tensor (D,)
        Depths from sensor A [um].
    n_sensors : int
        Sensors S of a measurement.
    n_regularizations : int
        Regularizations R of each sensor and depth.
    """

    def __init__(self, depths_um: Tensor, n_sensors: int, n_regularizations: int = 1) -> None:
        super().__init__(depths_um)
        initial = initial_log_regularizations(n_regularizations)
        self.log_regularization = nn.Parameter(torch.empty(n_sensors, len(depths_um), len(initial)).copy_(initial))

    @property
    def n_images(self) -> int:
        """Images that the bank gives for a measurement."""
        return self.log_regularization.numel()

    def transfer_functions(self, forward: ForwardModel, depth_scale: float = 1.0) -> Tensor:
        """Those of `Bank` or, of mirror-symmetric kernels, `symmetric_transfer`, which is real and faster to apply."""
        kernels = forward.kernels_at(self._depths_of(forward, depth_scale))[0]
        if are_mirror_symmetric(kernels):
            return self._to_device(symmetric_transfer(kernels))
        return super().transfer_functions(forward, depth_scale)

    def filters(self, transfer: Tensor) -> Tensor:
        """Regularized inverses `(..., S, D, R, F, F')` of transfer functions `(..., S, D, F, F')`."""
        transfer = transfer[..., None, :, :]
        return transfer.conj() / (transfer.abs().square() + self.log_regularization.exp()[..., None, None])

    def images(self, transfer: Tensor, measurements: Tensor) -> Tensor:
        """Deconvolved images `(N, S * D * R, P, P)` of `measurements (N, S, P, P)`."""
        filters = self.filters(transfer)
        if not transfer.is_complex():
            return filter_images(measurements, filters.flatten(1, 2))
        operator = FourierOperator(transfer[None], measurements.shape[-1])
        return operator.layers(operator.spectra(measurements)[:, :, None, None] * filters).flatten(1, 3)


class PhysicsNetwork(nn.Module):
    """Base of the networks that use the PSF.

    Parameters
    ----------
    bank : Bank
        What the network sees by the optics.
    """

    def __init__(self, bank: Bank) -> None:
        super().__init__()
        self.bank = bank

    def set_optics(self, forward: ForwardModel, depth_scale: float = 1.0) -> None:
        """Use an imager from now on, unless its transfer functions are given with the measurements.

        Parameters
        ----------
        forward : ForwardModel
            Its forward operator.
        depth_scale : float
            Factor on the grid of depths: the separation of its sensors over that of the imager of the training data.
        """
        self.bank.transfer = self.bank.transfer_functions(forward, depth_scale)


class WienerNetwork(PhysicsNetwork):
    """Base of the networks that see measurements and their regularized inverses, standardized.

    Parameters
    ----------
    settings : DepthGridConfig
        Settings of the bank.
    n_sensors : int
        Sensors of a measurement.
    """

    def __init__(self, settings: DepthGridConfig, n_sensors: int) -> None:
        super().__init__(self.make_bank(settings, n_sensors))
        self.n_features = n_sensors + self.bank.n_images
        self.standardize = nn.BatchNorm2d(self.n_features)

    def make_bank(self, settings: DepthGridConfig, n_sensors: int) -> Bank:
        """The bank of the network."""
        assert isinstance(settings, PhysicsConfig)
        return WienerBank(depth_grid_um(settings), n_sensors, settings.n_regularizations)

    def features(self, measurements: Tensor, transfer: Tensor | None = None) -> Tensor:
        """Input `(N, n_features, P, P)` of the encoder, in the precision of its convolutions."""
        features = self.standardize(torch.cat([measurements, self.bank(measurements, transfer)], 1))
        device = features.device.type
        return features.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else features


class Encoder(nn.Module):
    """Levels of two convolutions each, with pooling between them.

    Parameters
    ----------
    in_channels : int
        Channels of the input.
    channels : sequence of int
        Channels of each level; the first has the resolution of the input.
    """

    def __init__(self, in_channels: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(double_convolution(*pair) for pair in pairwise([in_channels, *channels]))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Features of each level, from fine to coarse; sizes must be multiples of ``2 ** (levels - 1)``."""
        features = [self.levels[0](images)]
        for level in self.levels[1:]:
            features.append(level(functional.max_pool2d(features[-1], 2)))
        return features


def double_convolution(in_channels: int, out_channels: int) -> nn.Sequential:
    """Two convolutions of 3 x 3 pixels."""
    return nn.Sequential(
        convolution_block(in_channels, out_channels, 3), convolution_block(out_channels, out_channels, 3)
    )


class Upsampling(nn.ConvTranspose2d):
    """Transposed convolution whose stride is its kernel size: each pixel becomes a block, by one product of matrices.

    On CPUs, forward and backward pass take 0.4 of the time that the library needs for transposed convolutions.
    """

    def forward(self, images: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Map `(N, C, Y, X)` to `(N, C', 2 Y, 2 X)`, in the memory format `torch.channels_last`."""
        assert self.bias is not None
        y, x = self.kernel_size
        blocks = self.weight.permute(2, 3, 1, 0).flatten(0, 2)  # (y x C', C)
        pixels = functional.linear(images.permute(0, 2, 3, 1), blocks, self.bias.repeat(y * x))
        in_rows = pixels.unflatten(-1, (y, x, -1)).transpose(2, 3)  # (N, Y, y, X, x, C')
        return in_rows.flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)


class SelfAttention(nn.Module):
    """Self-attention between all pixels of the coarsest level, added to its input.

    Parameters
    ----------
    channels : int
        Channels, a multiple of `ATTENTION_HEADS`.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        self.attention = nn.MultiheadAttention(channels, num_heads=ATTENTION_HEADS, batch_first=True)

    def forward(self, features: Tensor) -> Tensor:
        """Map `(N, C, Y, X)` to the same shape."""
        tokens = self.norm(features).flatten(2).mT
        mixed, _ = self.attention(tokens, tokens, tokens, need_weights=False)
        return features + mixed.mT.unflatten(2, features.shape[-2:])


@register("physics_unet", PhysicsUNetConfig)
class PhysicsUNet(WienerNetwork):
    """U-Net behind the regularized inverses, for dense outputs.

    Parameters
    ----------
    settings : PhysicsUNetConfig or UnrolledUNetConfig
        Settings of the bank, channels of each level, and whether the coarsest level has self-attention.
    in_channels : int
        Sensors of a measurement.
    out_channels : int
        Outputs at each pixel.
    n_pixels : int
        Not used; any size fits.
    """

    def __init__(
        self, settings: PhysicsUNetConfig | UnrolledUNetConfig, in_channels: int, out_channels: int, n_pixels: int
    ) -> None:
        super().__init__(settings, in_channels)
        channels = settings.channels
        self.encoder = Encoder(self.count_inputs(settings, out_channels), channels)
        self.bottom = SelfAttention(channels[-1]) if settings.attention else nn.Identity()
        self.upsampling = nn.ModuleList(
            Upsampling(coarse, fine, 2, 2) for fine, coarse in reversed([*pairwise(channels)])
        )
        self.decoder = nn.ModuleList(double_convolution(2 * fine, fine) for fine in channels[-2::-1])
        self.head = nn.Conv2d(channels[0], out_channels, 3, padding=1)
        self.multiple = 2 ** (len(channels) - 1)

    def count_inputs(self, settings: PhysicsUNetConfig | UnrolledUNetConfig, out_channels: int) -> int:
        """Channels of the input of the U-Net."""
        return self.n_features

    def forward(self, measurements: Tensor, transfer: Tensor | None = None) -> Tensor:
        """Map `(N, S, P, P)` to `(N, out_channels, P, P)`."""
        return self.apply_unet(self.features(measurements, transfer))

    def apply_unet(self, inputs: Tensor) -> Tensor:
        """Map the input of the U-Net, `(N, inputs, P, P)`, to `(N, out_channels, P, P)`."""
        n_pixels = inputs.shape[-1]
        padding = -n_pixels % self.multiple
        first = padding // 2
        *skipped, features = self.encoder(functional.pad(inputs, (first, padding - first) * 2, mode="reflect"))
        features = self.bottom(features)
        for upsample, level in zip(self.upsampling, self.decoder, strict=True):
            features = level(torch.cat([upsample(features), skipped.pop()], 1))
        inside = slice(first, first + n_pixels)
        return self.head(features)[..., inside, inside]


@register("physics_encoder", PhysicsEncoderConfig)
class PhysicsEncoder(WienerNetwork):
    """The encoder of the U-Net with a fully connected head, for outputs that are not images.

    Parameters
    ----------
    settings : PhysicsEncoderConfig
        Grid of depths, channels of each level and units of the hidden layer.
    in_channels : int
        Sensors of a measurement.
    out_channels : int
        Outputs of a sample.
    n_pixels : int
        Not used; any size fits.
    """

    def __init__(self, settings: PhysicsEncoderConfig, in_channels: int, out_channels: int, n_pixels: int) -> None:
        super().__init__(settings, in_channels)
        self.encoder = Encoder(self.n_features, settings.channels)
        self.multiple = 2 ** (len(settings.channels) - 1)
        self.head = nn.Sequential(
            nn.Linear(2 * settings.channels[-1], settings.hidden_features),
            nn.ReLU(inplace=True),
            nn.Linear(settings.hidden_features, out_channels),
        )

    def forward(self, measurements: Tensor, transfer: Tensor | None = None) -> Tensor:
        """Map `(N, S, P, P)` to `(N, out_channels)`."""
        padding = -measurements.shape[-1] % self.multiple
        images = functional.pad(self.features(measurements, transfer), (0, padding) * 2, mode="reflect")
        features = self.encoder(images)[-1]
        return self.head(torch.cat([features.mean((-2, -1)), features.amax((-2, -1))], 1))
