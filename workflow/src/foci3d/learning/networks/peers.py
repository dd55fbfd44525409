r"""Published networks that use the PSF, to compare with on the same data; written from their papers.

`multiwiener` is MultiWienerNet (Yanny et al., Optica 9, 96 (2022)). The measurement of sensor s is deconvolved for each
depth z of a grid by a Wiener filter whose kernel starts as the point-spread function and is trained, as is its
regularization,

.. math:: \hat x_{sz} = \frac{\overline{H_s(z) + C_{sz}}}{|H_s(z) + C_{sz}|^2 + \lambda_{sz}}\, y_s .

A U-Net sees these images and nothing else.

`sbrnet` is SBR-Net (Alido et al., Opt. Express 32, 6241 (2024)). One branch of residual blocks sees the measurements,
another the volume to which they are refocused, which here is their adjoint at a grid of depths. The features of both
are added.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from foci3d.config.architectures import MultiWienerConfig, SBRNetConfig
from foci3d.learning.networks.cnn import convolution_block
from foci3d.learning.networks.physics import INITIAL_REGULARIZATION, Bank, PhysicsNetwork, depth_grid_um
from foci3d.learning.networks.registry import register
from foci3d.optics.forward import FourierOperator


class TrainedWienerBank(Bank):
    """Wiener filters for each sensor and depth whose kernels are trained.

    The weights are the changes of the kernels, so that the point-spread function remains an input.

    Parameters
    ----------
    depths_um : Tensor (D,)
        Depths from sensor A [um].
    n_sensors : int
        Sensors S of a measurement.
    n_pixels : int
        Pixels P of a measurement in y and in x.
    """

    def __init__(self, depths_um: Tensor, n_sensors: int, n_pixels: int) -> None:
        super().__init__(depths_um)
        extent = 2 * n_pixels - 1
        self.kernel_change = nn.Parameter(torch.zeros(n_sensors, len(depths_um), extent, extent))
        log_regularization = math.log(INITIAL_REGULARIZATION)
        self.log_regularization = nn.Parameter(torch.full((n_sensors, len(depths_um)), log_regularization))

    @property
    def n_images(self) -> int:
        """Images that the bank gives for a measurement."""
        return self.log_regularization.numel()

    def images(self, transfer: Tensor, measurements: Tensor) -> Tensor:
        """Images `(N, S * D, P, P)` of `measurements (N, S, P, P)`."""
        changed = FourierOperator(transfer[None], measurements.shape[-1]).with_added_kernels(self.kernel_change)
        power = changed.transfer.abs().square() + self.log_regularization.exp()[..., None, None]
        spectra = changed.spectra(measurements)[:, :, None]
        return changed.layers(spectra * changed.transfer.conj() / power).flatten(1, 2)


class AdjointBank(Bank):
    """Adjoint of the forward operator: the light of each pixel, back to where it may have come from."""

    def images(self, transfer: Tensor, measurements: Tensor) -> Tensor:
        """Images `(N, D, P, P)` of `measurements (N, S, P, P)`."""
        return FourierOperator(transfer[None], measurements.shape[-1]).adjoint(measurements)


@register("multiwiener", MultiWienerConfig)
class MultiWiener(PhysicsNetwork):
    """MultiWienerNet: Wiener deconvolution with trained kernels, then a U-Net.

    Parameters
    ----------
    settings : MultiWienerConfig
        Grid of depths, and channels of each level.
    in_channels : int
        Sensors of a measurement.
    out_channels : int
        Outputs at each pixel.
    n_pixels : int
        Pixels of a measurement in y and in x, at least 16.
    """

    def __init__(self, settings: MultiWienerConfig, in_channels: int, out_channels: int, n_pixels: int) -> None:
        from monai.networks.nets.basic_unet import BasicUNet  # takes 2 s to import, which others need not wait for

        super().__init__(TrainedWienerBank(depth_grid_um(settings), in_channels, n_pixels))
        # The last number is that of the channels before the output.
        features = (*settings.channels, settings.channels[0])
        self.unet = BasicUNet(2, self.bank.n_images, out_channels, features, act="relu", norm="batch", bias=False)

    def forward(self, measurements: Tensor, transfer: Tensor | None = None) -> Tensor:
        """Map `(N, S, P, P)` to `(N, out_channels, P, P)`."""
        return self.unet(self.bank(measurements, transfer))


class ResidualBlock(nn.Module):
    """Two convolutions of 3 x 3 pixels, added to their input.

    Parameters
    ----------
    channels : int
        Channels of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = convolution_block(channels, channels, 3)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, features: Tensor) -> Tensor:
        """Map `(N, C, Y, X)` to the same shape."""
        return functional.relu(features + self.second(self.first(features)))


class Branch(nn.Module):
    """A convolution, residual blocks, and a connection around them.

    Parameters
    ----------
    in_channels, channels : int
        Channels of the input and of the output.
    n_blocks : int
        Residual blocks.
    """

    def __init__(self, in_channels: int, channels: int, n_blocks: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(in_channels, channels, 3, padding=1)
        self.blocks = nn.Sequential(*(ResidualBlock(channels) for _ in range(n_blocks)))

    def forward(self, images: Tensor) -> Tensor:
        """Map `(N, in_channels, Y, X)` to `(N, channels, Y, X)`."""
        features = self.stem(images)
        return features + self.blocks(features)


@register("sbrnet", SBRNetConfig)
class SBRNet(PhysicsNetwork):
    """SBR-Net: a branch of residual blocks for the measurements, and one for their adjoint.

    Parameters
    ----------
    settings : SBRNetConfig
        Grid of depths, channels, and residual blocks of each branch.
    in_channels : int
        Sensors of a measurement.
    out_channels : int
        Outputs at each pixel.
    n_pixels : int
        Not used; any size fits.
    """

    def __init__(self, settings: SBRNetConfig, in_channels: int, out_channels: int, n_pixels: int) -> None:
        super().__init__(AdjointBank(depth_grid_um(settings)))
        self.measurement_branch = Branch(in_channels, settings.channels, settings.n_blocks)
        self.volume_branch = Branch(self.bank.n_images, settings.channels, settings.n_blocks)
        self.head = nn.Conv2d(settings.channels, out_channels, 3, padding=1)

    def forward(self, measurements: Tensor, transfer: Tensor | None = None) -> Tensor:
        """Map `(N, S, P, P)` to `(N, out_channels, P, P)`."""
        volume = self.bank(measurements, transfer)
        return self.head(self.measurement_branch(measurements) + self.volume_branch(volume))
