"""A training as the configuration describes it, from shards to the files of the model."""

import hashlib
import logging
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from foci3d import models, nets, provenance, shards, store, tasks, train
from foci3d.batches import make_batches
from foci3d.blur import Blur
from foci3d.compute import find_device, find_precision
from foci3d.errors import InputError
from foci3d.optics import Psf
from foci3d.tasks import Task

log = logging.getLogger(__name__)

PRECISIONS: dict[str, Literal["32-true", "bf16-mixed"]] = {"float32": "32-true", "bfloat16": "bf16-mixed"}
"""Lightning's names."""


@dataclass(frozen=True)
class Plan:
    """What to train, and how.

    Parameters
    ----------
    net, set, task : str
        Name of the network, of the set it is trained on, and of its task in `foci3d.tasks`.
    architecture : mapping
        What `foci3d.nets` builds.
    training : Training
        How it is trained.
    entry, imager, compute : mapping
        Configuration of the set, of the imager and of what to compute with.
    seed : int
        Root of the random numbers.
    code : str
        Digest of the code.
    """

    net: str
    set: str
    task: str
    architecture: Mapping[str, Any]
    training: train.Training
    entry: Mapping[str, Any]
    imager: Mapping[str, Any]
    compute: Mapping[str, Any]
    seed: int
    code: str

    def make_task(self) -> Task:
        """What the network is asked."""
        return tasks.make_task(self.task, self.entry["layers"], tasks.depth_classes_um(self.entry))

    @property
    def shape(self) -> dict[str, Any]:
        """Architecture, inputs, outputs and pixels, from which the network is built."""
        return {
            "architecture": self.architecture,
            "inputs": len(self.entry["sensors"]),
            "outputs": self.make_task().outputs,
            "pixels": self.imager["pixels"],
        }


@dataclass(frozen=True)
class Sources:
    """What a network is trained from.

    Parameters
    ----------
    train, validation : sequence of str
        Shards of the two splits.
    psf : str
        Point-spread function.
    encoder : str, optional
        Weights that its encoder starts from.
    """

    train: Sequence[str]
    validation: Sequence[str]
    psf: str
    encoder: str | None = None

    def digests(self) -> dict[str, str]:
        """Digest of the content, by source."""
        found = {"data": _shards_digest([*self.train, *self.validation]), "psf": Psf.load(self.psf).digest}
        if self.encoder:
            found["encoder"] = hashlib.sha256(Path(self.encoder).read_bytes()).hexdigest()[:16]
        return found


def carry_out(plan: Plan, sources: Sources, weights: str, model: str, curves: str) -> None:
    """Train a network and write its model.

    Parameters
    ----------
    plan : Plan
        What to train, and how.
    sources : Sources
        From what.
    weights, model, curves : str
        Files to write: safetensors, JSON and CSV.

    Raises
    ------
    InputError
        If a source cannot be read or does not fit the plan.
    """
    device = find_device(plan.compute["device"])
    precision = find_precision(plan.compute["precision"], device)
    log.info("%s on %s in %s", plan.net, device, precision)
    network = _start(plan, sources.encoder)
    digests = {"code": plan.code, **sources.digests()}
    checkpoint = _checkpoint(weights, provenance.digest([asdict(plan), digests]))
    samples, validation = (_map_samples(paths, plan, device) for paths in (sources.train, sources.validation))
    if len(samples["sensors"]) < plan.training.batch:
        raise InputError(
            f"{sources.train[0]}: there are {len(samples['sensors'])} samples to train on; expected at least the "
            f"{plan.training.batch} of a batch, lower training.batch."
        )
    batches = make_batches(
        samples,
        plan.training.batch,
        plan.training.remix,
        plan.training.augment,
        plan.entry,
        Blur(Psf.load(sources.psf), plan.imager["pixels"]).to(device),
        plan.imager["sensor_separation_um"],
        plan.seed,
    )
    fabric = Fabric(accelerator=device.type, devices=1, precision=PRECISIONS[precision])
    kept = {name: rows.whole() for name, rows in validation.items()}
    progress = train.fit(network, plan.make_task(), batches, kept, plan.training, fabric, checkpoint)
    network.load_state_dict(progress.weights)
    known = {**_describe(plan, samples["depths_um"].whole().double(), progress, precision), "digests": digests}
    models.save_model(network, {**known, "parameters": nets.count_parameters(network)}, model, weights)
    with store.replacing(curves) as path:
        pd.DataFrame(progress.curves).to_csv(path, index=False)
    checkpoint.unlink()


def _checkpoint(weights: str, key: str) -> Path:
    """Where the state of this training is kept; those of trainings that were planned otherwise are removed."""
    path = Path(weights)
    checkpoint = path.with_name(f".{path.stem}.{key}.checkpoint")
    for other in path.parent.glob(f".{path.stem}.*.checkpoint"):
        if other != checkpoint:
            other.unlink()
    return checkpoint


def _shards_digest(paths: Sequence[str]) -> str:
    found = []
    for path in paths:
        with store.opened(path, shards.KIND) as file:
            found.append({name: str(data.attrs["sha256"]) for name, data in file.items()})
    return provenance.digest(found)


def _map_samples(paths: Sequence[str], plan: Plan, device: torch.device) -> dict[str, shards.Rows]:
    arrays = shards.map_shards(paths, ["layers", "masks", "sensors", "depths_um"], device)
    pixels, entry = plan.imager["pixels"], plan.entry
    found = {name: arrays[name].shape[1:] for name in ("sensors", "layers")}
    expected = {name: (len(entry[name]) if name == "sensors" else entry[name], pixels, pixels) for name in found}
    if found != expected:
        raise InputError(
            f"{paths[0]}: its arrays {found} do not fit {expected} of the configuration; delete it and run again."
        )
    return arrays


def _start(plan: Plan, encoder: str | None) -> nn.Module:
    """The network with the weights that it starts from."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        network = nets.build(**plan.shape)
    if encoder:
        nets.load_encoder(network.get_submodule("encoder"), encoder)
    return network


def _describe(plan: Plan, depths_um: Tensor, progress: train.Progress, precision: str) -> dict[str, Any]:
    spreads = zip(depths_um.mean(0).tolist(), depths_um.std(0).tolist(), strict=True)
    return {
        "net": plan.net,
        "task": plan.task,
        "set": plan.set,
        **plan.shape,
        "sensors": plan.entry["sensors"],
        "layers": plan.entry["layers"],
        "layer_depths_um": [{"mean": mean, "sd": sd} for mean, sd in spreads],
        "classes_um": tasks.depth_classes_um(plan.entry),
        "pixel_pitch_um": plan.imager["pixel_pitch_um"],
        "sensor_separation_um": plan.imager["sensor_separation_um"],
        "normalisation": tasks.NORMALISATION,
        "training": {**asdict(plan.training), "precision": precision},
        "best_step": progress.best["step"],
        "validation_score": progress.best["validation_score"],
        "seed": plan.seed,
        "versions": {name: version(name) for name in ("foci3d", "torch", "lightning", "monai")}
        | {"python": platform.python_version()},
    }
