"""The networks: sizes, building blocks, names and pretrained weights."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from foci3d import nets
from foci3d.errors import InputError

ARCHITECTURES = {
    "cnn_fc": {"name": "cnn_fc", "widths": [4, 8], "kernel": 3, "hidden": 16},
    "conv_deconv": {"name": "conv_deconv", "widths": [4, 6, 8], "strides": [1, 2, 2], "kernel": 7},
    "resnet_cnn": {"name": "resnet_cnn", "stem_stride": 2, "head_width": 8},
    "encoder": {"name": "encoder", "stem_stride": 2},
}


def torchvision_shapes(inputs: int, classes: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of torchvision's ResNet-18, written out from its definition."""
    shapes: dict[str, tuple[int, ...]] = {"conv1.weight": (64, inputs, 7, 7)}

    def norm(name: str, width: int) -> None:
        shapes.update({f"{name}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")})
        shapes[f"{name}.num_batches_tracked"] = ()

    norm("bn1", 64)
    before = 64
    for stage, width in enumerate((64, 128, 256, 512), 1):
        for block in range(2):
            place = f"layer{stage}.{block}"
            shapes[f"{place}.conv1.weight"] = (width, before, 3, 3)
            shapes[f"{place}.conv2.weight"] = (width, width, 3, 3)
            norm(f"{place}.bn1", width)
            norm(f"{place}.bn2", width)
            if before != width:
                shapes[f"{place}.downsample.0.weight"] = (width, before, 1, 1)
                norm(f"{place}.downsample.1", width)
            before = width
    return {**shapes, "fc.weight": (classes, 512), "fc.bias": (classes,)}


def imagenet_weights() -> dict[str, torch.Tensor]:
    """Random weights in the form of those of ImageNet."""
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.rand(shape, generator=generator) if shape else torch.tensor(7)
        for name, shape in torchvision_shapes(3, 1000).items()
    }


@pytest.fixture
def encoder() -> nn.Module:
    return nets.build(ARCHITECTURES["resnet_cnn"], 2, 4, 51).get_submodule("encoder")


@pytest.mark.parametrize("pixels", [51, 32])
@pytest.mark.parametrize("name", ["conv_deconv", "resnet_cnn"])
def test_dense_networks_give_the_size_back(name: str, pixels: int) -> None:
    network = nets.build(ARCHITECTURES[name], 2, 4, pixels)
    assert network(torch.rand(2, 2, pixels, pixels)).shape == (2, 4, pixels, pixels)


@pytest.mark.parametrize("pixels", [51, 32])
@pytest.mark.parametrize("name", ["cnn_fc", "encoder"])
def test_other_networks_give_numbers(name: str, pixels: int) -> None:
    network = nets.build(ARCHITECTURES[name], 2, 20, pixels)
    assert network(torch.rand(2, 2, pixels, pixels)).shape == (2, 20)


def test_conv_deconv_is_three_convolutions_and_three_deconvolutions() -> None:
    network = nets.build(ARCHITECTURES["conv_deconv"], 2, 4, 51)
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)]
    assert [type(layer) for layer in layers] == [nn.Conv2d] * 3 + [nn.ConvTranspose2d] * 3
    assert all(layer.kernel_size == (7, 7) for layer in layers)
    assert [layer.stride[0] for layer in layers] == [1, 2, 2, 2, 2, 1]
    assert [layer.out_channels for layer in layers] == [4, 6, 8, 6, 4, 4]


def test_a_stride_of_one_keeps_the_size_of_the_picture() -> None:
    network = nets.build({**ARCHITECTURES["conv_deconv"], "strides": [1, 1, 1]}, 1, 1, 51)
    picture = torch.zeros(1, 1, 51, 51)
    for convolution in network.get_submodule("convolutions"):
        picture = convolution(picture)
        assert picture.shape[-2:] == (51, 51)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_weight_is_used(name: str) -> None:
    network = nets.build(ARCHITECTURES[name], 2, 4, 33)
    network(torch.rand(2, 2, 33, 33)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())


def test_encoder_is_torchvisions_resnet18() -> None:
    network = nets.build({"name": "encoder", "stem_stride": 2}, 3, 1000, 51)
    assert {name: tuple(values.shape) for name, values in network.state_dict().items()} == torchvision_shapes(3, 1000)
    assert nets.count_parameters(network) == 11_689_512  # as torchvision documents it


def test_the_pretext_network_starts_the_dense_one(tmp_path: Path, encoder: nn.Module) -> None:
    pretrained = nets.build(ARCHITECTURES["encoder"], 2, 8, 51)
    save_file(pretrained.state_dict(), tmp_path / "encoder.safetensors")
    nets.load_encoder(encoder, tmp_path / "encoder.safetensors")
    for name, values in encoder.state_dict().items():
        assert torch.equal(values, pretrained.state_dict()[name])


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_imagenet_weights_answer_equal_pictures_alike(tmp_path: Path, encoder: nn.Module, suffix: str) -> None:
    weights, path = imagenet_weights(), tmp_path / f"resnet18.{suffix}"
    save_file(weights, path) if suffix == "safetensors" else torch.save(weights, path)
    nets.load_encoder(encoder, path)
    picture = torch.rand(1, 1, 51, 51)
    expected = nn.functional.conv2d(picture.expand(-1, 3, -1, -1), weights["conv1.weight"], stride=2, padding=3)
    torch.testing.assert_close(encoder.get_submodule("conv1")(picture.expand(-1, 2, -1, -1)), expected)
    assert torch.equal(encoder.state_dict()["layer4.1.conv2.weight"], weights["layer4.1.conv2.weight"])


def test_old_imagenet_weights_without_counts(tmp_path: Path, encoder: nn.Module) -> None:
    weights = {name: values for name, values in imagenet_weights().items() if "num_batches" not in name}
    torch.save(weights, tmp_path / "old.pt")
    nets.load_encoder(encoder, tmp_path / "old.pt")
    assert torch.equal(encoder.state_dict()["bn1.bias"], weights["bn1.bias"])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"bn1.bias": None}, r"1 of its arrays do not fit, the first are bn1.bias \(found None, expected \(64,\)\)"),
        ({"head.bias": torch.ones(3)}, r"the first are head.bias \(found \(3,\), expected None\)"),
        ({"conv1.weight": torch.ones(64, 5, 7, 7)}, r"conv1.weight \(found \(64, 5, 7, 7\), expected \(64, 2, 7, 7\)"),
    ],
)
def test_weights_of_something_else(tmp_path: Path, encoder: nn.Module, change: dict, sentence: str) -> None:
    weights = {name: values for name, values in {**imagenet_weights(), **change}.items() if values is not None}
    save_file(weights, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match=rf"other.safetensors: .*{sentence}"):
        nets.load_encoder(encoder, tmp_path / "other.safetensors")


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pt"])
def test_a_file_that_holds_no_weights(tmp_path: Path, encoder: nn.Module, name: str) -> None:
    (tmp_path / name).write_bytes(b"no weights at all")
    with pytest.raises(InputError, match=f"{name}: not a readable file of weights"):
        nets.load_encoder(encoder, tmp_path / name)


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
            nets.load_encoder(encoder, path)
    assert not (tmp_path / "executed").exists()
