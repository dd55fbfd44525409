"""Models: written and read back, and sentences for files that do not fit."""

import json
from pathlib import Path

import pytest
import torch

from foci3d import nets
from foci3d.errors import InputError
from foci3d.models import Model, load_model, save_model

DESCRIPTION = {
    "net": "small",
    "task": "masks",
    "architecture": {"name": "conv_deconv", "widths": [4, 6], "strides": [1, 2], "kernel": 3},
    "inputs": 2,
    "outputs": 3,
    "pixels": 12,
    "layers": 3,
    "classes_um": [],
    "layer_depths_um": [{"mean": 100.0, "sd": 20.0}] * 3,
    "digests": {"data": "abc"},
}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "small.json", tmp_path / "small.safetensors"


@pytest.fixture
def network(files: tuple[Path, Path]) -> torch.nn.Module:
    """A network, written to `files`."""
    torch.manual_seed(0)
    network = nets.build(DESCRIPTION["architecture"], 2, 3, 12).to(memory_format=torch.channels_last)
    network(torch.rand(4, 2, 12, 12))  # so that the norms have seen something
    save_model(network, DESCRIPTION, *files)
    return network.eval()


def test_round_trip(files: tuple[Path, Path], network: torch.nn.Module) -> None:
    model = load_model(*files)
    pictures = torch.rand(2, 2, 12, 12)
    torch.testing.assert_close(model.network(pictures), network(pictures))
    assert not model.network.training
    assert (model.pixels, model.layer_depths_um) == (12, DESCRIPTION["layer_depths_um"])
    assert model.task.outputs == 3
    assert model.description["digests"]["data"] == "abc"


def test_equal_models_have_equal_bytes(files: tuple[Path, Path], network: torch.nn.Module) -> None:
    before = [path.read_bytes() for path in files]
    save_model(network, DESCRIPTION, *files)
    assert [path.read_bytes() for path in files] == before


def test_weights_of_another_model(files: tuple[Path, Path], network: torch.nn.Module, tmp_path: Path) -> None:
    other = tmp_path / "other.json", tmp_path / "other.safetensors"
    save_model(nets.build(DESCRIPTION["architecture"], 2, 3, 12), DESCRIPTION, *other)
    with pytest.raises(InputError, match=r"other.safetensors: does not match the digest in .*small.json"):
        load_model(files[0], other[1])


def test_a_flipped_bit(files: tuple[Path, Path], network: torch.nn.Module) -> None:
    content = bytearray(files[1].read_bytes())
    content[-1] ^= 1
    files[1].write_bytes(content)
    with pytest.raises(InputError, match=r"small.safetensors: does not match .* delete both and train again"):
        load_model(*files)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", json.dumps({"kind": "foci3d-model", "version": 0})])
def test_a_description_of_something_else(files: tuple[Path, Path], network: torch.nn.Module, content: str) -> None:
    files[0].write_text(content)
    with pytest.raises(InputError, match=r"small.json: .*expected the JSON file of a model"):
        load_model(*files)


@pytest.mark.parametrize("missing", [0, 1])
def test_a_missing_file(files: tuple[Path, Path], network: torch.nn.Module, missing: int) -> None:
    files[missing].unlink()
    with pytest.raises(InputError, match=f"{files[missing].name}: cannot be read"):
        load_model(*files)


def test_a_model_needs_no_files() -> None:
    model = Model(nets.build(DESCRIPTION["architecture"], 2, 3, 12), DESCRIPTION)
    assert model.pixels == 12
