"""The files of a trained model: weights as safetensors, and everything else about it as JSON (`ModelDescription`)."""

import hashlib
import json
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import torch
from pydantic import Field, ValidationError
from safetensors.torch import load, save
from torch import Tensor, nn

from foci3d.config.architectures import Architecture
from foci3d.config.fields import Count, Positive, Precision, Section
from foci3d.config.training import TrainingConfig
from foci3d.errors import InputError
from foci3d.io.atomic import atomic_path
from foci3d.io.model_files import ModelFiles
from foci3d.learning.networks import NETWORKS, build_network
from foci3d.learning.weights import find_misfits
from foci3d.optics.symmetries import Symmetry

log = logging.getLogger(__name__)

KIND: Final = "foci3d-model"
VERSION: Final = 3

CHECKED = {
    "task": "task",
    "in_channels": "sensors",
    "n_layers": "layers",
    "n_pixels": "pixels in y and x",
    "classes_um": "depth classes",
    "sensor_separation_um": "sensor_separation_um",
}
"""What `check_model` compares: fields of the description, with their names in messages."""


class LayerDepth(Section):
    """Depths of a layer in the training split [um]."""

    mean: float
    sd: float

    @classmethod
    def from_depths(cls, depths_um: Tensor, depth_range_um: tuple[float, float]) -> Self:
        """Mean and standard deviation of `depths_um (N,)`; those that are NaN are left out.

        What too few depths leave undefined is that of a uniform distribution over the range of the dataset.

        >>> LayerDepth.from_depths(torch.tensor([100.0, 200.0, torch.nan, 300.0]), (0.0, 1000.0))
        LayerDepth(mean=200.0, sd=100.0)
        """
        low, high = depth_range_um
        defined = depths_um[~depths_um.isnan()]
        return cls(
            mean=defined.mean().item() if len(defined) else (low + high) / 2,
            sd=defined.std().item() if len(defined) > 1 else (high - low) / math.sqrt(12),
        )


class Digests(Section):
    """Digests of what a model was made from, and of its weights."""

    code: str
    data: str
    psf: str
    encoder: str | None = None
    initial_model: str | None = None
    weights: str = ""


class ModelDescription(Section):
    """Everything about a model but its weights.

    `network` and `dataset` are names; `symmetries` are those of the point-spread function of the training data;
    `normalization` is that of the measurements; `precision` is that of the training; `best_step` and `validation_score`
    belong to the weights; `versions` are those of the software.
    """

    kind: Literal["foci3d-model"] = KIND
    version: Literal[3] = VERSION
    network: str
    dataset: str
    task: str
    architecture: Annotated[Architecture, NETWORKS]
    in_channels: Count
    out_channels: Count
    n_pixels: Annotated[Count, Field(le=4096)]
    n_layers: Count
    n_parameters: int
    layer_depths_um: tuple[LayerDepth, ...]
    classes_um: tuple[float, ...]
    pixel_pitch_um: Positive
    sensor_separation_um: Positive
    is_sensor_symmetric: bool
    symmetries: tuple[Symmetry, ...] = tuple(Symmetry)
    normalization: str
    training: TrainingConfig
    precision: Precision
    best_step: int
    validation_score: float
    seed: int
    versions: dict[str, str]
    digests: Digests

    def imager_ranges(self) -> dict[str, tuple[float, float]]:
        """Intervals of the optics, geometry and noise that the model was trained for, by name."""
        if self.training.imagers:
            return {name: value for name, value in self.training.imagers if isinstance(value, tuple)}
        values = {"pixel_pitch_um": self.pixel_pitch_um, "sensor_separation_um": self.sensor_separation_um}
        return {name: (value, value) for name, value in values.items()}

    def build_network(self) -> nn.Module:
        """The network with random weights."""
        return build_network(self.architecture, self.in_channels, self.out_channels, self.n_pixels)


def save_model(
    network: nn.Module, description: ModelDescription, description_path: str | Path, weights_path: str | Path
) -> None:
    """Write the weights of a network, and its description with their digest."""
    save_weights(network.state_dict(), description, description_path, weights_path)


def save_weights(
    weights: Mapping[str, Tensor],
    description: ModelDescription,
    description_path: str | Path,
    weights_path: str | Path,
) -> None:
    """Write weights by name, and a description with their digest."""
    content = save({name: values.contiguous() for name, values in weights.items()})
    digests = description.digests.model_copy(update={"weights": content_digest(content)})
    description = description.model_copy(update={"digests": digests})
    with atomic_path(weights_path) as path:
        path.write_bytes(content)
    with atomic_path(description_path) as path:
        path.write_text(description.model_dump_json(indent=2) + "\n")


