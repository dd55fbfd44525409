"""Networks: an open registry, and the families of networks that foci3d comes with.

=================  =====================================================================  ========================
name               network                                                                output
=================  =====================================================================  ========================
`cnn_fc`           convolutions with pooling, then two fully connected layers             `(N, out_channels)`
`conv_deconv`      convolutions, then as many deconvolutions                              `(N, out_channels, Y, X)`
`resnet_cnn`       ResNet-18, its stages resized to the input and added, then a CNN       `(N, out_channels, Y, X)`
`physics_unet`     U-Net behind regularized inverses of the forward operator              `(N, out_channels, Y, X)`
`physics_encoder`  its encoder, with a fully connected head                               `(N, out_channels)`
`joint_unet`       `physics_unet` with inverses that combine the sensors                  `(N, out_channels, Y, X)`
`unrolled_unet`    `physics_unet` with unrolled proximal gradient steps                   `(N, out_channels, Y, X)`
`staged_unet`      `physics_unet` with inverses at depths that a first stage estimates    `(N, out_channels, Y, X)`
`multiwiener`      MultiWienerNet: Wiener filters with trained kernels, then a U-Net      `(N, out_channels, Y, X)`
`sbrnet`           SBR-Net: residual blocks for the measurements and for their adjoint    `(N, out_channels, Y, X)`
`encoder`          ResNet-18 with a linear head, to pretrain the encoder of `resnet_cnn`  `(N, out_channels)`
=================  =====================================================================  ========================

Inputs are normalized measurements `(N, in_channels, Y, X)`. Outputs are unbounded; `foci3d.learning.tasks` defines
their meaning.
"""

from foci3d.learning.networks import peers as peers
from foci3d.learning.networks import staged as staged
from foci3d.learning.networks import variants as variants
from foci3d.learning.networks.cnn import ConvDeconv
from foci3d.learning.networks.physics import PhysicsNetwork
from foci3d.learning.networks.registry import NETWORKS, build_network, count_parameters, register
from foci3d.learning.networks.resnet import ResNetCnn, load_encoder

__all__ = [
    "NETWORKS",
    "ConvDeconv",
    "PhysicsNetwork",
    "ResNetCnn",
    "build_network",
    "count_parameters",
    "load_encoder",
    "register",
]
