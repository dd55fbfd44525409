"""Docstrings of the library as Markdown: equations become MathML, simple tables become tables of Markdown."""

import re
from typing import Any

import griffe
from latex2mathml.converter import convert

DISPLAY = re.compile(r"^( *)\.\. math:: *(.*?)(?=\n\s*\n|\Z)", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r":math:`([^`]+)`")
TABLE = re.compile(r"^( *)=+( +=+)+ *\n.*?^ *=+( +=+)+ *$\n.*?^ *=+( +=+)+ *$", re.DOTALL | re.MULTILINE)


class Docstrings(griffe.Extension):
    """Converts every docstring before it is parsed."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Convert the docstring of an object, if it has one."""
        if obj.docstring:
            obj.docstring.value = to_markdown(obj.docstring.value)


def to_markdown(text: str) -> str:
    """Replace roles, equations and tables of reStructuredText."""
    text = TABLE.sub(lambda match: _table(match[0].splitlines()), text)
    text = DISPLAY.sub(lambda match: match[1] + _mathml(" ".join(match[2].split()), "block"), text)
    return INLINE.sub(lambda match: _mathml(match[1], "inline"), text)


def _mathml(tex: str, display: str) -> str:
    return convert(tex, display=display).replace("\n", " ")


def _table(lines: list[str]) -> str:
    """A simple table of reStructuredText; a row whose first cell is empty continues the row above."""
    starts = [match.start() for match in re.finditer("=+", lines[0])]
    spans = [slice(start, end) for start, end in zip(starts, [*starts[1:], None], strict=True)]
    rows: list[list[str]] = []
    for line in lines:
        cells = [line[span].strip() for span in spans]
        if set(line) <= {"=", " "}:
            continue
        if cells[0]:
            rows.append(cells)
        else:
            rows[-1] = [f"{above} {cell}".strip() for above, cell in zip(rows[-1], cells, strict=True)]
    rows.insert(1, ["---"] * len(spans))
    indent = " " * starts[0]
    return "\n".join(f"{indent}| {' | '.join(row)} |" for row in rows)
