"""The specification as a form: one choice for each source type, for whoever draws forms from JSON Schema.

``SpecificationForm`` is the annotation of a flow's parameter. It validates exactly as ``DataSourceSpec`` does; only its
JSON Schema differs from ``config.load.json_schema``: instead of one schema in which every type's keys stand side by side,
it is a choice of one form for each source type, each with only the keys of its type, in the order in which a person
fills them in. What the schemas are derived from are ``DataSourceSpec`` and the source types: a new type has its form.

Prefect's UI (the form of ``ui-v2`` in the installed package) decides what such a schema looks like:

* ``anyOf`` is drawn as tabs, named by ``title``; the older UI does not know ``oneOf``, so there is no discriminator;
* a choice without a type is drawn as an editor for JSON, and a value given as JSON opens it;
* properties are sorted by ``position``; a database may keep the keys of JSON in any order;
* ``description`` is shown and ``examples`` are not, so that a short example is part of the description;
* ``default`` fills a field in, also one that is required; ``const`` is a text field, ``enum`` a select;
* an optional text whose schema names ``null`` would be two tabs. Prefect's server accepts null wherever a property is not
  required and has no default, so that ``null`` need not be named for what has one type.

A choice says of a wrong value only that it fits no branch. So the choice of forms lets everything pass, by its last
branch, and the rule beside it (``allOf``, which the UI does not look at next to a choice) sends the value to the form of
its type: what is then refused is one field, with its path and its rule.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, WithJsonSchema, create_model
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from config.counterparts import COUNTERPARTS
from config.finding_codes import known_finding_codes
from config.sources import source_types
from config.sources.base import SourceType
from config.spec import DataSourceSpec, SyncTaskSpec
from config.task_content import COUNTERPART_KEYS, Side

_FORM = (
    "type",
    "name",
    "workspace",
    "region",
    "location",
    "access",
    "grantees",
    "resource_groups",
    "sync_task",
)
_TASK_FORM = ("name", "folder", "resource_group", "reader", "writer", "schedule", "run", "business_date")
"""What is filled in first; the other fields follow in the order of the models."""

_EXAMPLE_CHARACTERS = 80
_KINDS = {"string": "Text", "array": "List", "object": "Mapping", "integer": "Number", "number": "Number",
          "boolean": "Yes or no"}  # fmt: skip
_NOTHING = "Not given"


def _additions() -> Mapping[str, Mapping[str, JsonSchemaValue]]:
    """What the form knows beyond the models, by the title of a schema and the name of a property."""
    return {
        "IgnoredFinding": {"code": {"enum": sorted(known_finding_codes())}},
        "Schedule": {"parameters": {"default": {"bizdate": "$bizdate"}}},
    }


@cache
def source_forms() -> Mapping[str, type[BaseModel]]:
    """The form of each source type, by the type's name. They describe; ``DataSourceSpec`` is what validates."""
    return MappingProxyType({name: _form(source_type) for name, source_type in source_types().items()})


def _form(source_type: SourceType) -> type[BaseModel]:
    stem = "".join(part.capitalize() for part in source_type.name.split("_"))
    task = _made(
        f"{stem}SyncTask",
        "Sync task",
        SyncTaskSpec,
        _TASK_FORM,
        {side: (_sides(source_type, side), _described(SyncTaskSpec, side)) for side in ("reader", "writer")},
    )
    kind = Literal[source_type.name]  # type: ignore[name-defined]  # a Literal of a name that is known only here
    access = DataSourceSpec.model_fields["access"].annotation
    return _made(
        f"{stem}Form",
        source_type.title,
        DataSourceSpec,
        _FORM,
        {
            "type": (kind, _described(DataSourceSpec, "type", example=source_type.name)),
            "location": (source_type.Location, Field(description="Where the data is.")),
            "access": (access, _described(DataSourceSpec, "access", prefilled="read")),
            "sync_task": (task | None, _described(DataSourceSpec, "sync_task", optional=True)),
        },
    )


def _made(
    name: str,
    title: str,
    model: type[BaseModel],
    first: Iterable[str],
    instead: Mapping[str, tuple[Any, FieldInfo]],
) -> type[BaseModel]:
    """A model with the fields of another one, ``first`` before the others and some of them replaced."""
    order = dict.fromkeys((*first, *model.model_fields))
    fields: dict[str, Any] = {
        key: instead.get(key) or (model.model_fields[key].annotation, model.model_fields[key])
        for key in order
    }
    return create_model(name, __config__=ConfigDict(title=title, extra="forbid"), __doc__=None, **fields)


