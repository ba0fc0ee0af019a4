"""Columns of a CSV file of data sources, generated from the specification's models.

A column is a path into the specification: ``name``, ``location.bucket``, ``sync_task.schedule.cron``. The fields of
``location`` are those of all source types together, the keys of ``sync_task.reader`` and ``sync_task.writer`` those of
all source types and counterparts. A whole part may be given as JSON instead: ``sync_task.reader`` beside or in place
of ``sync_task.reader.table``. How a cell is written follows from the field's annotation.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import Enum
from functools import cache
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from config.counterparts import COUNTERPARTS
from config.csv_cells import Kind, write_cell
from config.sources import source_types
from config.spec import DataSourceSpec

NOTE_COLUMN = "#"
"""A column for people: a row that has something in it is a note and is not read."""

LOCATION = "location"
SYNC_TASK = "sync_task"
SIDES = ("sync_task.reader", "sync_task.writer")
"""Parts whose keys are the source type's or the counterpart's: other keys are columns too, judged row by row."""

_PARTS = ("location", "role", "grantees", "sync_task", "sync_task.schedule", *SIDES)


@dataclass(frozen=True)
class Column:
    """One column.

    ``required``: whether a row needs it, or, below an optional part, a row that has this part. ``used_by``: source types
    and counterparts that have the field, empty when all have; ``required_by``: those of them that need it. ``part``: a
    whole part of the specification as JSON. ``choices``: the words allowed, ``default`` and ``example`` as cells.
    """

    name: str
    kind: Kind
    description: str
    required: bool = False
    used_by: tuple[str, ...] = ()
    required_by: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    default: str = ""
    example: str = ""
    part: bool = False

    @property
    def path(self) -> tuple[str, ...]:
        """Keys from the top of the specification."""
        return tuple(self.name.split("."))


@cache
def columns() -> Mapping[str, Column]:
    """Every column by its name, in the order of the specification; the column of a part stands before its fields."""
    return MappingProxyType({column.name: column for column in _of_model(DataSourceSpec, "")})


@cache
def column_names() -> Mapping[str, str]:
    """Every column's name by its name in lower case: headers are compared without case."""
    return MappingProxyType({name.casefold(): name for name in columns()})


def find_column(header: str) -> Column | None:
    """The column a header names, without regard to case and spaces around; None when there is none.

    Below ``sync_task.reader.`` and ``sync_task.writer.`` every key is a column: whether a row may have it depends on its
    type, as in a YAML file.
    """
    text = header.strip()
    name = column_names().get(text.casefold())
    if name is not None:
        return columns()[name]
    for side in SIDES:
        start = side + "."
        key = text[len(start) :]
        if text[: len(start)].casefold() == start and key and not key.isspace():
            return Column(start + key, Kind.ANY, "A key that no known reader or writer has.")
    return None


def location_types() -> Mapping[str, frozenset[str]]:
    """Fields of ``location`` by source type."""
    return MappingProxyType(
        {
            name: frozenset(_key(*field) for field in kind.Location.model_fields.items())
            for name, kind in source_types().items()
        }
    )


