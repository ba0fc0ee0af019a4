"""Raising several validation problems at once, each with the path of the value it is about.

Pydantic runs validators of one field and stops at the first exception; a ``ValidationError`` raised inside a
validator keeps its lines and their paths, which is what lets one run name everything that is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError


def problem(path: tuple[str | int, ...], rule: str, value: Any = None) -> InitErrorDetails:
    """One broken rule at ``path`` (relative to the value being validated).

    Never hand a secret as ``value``.
    """
    # The rule is given as a parameter of the template: braces in it, as in ${bizdate}, must stay as they are.
    return InitErrorDetails(type=PydanticCustomError("rule", "{rule}", {"rule": rule}), loc=path, input=value)


def refuse(title: str, problems: Iterable[InitErrorDetails]) -> None:
    """Raise ``pydantic.ValidationError`` with all problems; return when there are none."""
    lines = list(problems)
    if lines:
        raise ValidationError.from_exception_data(title, lines, hide_input=True)


def rule_of(kind: str, message: str) -> str:
    """The rule of one line of a ``ValidationError``, in the words of this project."""
    if kind == "extra_forbidden":
        return "is not a known key"
    if kind == "missing":
        return "is required"
    return message.removeprefix("Value error, ")


class SchemaOf:
    """Annotation that describes a field in the JSON Schema as any of several models or constant texts."""

    def __init__(self, *parts: Any) -> None:
        self._parts = parts

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schemas = [
            {"const": part} if isinstance(part, str) else handler(part.__pydantic_core_schema__)
            for part in self._parts
        ]
        return dict(schemas[0]) if len(schemas) == 1 else {"anyOf": schemas}


def each_once(items: tuple[str, ...]) -> tuple[str, ...]:
    """The items unchanged; ``ValueError`` for one that is there twice."""
    seen: set[str] = set()
    for item in items:
        if item in seen:
            raise ValueError(f"{item!r} is named twice")
        seen.add(item)
    return items
