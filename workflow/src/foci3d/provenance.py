"""Digests of code and of plain values, which tell Snakemake and a reader what an artefact was made from."""

import ast
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

ROOM = Path(__file__).parent
PACKAGE = __package__ or "foci3d"

# Plumbing that decides how a script reports and never what it computes: an edit here re-runs nothing.
PLUMBING = frozenset({"errors", "job"})


def digest(value: Any) -> str:
    """Digest of a value made of dicts, lists, strings and numbers.

    Returns
    -------
    str
        16 hexadecimal digits; the order of keys does not matter.
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def module_path(name: str) -> Path | None:
    """File of the library's module `name` (dotted, without the package), or None if there is none."""
    path = ROOM.joinpath(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def imported_modules(source: str) -> set[str]:
    """Names of the library's modules that Python `source` imports, at any depth of nesting."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == PACKAGE:
            inner = node.module.removeprefix(PACKAGE).removeprefix(".")
            candidates = [".".join(filter(None, [inner, alias.name])) for alias in node.names] + [inner]
        elif isinstance(node, ast.Import):
            candidates = [
                alias.name.removeprefix(f"{PACKAGE}.") for alias in node.names if alias.name.startswith(f"{PACKAGE}.")
            ]
        else:
            continue
        names.update(name for name in candidates if name and module_path(name))
    return names


def bare_code(source: str) -> str:
    """`source` without comments, docstrings and layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


@cache
def _read_module(name: str) -> tuple[str, frozenset[str]]:
    path = module_path(name)
    assert path is not None, name
    source = path.read_text()
    return bare_code(source), frozenset(imported_modules(source) - PLUMBING)


def modules_behind(source: str) -> set[str]:
    """Names of all library modules that Python `source` imports, directly or through other modules."""
    found: set[str] = set()
    waiting = imported_modules(source) - PLUMBING
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= _read_module(name)[1] - found
    return found


def code_digest(script: str | Path) -> str:
    """Digest of the library code behind a script.

    Snakemake notices an edit of a script but not of the modules that the script imports. A rule that carries this
    digest as a param is run again when, and only when, code behind it has changed. Comments and docstrings are no code.

    Parameters
    ----------
    script : str or Path
        A Python file that imports from the library.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    modules = sorted(modules_behind(Path(script).read_text()))
    return digest([(name, _read_module(name)[0]) for name in modules])
