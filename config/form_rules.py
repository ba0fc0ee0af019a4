"""What forms ask of their values, said so that each problem is at its own field.

A choice (``anyOf``) says of a wrong value only that it fits no branch, and prints the value. So a form is drawn from a
schema with choices, and judged by a rule without them: whichever type the value has, its branch alone is asked. Prefect's
server reports what the rule finds, and the UI shows it beside the field.

Before it takes a run, the server checks the whole schema, in a transaction that SQLite gives up when another one writes
meanwhile. Rules are therefore kept where that check does not look, under a keyword that JSON Schema does not know; they
refer to each other by the resource's own URI, which is never fetched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaValue

_URI = "https://dataworks-onboarding.invalid/rules"
_TOLD = frozenset({"title", "description", "examples", "default", "position", "$defs"})
"""For readers and for drawing; a rule has no use for them."""
_MAPS = frozenset({"properties", "patternProperties"})
"""Keywords whose value is a mapping of names to schemas: a property may have any name, also one of ``_TOLD``."""
_AS_IT_IS = frozenset({"enum", "const", "required", "if"})
"""Keywords whose value is no schema, and the condition, which reports nothing."""
_KINDS = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


def form_rules(
    forms: Mapping[str, type[BaseModel]],
) -> tuple[JsonSchemaValue, Mapping[str, JsonSchemaValue]]:
    """A schema that lets everything pass and holds all rules, and by the form's name the schema that asks its rule.

    The first has to stand somewhere in the schema in which the others stand.
    """
    rules = _Rules()
    asked = {name: rules.named(name, form.model_json_schema()) for name, form in forms.items()}
    return {"$id": _URI, "rules": rules.made}, asked


class _Rules:
    """Turns schemas into rules; ``made`` are those that have a name."""

    def __init__(self) -> None:
        self.made: dict[str, JsonSchemaValue] = {}
        self._definitions: Mapping[str, JsonSchemaValue] = {}

    def named(self, form: str, schema: JsonSchemaValue) -> JsonSchemaValue:
        """The rule of a form, made with the rules of what it refers to; the schema that asks it."""
        self._definitions = schema.get("$defs", {})
        return self._kept(form, self._of(schema))

    def _kept(self, name: str, rule: JsonSchemaValue) -> JsonSchemaValue:
        if self.made.setdefault(name, rule) != rule:
            raise AssertionError(f"two definitions are named {name}")
        return {"$ref": f"{_URI}#/rules/{name}"}

    def _of(self, schema: JsonSchemaValue) -> JsonSchemaValue:
        rule = {
            key: self._part(key, value)
            for key, value in schema.items()
            if key not in _TOLD | {"anyOf", "$ref"}
        }
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            rule |= self._kept(name, self._of(self._definitions[name]))
        if "anyOf" in schema:
            self._add_choice(rule, [self._of(branch) for branch in schema["anyOf"]])
        return rule

    def _part(self, key: str, value: Any) -> Any:
        if key in _AS_IT_IS:
            return value
        if key in _MAPS:
            return {name: self._of(schema) for name, schema in value.items()}
        if isinstance(value, list):
            return [self._of(one) if isinstance(one, dict) else one for one in value]
        return self._of(value) if isinstance(value, dict) else value

    def _add_choice(self, rule: JsonSchemaValue, branches: list[JsonSchemaValue]) -> None:
        """The branches by the type of the value; a choice that lets everything pass asks nothing."""
        if any(not branch for branch in branches):
            return
        by_type: dict[str, list[JsonSchemaValue]] = {}
        for branch in branches:
            for kind in self._types(branch):
                by_type.setdefault(kind, []).append(branch)
        rule["type"] = sorted(by_type)
        sent = [
            {"if": {"type": kind}, "then": found[0] if len(found) == 1 else {"anyOf": found}}
            for kind, found in by_type.items()
            if found != [{"type": kind}]
        ]
        if sent:
            rule["allOf"] = [*rule.get("allOf", []), *sent]

    def _types(self, branch: JsonSchemaValue) -> list[str]:
        """The types of JSON that a branch accepts."""
        if "$ref" in branch:
            branch = self.made[branch["$ref"].rpartition("/")[2]]
        if "type" in branch:
            kind: str | list[str] = branch["type"]
            return [kind] if isinstance(kind, str) else kind
        values = branch["enum"] if "enum" in branch else [branch["const"]]
        return sorted({_KINDS[type(value)] for value in values})
