"""A trained model: its weights as safetensors and, as JSON, everything else there is to know about it.

The JSON holds `net`, `task` and `set`; `architecture`, `inputs`, `outputs` and `pixels`, from which the network is
built; `sensors`, `layers`, `classes_um`, and `layer_depths_um`, mean and sd of each layer's depth in the training set;
`pixel_pitch_um`, `sensor_separation_um`, `normalisation`; `training` as it was resolved, `parameters`, `best_step`,
`validation_score` and `seed`; `digests` of weights, psf, data and code; and `versions` of the software.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load, save
from torch import nn

from foci3d import nets, tasks
from foci3d.errors import InputError
from foci3d.store import replacing

KIND = {"kind": "foci3d-model", "version": 1}


@dataclass(frozen=True)
class Model:
    """A network with its description.

    Parameters
    ----------
    network : torch.nn.Module
        The network, in evaluation mode, on the CPU.
    description : mapping
        What the module describes.
    """

    network: nn.Module
    description: Mapping[str, Any]

    @property
    def task(self) -> tasks.Task:
        """What the network was asked."""
        known = self.description
        return tasks.make_task(known["task"], known["layers"], known["classes_um"])

    @property
    def pixels(self) -> int:
        """Pixels of the pictures in y and x."""
        return self.description["pixels"]

    @property
    def layer_depths_um(self) -> list[dict[str, float]]:
        """Mean and sd of the depth of each layer in the training set [um]."""
        return self.description["layer_depths_um"]


def save_model(
    network: nn.Module, description: Mapping[str, Any], description_path: str | Path, weights_path: str | Path
) -> None:
    """Write a network's weights and its description, which gets their digest."""
    content = save({name: values.contiguous() for name, values in network.state_dict().items()})
    digests = {**description["digests"], "weights": _digest(content)}
    with replacing(weights_path) as path:
        path.write_bytes(content)
    with replacing(description_path) as path:
        path.write_text(json.dumps({**KIND, **description, "digests": digests}, indent=2) + "\n")


def load_model(description_path: str | Path, weights_path: str | Path) -> Model:
    """Read a model.

    Parameters
    ----------
    description_path : str or Path
        JSON file.
    weights_path : str or Path
        The safetensors file beside it.

    Returns
    -------
    Model
        On the CPU, ready to be applied.

    Raises
    ------
    InputError
        If a file is missing, damaged or of another kind, or the two do not belong together.
    """
    description = _read_description(description_path)
    try:
        content = Path(weights_path).read_bytes()
    except OSError as error:
        raise InputError(f"{weights_path}: cannot be read; expected the weights of a model, train it again.") from error
    if _digest(content) != description["digests"]["weights"]:
        raise InputError(
            f"{weights_path}: does not match the digest in {description_path}, it is damaged or of another model; "
            "delete both and train again."
        )
    network = nets.build(
        description["architecture"], description["inputs"], description["outputs"], description["pixels"]
    )
    network.load_state_dict(load(content))
    return Model(network.eval(), description)


def _read_description(path: str | Path) -> dict[str, Any]:
    try:
        description = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read; expected the JSON file of a model, train it again.") from error
    if not isinstance(description, dict) or not KIND.items() <= description.items():
        raise InputError(
            f"{path}: expected the JSON file of a model, with kind {KIND['kind']} and version {KIND['version']}; "
            "train the model again."
        )
    return description


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
