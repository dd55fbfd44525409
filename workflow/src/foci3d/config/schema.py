"""The JSON schema of the configuration, generated from its models, and what it expects of a key in words."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from foci3d.config.fields import Section
from foci3d.config.models import Config

Key = str | int
JsonSchema = dict[str, Any]

TYPES = {
    "integer": "an integer",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping of keys",
}
LIMITS = {
    "minimum": "of at least",
    "exclusiveMinimum": "above",
    "maximum": "of at most",
    "exclusiveMaximum": "below",
    "minItems": "of at least",
}


class _WithoutTitles(GenerateJsonSchema):
    """Titles would only repeat the keys."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def json_schema(section: type[Section], title: str) -> JsonSchema:
    """JSON schema (2020-12) of a section, with all networks and classical methods that are registered so far."""
    schema = section.model_json_schema(schema_generator=_WithoutTitles)
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": title}


def config_schema() -> JsonSchema:
    """JSON schema of the whole configuration."""
    return json_schema(Config, "Configuration of foci3d")


def resolve(node: JsonSchema, root: JsonSchema) -> JsonSchema:
    """`node` with the definition that it refers to merged in; its own words win."""
    while "$ref" in node:
        target = root["$defs"][node["$ref"].rsplit("/", 1)[-1]]
        node = {**target, **{key: part for key, part in node.items() if key != "$ref"}}
    return node


def schema_at(path: Iterable[Key], config: Any, root: JsonSchema | None = None) -> JsonSchema:
    """Schema of the key at `path`; `config` decides where the schema leaves a choice."""
    root = root or config_schema()
    node, value = root, config
    for key in path:
        node = _choose(node, value, root)
        if isinstance(key, int) and "patternProperties" not in node:
            item = node["prefixItems"][key] if "prefixItems" in node else node["items"]
            node = {"description": node.get("description", ""), **item}
        elif key in node.get("properties", {}):
            node = node["properties"][key]
        else:
            node = next(iter(node["patternProperties"].values()))
        value = value.get(key) if isinstance(value, Mapping) else value
    return _choose(node, value, root)


def _choose(node: JsonSchema, value: Any, root: JsonSchema) -> JsonSchema:
    """Schema without references, in which `value` has decided between alternatives."""
    node = resolve(node, root)
    if "discriminator" in node:
        names = node["discriminator"]["mapping"]
        name = value.get("name") if isinstance(value, Mapping) else None
        if isinstance(name, str) and name in names:
            return resolve({"$ref": names[name]}, root)
        description = resolve(node["oneOf"][0], root)["properties"]["name"]["description"]
        choice = {"enum": [*names], "description": description}
        return {"type": "object", "properties": {"name": choice}, "description": node["description"]}
    if "anyOf" in node and isinstance(value, Mapping):
        return resolve(next(part for part in node["anyOf"] if "$ref" in part), root)
    return node


def expected_value(schema: JsonSchema) -> str:
    """Type, range and meaning of a value in words: ``an integer of at least 1 (layers of a sample)``."""
    description = schema.get("description", "")
    if "pattern" in schema or not {"type", "enum"} & schema.keys():
        return str(description)
    words = expected_type(schema)
    return f"{words} ({description})" if description else words


def expected_type(schema: JsonSchema) -> str:
    """Type and range of a value in words: ``an integer of at least 1``."""
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if {"minimum", "maximum"} <= schema.keys():
        return f"{TYPES[schema['type']]} from {schema['minimum']} to {schema['maximum']}"
    limits = " and ".join(f"{words} {schema[key]}" for key, words in LIMITS.items() if key in schema)
    if "prefixItems" in schema:
        limits = f"of {schema['maxItems']} values"
    repeats = "without repeated values" if schema.get("uniqueItems") else ""
    item = schema.get("items") or schema.get("prefixItems", [{"type": "string"}])[0]
    each = "" if item["type"] == "string" else f", each {expected_type(item)}"
    return " ".join(filter(None, [TYPES[schema["type"]], limits, repeats])) + each
