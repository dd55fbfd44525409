"""How the entries of the configuration must fit each other, which the type of a single key cannot say."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from foci3d.config.architectures import (
    ATTENTION_HEADS,
    ConvDeconvConfig,
    PhysicsUNetConfig,
    ResNetCnnConfig,
    UnrolledUNetConfig,
    names_of_architectures,
)
from foci3d.config.datasets import DatasetConfig, MatFiles
from foci3d.config.models import BaselineConfig, Config, NetworkConfig
from foci3d.config.problems import ConfigProblem, KeyPath, dotted, missing_file, problem, unknown_name
from foci3d.config.target_checks import check_targets
from foci3d.config.tasks import OutputKind, tasks_of_kind

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
        to do. Checks leave out what depends on a name that does not exist, as that is a problem of its own.
    """
    first = [*_intervals(config), *_names(config)]
    known = config.model_copy(
        update={"networks": _known(config, config.networks), "baselines": _known(config, config.baselines)}
    )
    data = (_psf_sources, _geometry, _dataset_sources, _shard_counts, _seed_replicates, check_targets)
    methods = (_tasks, _training, _architectures, _encoders, _baselines, _test_datasets)
    found = [*(check(config) for check in data), *(check(known) for check in methods)]
    return itertools.chain(first, *(map(_until_unknown, found) if first else found))


def _known(config: Config, methods: Mapping[str, NetworkConfig | BaselineConfig]) -> dict[str, Any]:
    """The methods whose datasets exist."""
    names = config.datasets.keys()
    return {name: method for name, method in methods.items() if {method.dataset, *method.test_datasets} <= names}


def _until_unknown(problems: Iterator[ConfigProblem]) -> Iterator[ConfigProblem]:
    try:
        yield from problems
    except KeyError:
        return


def _names(config: Config) -> Iterator[ConfigProblem]:
    """Names that no entry has, and names that are taken."""
    for path, name, names in _references(config):
        if name not in names:
            yield unknown_name(path, name, names)
    taken = {("networks", name): "is a reserved name" for name in config.networks if name == RESERVED_NETWORK_NAME}
    taken |= {("baselines", name): "has the name of a network" for name in config.baselines if name in config.networks}
    methods = {*config.networks, *config.baselines}
    entries = [name for name in config.benchmark_entries if name in methods]
    taken |= {("benchmark_entries", name): "has the name of a network or a baseline" for name in entries}
    for path, reason in taken.items():
        yield ConfigProblem(path, f"{dotted(path)} {reason}; expected any other name, rename it.")


def _references(config: Config) -> Iterator[tuple[KeyPath, str, Iterable[str]]]:
    """Path and value of each key that holds a name, and the names that it may hold."""
    networks, datasets = config.networks, config.datasets
    for name, dataset in datasets.items():
        yield from ((("datasets", name, "appearance"), each, config.appearances) for each in dataset.appearance)
    yield ("pretraining", "dataset"), config.pretraining.dataset, datasets
    for path, method in _methods(config):
        yield (*path, "dataset"), method.dataset, datasets
        for index, test in enumerate(method.test_datasets):
            yield (*path, "test_datasets", index), test, datasets
    trainings = [*networks, *config.seed_replicates.by_name]
    yield from ((("ablation", index), name, trainings) for index, name in enumerate(config.ablation))
    compared: dict[KeyPath, Iterable[str]] = {
        ("layers",): config.layers,
        ("robustness", "networks"): config.robustness.networks,
        ("seed_replicates", "networks"): config.seed_replicates.networks,
    }
    for path, names in compared.items():
        yield from (((*path, index), name, networks) for index, name in enumerate(names))
    for name, files in config.benchmark_entries.items():
        yield from ((("benchmark_entries", name, test), test, datasets) for test in files)
    yield ("trust", "network"), config.trust.network, networks
    yield from ((("figures", name, "network"), shown.network, networks) for name, shown in config.figures)
    predicting_cells = [name for name, network in networks.items() if network.spec.predicts_cells]
    yield ("reconstruct", "network"), config.reconstruct.network, predicting_cells