def _described(
    model: type[BaseModel], name: str, *, example: Any = None, prefilled: Any = None, optional: bool = False
) -> FieldInfo:
    """A field with the description of the model's; ``prefilled`` is a default for the form alone."""
    field = model.model_fields[name]
    made: Any = Field(
        default=None if optional else ...,
        description=field.description,
        examples=field.examples if example is None else [example],
        json_schema_extra=None if prefilled is None else {"default": prefilled},
    )
    found: FieldInfo = made
    return found


def _sides(source_type: SourceType, side: Side) -> Any:
    """What one side of a sync task may be. First what it mostly is: the source is read, the counterpart written."""

    def parameters(kind: Any) -> type[BaseModel]:
        found: type[BaseModel] = kind.reader_type if side == "reader" else kind.writer_type
        return found

    own = [
        Annotated[parameters(variant), _Titled(f"{variant.title}: this data source")]
        for variant in source_type.variants()
    ]
    others = [
        Annotated[parameters(other), _Titled("MaxCompute: the other side")] for other in COUNTERPARTS.values()
    ]
    sides = (*own, *others) if side == "reader" else (*others, *own)
    return Annotated[Union[sides], _SentToItsSide(own, others)]  # noqa: UP007  # made from a list


class _Titled:
    """Names one choice of several."""

    def __init__(self, title: str) -> None:
        self.title = title

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(core_schema), "title": self.title}


def _as_json(description: str) -> JsonSchemaValue:
    """The choice that lets everything pass, and that is drawn as an editor for JSON."""
    return {"title": "As JSON", "description": description}


class _SentToItsSide:
    """Adds the rule which of the choices a value has to fit: the counterpart is who names its type or data source."""

    def __init__(self, own: list[Any], others: list[Any]) -> None:
        self._own = _titles(own)
        self._others = _titles(others)

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        names = [{"required": [key]} for key in sorted(COUNTERPART_KEYS)]
        own, others = (
            _any_of([_unnamed(choice) for choice in schema["anyOf"] if choice["title"] in titles])
            for titles in (self._own, self._others)
        )
        choices = [*schema["anyOf"], _as_json("Parameters as script mode in DataWorks shows them.")]
        return {"anyOf": choices, "allOf": [{"if": {"anyOf": names}, "then": others, "else": own}]}


def _titles(choices: list[Any]) -> frozenset[str]:
    return frozenset(
        mark.title for choice in choices for mark in choice.__metadata__ if isinstance(mark, _Titled)
    )


def _unnamed(choice: JsonSchemaValue) -> JsonSchemaValue:
    return {key: value for key, value in choice.items() if key != "title"}


def _any_of(choices: list[JsonSchemaValue]) -> JsonSchemaValue:
    return choices[0] if len(choices) == 1 else {"anyOf": choices}


class _AsForms:
    """Describes a ``DataSourceSpec`` as a choice of the forms of all source types."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        forms = {name: handler(form.__pydantic_core_schema__) for name, form in source_forms().items()}
        _Polish(handler.resolve_ref_schema).schemas(forms.values())
        known = {"type": "object", "required": ["type"], "properties": {"type": {"enum": [*forms]}}}
        sent = [
            {"if": {"properties": {"type": {"const": name}}, "required": ["type"]}, "then": form}
            for name, form in forms.items()
        ]
        other = _as_json("A whole specification as JSON, for example one that another program has written.")
        return {"anyOf": [*forms.values(), other], "allOf": [known, *sent]}


SpecificationForm = Annotated[DataSourceSpec, _AsForms()]
"""A ``DataSourceSpec`` whose JSON Schema is a choice of one form for each source type."""


def titled(title: str, description: str = "") -> FieldInfo:
    """For a flow's parameter: the words above its field, in place of its name."""
    found: FieldInfo = Field(description=description or None, json_schema_extra={"title": title})
    return found


PlanHash = Annotated[
    str | None,
    WithJsonSchema(
        {"anyOf": [{"type": "string", "title": "Hash of a plan"}, {"type": "null", "title": "Any plan"}]}
    ),
]
"""A plan's hash; None when any plan may be carried out."""

BlockOwner = Literal["default", "administrator", "creator", "developer", "executor"]
"""A persona, or all that have no credentials of their own."""


