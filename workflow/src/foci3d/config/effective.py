"""The effective configuration of a run: every value with its origin, a default or a place in a file."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from foci3d.config.documents import Document, read_document
from foci3d.config.models import Config
from foci3d.config.problems import KeyPath
from foci3d.config.validation import MISSING, value_at

HEADER = (
    "# The configuration of this run, with the origin of each value: a file and its line, --config, or a default.\n"
)


def effective_yaml(model: Config, config: Mapping[str, Any], files: Sequence[str | Path]) -> str:
    """The whole configuration as YAML, with the origin of each value as a comment.

    Parameters
    ----------
    model : Config
        The configuration.
    config : mapping
        What it was checked from, without defaults; see `foci3d.config.validation.check_config`.
    files : sequence of str or Path
        The files that it was read from, in the order in which they were applied.

    Returns
    -------
    str
        A configuration file that holds every key.
    """
    documents = [read_document(file) for file in files]
    return HEADER + "\n".join(_lines(model.model_dump(mode="json"), (), config, documents)) + "\n"


def _lines(tree: Mapping[str, Any], path: KeyPath, config: Any, documents: Sequence[Document]) -> Iterator[str]:
    for key, value in tree.items():
        below, start = (*path, key), f"{'  ' * len(path)}{_scalar(key)}:"
        if isinstance(value, Mapping) and value:
            yield start
            yield from _lines(value, below, config, documents)
        else:
            yield f"{start} {_scalar(value)}  # {_origin(below, config, documents)}"


def _scalar(value: Any) -> str:
    """A value on one line of YAML."""
    return yaml.safe_dump([value], default_flow_style=True, width=math.inf, allow_unicode=True).strip()[1:-1]


def _origin(path: KeyPath, config: Any, documents: Sequence[Document]) -> str:
    value = value_at(path, config)
    if value is MISSING:
        return "default"
    holders = [file for file in documents if path in file.lines and value_at(path, file.content) == value]
    return holders[-1].place(path) if holders else "--config"
