"""Who may pass a role, and until when: the ``grantees`` of a specification.

People write ``users``, ``groups`` and ``roles`` as lists of names. An entry may also be a mapping with an end date, and
the whole may be a list:

    grantees:
      users: [dave, {name: carol, until: 2027-01-31}]

    grantees: [{user: carol, until: 2027-01-31}, {group: data-platform}]

Both become names and, beside them, ``until``, which is what a CSV file and a form hold. A grant ends with the end of its
day in the scheduler's zone (:mod:`config.scheduler`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails

from config import names
from config.problems import each_once, problem, refuse

KINDS = {"user": "users", "group": "groups", "role": "roles"}
"""The kinds of grantees, each with the field that lists them."""

_UserName = Annotated[str, AfterValidator(names.check_user_name)]
_GroupName = Annotated[str, AfterValidator(names.check_group_name)]
_RoleName = Annotated[str, AfterValidator(names.check_role_name)]
_UNTIL = re.compile(rf"({'|'.join(KINDS)}):([A-Za-z0-9._\-]+)=(\d{{4}}-\d\d-\d\d)")
_NAME_SCHEMA: JsonSchemaValue = {"type": "string", "description": "Name in RAM.", "examples": ["carol"]}
_DATE_SCHEMA: JsonSchemaValue = {
    "type": "string",
    "format": "date",
    "description": "Last day of the grant, in the scheduler's zone (UTC+8).",
    "examples": ["2027-01-31"],
}


class _NamesOrDated:
    """Describes a list of names whose entries may be mappings with an end date."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        dated = _object({"name": _NAME_SCHEMA, "until": _DATE_SCHEMA}, ["name"])
        return {**schema, "items": {"anyOf": [schema["items"], dated]}}