def _blocks_form() -> JsonSchemaValue:
    def block(position: int, who: str, whose: str, example: str) -> JsonSchemaValue:
        return {
            "type": "string",
            "title": who.capitalize(),
            "description": f"Credentials block of {whose}, as type/name. Example: {example}",
            "examples": [example],
            "position": position,
        }

    personas = {
        "default": ("whoever has none below", "alibaba-cloud-ecs-role/worker"),
        "administrator": ("who writes RAM roles and policies", "alibaba-cloud-assumed-role/ram-admin"),
        "creator": ("who adds the data source", "alibaba-cloud-assumed-role/creator"),
        "developer": ("who writes the sync task", "alibaba-cloud-assumed-role/developer"),
        "executor": ("who runs the sync task", "alibaba-cloud-assumed-role/executor"),
    }
    return {
        "type": "object",
        "title": "Blocks",
        "properties": {who: block(at, who, *told) for at, (who, told) in enumerate(personas.items())},
        "additionalProperties": False,
    }


Blocks = Annotated[
    dict[BlockOwner, str] | None,
    WithJsonSchema(
        {"anyOf": [_blocks_form(), {"type": "null", "title": "The worker's own"}]},
    ),
]
"""Credentials blocks per persona; None for what the worker's settings say."""


class _Polish:
    """Makes the schemas of models fit for a form, in place. A schema that was polished is left as it is."""

    def __init__(self, resolved: Callable[[JsonSchemaValue], JsonSchemaValue]) -> None:
        self._resolved = resolved
        self._additions = _additions()

    def schemas(self, schemas: Iterable[JsonSchemaValue]) -> None:
        """These and all that they refer to."""
        for schema in schemas:
            self._schema(self._resolved(schema) if "$ref" in schema else schema)

    def _schema(self, schema: JsonSchemaValue) -> None:
        self.schemas(schema.get("anyOf", ()))
        if "items" in schema:
            _name_choices(schema["items"], schema.get("title", ""))
            self.schemas([schema["items"]])
        properties = schema.get("properties", {})
        additions = self._additions.get(schema.get("title", ""), {})
        for position, (name, found) in enumerate(properties.items()):
            if "position" not in found:
                found |= {**additions.get(name, {}), "position": position, "title": _label(name)}
                _complete(found)
                self.schemas([found])


def _label(name: str) -> str:
    """``resource_groups`` and ``fileFormat`` as words."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ").lower()
    return words[:1].upper() + words[1:]


def _complete(found: JsonSchemaValue) -> None:
    if "const" in found:
        found |= {"enum": [found["const"]], "default": found["const"]}
    _leave_out_null(found)
    _name_choices(found, found["title"])
    examples = found.get("examples", [])
    if examples and (text := _shown(examples[0])):
        found["description"] = f"{found['description']} Example: {text}"


def _leave_out_null(found: JsonSchemaValue) -> None:
    """No choice where there are one type and null."""
    choices = found.get("anyOf", [])
    given = [choice for choice in choices if choice.get("type") != "null"]
    if len(given) == 1 < len(choices) and "type" in given[0]:
        del found["anyOf"]
        found.pop("default", None)
        found |= _unnamed(given[0])


def _name_choices(found: JsonSchemaValue, label: str) -> None:
    """Each choice by a word a person knows; lists first, since a text is the short form of a list of one."""
    if "anyOf" not in found:
        return
    found["anyOf"].sort(key=lambda choice: choice.get("type") != "array")
    for choice in found["anyOf"]:
        if "const" in choice:
            choice |= {"type": "string", "enum": [choice["const"]], "title": str(choice["const"])}
        elif choice.get("type") == "null":
            choice["title"] = _NOTHING
        elif choice.get("type") in _KINDS and "properties" not in choice:
            choice["title"] = _KINDS[choice["type"]]
        else:
            choice.setdefault("title", label)


def _shown(example: Any) -> str:
    """A short example as text; "" for what has a form of its own or is too long."""
    items = example if isinstance(example, (list, tuple)) else [example]
    if not items or any(isinstance(item, (dict, list)) for item in items):
        return ""
    text = ", ".join(
        item if isinstance(item, str) else json.dumps(item, ensure_ascii=False) for item in items
    )
    return text if text.strip() and len(text) <= _EXAMPLE_CHARACTERS else ""
