"""What a form asks of its values, said so that each problem is at its own field.

A choice (``anyOf``) says of a wrong value only that it fits no branch, and prints the value. So a form is drawn from a
schema with choices, and judged by a rule without them: whichever type the value has, its branch alone is asked. Prefect's
server reports what the rule finds, and the UI shows it beside the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaValue

_TOLD = frozenset({"title", "description", "examples", "default", "position", "$defs"})
"""For readers and for drawing; a rule has no use for them."""
_MAPS = frozenset({"properties", "patternProperties"})
"""Keywords whose value is a mapping of names to schemas: a property may have any name, also one of ``_TOLD``."""
_AS_IT_IS = frozenset({"enum", "const", "required", "if"})
"""Keywords whose value is no schema, and the condition, which reports nothing."""


def form_rule(form: type[BaseModel]) -> JsonSchemaValue:
    """The rule of a form, without references, so that it can stand anywhere in another schema."""
    schema = form.model_json_schema()
    return _Rules(schema.get("$defs", {})).of(schema)


class _Rules:
    """Turns schemas into rules; ``definitions`` are what they refer to."""

    def __init__(self, definitions: Mapping[str, JsonSchemaValue]) -> None:
        self._definitions = definitions

    def of(self, schema: JsonSchemaValue) -> JsonSchemaValue:
        resolved = self._resolved(schema)
        rule = {
            key: self._part(key, value) for key, value in resolved.items() if key not in _TOLD | {"anyOf"}
        }
        if "anyOf" in resolved:
            self._add_choice(rule, [self.of(branch) for branch in resolved["anyOf"]])
        return rule

    def _resolved(self, schema: JsonSchemaValue) -> JsonSchemaValue:
        if "$ref" not in schema:
            return schema
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return {**self._resolved(self._definitions[schema["$ref"].rpartition("/")[2]]), **beside}

    def _part(self, key: str, value: Any) -> Any:
        if key in _AS_IT_IS:
            return value
        if key in _MAPS:
            return {name: self.of(schema) for name, schema in value.items()}
        if isinstance(value, list):
            return [self.of(one) if isinstance(one, dict) else one for one in value]
        return self.of(value) if isinstance(value, dict) else value

    def _add_choice(self, rule: JsonSchemaValue, branches: list[JsonSchemaValue]) -> None:
        """The branches by the type of the value; a choice that lets everything pass asks nothing."""
        if any(not branch for branch in branches):
            return
        by_type: dict[str, list[JsonSchemaValue]] = {}
        for branch in branches:
            for kind in _types(branch):
                by_type.setdefault(kind, []).append(branch)
        rule["type"] = sorted(by_type)
        sent = [
            {"if": {"type": kind}, "then": found[0] if len(found) == 1 else {"anyOf": found}}
            for kind, found in by_type.items()
            if found != [{"type": kind}]
        ]
        if sent:
            rule["allOf"] = [*rule.get("allOf", []), *sent]


def _types(branch: JsonSchemaValue) -> list[str]:
    """The types of JSON that a branch accepts."""
    if "type" in branch:
        kind: str | list[str] = branch["type"]
        return [kind] if isinstance(kind, str) else kind
    values = branch["enum"] if "enum" in branch else [branch["const"]]
    return sorted({_KINDS[type(value)] for value in values})


_KINDS = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
