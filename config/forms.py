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
* an optional text whose schema names ``null`` would be two tabs. So ``null`` is not named for what has one type, and a list
  whose short form is a text, or a flag that may be written as text, is drawn as a list and as a switch.

A choice says of a wrong value only that it fits no branch. So the choice of forms lets everything pass, by its last
branch, and the rule beside it (``allOf``, which the UI does not look at next to a choice) sends the value to the rule of
its type (``config.form_rules``): what is then refused is one field, with its path, and a null or a short form that is not
drawn is accepted.
"""

from __future__ import annotations

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
from config.form_rules import form_rules
from config.form_words import in_words, label, shown
from config.grantees import KINDS, Grantees
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

_KINDS = {"string": "Text", "array": "List", "object": "Mapping", "integer": "Number", "number": "Number",
          "boolean": "Yes or no"}  # fmt: skip
_NOTHING = "Not given"
_ALL = "*"
_FLAG = ["true", "false"]


def _additions() -> Mapping[str, Mapping[str, JsonSchemaValue]]:
    """What the form knows beyond the models, by the title of a schema and the name of a property."""
    return {
        "IgnoredFinding": {"code": {"enum": sorted(known_finding_codes())}},
        "Schedule": {"parameters": {"default": {"bizdate": "$bizdate"}}},
        # End dates have a field of their own: an entry of these lists is one text field, not two tabs.
        "Grantees": {field: {"items": {"type": "string"}} for field in KINDS.values()},
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
            "name": (
                DataSourceSpec.model_fields["name"].annotation,
                _described(DataSourceSpec, "name", example=f"{source_type.name}_orders"),
            ),
            "location": (source_type.Location, Field(description="Where the data is.")),
            "grantees": (Grantees, _described(DataSourceSpec, "grantees")),
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
        resource, rules = form_rules(source_forms())
        known = {"type": "object", "required": ["type"], "properties": {"type": {"enum": [*forms]}}}
        sent = [
            {"if": {"properties": {"type": {"const": name}}, "required": ["type"]}, "then": rule}
            for name, rule in rules.items()
        ]
        other = _as_json("A whole specification as JSON, for example one that another program has written.")
        return {"anyOf": [*forms.values(), other], "allOf": [resource, known, *sent]}


SpecificationForm = Annotated[DataSourceSpec, _AsForms()]
"""A ``DataSourceSpec`` whose JSON Schema is a choice of one form for each source type."""


def titled(title: str, description: str = "") -> FieldInfo:
    """For a flow's parameter: the words above its field, in place of its name."""
    found: FieldInfo = Field(description=description or None, json_schema_extra={"title": title})
    return found


class Choices:
    """For a flow's parameter of several types: a title for each choice, by its type in JSON (``null`` for None)."""

    def __init__(self, **titles: str) -> None:
        self._titles = titles

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        for choice in schema["anyOf"]:
            choice["title"] = self._titles[choice["type"]]
            if "const" in choice:
                choice["enum"] = [choice.pop("const")]  # drawn as a select, not as a text
        return schema


Mode = Literal["plan", "apply"]
"""What a flow is asked for: to show what would change, or to change it."""

ApprovalTimeout = Annotated[int, Field(ge=60, le=7 * 86_400, description="Seconds to wait for an approval.")]
"""Seconds, from a minute to a week."""

PlanHash = Annotated[str | None, Choices(string="Hash of a plan", null="Any plan")]
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
        self._keys = _keys()

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
                found |= {**additions.get(name, {}), "position": position, "title": label(name)}
                self._complete(found)
                self.schemas([found])

    def _complete(self, found: JsonSchemaValue) -> None:
        if "const" in found:
            found |= {"enum": [found["const"]], "default": found["const"]}
        _leave_one(found)
        _name_choices(found, found["title"])
        found["description"] = in_words(found["description"], self._keys)
        examples = found.get("examples", [])
        if examples and (text := shown(examples[0])):
            found["description"] += f" Example: {text}"


@cache
def _keys() -> frozenset[str]:
    """The names of all fields of all forms."""
    schemas = [form.model_json_schema() for form in source_forms().values()]
    every = [one for schema in schemas for one in (schema, *schema["$defs"].values())]
    return frozenset(name for one in every for name in one.get("properties", {}))


def _leave_one(found: JsonSchemaValue) -> None:
    """No choice where a person sees one kind of value: one type and null, a list or its short form, a flag or its text."""
    if "anyOf" not in found:
        return
    given = {choice.get("type", ""): choice for choice in found["anyOf"] if choice.get("type") != "null"}
    drawn = given
    if set(given) == {"array", "string"}:
        drawn = {"array": given["array"]}
    elif set(given) == {"boolean", "string"} and given["string"].get("enum") == _FLAG:
        drawn = {"boolean": given["boolean"]}
    if len(drawn) > 1 or "" in drawn:
        return
    del found["anyOf"]
    default = found.pop("default", None)
    if default is not None:
        found["default"] = default == "true" if "boolean" in drawn and isinstance(default, str) else default
    found |= _unnamed(*drawn.values())


def _name_choices(found: JsonSchemaValue, words: str) -> None:
    """Each choice by a word a person knows."""
    for choice in found.get("anyOf", ()):
        if "const" in choice:
            every = "All" if choice["const"] == _ALL else str(choice["const"])
            choice |= {"type": "string", "enum": [choice["const"]], "title": every}
        elif choice.get("type") == "null":
            choice["title"] = _NOTHING
        elif choice.get("type") in _KINDS and "properties" not in choice:
            choice["title"] = _KINDS[choice["type"]]
        elif "properties" in choice:
            choice["title"] = words  # in place of the model's name
        else:
            choice.setdefault("title", words)
