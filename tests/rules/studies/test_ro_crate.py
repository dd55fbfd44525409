"""The RO-Crate of a run: its files, their digests, and the rules of its profile."""

import hashlib
import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from write_ro_crate import places_of

PROJECT = Path(__file__).parents[3]
SNAKEFILES = [PROJECT / "workflow" / "Snakefile", *sorted((PROJECT / "workflow" / "rules").glob("*.smk"))]


@pytest.fixture
def job(tmp_path: Path) -> dict[str, Any]:
    """The files of a small run, as the rule has them."""
    results = tmp_path / "results" / "mine"
    for name in ("tables", "figures", "reconstructions/one"):
        (results / name).mkdir(parents=True)
    (results / "config.yaml").write_text("seed: 1\n")
    (results / "tables" / "scorecard.csv").write_text("metric,value\nerror,0.1\n")
    Image.new("RGB", (4, 4)).save(results / "figures" / "fig1.png")
    (results / "reconstructions" / "one" / "foci.csv").write_text("depth_um\n1\n")
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4), np.uint8))
    return {
        "input": {
            "images": [tmp_path / "a.tif"],
            "tables": [results / "tables" / "scorecard.csv"],
            "figures": [results / "figures" / "fig1.png"],
            "maps": [results / "reconstructions" / "one" / "foci.csv"],
            "workflow": SNAKEFILES,
        },
        "output": {"folder": results / "ro_crate"},
        "params": {"configuration": "abc", "code": "def"},
    }


def test_without_the_extra_one_line_says_what_to_install(
    job: dict[str, Any], run_script: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rocrate.rocrate", None)
    with pytest.raises(SystemExit):
        run_script("write_ro_crate", **job)
    assert "expected the extra crate. Run .venv/bin/pip install" in (tmp_path / "write_ro_crate.log").read_text()


def test_the_crate_describes_inputs_results_and_digests(
    job: dict[str, Any], run_script: Callable[..., str], tmp_path: Path
) -> None:
    pytest.importorskip("rocrate", reason="the extra crate is not installed")
    run_script("write_ro_crate", **job)
    graph = json.loads((tmp_path / "results" / "mine" / "ro_crate" / "ro-crate-metadata.json").read_text())["@graph"]
    entities = {entity["@id"]: entity for entity in graph}
    action, workflow = entities["#run"], entities["workflow/Snakefile"]
    assert {each["@id"] for each in action["result"]} == {
        "results/tables/scorecard.csv",
        "results/figures/fig1.png",
        "results/reconstructions/one/foci.csv",
    }
    used = {each["@id"] for each in action["object"]}
    assert used == {"inputs/config.yaml", "inputs/1/a.tif"}
    assert {part["@id"] for part in workflow["hasPart"]} == {f"workflow/rules/{path.name}" for path in SNAKEFILES[1:]}
    assert {"#python", "#foci3d"} <= {each["@id"] for each in workflow["softwareRequirements"]}
    for name in (*used, *(each["@id"] for each in action["result"])):
        assert (
            entities[name]["sha256"]
            == hashlib.sha256((tmp_path / "results" / "mine" / "ro_crate" / name).read_bytes()).hexdigest()
        )


def test_images_of_one_name_have_a_place_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside the project they lie as there; folders outside are numbered, by numbers that are free."""
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    expected = {
        project / "resources" / "a.tif": "resources/a.tif",
        project / "1" / "a.tif": "1/a.tif",
        tmp_path / "first" / "a.tif": "2/a.tif",
        tmp_path / "first" / "b.tif": "2/b.tif",
        tmp_path / "second" / "a.tif": "3/a.tif",
    }
    given = ["resources/a.tif", "1/a.tif", "../first/a.tif", tmp_path / "first" / "b.tif", "../second/a.tif"]
    places = places_of(map(Path, [*given, "./resources/../resources/a.tif"]), Path())
    assert {path: str(place) for path, place in places.items()} == expected


def test_the_crate_is_valid(
    job: dict[str, Any], run_script: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the rules of the profile; the contexts of JSON-LD come from rocrate, not from the network."""
    rocrate = pytest.importorskip("rocrate", reason="the extra crate is not installed")
    services = pytest.importorskip("rocrate_validator.services", reason="roc-validator is not installed")
    terms = json.loads((Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld").read_text())["@context"]
    terms |= {name: f"https://bioschemas.org/{name}" for name in ("ComputationalWorkflow", "FormalParameter")}  # of 1.1
    terms |= {name: f"https://bioschemas.org/properties/{name}" for name in ("input", "output")}
    terms["sha256"] = "https://w3id.org/ro/terms/workflow-run#sha256"
    response = importlib.import_module("requests").Response()
    response.status_code, response._content = 200, json.dumps({"@context": terms}).encode()
    response.headers["Content-Type"] = "application/ld+json"
    monkeypatch.setattr("requests.adapters.HTTPAdapter.send", lambda self, request, **options: response)
    run_script("write_ro_crate", **job)
    crate = {"rocrate_uri": str(tmp_path / "results" / "mine" / "ro_crate"), "profile_identifier": "workflow-run-crate"}
    settings = services.ValidationSettings(**crate, requirement_severity="REQUIRED", no_cache=True)
    result = services.validate(settings)
    assert not result.get_issues(), [issue.message for issue in result.get_issues()]