def _intervals(config: Config) -> Iterator[ConfigProblem]:
    intervals: dict[KeyPath, tuple[float, float]] = {("psf", "depth_range_um"): config.psf.depth_range_um}
    for name, appearance in config.appearances.items():
        intervals |= {("appearances", name, key): interval for key, interval in appearance.intervals.items()}
    for name, dataset in config.datasets.items():
        intervals["datasets", name, "depth_range_um"] = dataset.depth_range_um
    for name, network in config.networks.items():
        for section in ("imagers", "noise"):
            for key, value in getattr(network.training, section) or ():
                if isinstance(value, tuple):
                    intervals["networks", name, "training", section, key] = value
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
    shallow, deep = sorted(config.psf.depth_range_um)  # `_intervals` reports those that are reversed
    separation_um = config.imager.sensor_separation_um
    covered = f"within psf.depth_range_um [{shallow:g}, {deep:g}]"
    for name, dataset in config.datasets.items():
        low, high = sorted(dataset.depth_range_um)
        path = ("datasets", name, "depth_range_um")
        if low < shallow or high > deep:
            yield problem(path, f"[{low:g}, {high:g}]", f"depths {covered}", "change one of them")
        nearest, farthest = separation_um - high, separation_um - low
        if dataset.sensors == "AB" and (nearest < shallow or farthest > deep):
            found = f"[{low:g}, {high:g}], which is [{nearest:g}, {farthest:g}] from sensor B"
            yield problem(path, found, f"distances {covered}", "change one of them")
        if dataset.n_layers > 1 and dataset.depth_range_um == (low, high):
            yield from _gaps(("datasets", name, "minimum_gap_um"), dataset)


def _gaps(path: KeyPath, dataset: DatasetConfig) -> Iterator[ConfigProblem]:
    """The gaps between layers must fit the range of the depths; stepped depths have them in whole steps."""
    (low, high), step, n_gaps = dataset.depth_range_um, dataset.depth_step_um, dataset.n_layers - 1
    expected = f"because {dataset.n_layers} layers share depth_range_um"
    if step:
        is_too_large = n_gaps * dataset.minimum_gap_steps > dataset.n_depth_steps
        largest_um = dataset.n_depth_steps // n_gaps * step
        expected += f" in steps of {step:g}"
    else:
        is_too_large = n_gaps * dataset.minimum_gap_um > high - low
        largest_um = (high - low) / n_gaps
    if is_too_large:
        yield problem(path, f"{dataset.minimum_gap_um:g}", f"at most {largest_um:g} {expected}", "lower it")


def _dataset_sources(config: Config) -> Iterator[ConfigProblem]:
    for name, dataset in config.datasets.items():
        path = ("datasets", name)
        if dataset.scene == "moving" and len(dataset.appearance) > 1:
            expected = "one appearance where the scene is moving"
            yield problem((*path, "appearance"), " and ".join(dataset.appearance), expected, "name one")
        if dataset.scene == "moving" and dataset.n_layers < 2:
            expected = "at least 2 for a cluster to move through"
            yield problem((*path, "n_layers"), dataset.n_layers, expected, "raise it")
        if dataset.empty_layers and dataset.scene != "layers":
            expected = f"0 where the scene is {dataset.scene}"
            yield problem((*path, "empty_layers"), dataset.empty_layers, expected, "change it")
        if dataset.minimum_layers is not None:
            yield from _layer_counts(path, dataset, dataset.minimum_layers)
        if isinstance(dataset.source, MatFiles):
            if dataset.scene != "layers":
                yield problem((*path, "scene"), dataset.scene, "layers where the source is .mat files", "change it")
            for split, files in dataset.source:
                for index, file in enumerate(files):
                    yield from missing_file((*path, "source", split, index), file, "a MATLAB file")


