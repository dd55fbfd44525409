"""Types of the keys of the configuration, and the base of its sections."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    Strict,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

T = TypeVar("T")


def _unique(values: tuple[T, ...]) -> tuple[T, ...]:
    if len(set(values)) < len(values):
        raise ValueError("repeated values")
    return values


def _integer(value: Any) -> Any:
    """Python takes 1.0 and true for 1."""
    if type(value) is not int:
        raise PydanticCustomError("int_type", "expected an integer")
    return value


Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Text = Annotated[str, Field(min_length=1)]
Name = Annotated[
    str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,99}$", description="a letter, then up to 99 letters, digits and _")
]
# YAML gives lists; frozen models hold tuples.
Many = Annotated[tuple[T, ...], Strict(False)]
Some = Annotated[tuple[T, ...], Strict(False), Field(min_length=1)]
Interval = Annotated[tuple[NonNegative, NonNegative], Strict(False)]
FractionInterval = Annotated[tuple[Fraction, Fraction], Strict(False)]
PositiveInterval = Annotated[tuple[Positive, Positive], Strict(False)]
Named = Annotated[dict[Name, T], Field(json_schema_extra={"additionalProperties": False})]
Shares = Annotated[
    Annotated[dict[Text, Positive], Field(min_length=1)],
    BeforeValidator(lambda value: {value: 1.0} if isinstance(value, str) else value),
    PlainSerializer(lambda shares: shares if len(shares) > 1 else next(iter(shares))),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "object", "additionalProperties": {"type": "number", "exclusiveMinimum": 0}},
            ]
        }
    ),
]
"""A name, or several with their shares."""
Distinct = Field(json_schema_extra={"uniqueItems": True})
Names = Annotated[Many[Text], AfterValidator(_unique), Distinct]
TestDatasets = Annotated[Some[Text], AfterValidator(_unique), Distinct]
Seeds = Annotated[Some[Annotated[int, Field(ge=0)]], AfterValidator(_unique), Distinct]
Stride = Annotated[Literal[1, 2, 3, 4], BeforeValidator(_integer)]
StemStride = Annotated[Literal[1, 2], BeforeValidator(_integer)]
KernelSize = Annotated[Literal[3, 5, 7, 9, 11], BeforeValidator(_integer)]
MatFile = Annotated[str, Field(pattern=r"\.mat$", description="a MATLAB file (.mat)")]
UnusableFrames = Literal["skip", "refuse"]
Specimen = Literal["auto", "layers", "cells", "volume"]
Precision = Literal["float32", "bfloat16"]
PrecisionChoice = Literal["auto", "float32", "bfloat16"]


class Section(BaseModel):
    """A part of the configuration: closed, frozen and strict."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def key(description: str, default: Any = ..., **limits: Any) -> Any:
    """A key of a section.

    Parameters
    ----------
    description : str
        Meaning, with the unit, and with the origin of the default in square brackets.
    default : object, optional
        Value of a key that is left out, or the section of which it has the defaults; without it the key is required.
    **limits
        Further arguments of `pydantic.Field`, such as the range.
    """
    given = {"default_factory": default} if isinstance(default, type) else {"default": default}
    return Field(description=description, **given, **limits)