class OrListed:
    """Describes the grantees as their model or as a list with one entry for each."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        entries = [_object({kind: _NAME_SCHEMA, "until": _DATE_SCHEMA}, [kind]) for kind in KINDS]
        return {
            "anyOf": [handler(core_schema), {"type": "array", "items": {"anyOf": entries}, "minItems": 1}]
        }


def _object(properties: Mapping[str, JsonSchemaValue], required: list[str]) -> JsonSchemaValue:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": required,
        "additionalProperties": False,
    }


class Grantees(BaseModel):
    """Who may pass the role: creators of the data source and executors of its sync tasks. At least one.

    An entry is a name, or a mapping of `name` and `until`, the last day of the grant. A list of mappings such as
    `{user: carol, until: 2027-01-31}` may stand for the whole.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    users: Annotated[tuple[_UserName, ...], AfterValidator(each_once), _NamesOrDated()] = Field(
        default=(), description="RAM users by name.", examples=[["carol"]]
    )
    groups: Annotated[tuple[_GroupName, ...], AfterValidator(each_once), _NamesOrDated()] = Field(
        default=(),
        description="RAM groups by name; better than users, who can have only 10 policies.",
        examples=[["data-platform"]],
    )
    roles: Annotated[tuple[_RoleName, ...], AfterValidator(each_once), _NamesOrDated()] = Field(
        default=(), description="RAM roles that pipelines assume.", examples=[["onboarding-creator"]]
    )
    until: tuple[str, ...] = Field(
        default=(),
        description="Grants that end: <kind>:<name>=<last day>, where the kind is user, group or role. "
        "The others are for good.",
        examples=[["user:carol=2027-01-31"]],
    )

    @model_validator(mode="before")
    @classmethod
    def _with_dates_apart(cls, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            value = _of_list(value)
        return _of_mapping(value) if isinstance(value, Mapping) else value

    @field_validator("until")
    @classmethod
    def _of_grantees(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        found: set[tuple[str, str]] = set()
        lines = []
        for place, text in enumerate(value):
            rule = _until_rule(text, info.data, found)
            if rule:
                lines.append(problem((place,), rule, text))
        refuse("Grantees", lines)
        return tuple(sorted(value))

    @model_validator(mode="after")
    def _at_least_one(self) -> Grantees:
        if not (self.users or self.groups or self.roles):
            raise ValueError("name at least one user or group, or a role: without PassRole nobody can use it")
        return self

    def until_of(self, kind: str, name: str) -> date | None:
        """The last day of a grant; None for one that does not end. ``kind`` is user, group or role."""
        start = f"{kind}:{name}="
        for text in self.until:
            if text.startswith(start):
                return date.fromisoformat(text.removeprefix(start))
        return None

    def on(self, today: date) -> Grantees:
        """Those whose grant has not ended before ``today``, a day in the scheduler's zone. There may be none."""
        if not self.until:
            return self

        def lasting(kind: str) -> tuple[str, ...]:
            every: tuple[str, ...] = getattr(self, KINDS[kind])
            return tuple(name for name in every if (self.until_of(kind, name) or today) >= today)

        return self.model_copy(update={field: lasting(kind) for kind, field in KINDS.items()})


def _until_rule(text: str, data: Mapping[str, Any], found: set[tuple[str, str]]) -> str:
    """What is wrong with one entry of ``until``; "" when nothing is."""
    match = _UNTIL.fullmatch(text)
    if match is None:
        return "is not like user:carol=2027-01-31"
    kind, name, day = match.groups()
    try:
        date.fromisoformat(day)
    except ValueError:
        return f"{day} is no day"
    # A field that is wrong by itself is not in the data, and is told already.
    if KINDS[kind] in data and name not in data[KINDS[kind]]:
        return f"{kind} {name} is not one of the {KINDS[kind]}"
    if (kind, name) in found:
        return f"{kind} {name} has two end dates"
    found.add((kind, name))
    return ""


def _of_list(entries: list[Any] | tuple[Any, ...]) -> dict[str, Any]:
    """The list form as a mapping of names with their end dates."""
    value: dict[str, Any] = {}
    lines = []
    for place, entry in enumerate(entries):
        kinds = [kind for kind in KINDS if isinstance(entry, Mapping) and kind in entry]
        if len(kinds) != 1 or set(entry) - {*KINDS, "until"}:
            lines.append(
                problem((place,), "is a mapping of user, group or role to a name, and perhaps until", entry)
            )
            continue
        (kind,) = kinds
        dated = {"name": entry[kind], "until": entry["until"]} if entry.get("until") else entry[kind]
        value.setdefault(KINDS[kind], []).append(dated)
    refuse("Grantees", lines)
    return value


def _of_mapping(value: Mapping[str, Any]) -> dict[str, Any]:
    """The same with mappings of names replaced by the names, and their dates in ``until``."""
    plain = dict(value)
    until: list[Any] = []
    lines: list[InitErrorDetails] = []
    for kind, field in KINDS.items():
        entries = value.get(field)
        if isinstance(entries, (list, tuple)) and any(isinstance(entry, Mapping) for entry in entries):
            plain[field] = [
                _name_of(entry, (field, place), kind, until, lines) for place, entry in enumerate(entries)
            ]
    refuse("Grantees", lines)
    if until:
        given = value.get("until") or ()
        plain["until"] = [*given, *until] if isinstance(given, (list, tuple)) else given
    return plain


def _name_of(
    entry: Any, place: tuple[str, int], kind: str, until: list[Any], lines: list[InitErrorDetails]
) -> Any:
    if not isinstance(entry, Mapping):
        return entry
    if set(entry) - {"name", "until"} or not isinstance(entry.get("name"), str):
        lines.append(problem(place, "is a name, or a mapping of name and until", None))
        return ""
    until.extend(_text_of(entry, place, kind, lines))
    return entry["name"]


def _text_of(
    entry: Mapping[str, Any], place: tuple[str, int], kind: str, lines: list[InitErrorDetails]
) -> Iterator[str]:
    """The end date of an entry as ``until`` has it. YAML reads a day as a date."""
    day = entry.get("until")
    if day is None:
        return
    if isinstance(day, date) and not isinstance(day, datetime):
        day = day.isoformat()
    if not isinstance(day, str) or not _is_day(day):
        lines.append(problem((*place, "until"), "is a day like 2027-01-31", str(day)))
        return
    yield f"{kind}:{entry['name']}={day}"


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
