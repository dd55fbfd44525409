"""The networks: sizes, building blocks, the registry and pretrained weights."""

import pickle
from pathlib import Path
from typing import Literal

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from foci3d.config.architectures import (
    ARCHITECTURES,
    Architecture,
    CnnFcConfig,
    ConvDeconvConfig,
    EncoderConfig,
    ResNetCnnConfig,
)
from foci3d.config.fields import Count
from foci3d.config.models import Config, NetworkConfig
from foci3d.errors import InputError
from foci3d.learning.networks import NETWORKS, build_network, count_parameters, load_encoder, register
from foci3d.learning.run import TrainingRun

CNN_FC = CnnFcConfig(name="cnn_fc", channels=(4, 8), kernel_size=3, hidden_features=16)
CONV_DECONV = ConvDeconvConfig(name="conv_deconv", channels=(4, 6, 8), strides=(1, 2, 2), kernel_size=7)
RESNET_CNN = ResNetCnnConfig(name="resnet_cnn", encoder="random", stem_stride=2, head_channels=8)
ENCODER = EncoderConfig(stem_stride=2)


def torchvision_shapes(in_channels: int, n_classes: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of torchvision's ResNet-18, written out from its definition."""
    shapes: dict[str, tuple[int, ...]] = {"conv1.weight": (64, in_channels, 7, 7)}

    def add_norm(name: str, channels: int) -> None:
        shapes.update({f"{name}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")})
        shapes[f"{name}.num_batches_tracked"] = ()

    add_norm("bn1", 64)
    before = 64
    for stage, channels in enumerate((64, 128, 256, 512), 1):
        for index in range(2):
            block = f"layer{stage}.{index}"
            shapes[f"{block}.conv1.weight"] = (channels, before, 3, 3)
            shapes[f"{block}.conv2.weight"] = (channels, channels, 3, 3)
            add_norm(f"{block}.bn1", channels)
            add_norm(f"{block}.bn2", channels)
            if before != channels:
                shapes[f"{block}.downsample.0.weight"] = (channels, before, 1, 1)
                add_norm(f"{block}.downsample.1", channels)
            before = channels
    return {**shapes, "fc.weight": (n_classes, 512), "fc.bias": (n_classes,)}


def imagenet_weights() -> dict[str, torch.Tensor]:
    """Random weights in the format of those of ImageNet."""
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.rand(shape, generator=generator) if shape else torch.tensor(7)
        for name, shape in torchvision_shapes(3, 1000).items()
    }


@pytest.fixture
def encoder() -> nn.Module:
    return build_network(RESNET_CNN, 2, 4, 51).get_submodule("encoder")


@pytest.mark.parametrize("n_pixels", [51, 32])
@pytest.mark.parametrize("settings", [CONV_DECONV, RESNET_CNN], ids=lambda settings: settings.name)
def test_dense_networks_preserve_the_size(settings: Architecture, n_pixels: int) -> None:
    network = build_network(settings, 2, 4, n_pixels)
    assert network(torch.rand(2, 2, n_pixels, n_pixels)).shape == (2, 4, n_pixels, n_pixels)


@pytest.mark.parametrize("n_pixels", [51, 32])
@pytest.mark.parametrize("settings", [CNN_FC, ENCODER], ids=lambda settings: settings.name)
def test_other_networks_give_one_value_per_channel(settings: Architecture, n_pixels: int) -> None:
    assert build_network(settings, 2, 20, n_pixels)(torch.rand(2, 2, n_pixels, n_pixels)).shape == (2, 20)


def test_conv_deconv_is_three_convolutions_and_three_deconvolutions() -> None:
    network = build_network(CONV_DECONV, 2, 4, 51)
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)]
    assert [type(layer) for layer in layers] == [nn.Conv2d] * 3 + [nn.ConvTranspose2d] * 3
    assert all(layer.kernel_size == (7, 7) for layer in layers)
    assert [layer.stride[0] for layer in layers] == [1, 2, 2, 2, 2, 1]
    assert [layer.out_channels for layer in layers] == [4, 6, 8, 6, 4, 4]


def test_a_stride_of_one_preserves_the_size_of_features() -> None:
    network = build_network(CONV_DECONV.model_copy(update={"strides": (1, 1, 1)}), 1, 1, 51)
    features = torch.zeros(1, 1, 51, 51)
    for convolution in network.get_submodule("convolutions"):
        features = convolution(features)
        assert features.shape[-2:] == (51, 51)


@pytest.mark.parametrize("settings", [CNN_FC, CONV_DECONV, RESNET_CNN, ENCODER], ids=lambda settings: settings.name)
def test_every_weight_has_a_gradient(settings: Architecture) -> None:
    network = build_network(settings, 2, 4, 33)
    network(torch.rand(2, 2, 33, 33)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())


def test_encoder_is_torchvisions_resnet18() -> None:
    network = build_network(ENCODER, 3, 1000, 51)
    assert {name: tuple(values.shape) for name, values in network.state_dict().items()} == torchvision_shapes(3, 1000)
    assert count_parameters(network) == 11_689_512  # as torchvision documents it


