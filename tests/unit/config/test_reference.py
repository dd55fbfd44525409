from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from foci3d.config.reference import reference_files
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


def test_schema_accepts_the_configuration_and_is_closed() -> None:
    config = yaml.safe_load((PROJECT / "config" / "config.yaml").read_text())
    validator = Draft202012Validator(config_schema())
    assert list(validator.iter_errors(config)) == []
    for section in ([], ["imager"], ["networks", "depth_cnn", "training"], ["datasets"]):
        broken = yaml.safe_load((PROJECT / "config" / "config.yaml").read_text())
        node = broken
        for key in section:
            node = node[key]
        node["colour-1"] = 1
        assert len(list(validator.iter_errors(broken))) == 1


def test_schema_requires_the_keys_without_default() -> None:
    sections = [config_schema(), *config_schema()["$defs"].values()]
    assert len(sections) > 25
    for section in sections:
        assert section["additionalProperties"] is False
        for key, node in section["properties"].items():
            assert (key in section.get("required", [])) == ("default" not in node)
            assert "description" in node or "$ref" in node, key
