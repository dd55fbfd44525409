"""How the entries that targets and figures take must fit the networks and datasets that they name."""

from collections.abc import Iterator

from foci3d.config.models import ALIGNED, Config
from foci3d.config.problems import ConfigProblem, missing_file, problem, unknown_name
from foci3d.config.tasks import OutputKind, tasks_of_kind

# What a figure of the paper shows, where only one kind of output or scene makes sense.
FIGURE_KINDS = {"fig2": OutputKind.CLASS_PROBABILITIES, "fig3": OutputKind.IMAGE, "figS1": OutputKind.DEPTH_MAP}
FIGURES_OF_TABLE_S1 = ("fig4", "figS2", "figS4")
FIGURE_SCENES = {"fig5": "moving", "fig6": "moving", "fig7": "slides"}


def check_targets(config: Config) -> Iterator[ConfigProblem]:
    """Find what does not fit in the entries of the targets; `config` has passed the checks of data and networks."""
    for check in (_ablation, _layers, _figures, _trust, _files):
        yield from check(config)


def _network_for(kind: OutputKind) -> str:
    """The networks with an output of one kind, in words."""
    return f"a network whose task is {tasks_of_kind(kind)}"


def _ablation(config: Config) -> Iterator[ConfigProblem]:
    """The errors of networks are compared if they are of one kind, on one dataset."""
    for index, name in enumerate(config.ablation):
        network, first = config.trainings[name], config.trainings[config.ablation[0]]
        if (network.dataset, network.spec.compared_as) != (first.dataset, first.spec.compared_as):
            found = f"{name} with task {network.task} on {network.dataset}"
            expected = f"task {first.task} on {first.dataset} as {config.ablation[0]} has"
            yield problem(("ablation", index), found, expected, "remove it")


def _layers(config: Config) -> Iterator[ConfigProblem]:
    """The errors of layers are known of networks with masks that are tested on the dataset of their training."""
    for index, name in enumerate(config.layers):
        network = config.networks[name]
        is_fit = network.spec.kind is OutputKind.CELL_PROBABILITIES
        if not is_fit or network.dataset not in network.test_datasets:
            found = f"{name} with task {network.task}, tested on {', '.join(network.test_datasets)}"
            expected = f"{_network_for(OutputKind.CELL_PROBABILITIES)}, tested on its dataset {network.dataset}"
            yield problem(("layers", index), found, expected, "choose another network")


def _figures(config: Config) -> Iterator[ConfigProblem]:
    for figure, shown in config.figures:
        network = config.networks[shown.network]
        if shown.dataset not in network.test_datasets:
            yield unknown_name(("figures", figure, "dataset"), shown.dataset, network.test_datasets)
            continue
        kind = FIGURE_KINDS.get(figure, OutputKind.CELL_PROBABILITIES)
        if network.spec.kind is not kind:
            found = f"{shown.network} with task {network.task}"
            yield problem(("figures", figure, "network"), found, _network_for(kind), "choose another")
        found_scene, scene = config.datasets[shown.dataset].scene, FIGURE_SCENES.get(figure, "layers")
        if found_scene != scene:
            found = f"{shown.dataset} with scene {found_scene}"
            yield problem(("figures", figure, "dataset"), found, f"a dataset with scene {scene}", "choose another")
    yield from _table_s1(config)


def _table_s1(config: Config) -> Iterator[ConfigProblem]:
    """Table S1 compares the tests of three figures layer by layer, those of two sensors with the one of one."""
    figures = dict(config.figures)
    names = {figure: figures[figure].dataset for figure in FIGURES_OF_TABLE_S1}
    n_layers = {figure: config.datasets[name].n_layers for figure, name in names.items() if name in config.datasets}
    expected = n_layers.get("figS2")
    for figure, found in n_layers.items():
        if expected not in (None, found):
            dataset = f"a dataset with n_layers {expected} as {names['figS2']} of figures.figS2 has, for table S1"
            found_dataset = f"{names[figure]} with n_layers {found}"
            yield problem(("figures", figure, "dataset"), found_dataset, dataset, "choose another dataset")


def _trust(config: Config) -> Iterator[ConfigProblem]:
    trust = config.trust
    network = config.networks[trust.network]
    if network.spec.kind is not OutputKind.CELL_PROBABILITIES:
        expected = _network_for(OutputKind.CELL_PROBABILITIES)
        yield problem(("trust", "network"), trust.network, expected, "choose another network")
    if trust.dataset not in network.test_datasets:
        yield unknown_name(("trust", "dataset"), trust.dataset, network.test_datasets)


def _files(config: Config) -> Iterator[ConfigProblem]:
    for name, files in config.benchmark_entries.items():
        for dataset, file in files.items():
            yield from missing_file(("benchmark_entries", name, dataset), file, "a predictions file, .h5 or .npz")
    yield from missing_file(("reconstruct", "samples"), config.reconstruct.samples, "a table of acquisitions")
    imager = config.reconstruct.imager
    if imager == ALIGNED:
        yield from missing_file(("align", "samples"), config.align.samples, "a table of acquisitions")
    elif imager:
        yield from missing_file(("reconstruct", "imager"), imager, "what foci3d align writes, or aligned")
