"""How the entries of the configuration must fit each other, which its schema cannot say."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

Key = str | int
Config = Mapping[str, Any]

# What a figure of the paper shows, where only one kind of network or scene makes sense.
FIGURE_TASKS = {"fig2": "depth_class", "fig3": "image", "figS1": "depth_map"}
FIGURE_SCENES = {"fig5": "moving", "fig6": "moving", "fig7": "slides"}
# What each classical method leaves open, and the methods that deconvolve a single layer.
METHOD_PARAMETERS = {
    "identity": set(),
    "wiener": {"balance"},
    "richardson_lucy": {"iterations"},
    "back_projection": set(),
    "layered_wiener": {"noise_to_signal"},
    "nonnegative_least_squares": {"iterations"},
}
SINGLE_LAYER_METHODS = ("wiener", "richardson_lucy")
# Keys of tissue that turn an effect on.
TISSUE_EFFECTS = (
    "scatter_per_mm",
    "absorption_per_mm",
    "beam_radius_um",
    "motion_um",
    "margin_pixels",
    "width_error",
    "full_scale_electrons",
)
# The statistics of the scenes are taken on this set.
REFERENCE_SET = "stack2"


class Mistake(NamedTuple):
    """A sentence about the key at `path`, counted from the top of the configuration."""

    path: tuple[Key, ...]
    message: str


def dotted(path: Iterable[Key]) -> str:
    """`path` as a reader writes it: ``sets.depth.depth_range_um[1]``."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")


def inconsistencies(config: Config) -> Iterator[Mistake]:
    """Find entries that do not fit each other.

    Parameters
    ----------
    config : mapping
        A configuration that fits the schema.

    Yields
    ------
    Mistake
        The key that is best corrected, and a sentence with its dotted name, what it holds, what was expected and what
        to do. Take the first alone: later checks rely on earlier ones.
    """
    sources = (_intervals, _psf_sources, _set_geometry, _set_sources, _shard_counts)
    nets = (_references, _tasks, _tests, _training, _strides, _encoders, _repeats)
    uses = (_baselines, _figures, _reconstruction)
    return itertools.chain.from_iterable(check(config) for check in (*sources, *nets, *uses))


def _mistake(path: tuple[Key, ...], found: Any, expected: str, remedy: str) -> Mistake:
    return Mistake(path, f"{dotted(path)} is {found}; expected {expected}, {remedy}.")


def _unknown(path: tuple[Key, ...], name: str, known: Iterable[str]) -> Mistake:
    return _mistake(path, name, f"one of {', '.join(known)}", f"correct the name or add {name}")


def _intervals(config: Config) -> Iterator[Mistake]:
    scene = [("scene", key) for key in ("cells", "threshold", "tumour_to_background", "gain")]
    sets = [("sets", name, "depth_range_um") for name in config["sets"]]
    for path in [("psf", "depth_range_um"), *scene, *sets]:
        value = config
        for key in path:
            value = value[key]
        low, high = value
        if low > high:
            yield _mistake(path, f"[{low}, {high}]", "the lower value first", "swap them")


def _psf_sources(config: Config) -> Iterator[Mistake]:
    psf = config["psf"]
    if psf["from"] == "file":
        yield from _missing_file(("psf", "file"), psf["file"], "an HDF5 file of kernels as psf.from is file")
    if psf["from"] != "scan":
        return
    scan = psf["scan"]
    simulated = [key for key in ("stack", "depths") if scan[key] == "simulated"]
    if len(simulated) == 1:
        path = ("psf", "scan", simulated[0])
        yield _mistake(path, "simulated", "a file, or both stack and depths simulated", "name the file of your scan")
    for key in ("stack", "depths"):
        if scan[key] != "simulated":
            yield from _missing_file(("psf", "scan", key), scan[key], "a file of the bead scan")


def _missing_file(path: tuple[Key, ...], file: str, expected: str) -> Iterator[Mistake]:
    if not Path(file).is_file():
        yield _mistake(path, f"{file}, and there is no such file", expected, "correct the path")


def _set_geometry(config: Config) -> Iterator[Mistake]:
    shallow, deep = config["psf"]["depth_range_um"]
    separation = config["imager"]["sensor_separation_um"]
    covered = f"within psf.depth_range_um [{shallow}, {deep}]"
    for name, entry in config["sets"].items():
        low, high = entry["depth_range_um"]
        path = ("sets", name, "depth_range_um")
        if low < shallow or high > deep:
            yield _mistake(path, f"[{low}, {high}]", f"depths {covered}", "change one of them")
        if entry["sensors"] == "AB" and (separation - high < shallow or separation - low > deep):
            found = f"[{low}, {high}], which is [{separation - high:g}, {separation - low:g}] from sensor B"
            yield _mistake(path, found, f"distances {covered}", "change one of them")
        if (entry["layers"] - 1) * entry["minimum_gap_um"] > high - low:
            gap = ("sets", name, "minimum_gap_um")
            room = f"at most {(high - low) / (entry['layers'] - 1):g} as {entry['layers']} layers share depth_range_um"
            yield _mistake(gap, entry["minimum_gap_um"], room, "lower it")


