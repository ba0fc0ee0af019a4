"""Small types and checks that the reader, writer and location models of several source types share."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer
from pydantic_core import InitErrorDetails

from config.problems import problem


def _flag(value: object) -> object:
    """The engine expects the words "true" and "false"."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    for position, name in enumerate(names):
        if name in names[:position]:
            raise ValueError(f"{name!r} is named twice")
    return names


Flag = Annotated[
    Literal["true", "false"], BeforeValidator(_flag, json_schema_input_type=bool | Literal["true", "false"])
]
"""A yes or no that is sent as a word."""

NumberAsText = Annotated[int, PlainSerializer(str, return_type=str)]
"""A number that is sent as text, as in the vendor's samples of script mode."""

OneOrMore = BeforeValidator(_as_list, json_schema_input_type=str | list[str])
"""Lets a list of texts be written as one text."""

EachOnce = AfterValidator(_each_once)
"""Refuses a name that is given twice."""

BatchSize = Annotated[int, Field(ge=1)]
"""Rows that are sent or fetched together."""


def outside(
    path: tuple[str | int, ...], what: str, name: str, allowed: Collection[str]
) -> list[InitErrorDetails]:
    """A problem when ``name`` is not one of the location's, which are all the role may reach."""
    if name in allowed:
        return []
    return [problem(path, f"is none of the location's {what}: {', '.join(allowed)}", name)]


def product_actions(ram_code: str, names: str) -> frozenset[str]:
    """Action names, such as ``oss:GetObject``, from their space-separated last parts."""
    return frozenset(f"{ram_code}:{name}" for name in names.split())


def number_as_text(value: Any) -> Any:
    """A whole number where the engine expects text, as in the values of a key: 5 becomes "5"."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value
