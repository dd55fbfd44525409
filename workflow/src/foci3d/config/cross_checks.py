"""How the entries of the configuration must fit each other, which the type of a single key cannot say."""

import itertools
from collections.abc import Iterator
from typing import Any

from foci3d.config.architectures import ARCHITECTURES, Architecture, ConvDeconvConfig, ResNetCnnConfig
from foci3d.config.models import BaselineConfig, Config, DatasetConfig, MatFiles, NetworkConfig
from foci3d.config.problems import ConfigProblem, KeyPath, dotted, missing_file, problem, unknown_name
from foci3d.config.target_checks import check_targets
from foci3d.config.tasks import OutputKind, TaskSpec

# The dataset of which the statistics of the scenes are computed.
REFERENCE_DATASET = "stack2"
RESERVED_NETWORK_NAME = "encoder"


def find_conflicts(config: Config) -> Iterator[ConfigProblem]:
    """Find entries that do not fit each other.

    Parameters
    ----------
    config : Config
        The configuration.

    Yields
    ------
    ConfigProblem
        The key that is best corrected, and a sentence with its dotted name, what was found, what was expected and what
        to do. Take the first alone: later checks rely on earlier ones.
    """
    data = (_intervals, _psf_sources, _geometry, _dataset_sources, _shard_counts)
    networks = (_references, _tasks, _training, _models, _strides, _encoders, _seed_replicates)
    methods = (_baselines, _test_datasets)
    return itertools.chain.from_iterable(check(config) for check in (*data, *networks, *methods, check_targets))


def _intervals(config: Config) -> Iterator[ConfigProblem]:
    intervals: dict[KeyPath, tuple[float, float]] = {("psf", "depth_range_um"): config.psf.depth_range_um}
    for name, appearance in config.appearances.items():
        intervals |= {("appearances", name, key): interval for key, interval in appearance.intervals.items()}
    for name, dataset in config.datasets.items():
        intervals["datasets", name, "depth_range_um"] = dataset.depth_range_um
    for name, network in config.networks.items():
        for key, value in network.training.imagers or ():
            if isinstance(value, tuple):
                intervals["networks", name, "training", "imagers", key] = value
    for path, (low, high) in intervals.items():
        if low > high:
            yield problem(path, f"[{low:g}, {high:g}]", "the lower value first", "swap them")


def _psf_sources(config: Config) -> Iterator[ConfigProblem]:
    psf = config.psf
    if psf.source == "file":
        yield from missing_file(("psf", "file"), psf.file, "an HDF5 file of kernels because psf.source is file")
    if psf.source != "scan":
        return
    files = {"stack": psf.scan.stack, "depths": psf.scan.depths}
    simulated = [key for key, file in files.items() if file == "simulated"]
    if len(simulated) == 1:
        path = ("psf", "scan", simulated[0])
        yield problem(path, "simulated", "a file, or both stack and depths simulated", "name the file of your scan")
    for key, file in files.items():
        if file != "simulated":
            yield from missing_file(("psf", "scan", key), file, "a file of the bead scan")


def _geometry(config: Config) -> Iterator[ConfigProblem]:
    shallow, deep = config.psf.depth_range_um
    separation_um = config.imager.sensor_separation_um
    covered = f"within psf.depth_range_um [{shallow:g}, {deep:g}]"
    for name, dataset in config.datasets.items():
        low, high = dataset.depth_range_um
        path = ("datasets", name, "depth_range_um")
        if low < shallow or high > deep:
            yield problem(path, f"[{low:g}, {high:g}]", f"depths {covered}", "change one of them")
        nearest, farthest = separation_um - high, separation_um - low
        if dataset.sensors == "AB" and (nearest < shallow or farthest > deep):
            found = f"[{low:g}, {high:g}], which is [{nearest:g}, {farthest:g}] from sensor B"
            yield problem(path, found, f"distances {covered}", "change one of them")
        if (dataset.n_layers - 1) * dataset.minimum_gap_um > high - low:
            largest_um = (high - low) / (dataset.n_layers - 1)
            expected = f"at most {largest_um:g} because {dataset.n_layers} layers share depth_range_um"
            yield problem(("datasets", name, "minimum_gap_um"), f"{dataset.minimum_gap_um:g}", expected, "lower it")


def _dataset_sources(config: Config) -> Iterator[ConfigProblem]:
    for name, dataset in config.datasets.items():
        path = ("datasets", name)
        if dataset.appearance not in config.appearances:
            yield unknown_name((*path, "appearance"), dataset.appearance, config.appearances)
        if dataset.scene == "moving" and dataset.n_layers < 2:
            expected = "at least 2 for a cluster to move through"
            yield problem((*path, "n_layers"), dataset.n_layers, expected, "raise it")
        if dataset.empty_layers and dataset.scene != "layers":
            yield problem(
                (*path, "empty_layers"), dataset.empty_layers, f"0 where the scene is {dataset.scene}", "change it"
            )
        if isinstance(dataset.source, MatFiles):
            if dataset.scene != "layers":
                yield problem((*path, "scene"), dataset.scene, "layers where the source is .mat files", "change it")
            for split, files in dataset.source:
                for index, file in enumerate(files):
                    yield from missing_file((*path, "source", split, index), file, "a MATLAB file")