def kind_of(annotation: Any) -> Kind:
    """How a field of this type is written in a cell. Raises ``TypeError`` for a type nobody has decided about."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return kind_of(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return _together([kind_of(part) for part in get_args(annotation) if part is not type(None)])
    if origin is Literal:
        # config.sources.parameters.Flag: a yes or no that is sent as a word.
        return Kind.BOOLEAN if set(get_args(annotation)) == {"true", "false"} else Kind.TEXT
    if origin in (tuple, list):
        return Kind.LIST if _is_word(get_args(annotation)[0]) else Kind.LISTED
    if origin in (dict, Mapping):
        return Kind.MAPPING
    return _kind_of_class(annotation)


def _kind_of_class(annotation: Any) -> Kind:
    if annotation is Any:
        return Kind.ANY
    # Enumerations first: some are numbers to the cloud and words to people. bool is an int, too.
    kinds = (
        (Enum, Kind.TEXT),
        (bool, Kind.BOOLEAN),
        (int, Kind.INTEGER),
        (str, Kind.TEXT),
        (date, Kind.DATE),
        (BaseModel, Kind.MAPPING),
    )
    for known, kind in kinds:
        if isinstance(annotation, type) and issubclass(annotation, known):
            return kind
    raise TypeError(f"no way is known to write {annotation!r} in a cell")


def _is_word(annotation: Any) -> bool:
    return kind_of(annotation) is Kind.TEXT


def _together(kinds: list[Kind]) -> Kind:
    """The kind that can write all of several: of a union, or of one key in several readers."""
    found = set(kinds)
    if len(found) == 1:
        return kinds[0]
    if found == {Kind.LIST, Kind.LISTED}:
        return Kind.LIST
    if found <= {Kind.TEXT, Kind.TEXT_OR_LIST, Kind.LIST, Kind.LISTED}:
        return Kind.TEXT_OR_LIST
    return Kind.ANY


def _choices(annotation: Any) -> tuple[str, ...]:
    origin = get_origin(annotation)
    if origin is Literal:
        words = tuple(str(word) for word in get_args(annotation) if word != "")
        return () if set(words) == {"true", "false"} else words
    if origin is not None:
        parts = get_args(annotation)[:1] if origin is Annotated else get_args(annotation)
        return tuple(dict.fromkeys(word for part in parts for word in _choices(part)))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        members = list(annotation)
        return tuple(member.value if isinstance(member, str) else member.name for member in members)
    return ()


def _key(name: str, field: FieldInfo) -> str:
    return field.alias or name


def _model_of(annotation: Any) -> type[BaseModel] | None:
    """The one model of a field that is a part of the specification, optional or not."""
    for part in (annotation, *get_args(annotation)):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def _of_model(model: type[BaseModel], start: str) -> Iterator[Column]:
    for name, field in model.model_fields.items():
        path = start + name
        if path not in _PARTS:
            yield _column(path, field)
            continue
        required = field.is_required()
        yield Column(path, Kind.MAPPING, field.description or "", required, part=True)
        if path == LOCATION:
            kinds = source_types().items()
            yield from _union(path, [(type_name, kind.Location) for type_name, kind in kinds])
        elif path in SIDES:
            yield from _union(path, _sides(path))
        else:
            inner = _model_of(field.annotation)
            assert inner is not None  # every other part is one model
            yield from _of_model(inner, path + ".")


def _sides(path: str) -> list[tuple[str, type[BaseModel]]]:
    reads = path.endswith("reader")
    own = [
        (kind.name, form.reader_type if reads else form.writer_type)
        for kind in source_types().values()
        for form in kind.variants()
    ]
    others = [
        (name, other.reader_type if reads else other.writer_type) for name, other in COUNTERPARTS.items()
    ]
    return [*own, *others]


def _union(path: str, models: list[tuple[str, type[BaseModel]]]) -> Iterator[Column]:
    """The fields of several models as columns; a field that some have says which."""
    found: dict[str, list[tuple[str, Column]]] = {}
    for owner, model in models:
        for name, field in model.model_fields.items():
            column = _column(f"{path}.{_key(name, field)}", field)
            found.setdefault(column.name, []).append((owner, column))
    owners = dict.fromkeys(owner for owner, _ in models)
    for each in found.values():
        first = each[0][1]
        using = dict.fromkeys(owner for owner, _ in each)
        needing = tuple(dict.fromkeys(owner for owner, column in each if column.required))
        everywhere = len(needing) == len(owners) and all(column.required for _, column in each)
        yield replace(
            first,
            kind=_together([column.kind for _, column in each]),
            description=_descriptions(each),
            required=everywhere,
            used_by=() if len(using) == len(owners) else tuple(using),
            required_by=() if everywhere else needing,
            choices=tuple(dict.fromkeys(word for _, column in each for word in column.choices)),
            default=first.default if len({column.default for _, column in each}) == 1 else "",
        )


def _descriptions(each: list[tuple[str, Column]]) -> str:
    texts: dict[str, list[str]] = {}
    for owner, column in each:
        texts.setdefault(column.description, []).append(owner)
    if len(texts) == 1:
        return next(iter(texts))
    return " ".join(f"{', '.join(dict.fromkeys(owners))}: {text}" for text, owners in texts.items())


def _column(name: str, field: FieldInfo) -> Column:
    kind = kind_of(field.annotation)
    # The annotation says only that it is text: source types are modules, not words of a Literal.
    choices = tuple(source_types()) if name == "type" else _choices(field.annotation)
    default = None if field.is_required() or field.default_factory else field.default
    return Column(
        name,
        kind,
        field.description or "",
        field.is_required(),
        choices=choices,
        default=_as_cell(kind, default),
        example=_as_cell(kind, (field.examples or [None])[0]),
    )


def _as_cell(kind: Kind, value: Any) -> str:
    """A default or an example as a person writes it; "" for none."""
    value = getattr(value, "value", value)
    if isinstance(value, tuple):
        value = list(value)
    if value is None or value in ("", []):
        return ""
    if kind is Kind.BOOLEAN and isinstance(value, str):
        return value
    return write_cell(kind, value) or json.dumps(value, ensure_ascii=False)