def _layer_counts(path: KeyPath, dataset: DatasetConfig, minimum: int) -> Iterator[ConfigProblem]:
    """A number of layers that varies is that of independent, synthetic layers, of which none is empty by chance."""
    if minimum > dataset.n_layers:
        yield problem((*path, "minimum_layers"), minimum, f"at most n_layers, {dataset.n_layers}", "lower it")
    if dataset.scene != "layers" or not dataset.is_synthetic:
        expected = "null unless the scene is layers and the source is synthetic"
        yield problem((*path, "minimum_layers"), minimum, expected, "remove it")
    if dataset.empty_layers:
        expected = "0 where minimum_layers is set"
        yield problem((*path, "empty_layers"), dataset.empty_layers, expected, "change it")


def _shard_counts(config: Config) -> Iterator[ConfigProblem]:
    is_moving = any(dataset.scene == "moving" for dataset in config.datasets.values())
    for split, n_shards in config.shards:
        for key in (split, "sequences") if split == "test" and is_moving else (split,):
            n_samples = getattr(config.n_samples, key)
            if n_shards > n_samples:
                yield problem(("shards", split), n_shards, f"at most n_samples.{key}, {n_samples}", "lower it")


def _methods(config: Config) -> Iterator[tuple[KeyPath, NetworkConfig | BaselineConfig]]:
    """All networks and baselines with their paths."""
    for name, network in config.networks.items():
        yield ("networks", name), network
    for name, baseline in config.baselines.items():
        yield ("baselines", name), baseline


def _tasks(config: Config) -> Iterator[ConfigProblem]:
    for name, network in config.networks.items():
        dataset, spec, architecture = config.datasets[network.dataset], network.spec, network.architecture
        path: KeyPath = ("networks", name, "task")
        whose = f"of dataset {network.dataset}"
        if spec.single_layer not in (None, dataset.n_layers == 1):
            expected = "a dataset of one layer" if spec.single_layer else "a dataset of more than one layer"
            yield problem(path, spec.name, expected, f"change the task or n_layers {whose}")
        if dataset.varies_layers and not spec.counts_layers:
            expected = f"{tasks_of_kind(OutputKind.COUNTED_LAYERS)}, as the number of layers varies"
            yield problem(path, spec.name, expected, "change it or the dataset")
        if spec.kind is OutputKind.CLASS_PROBABILITIES and dataset.depth_step_um == 0:
            yield problem(path, spec.name, "depths in steps", f"set depth_step_um {whose} above 0")
        if spec.kind is OutputKind.DEPTH_MAP and dataset.n_layers > 1 and dataset.overlap != "remove":
            yield problem(path, spec.name, "layers that do not overlap", f"set overlap {whose} to remove")
        if not architecture.fits(spec):
            expected = f"{' or '.join(names_of_architectures(spec))} for task {spec.name}"
            path = ("networks", name, "architecture", "name")
            yield problem(path, architecture.name, expected, "change it or the task")


