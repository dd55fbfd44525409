"""The check of the configuration before anything runs; the first problem is reported in one line.

`foci3d.config.models` defines the keys, their types and ranges; `foci3d.config.cross_checks` and
`foci3d.config.target_checks` how they must fit each other. What a message says that it expected is read from the
models, too.
"""

import difflib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from foci3d.config.cross_checks import find_conflicts
from foci3d.config.models import Config
from foci3d.config.problems import ConfigProblem, dotted
from foci3d.config.registry import load_plugins
from foci3d.config.schema import JsonSchema, Key, expected_value, schema_at
from foci3d.errors import InputError

MISSING = object()
UNKNOWN_KEY = {"extra_forbidden", "invalid_key"}

# Keys and values of earlier versions, and their names today, of which only those of the section in question count.
RENAMED = {
    "aperture": ["linear_fill_factor"],
    "batch": ["batch_size"],
    "beads": ["n_beads"],
    "bootstrap": ["n_bootstrap"],
    "cells": ["lattice_cells"],
    "converter_bits": ["adc_bits"],
    "free": ["empirical"],
    "from": ["source"],
    "full_scale_electrons": ["full_well_electrons"],
    "groups": ["sequences"],
    "head_width": ["head_channels"],
    "hidden": ["hidden_features"],
    "image": ["deblurring"],
    "kernel": ["kernel_model", "kernel_size"],
    "layers": ["n_layers"],
    "learning_rate": ["max_learning_rate"],
    "limits": ["bounds"],
    "matrix": ["batched"],
    "microscope_pixels": ["binning"],
    "model": ["parametric"],
    "net": ["network"],
    "nets": ["networks"],
    "noise": ["perlin_backend", "noise_package"],
    "picture": ["image"],
    "pixels": ["n_pixels"],
    "remix": ["resample_stacks"],
    "repeats": ["seed_replicates"],
    "scene": ["appearances"],
    "set": ["dataset"],
    "sets": ["datasets"],
    "size": ["n_samples"],
    "smoothing_px": ["smoothing_sigma_px"],
    "stacks": ["n_stacks"],
    "steps": ["max_steps"],
    "tests": ["test_datasets"],
    "validate_every": ["validation_interval"],
    "widths": ["channels"],
}


def check_config(config: Mapping[str, Any], files: Sequence[str | Path]) -> Config:
    """Check a configuration and convert it to its model.

    Parameters
    ----------
    config : mapping
        The configuration after all overlays.
    files : sequence of str or Path
        The files it was read from, in the order in which they were applied.

    Returns
    -------
    Config
        The configuration.

    Raises
    ------
    InputError
        For the first problem: its file, the key, what was found, what was expected and what to do.
    """
    plugins = config.get("plugins")
    if isinstance(plugins, list) and all(isinstance(path, str) for path in plugins):
        load_plugins(plugins)
    try:
        model = Config.model_validate(config)
        problems = find_conflicts(model)
    except ValidationError as error:
        problems = _key_problems(error, config)
    for problem in problems:
        raise InputError(f"{_origin(problem.path, config, files)}: {problem.message}")
    return model


def _value_at(path: Iterable[Key], tree: Any) -> Any:
    """The value at `path`, or MISSING."""
    for key in path:
        try:
            tree = tree[key] if isinstance(tree, Mapping) or isinstance(key, int) else MISSING
        except (KeyError, IndexError, TypeError):
            return MISSING
    return tree


def _origin(path: tuple[Key, ...], config: Mapping[str, Any], files: Sequence[str | Path]) -> str:
    """The last file that holds the key, or else its parent; ``--config`` if the value came with the command."""
    documents = {os.path.relpath(file): yaml.safe_load(Path(file).read_text()) for file in files}
    value = _value_at(path, config)
    while True:
        holders = [file for file, document in documents.items() if _value_at(path, document) is not MISSING]
        if holders:
            in_file = _value_at(path, documents[holders[-1]])
            return holders[-1] if value is MISSING or isinstance(value, Mapping) or in_file == value else "--config"
        if value is not MISSING or not path:
            return "--config"
        path = path[:-1]


def _key_problems(error: ValidationError, config: Mapping[str, Any]) -> Iterator[ConfigProblem]:
    """Keys that are misspelt, missing or have an unusable value: misspelt keys first, as they explain missing ones."""

    def rank(details: Any) -> int:
        misspelt = details["type"] in UNKNOWN_KEY or "[key]" in details["loc"]
        return 0 if misspelt else 1 if details["type"] == "missing" else 2

    for details in sorted(error.errors(include_url=False, include_input=False, include_context=False), key=rank):
        path = details["loc"]
        if path[-1] == "[key]":
            expected = schema_at(path[:-2], config)["propertyNames"]["description"]
            yield ConfigProblem(
                path[:-1], f"the name {dotted(path[:-1])} is not usable; expected {expected}, rename it."
            )
        elif details["type"] in UNKNOWN_KEY:
            yield _unknown_key(path, config)
        elif details["type"] == "missing":
            expected = expected_value(schema_at(path, config))
            message = f"the key {dotted(path)} is missing; expected {expected}, add it as in config/config.yaml."
            yield ConfigProblem(path, message)
        else:
            yield ConfigProblem(path, _wrong_value(path, _value_at(path, config), schema_at(path, config)))


def _unknown_key(path: tuple[Key, ...], config: Mapping[str, Any]) -> ConfigProblem:
    parent, key = path[:-1], str(path[-1])
    expected = schema_at(parent, config)["properties"]
    name = dotted((*parent, key))
    absent = [other for other in expected if other not in _value_at(parent, config)]
    renamed = {old: new for old, news in RENAMED.items() for new in news if new in expected}
    if key in renamed:
        return ConfigProblem(path, f"the key {name} is now {dotted((*parent, renamed[key]))}; rename it.")
    names = renamed | {other: other for other in absent}
    near = difflib.get_close_matches(key, names, 1) or difflib.get_close_matches(key, expected, 1)
    if near:
        return ConfigProblem(path, f"there is no key {name}; did you mean {names.get(near[0], near[0])}?")
    return ConfigProblem(path, f"there is no key {name}; expected one of {', '.join(expected)}, rename or remove it.")


def _wrong_value(path: tuple[Key, ...], value: Any, schema: JsonSchema) -> str:
    found = json.dumps(value, default=str, skipkeys=True)
    found = found if len(found) < 60 else f"{found[:56]} ..."
    if isinstance(value, str) and _is_number(value):
        remedy = "write it without quotes and with a decimal point as in 1.0e-3"
    else:
        new_names = [new for new in RENAMED.get(str(value), []) if new in schema.get("enum", [])]
        remedy = f"{value} is now {new_names[0]}" if new_names else "correct it"
    return f"{dotted(path)} is {found}; expected {expected_value(schema)}, {remedy}."


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
