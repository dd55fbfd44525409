"""Models: written and read back, and errors for files that do not fit."""

import json
import math
from pathlib import Path

import pytest
import torch

from foci3d.errors import InputError
from foci3d.learning.model import load_model
from foci3d.learning.model_file import (
    LayerDepth,
    ModelDescription,
    content_digest,
    read_description,
    save_model,
    start_from_model,
)

Files = tuple[Path, Path]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return tmp_path / "small.json", tmp_path / "small.safetensors"


@pytest.fixture
def network(files: Files, model_description: ModelDescription) -> torch.nn.Module:
    """A network, saved in `files`."""
    torch.manual_seed(0)
    network = model_description.build_network().to(memory_format=torch.channels_last)
    network(torch.rand(4, 2, 13, 13))  # so that batch normalization has statistics
    save_model(network, model_description, *files)
    return network.eval()


def test_round_trip(files: Files, network: torch.nn.Module, model_description: ModelDescription) -> None:
    model = load_model(files[0])
    measurements = torch.rand(2, 2, 13, 13)
    torch.testing.assert_close(model.network(measurements), network(measurements))
    assert not model.network.training
    assert model.task.n_outputs == 3
    digests = {**model_description.digests.model_dump(), "weights": model.description.digests.weights}
    assert model.description.model_dump() == {**model_description.model_dump(), "digests": digests}


def test_a_training_starts_from_the_weights_that_fit(
    files: Files, network: torch.nn.Module, model_description: ModelDescription
) -> None:
    more_outputs = model_description.model_copy(update={"out_channels": model_description.out_channels + 2})
    started = more_outputs.build_network()
    random = {name: values.clone() for name, values in started.state_dict().items()}
    start_from_model(started, files[0])
    saved, unlike = network.state_dict(), set()
    for name, values in started.state_dict().items():
        fits = saved[name].shape == values.shape
        torch.testing.assert_close(values, saved[name] if fits else random[name])
        unlike |= set() if fits else {name}
    assert unlike
    assert len(unlike) < len(random)
    with pytest.raises(InputError, match=r"small.json: none of its \d+ arrays fits"):
        start_from_model(torch.nn.Linear(2, 3), files[0])


def test_equal_models_have_equal_bytes(
    files: Files, network: torch.nn.Module, model_description: ModelDescription
) -> None:
    before = [path.read_bytes() for path in files]
    save_model(network, model_description, *files)
    assert [path.read_bytes() for path in files] == before


def test_weights_of_another_model(
    files: Files, network: torch.nn.Module, model_description: ModelDescription, tmp_path: Path
) -> None:
    save_model(model_description.build_network(), model_description, tmp_path / "other.json", files[1])
    with pytest.raises(InputError, match=r"small.safetensors: does not match the digest in .*small.json"):
        load_model(files[0])


def test_a_flipped_bit(files: Files, network: torch.nn.Module) -> None:
    content = bytearray(files[1].read_bytes())
    content[-1] ^= 1
    files[1].write_bytes(content)
    with pytest.raises(InputError, match=r"small.safetensors: does not match .* delete both and train again"):
        load_model(files[0])


@pytest.mark.parametrize("content", ["", "{"])
def test_a_description_that_is_not_json(files: Files, content: str) -> None:
    files[0].write_text(content)
    with pytest.raises(InputError, match=r"small.json: cannot be read; expected the JSON file of a model"):
        load_model(files[0])