def _shard_counts(config: Config) -> Iterator[ConfigProblem]:
    is_moving = any(dataset.scene == "moving" for dataset in config.datasets.values())
    for split, n_shards in config.shards:
        for key in (split, "sequences") if split == "test" and is_moving else (split,):
            n_samples = getattr(config.n_samples, key)
            if n_shards > n_samples:
                yield problem(("shards", split), n_shards, f"at most n_samples.{key}, {n_samples}", "lower it")


def _references(config: Config) -> Iterator[ConfigProblem]:
    if REFERENCE_DATASET not in config.datasets:
        message = f"datasets has no {REFERENCE_DATASET}; expected it for the statistics of the scenes, add it."
        yield ConfigProblem(("datasets",), message)
    if RESERVED_NETWORK_NAME in config.networks:
        message = f"the name networks.{RESERVED_NETWORK_NAME} is reserved; expected any other name, rename it."
        yield ConfigProblem(("networks", RESERVED_NETWORK_NAME), message)
    references: dict[KeyPath, str] = {("pretraining", "dataset"): config.pretraining.dataset}
    for method_path, method in _methods(config):
        references[*method_path, "dataset"] = method.dataset
        for index, dataset in enumerate(method.test_datasets):
            references[*method_path, "test_datasets", index] = dataset
    for path, dataset in references.items():
        if dataset not in config.datasets:
            yield unknown_name(path, dataset, config.datasets)


def _methods(config: Config) -> Iterator[tuple[KeyPath, NetworkConfig | BaselineConfig]]:
    """All networks and baselines with their paths."""
    for name, network in config.networks.items():
        yield ("networks", name), network
    for name, baseline in config.baselines.items():
        yield ("baselines", name), baseline


def _tasks(config: Config) -> Iterator[ConfigProblem]:
    for name, network in config.networks.items():
        dataset, spec, architecture = config.datasets[network.dataset], network.spec, network.architecture
        path, whose = ("networks", name, "task"), f"of dataset {network.dataset}"
        if spec.single_layer not in (None, dataset.n_layers == 1):
            expected = "a dataset of one layer" if spec.single_layer else "a dataset of more than one layer"
            yield problem(path, spec.name, expected, f"change the task or n_layers {whose}")
        if spec.kind is OutputKind.CLASS_PROBABILITIES and dataset.depth_step_um == 0:
            yield problem(path, spec.name, "depths in steps", f"set depth_step_um {whose} above 0")
        if spec.kind is OutputKind.DEPTH_MAP and dataset.n_layers > 1 and dataset.overlap != "remove":
            yield problem(path, spec.name, "layers that do not overlap", f"set overlap {whose} to remove")
        if architecture.is_dense not in (None, spec.is_dense):
            found, expected = architecture.name, _fitting_architectures(spec)
            yield problem(("networks", name, "architecture", "name"), found, expected, "change it or the task")


def _fitting_architectures(spec: TaskSpec) -> str:
    """The architectures whose outputs are those of a task, in words."""
    fitting = [
        name
        for name, settings in ARCHITECTURES.classes.items()
        if issubclass(settings, Architecture) and settings.is_dense in (None, spec.is_dense)
    ]
    return f"{' or '.join(fitting)} for task {spec.name}"


def _test_datasets(config: Config) -> Iterator[ConfigProblem]:
    """A method is tested on data like those that it was trained or tuned on."""
    for path, method in _methods(config):
        keys = ["sensors", "n_layers"]
        if method.spec.kind is OutputKind.CLASS_PROBABILITIES:
            keys += ["depth_range_um", "depth_step_um"]
        for (index, test), key in itertools.product(enumerate(method.test_datasets), keys):
            found, expected = (getattr(config.datasets[name], key) for name in (test, method.dataset))
            if found != expected:
                same = f"a dataset with {key} {_plain(expected)} as {method.dataset} has"
                found = f"{test} with {key} {_plain(found)}"
                yield problem((*path, "test_datasets", index), found, same, "choose another dataset")


def _plain(value: Any) -> Any:
    """A tuple as YAML writes it."""
    return [*value] if isinstance(value, tuple) else value


def _fitting_dataset(path: KeyPath, name: str, dataset: DatasetConfig, *splits: str) -> Iterator[ConfigProblem]:
    """The dataset that a method is trained or tuned on must have independent layers, and samples in all `splits`."""
    if dataset.scene != "layers":
        expected = "a dataset whose scene is layers, as others only serve as tests"
        yield problem(path, name, expected, "choose another dataset")
    elif isinstance(dataset.source, MatFiles) and not all(getattr(dataset.source, split) for split in splits):
        expected = f"MATLAB files for {' and '.join(splits)}"
        yield problem(path, name, expected, f"add them to datasets.{name}.source")


