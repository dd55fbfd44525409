"""What the pages of the documentation say: their code blocks, commands and the overlays that readers write."""

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
sys.path.append(str(PROJECT / "docs"))
import fill_numbers  # noqa: E402

PAGES = [page for page in fill_numbers.find_pages() if page.name != "CHANGELOG.md"]
RESULTS = PROJECT / "docs" / "results"
RECORDED = {RESULTS / "run.md", RESULTS / "benchmark.md", *(page.with_suffix(".md") for page in RESULTS.glob("*.csv"))}
GUIDES = [page for page in PAGES if page.parent != RESULTS / "records" and page not in RECORDED]
"""Pages about the present code; records are about the code of the commit that they name."""

FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`((?:\.venv/bin/)?(?:foci3d|make|python|snakemake|pip|pre-commit) [^`\n]+)`")


def name_of(page: Path) -> str:
    return str(page.relative_to(PROJECT))


def each(pages: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", pages, ids=name_of)


def blocks(page: Path, language: str) -> list[str]:
    """Code blocks of a page in a language, without the indentation of a list."""
    found = FENCE.findall(page.read_text())
    return [re.sub(rf"^{indent}", "", code, flags=re.MULTILINE) for indent, name, code in found if name == language]


def commands(page: Path) -> Iterator[list[str]]:
    """Words of each command of a page, in a block or within a sentence."""
    lines = "\n".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()
    for line in [*lines, *INLINE.findall(FENCE.sub("", page.read_text()))]:
        words = shlex.split(line, comments=True)
        if words:
            yield [words[0].removeprefix(".venv/bin/"), *words[1:]]


def own_overlays(page: Path) -> dict[str, str]:
    """Configuration files that a page tells the reader to write, with the YAML blocks that they hold.

    These are the block that begins with the name of the file, or those before its name, or the first one after it.
    """
    text, overlays = page.read_text(), {}
    for name in re.findall(r"config/\w+\.yaml", text):
        if not (PROJECT / name).is_file():
            named = [block for block in blocks(page, "yaml") if block.startswith(f"# {name}\n")]
            before = [code for _, language, code in FENCE.findall(text[: text.index(name)]) if language == "yaml"]
            overlays[name] = "".join(named or before or blocks(page, "yaml")[:1])
    return overlays