def read_description(path: str | Path) -> ModelDescription:
    """Read the description of a model.

    Raises
    ------
    InputError
        If the file is missing, damaged, of another kind or version, or names a network that is not registered.
    """
    try:
        text = Path(path).read_text()
        content: Any = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read; expected the JSON file of a model, train it again.") from error
    found = tuple(content.get(key) for key in ("kind", "version")) if isinstance(content, dict) else (None, None)
    if found != (KIND, VERSION):
        raise InputError(
            f"{path}: found kind {found[0]}, version {found[1]}; expected a model of kind {KIND}, version "
            f"{VERSION}, train the model again."
        )
    try:
        return ModelDescription.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{path}: {key}: {first['msg']}; expected the JSON file of a model, train it again."
        ) from error


def read_model(description_path: str | Path, weights_path: str | Path) -> tuple[ModelDescription, dict[str, Tensor]]:
    """Read the description and the weights of a model.

    Raises
    ------
    InputError
        If a file is missing, damaged or of another kind, or the two do not belong together.
    """
    description = read_description(description_path)
    try:
        content = Path(weights_path).read_bytes()
    except OSError as error:
        raise InputError(f"{weights_path}: cannot be read; expected the weights of a model, train it again.") from error
    if content_digest(content) != description.digests.weights:
        raise InputError(
            f"{weights_path}: does not match the digest in {description_path}, so it is damaged or belongs to another "
            "model; delete both and train again."
        )
    try:
        weights = load(content)
    except Exception as error:  # beside SafetensorError, KeyError for types that torch does not have
        raise InputError(f"{weights_path}: not readable weights ({error}); train the model again.") from error
    _require_fit(weights_path, weights, description)
    return description, weights


def start_from_model(network: nn.Module, path: str | Path) -> None:
    """Give a network the weights of a model where their names and shapes fit; the others remain.

    Raises
    ------
    InputError
        If the model cannot be read, or none of its weights fits.
    """
    weights = read_model(path, ModelFiles(Path(path)).weights)[1]
    expected = network.state_dict()
    misfits = {*find_misfits(weights, expected)}
    fitting = {name: values for name, values in weights.items() if name not in misfits}
    if not fitting:
        raise InputError(
            f"{path}: none of its {len(weights)} arrays fits the network; expected a model of the same architecture, "
            "correct initial_model."
        )
    log.info("%d of %d arrays are those of %s, the others are random", len(fitting), len(expected), path)
    network.load_state_dict(fitting, strict=False)


def _require_fit(path: str | Path, weights: dict[str, Tensor], description: ModelDescription) -> None:
    """Raise InputError where weights are not those of the network that is described; allocates nothing for it."""
    try:
        with torch.device("meta"):
            expected = description.build_network().state_dict()
    except NotImplementedError:  # a network of a plugin that computes with its initial weights
        expected = description.build_network().state_dict()
    except Exception as error:  # settings may ask for anything
        raise InputError(f"{path}: the network of its description cannot be built ({error}); train again.") from error
    misfits = sorted(find_misfits(weights, expected))
    if misfits:
        raise InputError(
            f"{path}: {len(misfits)} arrays do not fit the network {description.network} or are not finite, first "
            f"{misfits[0]}, so the model is damaged or was made by other code; train it again."
        )


def check_model(path: str | Path, description: ModelDescription, expected: Mapping[str, Any]) -> None:
    """Check that a model does what a network of the configuration does.

    Parameters
    ----------
    path : str or Path
        File of the description.
    description : ModelDescription
        The description.
    expected : mapping
        Values that the description must have, by the names of its fields: some of those in `CHECKED`.

    Raises
    ------
    InputError
        If it has another one.
    """
    for name, value in expected.items():
        found, wanted = _in_words(getattr(description, name)), _in_words(value)
        if found != wanted:
            raise InputError(
                f"{path}: found {CHECKED[name]} {found}; expected {wanted} as configured, choose another model."
            )


def _in_words(value: str | float | Sequence[float]) -> str:
    """A value of a description for a message; depth classes, which are in even steps, by the first and the last."""
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return f"{value[0]:g} to {value[-1]:g} um in {len(value)} classes" if value else "none"
    return f"{value:g}"


def content_digest(content: bytes) -> str:
    """Digest of the content of a file, 16 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()[:16]
