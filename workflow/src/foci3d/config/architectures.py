"""Settings of the networks, an open registry by the key `name`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from foci3d.config.fields import Count, Interval, KernelSize, Section, Some, StemStride, Stride
from foci3d.config.registry import Registry

ARCHITECTURES = Registry("architecture")
FiveCounts = Annotated[Some[Count], Field(min_length=5, max_length=5)]


class Architecture(Section):
    """Settings of a network; a class for each registered name."""

    is_dense: ClassVar[bool | None] = None
    """Whether the outputs have pixels; None for a network that gives what the task needs."""

    name: str = Field(description="architecture")


@ARCHITECTURES.add("cnn_fc")
class CnnFcConfig(Architecture):
    """Convolutions with pooling, then two fully connected layers."""

    is_dense = False

    name: Literal["cnn_fc"] = Field(description="architecture")
    channels: Some[Count] = Field(description="channels of each convolution")
    kernel_size: KernelSize = Field(default=5, description="width of the convolutions [pixels]")
    hidden_features: Count = Field(default=256, description="units of the hidden layer")


@ARCHITECTURES.add("conv_deconv")
class ConvDeconvConfig(Architecture):
    """Convolutions, then as many deconvolutions."""

    is_dense = True

    name: Literal["conv_deconv"] = Field(description="architecture")
    channels: Some[Count] = Field(description="channels of each convolution")
    strides: Some[Stride] = Field(description="stride of each convolution")
    kernel_size: KernelSize = Field(default=7, description="width of the convolutions [pixels]")


@ARCHITECTURES.add("resnet_cnn")
class ResNetCnnConfig(Architecture):
    """ResNet-18 encoder, then a CNN of two layers."""

    is_dense = True

    name: Literal["resnet_cnn"] = Field(description="architecture")
    encoder: Literal["pretrained", "random"] = Field(
        default="pretrained", description="weights that the encoder starts from"
    )
    stem_stride: StemStride = Field(default=2, description="stride of the first convolution")
    head_channels: Count = Field(default=64, description="channels of the head")


class DepthGridConfig(Architecture):
    """Settings that the networks which know the optics share."""

    is_dense = True

    depth_range_um: Interval = Field(description="depths at which the measurements are deconvolved [um]")
    n_depths: int = Field(default=10, ge=2, description="number of these depths")


class PhysicsConfig(DepthGridConfig):
    """Settings that the networks with an encoder behind regularized inverses share."""

    n_regularizations: Count = Field(default=1, description="trained regularizations at each of these depths")
    channels: Some[Count] = Field(
        default=(24, 48, 96, 192), description="channels of each level of the encoder; the resolution halves in between"
    )


@ARCHITECTURES.add("physics_unet")
class PhysicsUNetConfig(PhysicsConfig):
    """U-Net behind regularized inverses of the forward operator."""

    name: Literal["physics_unet"] = Field(description="architecture")
    attention: bool = Field(default=False, description="self-attention at the coarsest level")


@ARCHITECTURES.add("physics_encoder")
class PhysicsEncoderConfig(PhysicsConfig):
    """Encoder with a fully connected head behind regularized inverses of the forward operator."""

    is_dense = False

    name: Literal["physics_encoder"] = Field(description="architecture")
    hidden_features: Count = Field(default=256, description="units of the hidden layer")


@ARCHITECTURES.add("joint_unet")
class JointUNetConfig(PhysicsUNetConfig):
    """U-Net behind inverses of the forward operator that combine the sensors."""

    name: Literal["joint_unet"] = Field(description="architecture")  # type: ignore[assignment]


@ARCHITECTURES.add("unrolled_unet")
class UnrolledUNetConfig(DepthGridConfig):
    """U-Net behind unrolled proximal gradient steps."""

    name: Literal["unrolled_unet"] = Field(description="architecture")
    channels: Some[Count] = Field(
        default=(24, 48, 96, 192), description="channels of each level of the encoder; the resolution halves in between"
    )
    attention: bool = Field(default=False, description="self-attention at the coarsest level")
    n_steps: Count = Field(description="gradient steps")
    proximal_channels: Count = Field(description="channels of the network between gradient steps")


@ARCHITECTURES.add("multiwiener")
class MultiWienerConfig(DepthGridConfig):
    """Wiener deconvolution with trained kernels, then a U-Net: MultiWienerNet."""

    name: Literal["multiwiener"] = Field(description="architecture")
    channels: FiveCounts = Field(description="channels of the five levels; the resolution halves in between")


@ARCHITECTURES.add("sbrnet")
class SBRNetConfig(DepthGridConfig):
    """Two branches of residual blocks, for the measurements and for their adjoint: SBR-Net."""

    name: Literal["sbrnet"] = Field(description="architecture")
    channels: Count = Field(description="channels of all convolutions")
    n_blocks: Count = Field(description="residual blocks of each branch")


class EncoderConfig(Architecture):
    """ResNet-18 with a linear head: the encoder of a `resnet_cnn` while it is pretrained."""

    name: Literal["encoder"] = "encoder"
    stem_stride: StemStride = Field(description="stride of the first convolution")