def _training(config: Config) -> Iterator[ConfigProblem]:
    sections: dict[KeyPath, Any] = {("networks", name): network for name, network in config.networks.items()}
    for path, section in {**sections, ("pretraining",): config.pretraining}.items():
        dataset, training = config.datasets[section.dataset], section.training
        yield from _fitting_dataset((*path, "dataset"), section.dataset, dataset, "train", "validation")
        if dataset.is_synthetic and training.batch_size > config.n_samples.train:
            expected = f"at most n_samples.train, {config.n_samples.train}"
            yield problem((*path, "training", "batch_size"), training.batch_size, expected, "lower it")
        if training.batch_size % config.compute.devices:
            expected = f"a multiple of compute.devices, {config.compute.devices}"
            yield problem((*path, "training", "batch_size"), training.batch_size, expected, "change one of them")
        if training.resample_stacks and not config.is_forward_model_exact:
            expected = "false because new combinations would lack the effects of specimen, light or sensor"
            yield problem((*path, "training", "resample_stacks"), "true", expected, "change it")
        if training.imagers and not training.resample_stacks:
            expected = "null because stored measurements are those of the configured imager"
            remedy = "remove them or set resample_stacks to true"
            yield problem((*path, "training", "imagers"), "set", expected, remedy)
        if training.validation_interval > training.max_steps:
            expected = f"at most training.max_steps, {training.max_steps}"
            yield problem(
                (*path, "training", "validation_interval"), training.validation_interval, expected, "lower it"
            )


def _models(config: Config) -> Iterator[ConfigProblem]:
    for name, network in config.networks.items():
        if network.weights != "trained":
            yield from missing_file(("networks", name, "weights"), network.weights, "trained or the file of a model")


def _strides(config: Config) -> Iterator[ConfigProblem]:
    for name, network in config.networks.items():
        architecture = network.architecture
        if isinstance(architecture, ConvDeconvConfig) and len(architecture.strides) != len(architecture.channels):
            expected = f"one for each of the {len(architecture.channels)} channels"
            path = ("networks", name, "architecture", "strides")
            yield problem(path, [*architecture.strides], expected, "add or remove some")


def _encoders(config: Config) -> Iterator[ConfigProblem]:
    pretraining = config.pretraining
    if pretraining.weights != "synthetic":
        yield from missing_file(("pretraining", "weights"), pretraining.weights, "synthetic or a local file")
    sensors = config.datasets[pretraining.dataset].sensors
    architectures = {
        name: network.architecture
        for name, network in config.networks.items()
        if isinstance(network.architecture, ResNetCnnConfig) and network.starts_pretrained
    }
    strides = {architecture.stem_stride for architecture in architectures.values()}
    for name, architecture in architectures.items():
        path, dataset = ("networks", name, "architecture"), config.networks[name].dataset
        if len(strides) > 1:
            expected = "the same in every network with a pretrained encoder"
            yield problem((*path, "stem_stride"), architecture.stem_stride, expected, "make them equal")
        if pretraining.weights == "synthetic" and config.datasets[dataset].sensors != sensors:
            expected = f"a dataset with sensors {sensors} as pretraining.dataset has"
            remedy = "start from random or change the dataset"
            yield problem((*path, "encoder"), f"pretrained on dataset {dataset}", expected, remedy)


def _seed_replicates(config: Config) -> Iterator[ConfigProblem]:
    for index, name in enumerate(config.seed_replicates.networks):
        path = ("seed_replicates", "networks", index)
        if name not in config.networks:
            yield unknown_name(path, name, config.networks)
        elif not config.networks[name].spec.is_dense:
            expected = "a network whose output has pixels, as others have no error by layer"
            yield problem(path, name, expected, "remove it")
    seeds = config.seed_replicates.seeds
    if config.seed in seeds:
        expected = f"other seeds than the root, seed: {config.seed}"
        yield problem(("seed_replicates", "seeds"), [*seeds], expected, "choose others")


def _baselines(config: Config) -> Iterator[ConfigProblem]:
    for name, baseline in config.baselines.items():
        path = ("baselines", name)
        if name in config.networks:
            yield ConfigProblem(path, f"{dotted(path)} has the name of a network; expected any other name, rename it.")
        dataset = config.datasets[baseline.dataset]
        yield from _fitting_dataset((*path, "dataset"), baseline.dataset, dataset, "validation")
        if baseline.method.single_layer or baseline.spec.single_layer:
            if dataset.n_layers > 1:
                remedy = "choose another dataset or method"
                yield problem((*path, "dataset"), baseline.dataset, "a dataset of one layer", remedy)
