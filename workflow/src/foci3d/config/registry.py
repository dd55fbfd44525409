"""Open registries: a user's own file can add a network, a classical method or a task to those of foci3d.

A `Registry` maps the name in the configuration to a class of settings. A field annotated with it takes the settings of
any registered name, so that keys of a user's own network are checked as strictly as those of foci3d. A `SpecRegistry`
maps the name of a task, a metric or a perturbation to its description.
"""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from foci3d.config.problems import is_file
from foci3d.errors import InputError

T = TypeVar("T")
AnySpec = TypeVar("AnySpec", bound="Spec")
Settings = TypeVar("Settings", bound=BaseModel)


class NameRegistry(dict[str, T]):
    """What is registered, by name; a name that is not raises an `InputError`.

    Parameters
    ----------
    kind : str
        What is registered, in words: ``task``.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __missing__(self, name: str) -> T:
        raise InputError(
            f"{self.kind} {name} is not registered; expected one of {', '.join(self)}, correct the name or add the "
            "file that registers it to plugins."
        )


@dataclass(frozen=True)
class Spec:
    """The description of something by its name."""

    name: str


class SpecRegistry(NameRegistry[AnySpec]):
    """Descriptions by name."""

    def register(self, spec: AnySpec) -> AnySpec:
        """Register a description under its name and return it."""
        self[spec.name] = spec
        return spec


@dataclass(frozen=True)
class Registry:
    """Classes of settings by the value of their key `name`; annotates the fields that hold one of them.

    Parameters
    ----------
    kind : str
        What is registered, in words: ``architecture``.
    """

    kind: str
    classes: dict[str, type[BaseModel]] = field(default_factory=dict)

    def add(self, name: str) -> Callable[[type[Settings]], type[Settings]]:
        """Register the decorated class of settings under `name`."""

        def register(cls: type[Settings]) -> type[Settings]:
            self.classes[name] = cls
            return cls

        return register

    def parse(self, value: Any) -> BaseModel:
        """Settings of class `classes[value["name"]]`; an instance of a registered class is returned unchanged."""
        if isinstance(value, BaseModel) and type(value) in self.classes.values():
            return value
        if not isinstance(value, Mapping):
            raise PydanticCustomError("dict_type", "expected a mapping of keys")
        name = value.get("name")
        if not isinstance(name, str) or name not in self.classes:
            reason = "registry_name" if "name" in value else "missing"
            error = PydanticCustomError(reason, "expected one of {names}", {"names": ", ".join(self.classes)})
            raise ValidationError.from_exception_data(
                self.kind, [InitErrorDetails(type=error, loc=("name",), input=name)]
            )
        return self.classes[name].model_validate(value)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Schema of a field that is checked by `parse`."""
        return core_schema.no_info_plain_validator_function(
            self.parse,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda settings: settings.model_dump()),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """JSON schema of a field: a choice between the classes that are registered when it is asked for."""
        choices = {name: cls.__pydantic_core_schema__ for name, cls in self.classes.items()}
        return handler(core_schema.tagged_union_schema(choices, "name"))


def load_plugins(paths: Sequence[str | Path]) -> None:
    """Run the user's Python files that register networks, classical methods or tasks.

    Raises
    ------
    InputError
        If a file is missing or fails.
    """
    for path in paths:
        if not is_file(path):
            raise InputError(f"{path}: file not found; expected a Python file as named in plugins, correct the path.")
        spec = importlib.util.spec_from_file_location(f"foci3d_plugin_{Path(path).stem}", path)
        if spec is None or spec.loader is None:
            raise InputError(f"{path}: not a Python file; expected a name that ends in .py, rename the file.")
        try:
            spec.loader.exec_module(importlib.util.module_from_spec(spec))
        except Exception as error:
            raise InputError(f"{path}: {type(error).__name__} while it was imported: {error}; correct it.") from error
