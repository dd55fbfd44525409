"""Fill the numbers on Markdown pages from the files of results: `python docs/fill_numbers.py`.

A measured number on a page is followed by a hidden comment with its name: `6.5<!--stack2_physics.error-->`,
or `6.5 (6.4 to 6.7)<!--stack2_physics.error-->` with its 95 % interval. The decimals are those that the page has.
`numbers.csv` states for each name the file, the column, the scale and the conditions that select one row. Numbers that
no run writes to a file are in `results/measurements.csv`, with the command that measured them. The sentence before
`<!--commits-->` names the commits at which the numbers of the page were measured.
"""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[1]

NUMBER = r"-?\d+(?:\.\d+)?"
MARKED = re.compile(rf"({NUMBER})(?: \(({NUMBER}) to ({NUMBER})\))?<!--([\w.]+)-->")
COMMITS = re.compile(r"^.*<!--commits-->$", re.MULTILINE)

FOLDERS = ("", "config/", "docs/**/", "workflow/studies/")
"""Where the pages lie that are written by hand."""

Row = dict[str, str]


@dataclass(frozen=True)
class Number:
    """A measured number: its value with the ends of its interval, and where it comes from.

    `values` has one or three elements: the value, and the lower and upper end of the interval if it has one.
    """

    values: tuple[float, ...]
    source: str
    commit: str


def read_rows(path: Path) -> list[Row]:
    """Rows of a CSV file, or of the tables with a header of more than two columns on a Markdown page."""
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.count("|") > 3]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    header = cells[0] if cells else []
    return [dict(zip(header, row, strict=False)) for row in cells[2:]]


def select(rows: Iterable[Row], where: str) -> list[Row]:
    """Rows that fulfil all conditions, `column=value` separated by semicolons."""
    conditions = [condition.split("=") for condition in where.split(";") if condition]
    return [row for row in rows if all(row[column.strip()] == value.strip() for column, value in conditions)]


def load_numbers(project: Path = PROJECT) -> dict[str, Number]:
    """All numbers by name, from `docs/numbers.csv` and `docs/results/measurements.csv`."""
    commits = {row["file"]: row["commit"] for row in read_rows(project / "docs" / "results" / "provenance.csv")}
    files: dict[str, list[Row]] = {}
    numbers = {}
    for row in read_rows(project / "docs" / "numbers.csv"):
        file, column, scale = row["file"], row["column"], float(row["scale"])
        rows = select(files.setdefault(file, read_rows(project / file)), row["where"])
        if column == "count":
            values: tuple[float, ...] = (len(rows),)
        elif len(rows) == 1:
            ends = [column.replace("value", end) for end in ("ci_low", "ci_high")] if "value" in column else []
            cells = [rows[0][name] for name in (column, *ends) if name in rows[0]]
            values = tuple(scale * float(cell) for cell in cells if cell)
        else:
            raise ValueError(f"{row['name']}: {len(rows)} rows of {file} fulfil {row['where']}, expected one")
        numbers[row["name"]] = Number(values, Path(file).name, commits[file])
    for row in read_rows(project / "docs" / "results" / "measurements.csv"):
        cells = [row[name] for name in ("value", "ci_low", "ci_high")]
        numbers[row["name"]] = Number(tuple(float(cell) for cell in cells if cell), "measurements.csv", row["commit"])
    return numbers


def find_pages(project: Path = PROJECT) -> list[Path]:
    """Pages that are written by hand and may have numbers."""
    generated = project / "docs" / "reference"
    pages = [page for folder in FOLDERS for page in project.glob(f"{folder}*.md")]
    return sorted(page for page in pages if generated not in page.parents)


def fill(markdown: str, numbers: dict[str, Number]) -> str:
    """A page with its numbers, and the sentence about their commits, as the files have them."""
    used: list[Number] = []

    def replace(match: re.Match[str]) -> str:
        name, shown = match[4], [text for text in match.groups()[:3] if text]
        number = numbers[name]
        if len(number.values) < len(shown):
            raise ValueError(f"{name} has no interval")
        used.append(number)
        decimals = [len(text.partition(".")[2]) for text in shown]
        value, *ends = [f"{x:.{n}f}" for x, n in zip(number.values, decimals, strict=False)]
        return value + (f" ({ends[0]} to {ends[1]})" if ends else "") + f"<!--{name}-->"

    return COMMITS.sub(lambda _: describe_commits(used) + "<!--commits-->", MARKED.sub(replace, markdown))


def describe_commits(numbers: Iterable[Number]) -> str:
    """The sentence that names the commits of numbers, with the files that hold them."""
    sources: dict[str, set[str]] = {}
    for number in numbers:
        sources.setdefault(number.commit, set()).add(number.source)
    parts = [f"{commit} ({', '.join(sorted(files))})" for commit, files in sorted(sources.items())]
    return f"Numbers on this page were measured at {'commits' if len(parts) > 1 else 'commit'} {', '.join(parts)}."


def main() -> None:
    """Rewrite the pages with stale numbers, and print their names."""
    numbers = load_numbers()
    for page in find_pages():
        before = page.read_text(encoding="utf-8")
        after = fill(before, numbers)
        if after != before:
            page.write_text(after, encoding="utf-8")
            print(f"numbers filled in: {page.relative_to(PROJECT)}")


if __name__ == "__main__":
    main()