def _set_sources(config: Config) -> Iterator[Mistake]:
    for name, entry in config["sets"].items():
        path = ("sets", name)
        if entry["scene"] != "layers" and entry["source"] != "synthetic":
            yield _mistake((*path, "scene"), entry["scene"], "layers where the source is .mat files", "change it")
        if entry["scene"] == "moving" and entry["layers"] < 2:
            yield _mistake((*path, "layers"), entry["layers"], "at least 2 for a cluster to move through", "raise it")
        if entry["source"] != "synthetic":
            for split, files in entry["source"].items():
                for place, file in enumerate(files):
                    yield from _missing_file((*path, "source", split, place), file, "a MATLAB file")


def _shard_counts(config: Config) -> Iterator[Mistake]:
    size, moving = config["size"], any(entry["scene"] == "moving" for entry in config["sets"].values())
    for split, count in config["shards"].items():
        for key in (split, "groups") if split == "test" and moving else (split,):
            if count > size[key]:
                yield _mistake(("shards", split), count, f"at most size.{key}, {size[key]}", "lower it")


def _references(config: Config) -> Iterator[Mistake]:
    sets, nets = config["sets"], config["nets"]
    if REFERENCE_SET not in sets:
        yield Mistake(("sets",), f"sets has no {REFERENCE_SET}; expected it for the statistics of the scenes, add it.")
    if "encoder" in nets:
        yield Mistake(("nets", "encoder"), "the name nets.encoder is taken; expected any other name, rename it.")
    for name, net in nets.items():
        if net["set"] not in sets:
            yield _unknown(("nets", name, "set"), net["set"], sets)
        for place, test in enumerate(net["tests"]):
            if test not in sets:
                yield _unknown(("nets", name, "tests", place), test, sets)
    if config["pretraining"]["set"] not in sets:
        yield _unknown(("pretraining", "set"), config["pretraining"]["set"], sets)


def _tasks(config: Config) -> Iterator[Mistake]:
    for name, net in config["nets"].items():
        entry = config["sets"][net["set"]]
        path, where = ("nets", name, "task"), f"of set {net['set']}"
        layers, step = entry["layers"], entry["depth_step_um"]
        single = {"depth_class": True, "image": True, "masks": False}.get(net["task"])
        if single is not None and single != (layers == 1):
            expected = "a set of one layer" if single else "a set of more than one layer"
            yield _mistake(path, net["task"], expected, f"change the task or the layers {where}")
        if net["task"] == "depth_class" and step == 0:
            yield _mistake(path, "depth_class", "depths in steps", f"set depth_step_um {where} above 0")
        if net["task"] == "depth_map" and layers > 1 and entry["overlap"] != "remove":
            yield _mistake(path, "depth_map", "layers that do not overlap", f"set overlap {where} to remove")
        if (net["architecture"]["name"] == "cnn_fc") != (net["task"] == "depth_class"):
            yield _mistake(
                ("nets", name, "architecture", "name"),
                net["architecture"]["name"],
                "cnn_fc for depth_class and another architecture for every other task",
                "change it or the task",
            )


def _tests(config: Config) -> Iterator[Mistake]:
    for name, net in config["nets"].items():
        trained = config["sets"][net["set"]]
        keys = ["sensors", "layers", *(["depth_range_um", "depth_step_um"] if net["task"] == "depth_class" else [])]
        for place, test in enumerate(net["tests"]):
            for key in keys:
                found, expected = config["sets"][test][key], trained[key]
                if found != expected:
                    path = ("nets", name, "tests", place)
                    same = f"a set with {key} {expected} as {net['set']} has"
                    yield _mistake(path, f"{test} with {key} {found}", same, "choose another set")


def _training(config: Config) -> Iterator[Mistake]:
    entries = {("nets", name): net for name, net in config["nets"].items()} | {("pretraining",): config["pretraining"]}
    for path, entry in entries.items():
        trained, training = config["sets"][entry["set"]], entry["training"]
        if trained["scene"] != "layers":
            expected = "a set whose scene is layers, as others only test"
            yield _mistake((*path, "set"), entry["set"], expected, "choose another set")
        elif trained["source"] == "synthetic":
            if training["batch"] > config["size"]["train"]:
                expected = f"at most size.train, {config['size']['train']}"
                yield _mistake((*path, "training", "batch"), training["batch"], expected, "lower it")
        elif not (trained["source"]["train"] and trained["source"]["validation"]):
            expected = "MATLAB files to train on and to validate on"
            yield _mistake((*path, "set"), entry["set"], expected, f"add them to sets.{entry['set']}.source")
        if training["remix"] and any(config["tissue"][effect] for effect in TISSUE_EFFECTS):
            expected = "false where tissue has effects, which new combinations of layers would lack"
            yield _mistake((*path, "training", "remix"), "true", expected, "set it so")
        if training["validate_every"] > training["steps"]:
            where = (*path, "training", "validate_every")
            expected = f"at most training.steps, {training['steps']}"
            yield _mistake(where, training["validate_every"], expected, "lower it")


