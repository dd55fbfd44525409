r"""Variants of `physics_unet`: the same U-Net behind other images that the optics give.

`joint_unet` combines the sensors in one inverse. At each spatial frequency, with the S x D matrix H of the transfer
functions of all sensors and depths and trained regularizations :math:`\lambda_{rs}`,

.. math:: \hat x_r = H^* (H H^* + \operatorname{diag}(\lambda_r))^{-1} y .

`unrolled_unet` improves an estimate x of the light at all depths by gradient steps towards the measurements y, each
followed by a small network, as in learned proximal gradients (Adler and Oktem, IEEE Trans. Med. Imaging 37, 1322
(2018)),

.. math:: x \leftarrow x + \operatorname{prox}(x), \quad x \leftarrow x - t_k A^* (A x - y) .
"""

import math

import torch
from torch import Tensor, nn

from foci3d.config.architectures import DepthGridConfig, JointUNetConfig, UnrolledUNetConfig
from foci3d.learning.networks.physics import (
    Bank,
    PhysicsUNet,
    depth_grid_um,
    initial_log_regularizations,
)
from foci3d.learning.networks.registry import register
from foci3d.optics.forward import FourierOperator


class JointWienerBank(Bank):
    """Regularized inverses of all sensors together.

    Parameters
    ----------
    depths_um : Tensor (D,)
        Depths from sensor A [um].
    n_sensors : int
        Sensors S of a measurement.
    n_regularizations : int
        Regularizations R, the power of the noise over that of a layer; each is trained for each sensor.
    """

    def __init__(self, depths_um: Tensor, n_sensors: int, n_regularizations: int) -> None:
        super().__init__(depths_um)
        self.log_regularization = nn.Parameter(
            initial_log_regularizations(n_regularizations)[:, None].repeat(1, n_sensors)
        )

    @property
    def n_images(self) -> int:
        """Images that the bank gives for a measurement."""
        return len(self.log_regularization) * len(self.depths_um)

    def images(self, transfer: Tensor, measurements: Tensor) -> Tensor:
        """Images `(N, R * D, P, P)` of `measurements (N, S, P, P)`."""
        operator = FourierOperator(transfer[None], measurements.shape[-1])
        system = transfer.movedim((0, 1), (-2, -1))  # (F, F', S, D)
        noise = torch.diag_embed(self.log_regularization.exp())[:, None, None]  # (R, 1, 1, S, S)
        filters = (system.mH @ torch.linalg.inv(system @ system.mH + noise)).movedim((-2, -1), (1, 2))
        spectra = operator.spectra(measurements)[:, None, None]  # (N, 1, 1, S, F, F')
        return operator.layers((filters * spectra).sum(3)).flatten(1, 2)


class UnrolledBank(Bank):
    """The light at each depth by gradient steps towards the measurements, with a network between them.

    Parameters
    ----------
    depths_um : Tensor (D,)
        Depths from sensor A [um].
    n_sensors : int
        Sensors S of a measurement.
    n_steps : int
        Gradient steps K, each with a trained length.
    channels : int
        Channels of the network, which all steps share.
    """

    def __init__(self, depths_um: Tensor, n_sensors: int, n_steps: int, channels: int) -> None:
        super().__init__(depths_um)
        # No kernel amplifies any frequency: the squared norm of the operator is at most S D, and this step is stable.
        longest_step = 1 / (n_sensors * self.n_images)
        self.log_step = nn.Parameter(torch.full((n_steps,), math.log(longest_step)))
        self.proximal = nn.Sequential(
            nn.Conv2d(self.n_images, channels, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, self.n_images, 3, padding=1),
        )

    def images(self, transfer: Tensor, measurements: Tensor) -> Tensor:
        """Images `(N, D, P, P)` of `measurements (N, S, P, P)`."""
        operator = FourierOperator(transfer[None], measurements.shape[-1])
        first, *others = self.log_step.exp()
        images = first * operator.adjoint(measurements)  # the first step, from zero
        for step in others:
            images = images + self.proximal(images)
            images = images - step * operator.adjoint(operator.forward(images) - measurements)
        return images


@register("joint_unet", JointUNetConfig)
class JointUNet(PhysicsUNet):
    """U-Net behind inverses of all sensors together; see `PhysicsUNet` for the parameters."""

    def make_bank(self, settings: DepthGridConfig, n_sensors: int) -> Bank:
        """The bank of the network."""
        assert isinstance(settings, JointUNetConfig)
        return JointWienerBank(depth_grid_um(settings), n_sensors, settings.n_regularizations)


@register("unrolled_unet", UnrolledUNetConfig)
class UnrolledUNet(PhysicsUNet):
    """U-Net behind unrolled gradient steps; see `PhysicsUNet` for the parameters."""

    def make_bank(self, settings: DepthGridConfig, n_sensors: int) -> Bank:
        """The bank of the network."""
        assert isinstance(settings, UnrolledUNetConfig)
        return UnrolledBank(depth_grid_um(settings), n_sensors, settings.n_steps, settings.proximal_channels)
