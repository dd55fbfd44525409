"""Where results come from: the digest of the code behind a script, and what a job stamps on its files.

The digest tells Snakemake what to run again after an edit of the library.
"""

import ast
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from foci3d.io.digests import digest

LIBRARY = Path(__file__).parents[1]
PACKAGE = "foci3d"

PACKAGES = ("foci3d", "torch", "numpy", "snakemake")
"""Packages whose versions are recorded."""

# Modules that decide how a script reports and never what it computes: an edit here re-runs nothing.
PLUMBING = frozenset({"errors", "workflow.job"})
# Modules whose registries a plugin joins: its code can only matter to scripts that import one of these.
OPEN_TO_PLUGINS = frozenset(
    {"config.metrics", "evaluation.scores", "learning.networks", "learning.tasks", "classical.methods"}
)


def module_path(name: str) -> Path | None:
    """File of the library's module `name` (dotted, without the package), or None if there is none."""
    path = LIBRARY.joinpath(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """A node and all statements below it, without their expressions, which are most of a tree."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield from _statements(child)


def imported_names(source: str) -> set[str]:
    """Dotted names of all that may be a module and that Python `source` imports, at any depth of nesting."""
    return _names_imported_in(ast.parse(source))


def _names_imported_in(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in _statements(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def _modules_among(names: set[str]) -> set[str]:
    """The library's modules among dotted names, without the package."""
    within = {name.removeprefix(f"{PACKAGE}.") for name in names if name.startswith(f"{PACKAGE}.")}
    return {name for name in within if module_path(name)} - PLUMBING


def neighbour_sources(script: Path) -> dict[str, str]:
    """Source of a script and of the modules in its folder that it imports, also through each other, by name."""
    sources: dict[str, str] = {}
    pending = {script.stem}
    while pending:
        name = pending.pop()
        sources[name] = (script.parent / f"{name}.py").read_text()
        found = {name for name in imported_names(sources[name]) if (script.parent / f"{name}.py").is_file()}
        pending |= found - set(sources)
    return sources


def normalized_source(source: str) -> str:
    """`source` without comments, docstrings and layout."""
    return _unparse_code(ast.parse(source))


def _unparse_code(tree: ast.Module) -> str:
    """Source of a tree, which loses its docstrings."""
    for node in _statements(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [each for each in node.body if not _is_text(each)] or [ast.Pass()]
    return ast.unparse(tree)


def _is_text(node: ast.stmt) -> bool:
    """Whether a statement is a text alone: a docstring, also one of a constant."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


@cache
def _analyze(source: str) -> tuple[str, frozenset[str]]:
    """Code of a module, and the modules that it imports; the source is parsed once."""
    tree = ast.parse(source)
    return _unparse_code(tree), frozenset(_modules_among(_names_imported_in(tree)))


def _read_module(name: str) -> tuple[str, frozenset[str]]:
    path = module_path(name)
    assert path is not None, name
    return _analyze(path.read_text())


def transitive_modules(source: str) -> set[str]:
    """Names of all library modules that Python `source` imports, directly or through other modules."""
    names: set[str] = set()
    pending = _modules_among(imported_names(source))
    while pending:
        name = pending.pop()
        names.add(name)
        pending |= _read_module(name)[1] - names
    return names


def code_digest(script: str | Path, plugins: Sequence[str | Path] = ()) -> str:
    """Digest of the library code behind a script.

    Snakemake notices an edit of a script but not of the modules that the script imports, of the library or in its own
    folder. A rule with this digest as a param is run again when, and only when, code behind it has changed. Comments
    and docstrings do not count.

    Parameters
    ----------
    script : str or Path
        A Python file that imports from the library.
    plugins : sequence of str or Path
        Python files that register networks, classical methods or tasks; they count for scripts that can use these,
        their scores or their metrics.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    own = neighbour_sources(Path(script))
    modules = sorted(transitive_modules("\n".join(own.values())))
    code = [(name, _read_module(name)[0]) for name in modules]
    code += [(name, normalized_source(own[name])) for name in sorted(own) if name != Path(script).stem]
    if OPEN_TO_PLUGINS & set(modules):
        code += [(Path(plugin).name, normalized_source(Path(plugin).read_text())) for plugin in plugins]
    return digest(code)


def find_commit(folder: str | Path) -> str:
    """The commit of a folder under git with a note on later edits, or `unknown`."""
    try:
        commit, edits = (
            subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
            for words in (("rev-parse", "--short=12", "HEAD"), ("status", "--porcelain"))
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit}, edited" if edits else commit


def package_versions() -> str:
    """Versions of Python and of `PACKAGES`, such as ``python 3.11.7, foci3d 0.1.0``."""
    versions = [f"python {platform.python_version()}"]
    for name in PACKAGES:
        with suppress(PackageNotFoundError):  # conda environments have no Snakemake
            versions.append(f"{name} {version(name)}")
    return ", ".join(versions)


def describe_job(config: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, str | int]:
    """Provenance of what a job writes.

    Parameters
    ----------
    config : mapping
        The whole configuration of the run.
    params : mapping
        The params of the job; `code` is the digest of its code.

    Returns
    -------
    dict
        versions; configuration, digest of the whole configuration; seed, root of every random number; code.
    """
    described: dict[str, str | int] = {"versions": package_versions(), "configuration": digest(config)}
    known = {"seed": config.get("seed"), "code": params.get("code")}
    return described | {name: value for name, value in known.items() if value is not None}