def _strides(config: Config) -> Iterator[Mistake]:
    for name, net in config["nets"].items():
        architecture = net["architecture"]
        if "strides" in architecture and len(architecture["strides"]) != len(architecture["widths"]):
            expected = f"one for each of the {len(architecture['widths'])} widths"
            path = ("nets", name, "architecture", "strides")
            yield _mistake(path, architecture["strides"], expected, "add or remove some")


def _encoders(config: Config) -> Iterator[Mistake]:
    pretraining = config["pretraining"]
    starting = {name: net for name, net in config["nets"].items() if net["architecture"].get("encoder") == "pretrained"}
    if pretraining["weights"] != "synthetic":
        yield from _missing_file(("pretraining", "weights"), pretraining["weights"], "synthetic or a local file")
    sensors = config["sets"][pretraining["set"]]["sensors"]
    strides = {net["architecture"]["stem_stride"] for net in starting.values()}
    for name, net in starting.items():
        if len(strides) > 1:
            path = ("nets", name, "architecture", "stem_stride")
            expected = "the same in every network with a pretrained encoder"
            yield _mistake(path, net["architecture"]["stem_stride"], expected, "make them equal")
        if pretraining["weights"] == "synthetic" and config["sets"][net["set"]]["sensors"] != sensors:
            path = ("nets", name, "architecture", "encoder")
            expected = f"a set with sensors {sensors} as pretraining.set has"
            yield _mistake(path, f"pretrained on set {net['set']}", expected, "start from random or change the set")


def _repeats(config: Config) -> Iterator[Mistake]:
    for place, net in enumerate(config["repeats"]["nets"]):
        if net not in config["nets"]:
            yield _unknown(("repeats", "nets", place), net, config["nets"])
        elif config["nets"][net]["task"] == "depth_class":
            expected = "a network whose task is not depth_class, which has no error by layer"
            yield _mistake(("repeats", "nets", place), net, expected, "remove it")
    if config["seed"] in config["repeats"]["seeds"]:
        expected = f"other seeds than the root, seed: {config['seed']}"
        yield _mistake(("repeats", "seeds"), config["repeats"]["seeds"], expected, "choose others")


def _baselines(config: Config) -> Iterator[Mistake]:
    sets = config["sets"]
    for name, baseline in config["baselines"].items():
        path = ("baselines", name)
        if name in config["nets"]:
            yield Mistake(path, f"{dotted(path)} has the name of a network; expected any other name, rename it.")
        for key, used in [("set", baseline["set"]), *(("tests", test) for test in baseline["tests"])]:
            if used not in sets:
                yield _unknown((*path, key), used, sets)
                return
        if sets[baseline["set"]]["scene"] != "layers":
            expected = "a set whose scene is layers, as others only test"
            yield _mistake((*path, "set"), baseline["set"], expected, "choose another set")
        wanted = METHOD_PARAMETERS[baseline["method"]]
        if set(baseline["parameters"]) != wanted:
            found, expected = (", ".join(sorted(names)) or "empty" for names in (baseline["parameters"], wanted))
            yield _mistake((*path, "parameters"), found, f"{expected} for {baseline['method']}", "correct them")
        single = sets[baseline["set"]]["layers"] == 1
        if (baseline["task"] == "image" or baseline["method"] in SINGLE_LAYER_METHODS) and not single:
            yield _mistake((*path, "set"), baseline["set"], "a set of one layer", "choose another set or method")


def _figures(config: Config) -> Iterator[Mistake]:
    nets, sets = config["nets"], config["sets"]
    for figure, shown in config["figures"].items():
        path = ("figures", figure)
        if shown["net"] not in nets:
            yield _unknown((*path, "net"), shown["net"], nets)
            continue
        net = nets[shown["net"]]
        if shown["set"] not in net["tests"]:
            yield _unknown((*path, "set"), shown["set"], net["tests"])
            continue
        task = FIGURE_TASKS.get(figure, "masks")
        if net["task"] != task:
            found = f"{shown['net']} with task {net['task']}"
            yield _mistake((*path, "net"), found, f"a network with task {task}", "choose another")
        scene = FIGURE_SCENES.get(figure, "layers")
        if sets[shown["set"]]["scene"] != scene:
            found = f"{shown['set']} with scene {sets[shown['set']]['scene']}"
            yield _mistake((*path, "set"), found, f"a set with scene {scene}", "choose another")


def _reconstruction(config: Config) -> Iterator[Mistake]:
    chosen = config["reconstruct"]["net"]
    masks = [name for name, net in config["nets"].items() if net["task"] == "masks"]
    if chosen not in masks:
        yield _unknown(("reconstruct", "net"), chosen, masks)
    yield from _missing_file(("reconstruct", "samples"), config["reconstruct"]["samples"], "a table of acquisitions")
