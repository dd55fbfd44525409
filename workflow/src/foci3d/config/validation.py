"""The check of the configuration before anything runs; every problem is reported in a line with its file.

`foci3d.config.models` defines the keys, their types, ranges and defaults; `foci3d.config.cross_checks` and
`foci3d.config.target_checks` how they must fit each other. What a message says that it expected is read from the
models, too.
"""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from foci3d.config.cross_checks import find_conflicts
from foci3d.config.documents import Document, merge, read_document
from foci3d.config.models import Config
from foci3d.config.problems import ConfigProblem, KeyPath, dotted
from foci3d.config.registry import load_plugins
from foci3d.config.schema import JsonSchema, Key, config_schema, expected_value, schema_at
from foci3d.errors import InputError

MISSING = object()
UNKNOWN_KEY = {"extra_forbidden", "invalid_key"}


def read_config(files: Sequence[str | Path], *, allow_plugins: bool = False) -> Config:
    """Read, merge and check configuration files.

    Parameters
    ----------
    files : sequence of str or Path
        ``config/config.yaml``, then its overlays in the order of ``--configfile``.
    allow_plugins : bool
        Whether to run the Python files that the key plugins names.

    Returns
    -------
    Config
        The configuration.

    Raises
    ------
    InputError
        If a file is not readable as YAML, plugins are named and not allowed, or for problems of the configuration; see
        `check_config`.
    """
    merged: dict[str, Any] = {}
    for file in files:
        merged = merge(merged, read_document(file).content)
    if merged.get("plugins") and not allow_plugins:
        raise InputError(
            f"plugins are {merged['plugins']}; a check would run these Python files. Look at them, then give "
            "--allow-plugins (in Python, allow_plugins=True)."
        )
    return check_config(merged, files)


def check_config(config: Mapping[str, Any], files: Sequence[str | Path]) -> Config:
    """Check a configuration and convert it to its model, which holds the defaults, too.

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
        With a line for each problem: the file and line that bring it about, the key, what was found, what was expected
        and what to do.
    """
    plugins = config.get("plugins")
    if isinstance(plugins, list) and all(isinstance(path, str) for path in plugins):
        load_plugins(plugins)
    documents = [read_document(file) for file in files]
    model, problems = _find_problems(config)
    lines = [text for document in documents for text in document.repeated]
    lines += _reports(problems, config, documents)
    if model is None or lines:
        raise InputError(*lines)
    return model


def _find_problems(config: Mapping[str, Any]) -> tuple[Config | None, list[ConfigProblem]]:
    """The model, if all keys are usable, and the problems."""
    try:
        model = Config.model_validate(config)
    except ValidationError as error:
        return None, [*_key_problems(error, config)]
    return model, [*find_conflicts(model)]


def _reports(
    problems: Sequence[ConfigProblem], config: Mapping[str, Any], documents: Sequence[Document]
) -> Iterator[str]:
    """Each problem with the file that brings it about: the first after which it stays, or ``--config`` after all."""
    if not problems:
        return
    stages: list[dict[str, Any]] = []
    for document in documents:
        stages.append(merge(stages[-1] if stages else {}, document.content))
    paths = [{problem.path for problem in _find_problems(stage)[1]} for stage in stages]
    for problem in problems:
        value = value_at(problem.path, config)
        absent = [
            index
            for index, stage in enumerate(stages)
            if problem.path not in paths[index] or value_at(problem.path, stage) != value
        ]
        cause = absent[-1] + 1 if absent else 0
        place = documents[cause].place(problem.path) if cause < len(documents) else "--config"
        yield f"{place}: {problem.message}"


def value_at(path: Iterable[Key], tree: Any) -> Any:
    """The value at `path`, or MISSING."""
    for key in path:
        try:
            tree = tree[key] if isinstance(tree, Mapping) or isinstance(key, int) else MISSING
        except (KeyError, IndexError, TypeError):
            return MISSING
    return tree


def _key_problems(error: ValidationError, config: Mapping[str, Any]) -> Iterator[ConfigProblem]:
    """Keys that are misspelt, missing or have an unusable value: misspelt keys first, as they explain missing ones."""

    def rank(details: Any) -> int:
        misspelt = details["type"] in UNKNOWN_KEY or "[key]" in details["loc"]
        return 0 if misspelt else 1 if details["type"] == "missing" else 2

    root, suggested = config_schema(), set[KeyPath]()
    for details in sorted(error.errors(include_url=False, include_input=False, include_context=False), key=rank):
        path = details["loc"]
        if path[-1] == "[key]":
            name, expected = dotted(path[:-1]), schema_at(path[:-2], config, root)["propertyNames"]["description"]
            yield ConfigProblem(path[:-1], f"the name {name} is not usable; expected {expected}, rename it.")
        elif details["type"] in UNKNOWN_KEY:
            expected_keys = schema_at(path[:-1], config, root)["properties"]
            near = _nearest_key(str(path[-1]), expected_keys, value_at(path[:-1], config))
            suggested |= {(*path[:-1], key) for key in near}
            remedy = (
                f"did you mean {near[0]}?"
                if near
                else f"expected one of {', '.join(expected_keys)}, rename or remove it."
            )
            yield ConfigProblem(path, f"there is no key {dotted((*path[:-1], str(path[-1])))}; {remedy}")
        elif details["type"] != "missing":
            yield ConfigProblem(path, _wrong_value(path, value_at(path, config), schema_at(path, config, root)))
        elif path not in suggested:
            expected = expected_value(schema_at(path, config, root))
            yield ConfigProblem(path, f"the key {dotted(path)} is missing; expected {expected}, add it.")


def _nearest_key(key: str, expected: Iterable[str], section: Mapping[str, Any]) -> list[str]:
    """The key that is most likely meant, if any is alike; one that is not there yet is more likely."""
    absent = [other for other in expected if other not in section]
    return difflib.get_close_matches(key, absent, 1) or difflib.get_close_matches(key, expected, 1)


def _wrong_value(path: tuple[Key, ...], value: Any, schema: JsonSchema) -> str:
    found = json.dumps(value, default=str, skipkeys=True)
    found = found if len(found) < 60 else f"{found[:56]} ..."
    is_number = isinstance(value, str) and _is_number(value)
    remedy = "write it without quotes and with a decimal point as in 1.0e-3" if is_number else "correct it"
    return f"{dotted(path)} is {found}; expected {expected_value(schema)}, {remedy}."


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
