"""How the entries that targets and figures take must fit the networks and datasets that they name."""

from collections.abc import Iterator

from foci3d.config.models import Config
from foci3d.config.problems import ConfigProblem, dotted, missing_file, problem, unknown_name
from foci3d.config.tasks import OutputKind, tasks_of_kind

# What a figure of the paper shows, where only one kind of output or scene makes sense.
FIGURE_KINDS = {
    "fig2": OutputKind.CLASS_PROBABILITIES,
    "fig3": OutputKind.IMAGE,
    "figS1": OutputKind.DEPTH_MAP,
}
FIGURE_SCENES = {"fig5": "moving", "fig6": "moving", "fig7": "slides"}


def check_targets(config: Config) -> Iterator[ConfigProblem]:
    """Find what does not fit in the entries of the targets; `config` has passed the checks of data and networks."""
    for check in (_ablation, _layers, _benchmark_entries, _figures, _trust, _robustness, _reconstruction):
        yield from check(config)


def _network_for(kind: OutputKind) -> str:
    """The networks with an output of one kind, in words."""
    return f"a network whose task is {tasks_of_kind(kind)}"


def _ablation(config: Config) -> Iterator[ConfigProblem]:
    """The errors of networks are compared if they are of one kind, on one dataset."""
    for index, name in enumerate(config.ablation):
        path = ("ablation", index)
        if name not in config.networks:
            yield unknown_name(path, name, config.networks)
            continue
        network, first = (config.networks.get(other, config.networks[name]) for other in (name, config.ablation[0]))
        if (network.dataset, network.spec.compared_as) != (first.dataset, first.spec.compared_as):
            found = f"{name} with task {network.task} on {network.dataset}"
            expected = f"task {first.task} on {first.dataset} as {config.ablation[0]} has"
            yield problem(path, found, expected, "remove it")


def _layers(config: Config) -> Iterator[ConfigProblem]:
    """The errors of layers are known of networks with masks that are tested on the dataset of their training."""
    for index, name in enumerate(config.layers):
        path = ("layers", index)
        if name not in config.networks:
            yield unknown_name(path, name, config.networks)
            continue
        network = config.networks[name]
        if not network.spec.predicts_cells or network.dataset not in network.test_datasets:
            found = f"{name} with task {network.task}, tested on {', '.join(network.test_datasets)}"
            expected = f"{_network_for(OutputKind.CELL_PROBABILITIES)}, tested on its dataset {network.dataset}"
            yield problem(path, found, expected, "choose another network")


def _benchmark_entries(config: Config) -> Iterator[ConfigProblem]:
    for name, files in config.benchmark_entries.items():
        path = ("benchmark_entries", name)
        if name in {**config.networks, **config.baselines}:
            found = f"{dotted(path)} has the name of a network or a baseline"
            yield ConfigProblem(path, f"{found}; expected any other name, rename it.")
        for dataset, file in files.items():
            if dataset not in config.datasets:
                yield unknown_name((*path, dataset), dataset, config.datasets)
            yield from missing_file((*path, dataset), file, "a predictions file, .h5 or .npz")


def _figures(config: Config) -> Iterator[ConfigProblem]:
    for figure, shown in config.figures:
        path = ("figures", figure)
        if shown.network not in config.networks:
            yield unknown_name((*path, "network"), shown.network, config.networks)
            continue
        network = config.networks[shown.network]
        if shown.dataset not in network.test_datasets:
            yield unknown_name((*path, "dataset"), shown.dataset, network.test_datasets)
            continue
        kind = FIGURE_KINDS.get(figure, OutputKind.CELL_PROBABILITIES)
        if network.spec.kind is not kind:
            found = f"{shown.network} with task {network.task}"
            yield problem((*path, "network"), found, _network_for(kind), "choose another")
        found_scene, scene = config.datasets[shown.dataset].scene, FIGURE_SCENES.get(figure, "layers")
        if found_scene != scene:
            found = f"{shown.dataset} with scene {found_scene}"
            yield problem((*path, "dataset"), found, f"a dataset with scene {scene}", "choose another")


def _trust(config: Config) -> Iterator[ConfigProblem]:
    trust, path = config.trust, ("trust", "network")
    if trust.network not in config.networks:
        yield unknown_name(path, trust.network, config.networks)
        return
    network = config.networks[trust.network]
    if not network.spec.predicts_cells:
        yield problem(path, trust.network, _network_for(OutputKind.CELL_PROBABILITIES), "choose another network")
    if trust.dataset not in network.test_datasets:
        yield unknown_name(("trust", "dataset"), trust.dataset, network.test_datasets)


def _robustness(config: Config) -> Iterator[ConfigProblem]:
    for index, name in enumerate(config.robustness.networks):
        if name not in config.networks:
            yield unknown_name(("robustness", "networks", index), name, config.networks)


def _reconstruction(config: Config) -> Iterator[ConfigProblem]:
    candidates = [name for name, network in config.networks.items() if network.spec.predicts_cells]
    if config.reconstruct.network not in candidates:
        yield unknown_name(("reconstruct", "network"), config.reconstruct.network, candidates)
    yield from missing_file(("reconstruct", "samples"), config.reconstruct.samples, "a table of acquisitions")