@pytest.mark.parametrize("content", [[], {}, {"kind": "foci3d-model", "version": 1, "net": "old"}])
def test_a_description_of_another_kind_or_version(files: Files, content: object) -> None:
    files[0].write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"expected a model of kind foci3d-model, version 3, train the model again"):
        load_model(files[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_pixels": 12.5}, "n_pixels: Input should be a valid integer"),
        ({"colour": 1}, "colour: Extra inputs are not permitted"),
        ({"precision": "float16"}, "precision: Input should be 'float32' or 'bfloat16'"),
        ({"architecture": {"name": "mine"}}, r"architecture.name: expected one of .*conv_deconv"),
        ({"training": {"max_steps": 0}}, "training.max_steps: Input should be greater than or equal to 1"),
    ],
)
def test_a_description_with_a_wrong_key(
    files: Files, network: torch.nn.Module, change: dict[str, object], message: str
) -> None:
    files[0].write_text(json.dumps({**json.loads(files[0].read_text()), **change}))
    with pytest.raises(InputError, match=f"small.json: {message}"):
        read_description(files[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sensor_separation_um": 0}, "sensor_separation_um: Input should be greater than 0"),
        ({"pixel_pitch_um": -1}, "pixel_pitch_um: Input should be greater than 0"),
        ({"n_pixels": 2**40}, "n_pixels: Input should be less than or equal to 4096"),
        ({"n_layers": 4}, "found depths of 3 layers and 3 outputs; expected 4 and 4 for 4 layers and the task masks"),
        ({"task": "stacks"}, "found depths of 3 layers and 3 outputs; expected 3 and 12"),
    ],
)
def test_a_description_that_contradicts_itself(
    files: Files, network: torch.nn.Module, changes: dict[str, object], message: str
) -> None:
    files[0].write_text(json.dumps({**json.loads(files[0].read_text()), **changes}))
    with pytest.raises(InputError, match=f"small.json: {message}"):
        load_model(files[0])


@pytest.mark.parametrize("dtype", ["F4", "F8_E8M0", "F8_E4M3", "C64", "I32", "NaN"])
def test_weights_of_types_that_hold_no_weights(
    files: Files, network: torch.nn.Module, model_description: ModelDescription, dtype: str
) -> None:
    """Even if their digest is right."""
    size = int.from_bytes(files[1].read_bytes()[:8], "little")
    header, values = json.loads(files[1].read_bytes()[8 : 8 + size]), files[1].read_bytes()[8 + size :]
    if dtype == "NaN":
        values = b"\xff" * len(values)
    else:
        one = {"F4": 0.5, "F8_E8M0": 1, "F8_E4M3": 1, "C64": 8, "I32": 4}[dtype]
        header = {"only": {"dtype": dtype, "shape": [int(8 / one)], "data_offsets": [0, 8]}}
        values = values[:8]
    text = json.dumps(header).encode()
    content = len(text).to_bytes(8, "little") + text + values
    files[1].write_bytes(content)
    description = json.loads(files[0].read_text())
    description["digests"]["weights"] = content_digest(content)
    files[0].write_text(json.dumps(description))
    with pytest.raises(InputError, match=r"small.safetensors: (not readable weights|\d+ arrays do not fit)"):
        load_model(files[0])


def test_a_separation_that_is_not_positive(files: Files, network: torch.nn.Module) -> None:
    for separation_um in (0, -1, math.nan, math.inf):
        with pytest.raises(InputError, match=r"sensor separation: found .* expected a positive number"):
            load_model(files[0], sensor_separation_um=separation_um)


@pytest.mark.parametrize("missing", [0, 1])
def test_a_missing_file(files: Files, network: torch.nn.Module, missing: int) -> None:
    files[missing].unlink()
    with pytest.raises(InputError, match=f"{files[missing].name}: cannot be read"):
        load_model(files[0])


@pytest.mark.parametrize(
    ("depths_um", "mean", "sd"),
    [([], 500, 1000 / 12**0.5), ([200.0], 200, 1000 / 12**0.5), ([200.0, 300.0], 250, 50 * 2**0.5)],
)
def test_depths_of_a_layer_that_few_samples_have_are_defined(depths_um: list[float], mean: float, sd: float) -> None:
    layer = LayerDepth.from_depths(torch.tensor([*depths_um, torch.nan]), (0.0, 1000.0))
    assert (layer.mean, layer.sd) == pytest.approx((mean, sd))