def test_a_network_of_ones_own_is_built_and_configured(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    for registry in (NETWORKS, ARCHITECTURES):
        monkeypatch.setitem(registry.classes, "one_layer", None)  # so that it is removed at the end

    class OneLayerConfig(Architecture):
        name: Literal["one_layer"]
        kernel_size: Count

    @register("one_layer", OneLayerConfig)
    def build_one_layer(settings: OneLayerConfig, in_channels: int, out_channels: int, n_pixels: int) -> nn.Module:
        return nn.Conv2d(in_channels, out_channels, settings.kernel_size, padding="same")

    entry = config.networks["stack2_cnn"].model_dump() | {"architecture": {"name": "one_layer", "kernel_size": 5}}
    architecture = NetworkConfig.model_validate(entry).architecture
    assert architecture == OneLayerConfig(name="one_layer", kernel_size=5)
    assert build_network(architecture, 2, 4, 51)(torch.zeros(1, 2, 51, 51)).shape == (1, 4, 51, 51)


def test_every_architecture_of_the_configuration_can_be_built() -> None:
    names = {"cnn_fc", "conv_deconv", "resnet_cnn", "physics_unet", "physics_encoder"}
    names |= {"joint_unet", "unrolled_unet", "staged_unet", "multiwiener", "sbrnet"}
    assert {*ARCHITECTURES.classes} == names
    assert {*NETWORKS.classes} == {*ARCHITECTURES.classes, "encoder"}


def test_an_architecture_that_does_not_fit_the_task(config: Config) -> None:
    network, dataset = config.networks["stack2_physics"], config.datasets["stack2"]
    with pytest.raises(
        InputError, match=r"architecture\.name is staged_unet; expected .*physics_unet.* for task masks"
    ):
        TrainingRun(
            network="mine",
            dataset_name="stack2",
            task="masks",
            architecture=network.architecture,
            training=network.training,
            dataset=dataset,
            imager=config.imager,
            device="cpu",
            precision="fp32",
            seed=config.seed,
        )


def test_pretrained_encoder_starts_the_dense_network(tmp_path: Path, encoder: nn.Module) -> None:
    pretrained = build_network(ENCODER, 2, 8, 51)
    save_file(pretrained.state_dict(), tmp_path / "encoder.safetensors")
    load_encoder(encoder, tmp_path / "encoder.safetensors")
    for name, values in encoder.state_dict().items():
        assert torch.equal(values, pretrained.state_dict()[name])


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_imagenet_weights_respond_equally_to_identical_channels(
    tmp_path: Path, encoder: nn.Module, suffix: str
) -> None:
    weights, path = imagenet_weights(), tmp_path / f"resnet18.{suffix}"
    save_file(weights, path) if suffix == "safetensors" else torch.save(weights, path)
    load_encoder(encoder, path)
    image = torch.rand(1, 1, 51, 51)
    expected = nn.functional.conv2d(image.expand(-1, 3, -1, -1), weights["conv1.weight"], stride=2, padding=3)
    torch.testing.assert_close(encoder.get_submodule("conv1")(image.expand(-1, 2, -1, -1)), expected)
    assert torch.equal(encoder.state_dict()["layer4.1.conv2.weight"], weights["layer4.1.conv2.weight"])


def test_old_imagenet_weights_without_numbers_of_batches(tmp_path: Path, encoder: nn.Module) -> None:
    weights = {name: values for name, values in imagenet_weights().items() if "num_batches" not in name}
    torch.save(weights, tmp_path / "old.pt")
    load_encoder(encoder, tmp_path / "old.pt")
    assert torch.equal(encoder.state_dict()["bn1.bias"], weights["bn1.bias"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bn1.bias": None}, r"1 arrays do not fit or are not finite, first bn1.bias \(found None, expected \(64,\)\)"),
        ({"head.bias": torch.ones(3)}, r"first head.bias \(found \(3,\), expected None\)"),
        ({"bn1.bias": torch.full((64,), torch.nan)}, "not finite, first bn1.bias"),
        ({"conv1.weight": torch.ones(64, 3, 7, 7, dtype=torch.int32)}, "not finite, first conv1.weight"),
        ({"conv1.weight": torch.ones(64, 5, 7, 7)}, r"conv1.weight \(found \(64, 5, 7, 7\), expected \(64, 2, 7, 7\)"),
    ],
)
def test_weights_of_another_network(tmp_path: Path, encoder: nn.Module, change: dict, message: str) -> None:
    weights = {name: values for name, values in {**imagenet_weights(), **change}.items() if values is not None}
    save_file(weights, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match=rf"other.safetensors: .*{message}"):
        load_encoder(encoder, tmp_path / "other.safetensors")


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pt"])
def test_a_file_without_weights(tmp_path: Path, encoder: nn.Module, name: str) -> None:
    (tmp_path / name).write_bytes(b"not weights")
    with pytest.raises(InputError, match=f"{name}: not a readable file of weights"):
        load_encoder(encoder, tmp_path / name)


@pytest.mark.parametrize("content", [[1, 2], {"conv1.weight": "text"}, torch.ones(3), 7])
def test_a_file_of_other_objects(tmp_path: Path, encoder: nn.Module, content: object) -> None:
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(InputError, match=r"other.pt: (not a readable file of weights|\d+ arrays do not fit)"):
        load_encoder(encoder, tmp_path / "other.pt")


def test_nothing_in_a_file_is_executed(tmp_path: Path, encoder: nn.Module) -> None:
    class Harmful:
        def __reduce__(self):
            return Path.touch, (tmp_path / "executed",)

    for path, write in (
        (tmp_path / "a.pt", torch.save),
        (tmp_path / "b.pt", lambda o, p: p.write_bytes(pickle.dumps(o, 2))),
    ):
        write(Harmful(), path)
        with pytest.raises(InputError, match="not a readable file of weights"):
            load_encoder(encoder, path)
    assert not (tmp_path / "executed").exists()
