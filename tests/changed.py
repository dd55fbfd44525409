"""Prints the tests of what has changed since the main branch, for `make check`.

A changed package of the library brings the tests in the folder of its name, a changed test itself, a changed rule or
script the tests of all scripts. The tests of the structure and of the configuration are always among them.
"""

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[1]
ALWAYS = {"tests/unit/test_structure.py", "tests/unit/config"}


def affected_tests(files: Iterable[str]) -> Iterator[str]:
    """Test files or folders for changed files, named from the folder of the project."""
    yield from ALWAYS
    for parts in (Path(file).parts for file in files):
        match parts:
            case ("workflow", "src", "foci3d", package, _, *_):
                yield f"tests/unit/{package}"
            case ("workflow", "scripts" | "rules" | "studies", *_):
                yield "tests/rules"
            case ("tests", "unit", package, _, *_):
                yield f"tests/unit/{package}"
            case ("tests", *_) if parts[-1].startswith("test_"):
                yield "/".join(parts)


def changed_files() -> list[str]:
    """Files that differ from the last common commit with the main branch, and new ones."""

    def git(*arguments: str) -> list[str]:
        run = subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False)
        return run.stdout.split()

    base = git("merge-base", "HEAD", "origin/main") or git("merge-base", "HEAD", "main") or ["HEAD"]
    return git("diff", "--name-only", base[0]) + git("ls-files", "--others", "--exclude-standard")


if __name__ == "__main__":
    print(*sorted({path for path in affected_tests(changed_files()) if (PROJECT / path).exists()}))
