"""Hooks of MkDocs: numbers from the results, pages from outside `docs/`, generated pages, and links for site and disk.

Pages are written such that their links lead to the right file in the repository. On the site, links between pages stay,
and links to files that are no pages become the path of the file.
"""

import posixpath
import re
import sys
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
from mkdocs.structure.files import File, Files
from rich.console import Console

from foci3d.cli import app
from foci3d.config.validation import read_config

sys.path.append(str(Path(__file__).parent))
import fill_numbers

PROJECT = Path(__file__).parents[1]
OUTSIDE = ["config/README.md", "workflow/studies/README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
"""Pages of the site that lie elsewhere in the repository, under the same path."""

LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")

PACKAGES = [
    "errors",
    "config",
    "io",
    "optics",
    "calibration",
    "simulation",
    "evaluation",
    "classical",
    "learning",
    "confidence",
    "reconstruction",
    "plots",
    "workflow",
]
"""Packages of the library in the order in which data flow."""

TITLES = {
    "fig_ablation": "Ablation",
    "fig_layers": "Number of layers",
    "fig_ood": "Out-of-distribution inputs",
    "fig_psf": "Point-spread function",
    "fig_reliability": "Reliability",
    "fig_risk_coverage": "Risk and coverage",
    "fig_robustness": "Robustness",
    "fig_scenes": "Scenes",
    "fig_training": "Training",
}
"""Figures that are not the paper's."""

FORMATS = ["io.hdf5", "optics.psf", "io.shards", "io.predictions", "learning.model_file", "io.matlab"]


def on_files(files: Files, config: Any) -> Files:
    """Add the pages from outside `docs/`, and the generated ones."""
    for path in OUTSIDE:
        files.append(File.generated(config, path, abs_src_path=str(PROJECT / path)))
    pages = {
        "gallery.md": _gallery(),
        **_api(),
        "reference/command-line.md": _command_line(),
        "reference/formats.md": _formats(),
    }
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Fill the numbers of a page, and correct its links; code is left alone."""
    markdown = fill_numbers.fill(markdown, fill_numbers.load_numbers())
    parts = re.split(r"(^```.*?^```|`[^`\n]+`)", markdown, flags=re.DOTALL | re.MULTILINE)
    for index in range(0, len(parts), 2):
        parts[index] = LINK.sub(lambda match: _correct(match, page.file.src_uri, files), parts[index])
    return "".join(parts)


def _correct(match: re.Match[str], source: str, files: Files) -> str:
    mark, text, target, anchor = match.groups(default="")
    if re.match(r"[a-z]+:", target):
        return match[0]
    folder = posixpath.dirname(source if source in OUTSIDE else f"docs/{source}")
    in_repository = posixpath.normpath(posixpath.join(folder, target))
    on_site = in_repository.removeprefix("docs/")
    if files.get_file_from_path(on_site) and (in_repository in OUTSIDE or in_repository.startswith("docs/")):
        return f"{mark}[{text}]({posixpath.relpath(on_site, posixpath.dirname(source) or '.')}{anchor})"
    if not (PROJECT / in_repository).exists():
        return match[0]
    return text if in_repository in text else f"{text} (`{in_repository}`)"


def _gallery() -> str:
    """Each figure of the record with the caption of the report."""
    configuration = read_config([PROJECT / "config" / "config.yaml"])
    values = SimpleNamespace(config=configuration.model_dump(mode="json"))
    parts = [
        "# Gallery of figures",
        "Figures of one run at the scale of the paper, described in [the paper at full scale](results/README.md).",
    ]
    for figure in sorted((PROJECT / "docs" / "results" / "figures").glob("*.png")):
        (path,) = (PROJECT / "workflow").glob(f"**/{figure.stem}.rst")
        caption = path.read_text(encoding="utf-8")
        title = TITLES.get(figure.stem) or f"Figure {figure.stem.removeprefix('fig')}"
        text = jinja2.Template(caption).render(snakemake=values).strip().replace("``", "`")
        parts.append(f"## {title}\n\n![{title}](results/figures/{figure.name})\n\n{text}")
    return "\n\n".join(parts) + "\n"


def _api() -> dict[str, str]:
    """A page of the public names, and a page for each package."""
    library = PROJECT / "workflow" / "src" / "foci3d"
    names = re.findall(r"^from \.(\S+) import (\S+) as", (library / "__init__.pyi").read_text(encoding="utf-8"), re.M)
    links = [f"- [`foci3d.{name}`][foci3d.{module}.{name}]" for module, name in names]
    parts = [
        "# Python API",
        "`import foci3d` gives the names below; they are loaded on first use. Shapes and units are in the docstrings: "
        "axes are (sample, sensor or layer, y, x), depths are measured from sensor A [um].",
        "\n".join(links),
        "The pages of the packages list everything else, in the order in which data flow:",
        "\n".join(f"- [`foci3d.{package}`]({package}.md)" for package in PACKAGES),
    ]
    pages = {"reference/api/index.md": "\n\n".join(parts) + "\n"}
    for package in PACKAGES:
        paths = sorted((library / package).rglob("*.py")) or [library / f"{package}.py"]
        modules = [".".join(path.relative_to(library.parent).with_suffix("").parts) for path in paths]
        contents = [f"::: {module}" for module in modules if not module.endswith("__init__")]
        pages[f"reference/api/{package}.md"] = "\n\n".join([f"# foci3d.{package}", *contents]) + "\n"
    return pages


def _formats() -> str:
    parts = [
        "# File formats",
        "`foci3d inspect FILE` shows what a file holds. Arrays of HDF5 files are plain: h5py, MATLAB, Julia and Fiji "
        "read them without plugins.",
    ]
    options = "    options:\n      members: false\n      show_root_full_path: true"
    return "\n\n".join([*parts, *(f"::: foci3d.{module}\n{options}" for module in FORMATS)]) + "\n"


def _command_line() -> str:
    parts = [f"# Command line\n\n```text\n{_help()}```"]
    parts += [f"## foci3d {name}\n\n```text\n{_help(name)}```" for name in app if not name.startswith("-")]
    return "\n\n".join(parts) + "\n"


def _help(*command: str) -> str:
    """What `foci3d COMMAND --help` prints."""
    console = Console(file=StringIO(), width=100)
    app.help_print(list(command), console=console)
    return console.file.getvalue().lstrip()
