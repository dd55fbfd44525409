from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from foci3d.config.reference import overlay_schema, reference_files
from foci3d.config.schema import config_schema

PROJECT = Path(__file__).parents[3]


@pytest.mark.parametrize("path", reference_files())
def test_generated_files_are_up_to_date(path: str) -> None:
    assert (PROJECT / path).read_text() == reference_files()[path], "run `python -m foci3d.config.reference`"


def test_every_key_of_the_configuration_is_on_the_page() -> None:
    page = reference_files()["docs/reference/configuration.md"]
    config = yaml.safe_load((PROJECT / "config" / "config.yaml").read_text())

    def paths(node: Any, path: str) -> list[str]:
        if not isinstance(node, dict):
            return [path]
        named = path in ("appearances", "datasets", "networks", "baselines")
        return [
            inner
            for key, child in node.items()
            for inner in paths(child, f"{path}.{'<name>' if named else key}".lstrip("."))
        ]

    missing = {path for path in paths(config, "") if f"| `{path}` |" not in page}
    assert not missing


@pytest.mark.parametrize("path", sorted([*PROJECT.glob("config/*.yaml"), *PROJECT.glob("workflow/studies/*/*.yaml")]))
def test_schema_accepts_overlays_and_is_closed(path: Path) -> None:
    validator = Draft202012Validator(overlay_schema(config_schema()))
    assert list(validator.iter_errors(yaml.safe_load(path.read_text()))) == []
    for broken in ({"colour-1": 1}, {"imager": {"colour": 1}}, {"networks": {"mine": {"training": {"colour": 1}}}}):
        assert len(list(validator.iter_errors(broken))) == 1


def test_sections_are_closed_and_keys_described() -> None:
    sections = [config_schema(), *config_schema()["$defs"].values()]
    assert len(sections) > 25
    for section in sections:
        assert section["additionalProperties"] is False
        for key, node in section["properties"].items():
            assert "description" in node or "$ref" in node, key


def test_page_shows_defaults() -> None:
    page = reference_files()["docs/reference/configuration.md"]
    assert "| `networks.<name>.training.weight_decay` | `0.01` | a number of at least 0 |" in page
    assert "| `imager.n_pixels` |  | an integer of at least 16 |  | pixels of" in page
