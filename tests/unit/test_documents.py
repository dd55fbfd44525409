"""The pages of the documentation against the repository: numbers, links, commands and snippets."""

import ast
import importlib
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from pages import FENCE, GUIDES, PAGES, blocks, commands, each, fill_numbers, name_of, own_overlays
from PIL import Image

import foci3d
from foci3d.config.validation import read_config

PROJECT = Path(__file__).parents[2]
NUMBERS = fill_numbers.load_numbers()
HASH = re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7}\b")


def test_the_readme_is_short_and_its_images_show_all_colors() -> None:
    text = (PROJECT / "README.md").read_text()
    assert len(text.split()) <= 900
    images = [PROJECT / path for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)]
    assert [Image.open(image).mode != "P" for image in images] == [True, True]
    assert [getattr(Image.open(image), "n_frames", 1) > 1 for image in images] == [False, True]
    assert all(image.stat().st_size < 1.5e6 for image in images)


# Numbers


@each(PAGES)
def test_numbers_are_those_of_the_results(page: Path) -> None:
    text = page.read_text()
    assert fill_numbers.fill(text, NUMBERS) == text, "stale numbers: run python docs/fill_numbers.py"


def test_every_number_is_used_once_defined_and_has_its_commit() -> None:
    used = {match[3] for page in PAGES for match in fill_numbers.MARKED.findall(page.read_text())}
    sources = (PROJECT / "docs" / "numbers.csv", PROJECT / "docs" / "results" / "measurements.csv")
    names = [row["name"] for source in sources for row in fill_numbers.read_rows(source)]
    assert sorted(used) == sorted(names)
    assert all(re.fullmatch("[0-9a-f]{7}", number.commit) for number in NUMBERS.values())


def test_provenance_is_that_of_the_record_and_of_the_cards() -> None:
    (commit,) = re.findall(r"^\| Commit +\| (\w+)", (PROJECT / "docs" / "results" / "run.md").read_text(), re.MULTILINE)
    for row in fill_numbers.read_rows(PROJECT / "docs" / "results" / "provenance.csv"):
        if row["target"].split(";")[0] == "run_record":
            assert commit.startswith(row["commit"]), row
        if row["target"] == "release":
            assert f"at commit `{row['commit']}" in (PROJECT / row["file"]).read_text(), row


@each(GUIDES)
def test_a_page_names_its_commits_in_one_line(page: Path) -> None:
    text = page.read_text()
    assert text.count("<!--commits-->") == (1 if fill_numbers.MARKED.search(text) else 0)
    assert not HASH.search(fill_numbers.COMMITS.sub("", text)), "commits of numbers belong into docs/results"


@each(GUIDES)
def test_pages_use_the_words_of_the_field(page: Path) -> None:
    assert not re.findall(r"know the optics|knows? of its|unfamiliar|base rate|pictures?\b|remix", page.read_text())


@each(GUIDES)
def test_intervals_are_filled_in(page: Path) -> None:
    assert not re.findall(r"\d \(-?[\d.]+ to -?[\d.]+\)(?!<!--)", page.read_text())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one file of results and one measurement."""
    files = {
        "docs/numbers.csv": "name,file,column,scale,where\n"
        "a.error,results.csv,value,100,network=a\n"
        "misses,results.csv,count,1,verdict=missed\n",
        "docs/results/provenance.csv": "file,commit,target\nresults.csv,1234abc,all\n",
        "docs/results/measurements.csv": "name,value,ci_low,ci_high,unit,commit,how\nspeed,3,,,times,5678def,by hand\n",
        "results.csv": "network,value,ci_low,ci_high,verdict\na,0.06549,0.06446,0.0667,missed\nb,0.1,,,missed\n",
    }
    for path, content in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    return tmp_path


def test_stale_numbers_are_replaced_with_the_decimals_of_the_page(project: Path) -> None:
    numbers = "| 1.0<!--a.error--> | **0.00 (1.0 to 2)<!--a.error-->** % | 7<!--misses--> | 1<!--speed--> |\n\n"
    filled = fill_numbers.fill(f"{numbers}Old.<!--commits-->\n", fill_numbers.load_numbers(project))
    assert filled.startswith(
        "| 6.5<!--a.error--> | **6.55 (6.4 to 7)<!--a.error-->** % | 2<!--misses--> | 3<!--speed--> |\n\nNumbers"
    )
    assert filled.endswith("commits 1234abc (results.csv), 5678def (measurements.csv).<!--commits-->\n")


def test_a_number_without_a_row_or_an_interval_is_an_error(project: Path) -> None:
    with pytest.raises(ValueError, match="speed has no interval"):
        fill_numbers.fill("1 (1 to 2)<!--speed-->", fill_numbers.load_numbers(project))
    with pytest.raises(KeyError, match="unknown"):
        fill_numbers.fill("1<!--unknown-->", fill_numbers.load_numbers(project))
    with (project / "docs" / "numbers.csv").open("a") as file:
        file.write("both,results.csv,value,1,verdict=missed\n")
    with pytest.raises(ValueError, match="both: 2 rows"):
        fill_numbers.load_numbers(project)


# Links


GENERATED = r"gallery\.md$|reference/(api/\w+|formats|command-line)\.md$"
"""Pages that the build of the site writes; it checks the links to them."""


def anchors(page: Path) -> set[str]:
    """Anchors of the headings of a page, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading.lower())) for heading in headings}


