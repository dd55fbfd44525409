"""Settings of the networks, an open registry by the key `name`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from foci3d.config.fields import Count, Interval, KernelSize, Positive, Section, Some, StemStride, Stride, key
from foci3d.config.registry import Registry
from foci3d.config.tasks import OutputKind, TaskSpec

ARCHITECTURES = Registry("architecture")
ATTENTION_HEADS = 4
"""Heads of the self-attention of a U-Net, which divide the channels of its coarsest level."""
FiveCounts = Annotated[Some[Count], Field(min_length=5, max_length=5)]


class Architecture(Section):
    """Settings of a network; a class for each registered name."""

    is_dense: ClassVar[bool | None] = None
    """Whether the outputs have pixels; None for a network that gives what the task needs."""

    name: str = key("architecture")

    @classmethod
    def fits(cls, task: TaskSpec) -> bool:
        """Whether its outputs are those of a task."""
        return cls.is_dense in (None, task.is_dense)


def names_of_architectures(task: TaskSpec) -> list[str]:
    """Names of the architectures that fit a task."""
    classes = ARCHITECTURES.classes.items()
    return [name for name, settings in classes if issubclass(settings, Architecture) and settings.fits(task)]


@ARCHITECTURES.add("cnn_fc")
class CnnFcConfig(Architecture):
    """Convolutions with pooling, then two fully connected layers."""

    is_dense = False

    name: Literal["cnn_fc"] = key("architecture")
    channels: Some[Count] = key("channels of each convolution")
    kernel_size: KernelSize = key("width of the convolutions [pixels]", 5)
    hidden_features: Count = key("units of the hidden layer", 256)


@ARCHITECTURES.add("conv_deconv")
class ConvDeconvConfig(Architecture):
    """Convolutions, then as many deconvolutions."""

    is_dense = True

    name: Literal["conv_deconv"] = key("architecture")
    channels: Some[Count] = key("channels of each convolution")
    strides: Some[Stride] = key("stride of each convolution")
    kernel_size: KernelSize = key("width of the convolutions [pixels]", 7)


@ARCHITECTURES.add("resnet_cnn")
class ResNetCnnConfig(Architecture):
    """ResNet-18 encoder, then a CNN of two layers."""

    is_dense = True

    name: Literal["resnet_cnn"] = key("architecture")
    encoder: Literal["pretrained", "random"] = key("weights that the encoder starts from", "pretrained")
    stem_stride: StemStride = key("stride of the first convolution", 2)
    head_channels: Count = key("channels of the head", 64)


class DepthGridConfig(Architecture):
    """Settings that the networks which use the PSF share."""

    is_dense = True

    depth_range_um: Interval = key("depths at which the measurements are deconvolved [um]")
    n_depths: int = key("number of these depths", 10, ge=2, le=1000)


class PhysicsConfig(DepthGridConfig):
    """Settings that the networks with an encoder behind regularized inverses share."""

    n_regularizations: Count = key("trained regularizations at each of these depths", 1)
    channels: Some[Count] = key("channels of each level of the encoder, each of half the resolution", (24, 48, 96, 192))


@ARCHITECTURES.add("physics_unet")
class PhysicsUNetConfig(PhysicsConfig):
    """U-Net behind regularized inverses of the forward operator."""

    name: Literal["physics_unet"] = key("architecture")
    attention: bool = key("self-attention at the coarsest level", False)


@ARCHITECTURES.add("physics_encoder")
class PhysicsEncoderConfig(PhysicsConfig):
    """Encoder with a fully connected head behind regularized inverses of the forward operator."""

    is_dense = False

    name: Literal["physics_encoder"] = key("architecture")
    hidden_features: Count = key("units of the hidden layer", 256)


@ARCHITECTURES.add("joint_unet")
class JointUNetConfig(PhysicsUNetConfig):
    """U-Net behind inverses of the forward operator that combine the sensors."""

    name: Literal["joint_unet"] = key("architecture")  # type: ignore[assignment]


@ARCHITECTURES.add("staged_unet")
class StagedUNetConfig(PhysicsUNetConfig):
    """U-Net behind inverses at depths that a first stage estimates, beside those at a grid of depths."""

    name: Literal["staged_unet"] = key("architecture")  # type: ignore[assignment]
    joint_regularizations: Some[Positive] = key("regularizations of the inverses at estimated depths", (0.1, 0.01))
    first_channels: Some[Count] = key(
        "channels of each level of the first stage, from half the resolution", (32, 64, 128)
    )

    @classmethod
    def fits(cls, task: TaskSpec) -> bool:
        """It is for tasks that give masks and depths of a known number of layers."""
        return task.kind is OutputKind.CELL_PROBABILITIES and bool(task.layer_values)


@ARCHITECTURES.add("unrolled_unet")
class UnrolledUNetConfig(DepthGridConfig):
    """U-Net behind unrolled proximal gradient steps."""

    name: Literal["unrolled_unet"] = key("architecture")
    channels: Some[Count] = key("channels of each level of the encoder, each of half the resolution", (24, 48, 96, 192))
    attention: bool = key("self-attention at the coarsest level", False)
    n_steps: Count = key("gradient steps")
    proximal_channels: Count = key("channels of the network between gradient steps")


@ARCHITECTURES.add("multiwiener")
class MultiWienerConfig(DepthGridConfig):
    """Wiener deconvolution with trained kernels, then a U-Net: MultiWienerNet."""

    name: Literal["multiwiener"] = key("architecture")
    channels: FiveCounts = key("channels of the five levels; the resolution halves in between")


@ARCHITECTURES.add("sbrnet")
class SBRNetConfig(DepthGridConfig):
    """Two branches of residual blocks, for the measurements and for their adjoint: SBR-Net."""

    name: Literal["sbrnet"] = key("architecture")
    channels: Count = key("channels of all convolutions")
    n_blocks: Count = key("residual blocks of each branch")


class EncoderConfig(Architecture):
    """ResNet-18 with a linear head: the encoder of a `resnet_cnn` while it is pretrained."""

    name: Literal["encoder"] = "encoder"
    stem_stride: StemStride = key("stride of the first convolution")
