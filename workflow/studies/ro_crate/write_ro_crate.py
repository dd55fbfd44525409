"""Pack a run as a Workflow Run RO-Crate 0.5: workflow, inputs, configuration, results and versions, with digests.

Reads the images, tables, figures and reconstructions of the run and the Snakefiles; copies them into a folder beside
`ro-crate-metadata.json`, which describes them. https://w3id.org/ro/wfrun/workflow/0.5 is the profile.
"""

import hashlib
import itertools
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foci3d.errors import InputError
from foci3d.version import __version__
from foci3d.workflow.job import run_job
from foci3d.workflow.provenance import find_commit, package_versions

if TYPE_CHECKING:
    from rocrate.rocrate import ROCrate

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
TERMS = "https://w3id.org/ro/terms/workflow-run/context"
"""Context that has the term sha256."""
LICENSE = "https://spdx.org/licenses/MIT"
FORMATS = {".csv": "text/csv", ".png": "image/png", ".tif": "image/tiff", ".yaml": "application/yaml"}


def places_of(paths: Iterable[Path], root: Path) -> dict[Path, Path]:
    """Places of files in a folder of the crate, each its own, by the absolute path of the file.

    Files below `root` lie as below it. The folders of others are numbered, so that images of one name, as of several
    acquisitions, do not replace each other.
    """
    top = _absolute(root)
    files = [*dict.fromkeys(map(_absolute, paths))]
    places = {path: path.relative_to(top) for path in files if path.is_relative_to(top)}
    taken = {place.parts[0] for place in places.values()}
    numbers = (number for number in map(str, itertools.count(1)) if number not in taken)
    outside = [path for path in files if path not in places]
    folders = dict(zip(dict.fromkeys(path.parent for path in outside), numbers, strict=False))
    return places | {path: Path(folders[path.parent], path.name) for path in outside}


def _absolute(path: Path) -> Path:
    """The path from the root, without dots; a link stays one, and so keeps its place in the project."""
    return Path(os.path.normpath(path.absolute()))


def add_files(crate: "ROCrate", paths: Iterable[Path], folder: Path, root: Path) -> list[Any]:
    """Add files below a folder of the crate, at their `places_of`; returns their entities."""
    entities = []
    for path, place in places_of(paths, root).items():
        content = path.read_bytes()
        properties = {
            "name": path.name,
            "contentSize": str(len(content)),
            "encodingFormat": FORMATS.get(path.suffix, "application/octet-stream"),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        entities.append(crate.add_file(path, str(folder / place), properties=properties))
    return entities


def time_of(path: Path) -> str:
    """When a file was written, in ISO 8601."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")


def add_workflow(crate: "ROCrate", files: list[Path], commit: str) -> Any:
    """Add the Snakefiles, of which `workflow/Snakefile` is the workflow."""
    (main,) = [path for path in files if path.name == "Snakefile"]
    workflow = crate.add_workflow(main, "workflow/Snakefile", main=True, lang="snakemake", gen_cwl=False)
    parts = add_files(crate, [path for path in files if path != main], Path("workflow"), main.parent)
    for key, value in {"name": "foci3d", "version": commit, "license": LICENSE, "hasPart": parts}.items():
        workflow[key] = value
    return workflow


def add_parameter(crate: "ROCrate", name: str, values: list[Any]) -> Any:
    """Add an input or output of the workflow, of which some files are the values in this run."""
    from rocrate.model import ContextEntity

    properties = {"@type": "FormalParameter", "additionalType": "File", "name": name, "multipleValues": "True"}
    parameter = crate.add(ContextEntity(crate, f"#{name}", properties=properties))
    for entity in values:
        entity["exampleOfWork"] = parameter
    return parameter


def describe_run(crate: "ROCrate", workflow: Any, used: list[Any], made: list[Any], versions: str, ended: str) -> None:
    """Add the run, an action of the workflow from inputs to results, and the software."""
    from rocrate.model import ContextEntity, SoftwareApplication

    software = [part.rsplit(" ", 1) for part in versions.split(", ")]
    workflow["softwareRequirements"] = [
        crate.add(SoftwareApplication(crate, f"#{name}", properties={"name": name, "softwareVersion": version}))
        for name, version in software
    ]
    run = {"@type": "CreateAction", "name": f"Run of foci3d {__version__}", "endTime": ended}
    action = crate.add(ContextEntity(crate, "#run", properties=run))
    for key, value in {"instrument": workflow, "object": used, "result": made}.items():
        action[key] = value
    crate.root_dataset["mentions"] = [action]


def main(
    images: list[Path],
    tables: list[Path],
    figures: list[Path],
    maps: list[Path],
    workflow: list[Path],
    configuration: str,
    folder: Path,
) -> None:
    try:
        from rocrate.model import ContextEntity
        from rocrate.rocrate import ROCrate
    except ImportError as error:
        raise InputError(
            f"ro_crate: the package {error.name} is not installed; expected the extra crate. Run .venv/bin/pip install "
            "'.[crate]' in the clone."
        ) from error
    results, outputs = folder.parent, [*tables, *figures, *maps]
    ended = max(map(time_of, outputs))
    crate = ROCrate(version="1.1")  # which the profiles build on
    crate.metadata.extra_contexts.append(TERMS)
    crate.name, crate.datePublished, crate.license = f"foci3d: {results}", ended, LICENSE
    crate.description = f"A run of foci3d with the configuration {configuration}: figures, tables, reconstructions."
    crate.root_dataset["conformsTo"] = [
        crate.add(ContextEntity(crate, uri, properties={"@type": "CreativeWork", "name": name, "version": uri[-3:]}))
        for uri, name in PROFILES.items()
    ]
    main_entity = add_workflow(crate, workflow, find_commit(Path.cwd()))
    config = add_files(crate, [path for path in [results / "config.yaml"] if path.exists()], Path("inputs"), results)
    measured = add_files(crate, images, Path("inputs"), Path())
    made = add_files(crate, outputs, Path("results"), results)
    inputs = {"configuration": config, "images": measured}
    main_entity["input"] = [add_parameter(crate, name, entities) for name, entities in inputs.items() if entities]
    main_entity["output"] = [add_parameter(crate, "results", made)]
    describe_run(crate, main_entity, [*config, *measured], made, package_versions(), ended)
    crate.write(folder)


if __name__ == "__main__":
    run_job(main)
