"""The check of the configuration, made before anything runs; the first mistake becomes one sentence.

`workflow/schemas/config.schema.yaml` says which keys there are, of which type and in which range; `consistency` says
how they must fit each other.
"""

import difflib
import itertools
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, validators

from foci3d.consistency import Config, Key, Mistake, dotted, inconsistencies
from foci3d.errors import InputError

SCHEMA = Path(__file__).parents[2] / "schemas" / "config.schema.yaml"
MISSING = object()
TYPES = {
    "integer": "an integer",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping of keys",
}
BOUNDS = {
    "minimum": "of at least",
    "exclusiveMinimum": "above",
    "maximum": "of at most",
    "exclusiveMaximum": "below",
    "minItems": "of at least",
    "maxItems": "of at most",
}


def check_config(config: Config, files: Sequence[str | Path]) -> None:
    """Check a configuration against its schema, and its entries against each other.

    Parameters
    ----------
    config : mapping
        The configuration after all overlays.
    files : sequence of str or Path
        The files it was read from, in the order in which they were applied.

    Raises
    ------
    InputError
        For the first mistake: the file that it is in, the key, what was found, what was expected and what to do.
    """
    for mistake in itertools.chain.from_iterable(find(config) for find in (_schema_mistakes, inconsistencies)):
        raise InputError(f"{_origin(mistake.path, config, files)}: {mistake.message}")


def _at(tree: Any, path: Iterable[Key]) -> Any:
    """The value at `path`, or MISSING."""
    for key in path:
        try:
            tree = tree[key]
        except (KeyError, IndexError, TypeError):
            return MISSING
    return tree


def _origin(path: tuple[Key, ...], config: Config, files: Sequence[str | Path]) -> str:
    """The last file that holds the key, or else its parent; ``--config`` if the value came with the command."""
    documents = {os.path.relpath(file): yaml.safe_load(Path(file).read_text()) for file in files}
    value = _at(config, path)
    while True:
        holders = [file for file, document in documents.items() if _at(document, path) is not MISSING]
        if holders:
            given = _at(documents[holders[-1]], path)
            return holders[-1] if value is MISSING or isinstance(value, Mapping) or given == value else "--config"
        if value is not MISSING:
            return "--config"
        path = path[:-1]


@cache
def _validator() -> Any:
    """Validator of the schema in which 64.0 is no integer and infinity no number."""
    types = Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, value: isinstance(value, int) and not isinstance(value, bool),
            "number": lambda _, value: (
                isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            ),
        }
    )
    return validators.extend(Draft202012Validator, type_checker=types)(yaml.safe_load(SCHEMA.read_text()))


def _schema_mistakes(config: Config) -> Iterator[Mistake]:
    """Mistakes that the schema finds: misspelt keys first, for they explain missing ones."""
    for error in sorted(_validator().iter_errors(config), key=_rank):
        path = tuple(error.absolute_path)
        if error.validator == "additionalProperties":
            yield _unknown_key(path, error)
        elif error.validator == "required":
            yield _missing_key(path, error)
        elif "propertyNames" in error.absolute_schema_path:
            path = (*path, str(error.instance))
            yield Mistake(path, f"the name {dotted(path)} is not usable; expected {_meaning(error)}, rename it.")
        else:
            yield Mistake(path, _wrong_value(path, error))


def _rank(error: Any) -> tuple[bool, bool, str]:
    """Orders the errors of the schema, violated as jsonschema's ValidationError describes it."""
    misnamed = error.validator == "additionalProperties" or "propertyNames" in error.absolute_schema_path
    return not misnamed, error.validator != "required", dotted(error.absolute_path)


def _unknown_key(path: tuple[Key, ...], error: Any) -> Mistake:
    known = error.schema["properties"]
    unknown = next(key for key in error.instance if key not in known)
    absent = [key for key in known if key not in error.instance]
    near = difflib.get_close_matches(str(unknown), absent, 1) or difflib.get_close_matches(str(unknown), known, 1)
    found = f"there is no key {dotted((*path, str(unknown)))}"
    if near:
        return Mistake((*path, unknown), f"{found}; did you mean {near[0]}?")
    return Mistake((*path, unknown), f"{found}; expected one of {', '.join(known)}, rename or remove it.")


def _missing_key(path: tuple[Key, ...], error: Any) -> Mistake:
    key = next(key for key in error.validator_value if key not in error.instance)
    schema = error.schema["properties"][key]
    expected = _expected(_resolved(schema), schema.get("description", ""))
    found = f"the key {dotted((*path, key))} is missing"
    return Mistake((*path, key), f"{found}; expected {expected}, add it as in config/config.yaml.")


def _wrong_value(path: tuple[Key, ...], error: Any) -> str:
    found = json.dumps(error.instance, default=str)
    found = found if len(found) < 60 else f"{found[:56]} ..."
    sentence = f"{dotted(path)} is {found}; expected {_expected(error.schema, _meaning(error))}"
    if isinstance(error.instance, str) and _is_number(error.instance):
        return f"{sentence}, write it without quotes and with a decimal point as in 1.0e-3."
    return f"{sentence}, correct it."


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _expected(schema: Mapping[str, Any], meaning: str) -> str:
    """The type, the range and the meaning of a value in words."""
    if "enum" in schema:
        kind = "one of " + ", ".join(map(str, schema["enum"]))
    elif "pattern" in schema or "type" not in schema:
        return meaning or "a value"
    elif schema.get("minItems", 0) == schema.get("maxItems", -1):
        kind = f"a list of {schema['minItems']} values"
    else:
        bounds = [f"{words} {schema[key]}" for key, words in BOUNDS.items() if key in schema]
        kind = " ".join([TYPES[schema["type"]], " and ".join(bounds)]).strip()
    return f"{kind} ({meaning})" if meaning else kind


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema with the definition that it refers to merged in; its own words win."""
    while "$ref" in schema:
        own = {key: value for key, value in schema.items() if key != "$ref"}
        schema = {**_validator().schema["$defs"][schema["$ref"].rsplit("/", 1)[-1]], **own}
    return schema


def _meaning(error: Any) -> str:
    """The description nearest to where the schema was violated."""
    node: Any = _validator().schema
    meaning = ""
    for part in error.absolute_schema_path:
        node = _resolved(node)[part] if isinstance(node, Mapping) else node[part]
        if isinstance(node, Mapping):
            meaning = _resolved(node).get("description", meaning)
    return str(meaning)