@each([*PAGES, *(PROJECT / folder / "README.md" for folder in ("resources", "notebooks", "resources/acquisitions"))])
def test_links_lead_to_files_and_headings(page: Path) -> None:
    text = re.sub(r"`[^`\n]+`", "", FENCE.sub("", page.read_text()))
    for target, anchor in re.findall(r"\]\(([^)\s#]*)(?:#([^)\s]*))?\)", text):
        if re.match(r"[a-z]+:", target) or re.search(GENERATED, target):
            continue
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), target
        assert not anchor or path.suffix != ".md" or anchor in anchors(path), f"{target}#{anchor}"


# Commands and snippets


RULES = {
    name
    for file in [*(PROJECT / "workflow").rglob("*.smk"), *(PROJECT / "workflow").rglob("Snakefile")]
    for name in re.findall(r"^(?:rule|checkpoint) (\w+):", file.read_text(), re.MULTILINE)
}
MAKE_TARGETS = set(re.findall(r"^(\w+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))


@each(GUIDES)
def test_commands_name_targets_and_files_that_exist(page: Path) -> None:
    for words in commands(page):
        arguments = [word for word in words[1:] if not word.startswith("-")]
        if words[0] == "make":
            assert set(arguments) <= MAKE_TARGETS, words
        elif words[0] == "python" and arguments and arguments[0].endswith(".py"):
            assert (PROJECT / arguments[0]).is_file(), words
        elif words[0] == "snakemake":
            targets = words[words.index("--") + 1 :] if "--" in words else []
            assert all(target in RULES or target.startswith("results/") for target in targets), words
            assert all(
                (PROJECT / word).is_file() or word in own_overlays(page)
                for word in words
                if re.search(r"\.yaml$", word)
            ), words


def test_options_of_the_command_line_exist() -> None:
    options: defaultdict[str, set[str]] = defaultdict(set)
    for page in GUIDES:
        for words in commands(page):
            if words[0] == "foci3d" and len(words) > 1 and not words[1].startswith("-"):
                options[words[1]] |= {word for word in words if word.startswith("--")}
    assert len(options) >= 4
    for command, used in options.items():
        help_page = subprocess.run(
            [sys.executable, "-m", "foci3d", command, "--help"], capture_output=True, text=True, check=True
        ).stdout
        assert used <= set(re.findall(r"--[a-z0-9-]+", help_page)), command


def test_an_overlay_to_write_has_one_name_on_one_page() -> None:
    pages = defaultdict(list)
    for page in GUIDES:
        for name in own_overlays(page):
            pages[name].append(name_of(page))
    assert pages
    assert all(len(names) == 1 for names in pages.values()), dict(pages)


@each([page for page in GUIDES if blocks(page, "yaml") and page.name != "extending.md"])  # its code is run by a test
def test_yaml_snippets_are_valid_overlays(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("resources", "config"):
        (tmp_path / folder).symlink_to(PROJECT / folder)
    for block in blocks(page, "yaml"):
        for file in re.findall(r"[\w/]+\.(?:tif|csv|npz|mat)\b", block):
            (tmp_path / file).parent.mkdir(exist_ok=True)
            (tmp_path / file).touch()
        (tmp_path / "overlay.yaml").write_text(block)
        read_config(["config/config.yaml", "overlay.yaml"])


@each([page for page in GUIDES if blocks(page, "python") and page.name != "extending.md"])
def test_python_snippets_import_what_exists(page: Path) -> None:
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("foci3d"):
                module = importlib.import_module(node.module or "")
                assert all(hasattr(module, alias.name) for alias in node.names), ast.unparse(node)
            elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "foci3d":
                assert hasattr(foci3d, node.attr), ast.unparse(node)
