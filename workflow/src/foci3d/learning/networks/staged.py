r"""`physics_unet` in two stages: where the layers are, then what they hold.

Inverses at a grid of depths are sharp where a layer happens to be near one of these. The first stage, a small encoder,
estimates the depths of the L layers. With the S x L matrix H of the transfer functions of all sensors at these depths,
the layers that explain the measurement y are, at each spatial frequency and for each regularization,

.. math:: \hat x_r = H^* (H H^* + \operatorname{diag}(\lambda_r))^{-1} y ,

and the U-Net sees them beside the inverses at the grid. These regularizations are not trained: their gradient takes a
sixth of a step and gains nothing. Smaller ones than the default gain on ideal measurements, and lose on noisy ones and
where the imager is not as described. In training, the estimated depths are outputs, too, from which the first stage
learns: no gradient passes the inverses.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from foci3d.config.architectures import DepthGridConfig, PhysicsUNetConfig, StagedUNetConfig, UnrolledUNetConfig
from foci3d.learning.networks.physics import (
    Bank,
    Encoder,
    PhysicsUNet,
    WienerBank,
    depth_grid_um,
)
from foci3d.learning.networks.registry import register
from foci3d.learning.tasks import UM_PER_MM
from foci3d.optics.forward import ForwardModel, FourierOperator
from foci3d.optics.symmetric_filters import filter_jointly

STEPS_PER_DEPTH = 8
"""Steps of the table of transfer functions for each depth of the grid; between them, interpolation is linear."""


class StagedBank(WienerBank):
    """Regularized inverses at a grid of depths, and inverses of all sensors together at any depths.

    Its transfer functions are those at the grid, then those of a table that reaches half a step of the grid further.

    Parameters
    ----------
    settings : StagedUNetConfig
        Grid of depths and numbers of regularizations.
    n_sensors : int
        Sensors S of a measurement, 1 or 2.
    """

    joint_regularization: Tensor

    def __init__(self, settings: StagedUNetConfig, n_sensors: int) -> None:
        grid_um = depth_grid_um(settings)
        super().__init__(grid_um, n_sensors, settings.n_regularizations)
        half_step = float(grid_um[1] - grid_um[0]) / 2
        self.first_um, self.last_um = max(0.0, float(grid_um[0]) - half_step), float(grid_um[-1]) + half_step
        table_um = torch.linspace(self.first_um, self.last_um, STEPS_PER_DEPTH * len(grid_um) + 1, device="cpu")
        self.n_grid, self.depths_um = len(grid_um), torch.cat([grid_um, table_um])
        joint = torch.tensor(settings.joint_regularizations, device="cpu")
        self.register_buffer("joint_regularization", joint[:, None].repeat(1, n_sensors))

    def _depths_of(self, forward: ForwardModel, depth_scale: float) -> Tensor:
        """For depths of the table that the point-spread function does not have, the nearest that it has."""
        grid_um, table_um = super()._depths_of(forward, depth_scale).tensor_split([self.n_grid], 1)
        first, last = forward.depths_um[0], forward.depths_um[-1]
        if forward.n_sensors > 1:
            seen_from_b = forward.sensor_separation_um - forward.depths_um
            first, last = torch.maximum(first, seen_from_b[-1]), torch.minimum(last, seen_from_b[0])
        return torch.cat([grid_um, table_um.clamp(first, last)], 1)

    def images(self, transfer: Tensor, measurements: Tensor) -> Tensor:
        """Images of `WienerBank`, at the grid."""
        return super().images(transfer[:, : self.n_grid], measurements)

    def joint_images(self, transfer: Tensor, measurements: Tensor, depths_um: Tensor) -> Tensor:
        """Layers `(N, R * L, P, P)` that explain `measurements (N, S, P, P)`, at `depths_um (N, L)`, in float32."""
        with torch.autocast(measurements.device.type, enabled=False):
            measurements = measurements.float()
            filters = joint_inverse(self.interpolate(transfer, depths_um), self.joint_regularization)
            if not transfer.is_complex():
                return filter_jointly(measurements, filters)
            operator = FourierOperator(transfer[None], measurements.shape[-1])
            return operator.layers((filters * operator.spectra(measurements)[:, :, None]).sum(1))

    def interpolate(self, transfer: Tensor, depths_um: Tensor) -> Tensor:
        """Transfer functions `(N, S, L, F, F')` at `depths_um (N, L)`, of those of the table."""
        table = transfer[:, self.n_grid :]
        n_steps = table.shape[1] - 1
        place = ((depths_um - self.first_um) * (n_steps / (self.last_um - self.first_um))).clamp(0, n_steps)
        lower = place.floor().clamp(max=n_steps - 1).long()
        weight = (place - lower)[..., None, None]
        return torch.lerp(table[:, lower], table[:, lower + 1], weight.to(table)).transpose(0, 1)


def joint_inverse(transfer: Tensor, noise: Tensor) -> Tensor:
    """Regularized inverses of one or two sensors together.

    Parameters
    ----------
    transfer : Tensor (N, S, L, F, F')
        Transfer functions of the layers as seen by S sensors.
    noise : Tensor (R, S)
        Power of the noise over that of a layer, by sensor, for R regularizations.

    Returns
    -------
    Tensor (N, S, R * L, F, F')
        Filters of the measurement of each sensor, whose sum over the sensors is the layer.
    """
    first, *others = transfer.conj().unbind(1)  # (N, L, F, F')
    power = transfer.abs().square().sum(2)[:, :, None, None] + noise.T[:, :, None, None, None]  # (N, S, R, 1, F, F')
    if not others:
        return (first[:, None] / power[:, 0]).flatten(1, 2)[:, None]
    (second,) = others
    mixed = (transfer[:, 0] * second).sum(1)[:, None, None]  # (N, 1, 1, F, F')
    determinant = power[:, 0] * power[:, 1] - mixed.abs().square()
    of_first = (first[:, None] * power[:, 1] - second[:, None] * mixed.conj()) / determinant
    of_second = (second[:, None] * power[:, 0] - first[:, None] * mixed) / determinant
    return torch.stack([of_first.flatten(1, 2), of_second.flatten(1, 2)], 1)


class DepthEstimator(nn.Module):
    """The first stage: an encoder of half the resolution, and a fully connected head.

    Parameters
    ----------
    in_channels : int
        Channels of the input.
    channels : tuple of int
        Channels of each level.
    initial_um : Tensor (L,)
        Depths of the layers before training [um].
    """

    def __init__(self, in_channels: int, channels: tuple[int, ...], initial_um: Tensor) -> None:
        super().__init__()
        self.encoder = Encoder(in_channels, channels)
        self.head = nn.Linear(2 * channels[-1], len(initial_um))
        with torch.no_grad():
            self.head.weight.mul_(0.1)
            self.head.bias.copy_(initial_um / UM_PER_MM)

    def forward(self, features: Tensor) -> Tensor:
        """Depths `(N, L)` [mm] from images `(N, C, P, P)`, in float32."""
        coarse = self.encoder(functional.avg_pool2d(features, 2, ceil_mode=True))[-1]
        with torch.autocast(features.device.type, enabled=False):
            coarse = coarse.float()
            depths_mm: Tensor = self.head(torch.cat([coarse.mean((-2, -1)), coarse.amax((-2, -1))], 1))
        return depths_mm


@register("staged_unet", StagedUNetConfig)
class StagedUNet(PhysicsUNet):
    """U-Net behind inverses at estimated depths, for the task `stacks`; see `PhysicsUNet` for the parameters."""

    bank: StagedBank

    def __init__(self, settings: StagedUNetConfig, in_channels: int, out_channels: int, n_pixels: int) -> None:
        super().__init__(settings, in_channels, out_channels, n_pixels)
        n_layers = _count_layers(out_channels)
        self.standardize_joint = nn.BatchNorm2d(len(settings.joint_regularizations) * n_layers)
        span_um = self.bank.last_um - self.bank.first_um
        middles_um = self.bank.first_um + (torch.arange(n_layers, device="cpu") + 0.5) * span_um / n_layers
        self.first_stage = DepthEstimator(self.n_features, settings.first_channels, middles_um)

    def make_bank(self, settings: DepthGridConfig, n_sensors: int) -> Bank:
        """The bank of the network."""
        assert isinstance(settings, StagedUNetConfig)
        return StagedBank(settings, n_sensors)

    def count_inputs(self, settings: PhysicsUNetConfig | UnrolledUNetConfig, out_channels: int) -> int:
        """Channels of the input of the U-Net."""
        assert isinstance(settings, StagedUNetConfig)
        return self.n_features + len(settings.joint_regularizations) * _count_layers(out_channels)

    def forward(self, measurements: Tensor, transfer: Tensor | None = None) -> Tensor:
        """Map `(N, S, P, P)` to `(N, out_channels, P, P)`; in training, the depths of the first stage [mm] follow."""
        transfer = self.bank.transfer if transfer is None else transfer
        features = self.features(measurements, transfer)
        depths_mm = self.first_stage(features)
        joint = self.bank.joint_images(transfer, measurements, UM_PER_MM * depths_mm.detach())
        logits = self.apply_unet(torch.cat([features, self.standardize_joint(joint).to(features.dtype)], 1))
        if not self.training:
            return logits
        return torch.cat([logits, depths_mm[..., None, None].expand(-1, -1, *logits.shape[-2:])], 1)


def _count_layers(out_channels: int) -> int:
    """Layers of the task `stacks`, which has four outputs for each."""
    return out_channels // 4
