"""A training from shards to the files of a model: open the data, build the network, train, describe and save."""

import logging
import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from foci3d.config.architectures import Architecture, names_of_architectures
from foci3d.config.datasets import DatasetConfig
from foci3d.config.fields import PrecisionChoice
from foci3d.config.imager import ImagerConfig
from foci3d.config.tasks import TASKS
from foci3d.config.training import TrainingConfig
from foci3d.errors import InputError
from foci3d.io import hdf5, shards
from foci3d.io.atomic import atomic_path
from foci3d.io.digests import digest
from foci3d.learning.batches import TrainingBatches
from foci3d.learning.datasets import ShardDataset, open_dataset
from foci3d.learning.device import resolve_device, resolve_precision
from foci3d.learning.distributed import local_device, local_rank
from foci3d.learning.imagers import RandomImagers, TrainingImager
from foci3d.learning.model_file import (
    Digests,
    LayerDepth,
    ModelDescription,
    content_digest,
    read_description,
    save_model,
    start_from_model,
)
from foci3d.learning.networks import NETWORKS, PhysicsNetwork, build_network, count_parameters, load_encoder
from foci3d.learning.symmetries import is_sensor_symmetric
from foci3d.learning.tasks import NORMALIZATION, Task, make_task
from foci3d.learning.training import TrainingSetup, TrainingState, fit
from foci3d.optics.forward import ForwardModel
from foci3d.optics.psf import PSF
from foci3d.optics.symmetries import Symmetry

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingRun:
    """Everything that decides the weights of a network, but for the data.

    Parameters
    ----------
    network, dataset_name : str
        Names of the network and of the dataset it is trained on.
    task : str
        Name of its task, see `foci3d.learning.tasks`.
    architecture : Architecture
        Settings of the network.
    training : TrainingConfig
        How it is trained.
    dataset : DatasetConfig
        Configuration of the dataset.
    imager : ImagerConfig
        Configuration of the imager.
    device, precision : str
        As requested: ``auto`` or a device, ``auto`` or a precision.
    seed : int
        Root of the random numbers.
    """

    network: str
    dataset_name: str
    task: str
    architecture: Annotated[Architecture, NETWORKS]
    training: TrainingConfig
    dataset: DatasetConfig
    imager: ImagerConfig
    device: str
    precision: PrecisionChoice
    seed: int

    def __post_init__(self) -> None:
        if not self.architecture.fits(task := TASKS[self.task]):
            names = " or ".join(names_of_architectures(task))
            raise InputError(f"architecture.name is {self.architecture.name}; expected {names} for task {self.task}.")

    def make_task(self) -> Task:
        """The task of the network."""
        return make_task(self.task, self.dataset.n_layers, self.dataset.depth_classes_um)

    def initialize_network(self, encoder: Path | None = None, initial_model: Path | None = None) -> nn.Module:
        """The network with the weights that it starts from: random, of a pretrained encoder or of another model."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            n_outputs = self.make_task().n_outputs
            network = build_network(self.architecture, self.dataset.n_sensors, n_outputs, self.imager.n_pixels)
        if encoder:
            load_encoder(network.get_submodule("encoder"), encoder)
        if initial_model:
            start_from_model(network, initial_model)
        return network

    def digest(self) -> str:
        """Digest of everything above; the same on every machine."""
        return digest(TypeAdapter(TrainingRun).dump_python(self, mode="json"))


@dataclass(frozen=True)
class TrainingInputs:
    """What a network is trained from.

    Parameters
    ----------
    train, validation : sequence of Path
        Shards of the two splits.
    psf : Path
        Point-spread function.
    code : str
        Digest of the code of the training.
    encoder : Path, optional
        Weights that its encoder starts from.
    initial_model : Path, optional
        JSON file of the model that it starts from.
    """

    train: Sequence[Path]
    validation: Sequence[Path]
    psf: Path
    code: str
    encoder: Path | None = None
    initial_model: Path | None = None

    def digests(self) -> Digests:
        """Digests of the contents."""
        return Digests(
            code=self.code,
            data=_shards_digest([*self.train, *self.validation]),
            psf=PSF.load(self.psf).digest,
            encoder=content_digest(self.encoder.read_bytes()) if self.encoder else None,
            initial_model=read_description(self.initial_model).digests.weights if self.initial_model else None,
        )


@dataclass(frozen=True)
class TrainedNetwork:
    """The result of a training.

    Parameters
    ----------
    network : torch.nn.Module
        The network with its best weights.
    description : ModelDescription
        Everything else about the model.
    curves : DataFrame
        One row per validation, see `TrainingState`.
    checkpoint : Path
        Checkpoint of the training, which is removed once the model is saved.
    """

    network: nn.Module
    description: ModelDescription
    curves: pd.DataFrame
    checkpoint: Path

    def save(self, weights: Path, model: Path, curves: Path) -> None:
        """Write weights (safetensors), description (JSON) and curves (CSV); of several processes, the first does it."""
        if local_rank() > 0:
            return
        save_model(self.network, self.description, model, weights)
        with atomic_path(curves) as path:
            self.curves.to_csv(path, index=False)
        self.checkpoint.unlink()


def run_training(run: TrainingRun, inputs: TrainingInputs, folder: Path, n_devices: int = 1) -> TrainedNetwork:
    """Train a network.

    Parameters
    ----------
    run : TrainingRun
        What to train, and how.
    inputs : TrainingInputs
        What to train it from.
    folder : Path
        Where checkpoints are saved. A checkpoint of the same run and inputs is resumed from.
    n_devices : int
        GPUs, or processes on the CPU, that divide the batches. With more than one, the main script of this process is
        started once more for each other device.

    Returns
    -------
    TrainedNetwork
        The network, ready to be saved.

    Raises
    ------
    InputError
        If an input cannot be read or does not fit the configuration.
    """
    device = local_device(resolve_device(run.device), n_devices)
    torch.set_num_threads(max(1, torch.get_num_threads() // n_devices))
    precision = resolve_precision(run.precision, device)
    log.info("%s on %s in %s", run.network, device, precision)
    train = _open_split(run, inputs.train, device, min_samples=run.training.batch_size)
    validation = _open_split(run, inputs.validation, device)
    psf = PSF.load(inputs.psf)
    log.info("symmetries of the point-spread function: %s", ", ".join(psf.symmetries))
    separation_um = run.imager.sensor_separation_um
    forward = ForwardModel(psf, run.imager.n_pixels, run.dataset.n_sensors, separation_um).to(device)
    network = run.initialize_network(inputs.encoder, inputs.initial_model).to(device)
    if isinstance(network, PhysicsNetwork):
        network.set_optics(forward)
    digests = inputs.digests()
    setup = TrainingSetup(
        network=network,
        task=run.make_task(),
        batches=_training_batches(run, train, network, TrainingImager(forward, symmetries=psf.symmetries)),
        validation=validation.load(),
        config=run.training,
        device=device,
        precision=precision,
        checkpoint=_checkpoint_path(folder, run.network, digest([run.digest(), digests.model_dump()])),
        n_devices=n_devices,
    )
    state = fit(setup)
    network.load_state_dict(state.best_weights)
    depths_um = train.samples.depths_um.load().double()
    if run.dataset.varies_layers:
        depths_um = torch.where(train.has_cells, depths_um, math.nan)
    description = _describe(run, network, depths_um, psf.symmetries, state, digests)
    return TrainedNetwork(network, description, pd.DataFrame(state.curves), setup.checkpoint)


def _training_batches(
    run: TrainingRun, train: ShardDataset, network: nn.Module, imager: TrainingImager
) -> TrainingBatches:
    """Batches for the configured imager, or for those of `training.imagers`."""
    imagers: Sequence[TrainingImager] = [imager]
    if ranges := run.training.imagers:
        transfer_functions = network.bank.transfer_functions if isinstance(network, PhysicsNetwork) else None
        imagers = RandomImagers(ranges, run.imager, run.dataset, run.seed, train.device, transfer_functions)
    return TrainingBatches(train, run.training, run.dataset, imagers, run.imager.sensor_separation_um, run.seed)


def _open_split(run: TrainingRun, paths: Sequence[Path], device: torch.device, min_samples: int = 1) -> ShardDataset:
    split = open_dataset(paths, device)
    field = (run.imager.n_pixels, run.imager.n_pixels)
    expected = {"measurements": (run.dataset.n_sensors, *field), "layers": (run.dataset.n_layers, *field)}
    found = {name: split.samples.arrays()[name].shape[1:] for name in expected}
    if found != expected:
        raise InputError(
            f"{paths[0]}: the shapes of its arrays are {found}; expected {expected} as configured, delete it and run "
            "again."
        )
    if len(split) < min_samples:
        raise InputError(
            f"{paths[0]}: there are {len(split)} samples to train on; expected at least the {min_samples} of a batch, "
            "lower training.batch_size."
        )
    return split


def _checkpoint_path(folder: Path, network: str, key: str) -> Path:
    """File of the checkpoint of this training; checkpoints of the network with another key are removed."""
    checkpoint = folder / f".{network}.{key}.checkpoint"
    for path in folder.glob(f".{network}.*.checkpoint"):
        if path != checkpoint:
            path.unlink()
    return checkpoint


def _shards_digest(paths: Sequence[Path]) -> str:
    contents = []
    for path in paths:
        with hdf5.open_checked(path, shards.FORMAT) as file:
            contents.append({name: hdf5.read_attributes(array)["sha256"] for name, array in file.items()})
    return digest(contents)


def _describe(
    run: TrainingRun,
    network: nn.Module,
    depths_um: Tensor,
    symmetries: tuple[Symmetry, ...],
    state: TrainingState,
    digests: Digests,
) -> ModelDescription:
    """Description of a trained network; `depths_um` (N, L) are the depths of its training split, or NaN [um]."""
    depth_range_um = run.dataset.depth_range_um
    return ModelDescription(
        network=run.network,
        dataset=run.dataset_name,
        task=run.task,
        architecture=run.architecture,
        in_channels=run.dataset.n_sensors,
        out_channels=run.make_task().n_outputs,
        n_pixels=run.imager.n_pixels,
        n_layers=run.dataset.n_layers,
        n_parameters=count_parameters(network),
        layer_depths_um=tuple(LayerDepth.from_depths(layer, depth_range_um) for layer in depths_um.T),
        classes_um=run.dataset.depth_classes_um,
        pixel_pitch_um=run.imager.pixel_pitch_um,
        sensor_separation_um=run.imager.sensor_separation_um,
        is_sensor_symmetric=is_sensor_symmetric(run.dataset, run.imager.sensor_separation_um),
        symmetries=symmetries,
        normalization=NORMALIZATION,
        training=run.training,
        precision=state.precision,
        best_step=int(state.best["step"]),
        validation_score=state.best["validation_score"],
        seed=run.seed,
        versions={name: version(name) for name in ("foci3d", "torch", "lightning", "monai")}
        | {"python": platform.python_version()},
        digests=digests,
    )
