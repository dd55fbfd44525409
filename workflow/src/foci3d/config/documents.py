"""Configuration files: read with the line of each key, and merged as Snakemake merges them."""

import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from foci3d.config.problems import KeyPath, dotted
from foci3d.errors import InputError

MAX_NODES = 100_000
"""Keys and values of a file, with those that its aliases stand for."""

INTEGER_TAG = "tag:yaml.org,2002:int"
MERGE_TAG = "tag:yaml.org,2002:merge"


@dataclass(frozen=True)
class Document:
    """A configuration file.

    Parameters
    ----------
    file : str
        Path from the working directory.
    content : mapping
        Keys and values.
    lines : mapping of tuple to int
        Line of each key; that of a merged key (``<<``) is where it is written.
    repeated : tuple of str
        A sentence about each key that is given twice.
    """

    file: str
    content: Mapping[str, Any]
    lines: Mapping[KeyPath, int]
    repeated: tuple[str, ...]

    def place(self, path: KeyPath) -> str:
        """``file:line`` of the key at `path` or of its section, or the file alone where it has neither."""
        lines = [self.lines[key] for key in (path, path[:-1]) if key in self.lines]
        return f"{self.file}:{lines[0]}" if lines else self.file


def read_document(file: str | Path) -> Document:
    """Read a configuration file.

    Raises
    ------
    InputError
        If the file is not readable as YAML, or is no mapping of keys.
    """
    name, lines, repeated = os.path.relpath(file), dict[KeyPath, int](), dict[int, str]()
    try:
        loader = yaml.SafeLoader(Path(file).read_text(encoding="utf-8"))
        node = loader.get_single_node()
        _require_bounded(name, node)
        _collect_keys(node, (), lines, repeated)
        content = loader.construct_document(node) if node else None
    except OSError as error:
        raise InputError(
            f"{name}: cannot be read ({error.strerror}); expected a YAML file. Correct the path."
        ) from error
    except RecursionError as error:
        raise InputError(f"{name}: keys are nested too deeply or contain themselves. Remove levels.") from error
    except (ValueError, yaml.YAMLError) as error:  # ValueError: not UTF-8, or a date such as 2000-99-99
        raise InputError(f"{name}: not valid YAML ({' '.join(str(error).split())}); correct this line.") from error
    if not isinstance(content, Mapping):
        raise InputError(f"{name}: expected keys at the top level, found {type(content).__name__}. Add keys.")
    return Document(name, content, lines, tuple(f"{name}:{line}: {text}" for line, text in repeated.items()))


def _require_bounded(name: str, root: yaml.Node | None) -> None:
    """Refuse a document that contains itself, or whose aliases stand for more than `MAX_NODES` values."""
    sizes: dict[int, int] = {}

    def expanded_size(node: Any) -> int:
        if id(node) not in sizes:
            sizes[id(node)] = MAX_NODES  # found again below itself
            children = node.value if isinstance(node, yaml.CollectionNode) else []
            pairs = itertools.chain.from_iterable(children) if isinstance(node, yaml.MappingNode) else children
            sizes[id(node)] = 1 + sum(map(expanded_size, pairs))
            if isinstance(node, yaml.ScalarNode):
                if node.tag == INTEGER_TAG and len(node.value) > 1000:  # Python does not print them
                    raise ValueError(f"an integer of {len(node.value)} digits in line {node.start_mark.line + 1}")
                node.value.encode()  # raises ValueError for half of a character, as in "\\ud800"
        return sizes[id(node)]

    if expanded_size(root) > MAX_NODES:
        raise InputError(f"{name}: aliases (*) stand for over {MAX_NODES} values, or for themselves. Write them out.")


def _collect_keys(node: yaml.Node | None, path: KeyPath, lines: dict[KeyPath, int], repeated: dict[int, str]) -> None:
    """Enter the line of each key below `node` in `lines`, and what is wrong with keys given twice in `repeated`."""
    if not isinstance(node, yaml.MappingNode):
        return
    own = [(key, value) for key, value in node.value if key.tag != MERGE_TAG]
    for _, merged in (pair for pair in node.value if pair[0].tag == MERGE_TAG):
        for part in reversed(merged.value) if isinstance(merged, yaml.SequenceNode) else [merged]:
            _collect_keys(part, path, lines, repeated)
    first_lines: dict[str, int] = {}
    for key, value in own:
        line, name = key.start_mark.line + 1, str(key.value)
        below = (*path, name)
        if name in first_lines:
            places = f"in lines {first_lines[name]} and {line}"
            repeated[line] = f"the key {dotted(below)} is given twice, {places}; remove one."
        first_lines.setdefault(name, line)
        lines[below] = line
        _collect_keys(value, below, lines, repeated)


def merge(config: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with the values of an overlay; mappings are merged key by key, other values replaced."""
    merged = dict(config)
    for key, value in overlay.items():
        before = merged.get(key)
        if isinstance(value, Mapping):
            merged[key] = merge(before if isinstance(before, Mapping) else {}, value)
        else:
            merged[key] = value
    return merged
