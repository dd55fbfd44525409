"""Problems of a configuration, as sentences about its keys."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

KeyPath = tuple[str | int, ...]


class ConfigProblem(NamedTuple):
    """A sentence about the key at `path`, counted from the top of the configuration."""

    path: KeyPath
    message: str


def dotted(path: Iterable[str | int]) -> str:
    """`path` as a reader writes it: ``datasets.depth.depth_range_um[1]``."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")


def problem(path: KeyPath, found: Any, expected: str, remedy: str) -> ConfigProblem:
    """What was found at `path`, what was expected, and what to do."""
    return ConfigProblem(path, f"{dotted(path)} is {found}; expected {expected}, {remedy}.")


def unknown_name(path: KeyPath, name: str, names: Iterable[str]) -> ConfigProblem:
    """A name at `path` that is not among `names`."""
    return problem(path, name, f"one of {', '.join(names)}", f"correct the name or add {name}")


def is_file(path: str | Path) -> bool:
    """Whether there is such a file; none has a name that is too long or holds a NUL."""
    return os.path.isfile(path)  # noqa: PTH113, Path.is_file raises for these


def missing_file(path: KeyPath, file: str, expected: str) -> Iterator[ConfigProblem]:
    """A file at `path` that does not exist; nothing if it does."""
    if not is_file(file):
        yield problem(path, f"{file}, which does not exist", expected, "correct the path")
