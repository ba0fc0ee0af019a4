"""Reading a specification, from a YAML file or from parameters.

    SpecError               nothing was read; the message names the file or parameters
    ├── SpecFileError       the file is missing, unreadable or not a YAML mapping; with line and column
    ├── SpecInvalid         the content breaks rules; ``problems`` has each with path, value and rule
    └── CsvInvalid          a CSV file or some of its rows break rules (``config.csv_problems``)

All are repaired by who wrote the specification. YAML is read safely: no tags that build objects, no duplicate
keys, no aliases (a few lines of them expand to gigabytes), bounded size and depth.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic.json_schema import GenerateJsonSchema

from config.limits import SPECIFICATION_BYTES
from config.problems import rule_of
from config.spec import DataSourceSpec

_DEPTH = 32
_VALUE_CHARACTERS = 60
_SECRET_KEY = re.compile(r"secret|password|token|credential|signature|access_?(key|id)", re.IGNORECASE)
# What may stand in any text: user information and query of an address (signed URLs), AccessKey ids.
_SECRET_TEXT = (
    (re.compile(r"//[^/@\s]*@"), "//***@"),
    (re.compile(r"\?\S*"), "?***"),
    (re.compile(r"\b(LTAI|STS\.)\w+"), r"\1***"),
)


class SpecError(Exception):
    """A specification could not be read."""


class SpecFileError(SpecError):
    """The file ``source`` could not be read as a YAML mapping, for ``reason``."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(source, reason)
        self.source = source
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.source}: {self.reason}"


@dataclass(frozen=True)
class Problem:
    """One broken rule.

    ``path`` is like ``sync_task.schedule.cron``, empty for the whole; ``value`` a short form that shows no
    secret, "" when there is none; ``rule`` what should hold.
    """

    path: str
    value: str
    rule: str

    def __str__(self) -> str:
        where = self.path or "(the specification)"
        return f"{where}: {self.rule}" + (f" (found {self.value})" if self.value else "")


class SpecInvalid(SpecError):
    """The specification of ``source`` breaks rules; ``problems`` lists every one found."""

    def __init__(self, source: str, problems: tuple[Problem, ...]) -> None:
        super().__init__(source, problems)
        self.source = source
        self.problems = problems

    def __str__(self) -> str:
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        return "\n".join((f"{self.source}: {count}", *(f"  {problem}" for problem in self.problems)))


def load_spec(path: str | Path) -> DataSourceSpec:
    """Read a specification from a YAML file in UTF-8. Raises ``SpecFileError`` or ``SpecInvalid``."""
    source = str(path)
    return parse_spec(read_mapping(source, _read_text(Path(path), source)), source=source)


def parse_spec(mapping: Mapping[str, Any], *, source: str = "parameters") -> DataSourceSpec:
    """Validate a specification; ``source`` says in messages where it is from. Raises ``SpecInvalid``."""
    try:
        return DataSourceSpec.model_validate(dict(mapping))
    except ValidationError as error:
        # Raised outside the handler: the pydantic error holds the raw values, and must not be part of the
        # chain.
        problems = problems_of(error)
    raise SpecInvalid(source, problems)


def problems_of(error: ValidationError) -> tuple[Problem, ...]:
    """Every broken rule of a validation, with values that show no secret."""
    return tuple(
        Problem(
            _path(line["loc"]),
            short_value(line["loc"], line["type"], line["input"]),
            rule_of(line["type"], line["msg"]),
        )
        for line in error.errors(include_url=False, include_context=False)
    )


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a specification, with a description and examples for each field."""
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        **DataSourceSpec.model_json_schema(mode="validation"),
    }


def _path(location: tuple[str | int, ...]) -> str:
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if path else part
    return path


def short_value(location: tuple[str | int, ...], kind: str, value: object) -> str:
    """A value as messages show it: shortened, and without a secret.

    ``location`` is where it stands, ``kind`` pydantic's type of the problem ("missing": there is no value).
    """
    if kind == "missing" or value is None:
        return ""
    if any(isinstance(part, str) and _SECRET_KEY.search(part) for part in location):
        return "a hidden value"
    if isinstance(value, Mapping):
        return f"a mapping of {len(value)}"
    if isinstance(value, (list, tuple, set)):
        return f"a list of {len(value)}"
    text = repr(value)
    for pattern, replacement in _SECRET_TEXT:
        text = pattern.sub(replacement, text)
    return text if len(text) <= _VALUE_CHARACTERS else text[: _VALUE_CHARACTERS - 3] + "..."


def _read_text(path: Path, source: str) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(SPECIFICATION_BYTES + 1)
    except FileNotFoundError:
        raise SpecFileError(source, "there is no such file") from None
    except OSError as error:
        raise SpecFileError(source, f"cannot be read: {error.strerror or type(error).__name__}") from error
    if len(data) > SPECIFICATION_BYTES:
        raise SpecFileError(source, f"is larger than {SPECIFICATION_BYTES} bytes; is this the right file?")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise SpecFileError(source, f"line {line} is not UTF-8 text; save the file in UTF-8") from None


def read_mapping(source: str, text: str) -> dict[str, Any]:
    """The mapping a YAML text holds; ``source`` says in messages where it is from. Raises ``SpecFileError``."""
    try:
        _check_shape(source, text)
        document = _SpecLoader(text).get_single_data()
    except yaml.MarkedYAMLError as error:
        raise SpecFileError(source, _where(error)) from None
    except yaml.YAMLError:
        raise SpecFileError(source, "holds a control character, which YAML does not allow") from None
    except ValueError as error:
        # A timestamp such as 2026-13-40 has the form of a date but is none.
        raise SpecFileError(source, f"holds a value YAML cannot read: {error}") from None
    if document is None:
        raise SpecFileError(source, "is empty")
    if not isinstance(document, dict):
        raise SpecFileError(source, f"holds a {type(document).__name__}, not a mapping of keys to values")
    return document


def _where(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{place}{error.problem or error.context or 'is not YAML'}"


def _check_shape(source: str, text: str) -> None:
    """Refuse aliases and deep nesting before anything is built from them."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise SpecFileError(source, f"{_place(event)}aliases (*name) are not allowed")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEPTH:
            raise SpecFileError(source, f"{_place(event)}nested more than {_DEPTH} deep")


def _place(marked: yaml.Event | yaml.Node) -> str:
    mark = marked.start_mark
    return f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""


class _SpecLoader(yaml.SafeLoader):
    """Safe loader that also refuses duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key if isinstance(key, str) else None)
        return super().construct_mapping(node, deep)