def _test_datasets(config: Config) -> Iterator[ConfigProblem]:
    """A method is tested on data like those that it was trained or tuned on."""
    for path, method in _methods(config):
        keys = ["sensors", "n_layers"]
        if method.spec.kind is OutputKind.CLASS_PROBABILITIES:
            keys += ["depth_range_um", "depth_step_um"]
        for (index, test), key in itertools.product(enumerate(method.test_datasets), keys):
            found, expected = (getattr(config.datasets[name], key) for name in (test, method.dataset))
            may_be_less = key == "n_layers" and method.spec.counts_layers
            if found > expected if may_be_less else found != expected:
                same = f"a dataset with {key} {_plain(expected)}{' or less' * may_be_less} as {method.dataset} has"
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
    trained = {name: network for name, network in config.networks.items() if network.weights == "trained"}
    sections: dict[KeyPath, Any] = {("networks", name): network for name, network in trained.items()}
    for path, section in {**sections, ("pretraining",): config.pretraining}.items():
        dataset, training, inside = config.datasets[section.dataset], section.training, (*path, "training")
        yield from _fitting_dataset((*path, "dataset"), section.dataset, dataset, "train", "validation")
        if dataset.is_synthetic and training.batch_size > config.n_samples.train:
            expected = f"at most n_samples.train, {config.n_samples.train}"
            yield problem((*inside, "batch_size"), training.batch_size, expected, "lower it")
        if training.batch_size % config.compute.devices:
            expected = f"a multiple of compute.devices, {config.compute.devices}"
            yield problem((*inside, "batch_size"), training.batch_size, expected, "change one of them")
        if training.resample_stacks and not config.is_forward_model_exact:
            expected = "false because new combinations would lack the effects of specimen, light or sensor"
            yield problem((*inside, "resample_stacks"), "true", expected, "change it")
        if training.imagers and not training.resample_stacks:
            expected = "null because stored measurements are those of the configured imager"
            yield problem((*inside, "imagers"), "set", expected, "remove them or set resample_stacks to true")
        if training.noise and (training.imagers or not training.resample_stacks):
            reason = "imagers have their own" if training.imagers else "stored measurements stay as they are"
            yield problem((*inside, "noise"), "set", f"null because {reason}", "set it to null")
        if training.margin_pixels and not training.resample_stacks:
            expected = "0 because stored measurements have no light from beyond the edges"
            yield problem((*inside, "margin_pixels"), training.margin_pixels, expected, "set resample_stacks to true")
        if training.margin_pixels >= config.imager.n_pixels:
            expected = f"less than imager.n_pixels, {config.imager.n_pixels}"
            yield problem((*inside, "margin_pixels"), training.margin_pixels, expected, "lower it")
        if training.validation_interval > training.max_steps:
            expected = f"at most training.max_steps, {training.max_steps}"
            yield problem((*inside, "validation_interval"), training.validation_interval, expected, "lower it")


def _architectures(config: Config) -> Iterator[ConfigProblem]:
    for name, network in config.networks.items():
        architecture, path = network.architecture, ("networks", name)
        if network.weights != "trained":
            yield from missing_file((*path, "weights"), network.weights, "trained or the file of a model")
        if network.initial_model:
            yield from missing_file((*path, "initial_model"), network.initial_model, "the file of a model, or empty")
        if isinstance(architecture, ConvDeconvConfig) and len(architecture.strides) != len(architecture.channels):
            expected = f"one for each of the {len(architecture.channels)} channels"
            found = [*architecture.strides]
            yield problem((*path, "architecture", "strides"), found, expected, "add or remove some")
        if isinstance(architecture, PhysicsUNetConfig | UnrolledUNetConfig) and architecture.attention:
            channels = [*architecture.channels]
            if channels[-1] % ATTENTION_HEADS:
                expected = f"a last value that is a multiple of {ATTENTION_HEADS} because attention is true"
                yield problem((*path, "architecture", "channels"), channels, expected, "change one of them")


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
        network, path = config.networks[name], ("seed_replicates", "networks", index)
        if not network.spec.is_dense:
            expected = "a network whose output has pixels, as others have no error by layer"
            yield problem(path, name, expected, "remove it")
        if network.dataset not in network.test_datasets:
            yield problem(path, name, f"a network that is tested on its dataset {network.dataset}", "remove it")
    seeds = config.seed_replicates.seeds
    if config.seed in seeds:
        expected = f"other seeds than the root, seed: {config.seed}"
        yield problem(("seed_replicates", "seeds"), [*seeds], expected, "choose others")


def _baselines(config: Config) -> Iterator[ConfigProblem]:
    for name, baseline in config.baselines.items():
        dataset, path = config.datasets[baseline.dataset], ("baselines", name, "dataset")
        yield from _fitting_dataset(path, baseline.dataset, dataset, "validation")
        if (baseline.method.single_layer or baseline.spec.single_layer) and dataset.n_layers > 1:
            yield problem(path, baseline.dataset, "a dataset of one layer", "choose another dataset or method")
