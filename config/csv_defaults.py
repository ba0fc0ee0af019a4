"""Defaults for the rows of a CSV file, from a YAML file or the parameters of a flow.

A mapping like a specification, nested or with dotted keys (``sync_task.folder``); every field may have one, and a cell
wins over it. Text for a list, number or flag is read as a cell would be. Two kinds hold only for the rows they suit:

- those below ``sync_task`` for rows that have a cell below ``sync_task``: other rows have no sync task
- those below ``location`` for rows whose type has the field
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.csv_cells import Kind, read_cell
from config.csv_columns import LOCATION, SYNC_TASK, Column, column_names, columns, find_column, location_types
from config.csv_place import read_bytes, shown_place
from config.csv_problems import CsvInvalid, RowProblem, file_problem
from config.limits import SPECIFICATION_BYTES
from config.load import SpecFileError, read_mapping, short_value

_LITERAL_KINDS = frozenset({Kind.TEXT, Kind.DATE, Kind.ANY, Kind.TEXT_OR_LIST})


@dataclass(frozen=True)
class _Default:
    name: str
    parents: tuple[str, ...]
    key: str
    value: Any


class Defaults:
    """Defaults made ready: ``names`` are the columns that have one, ``source`` is where they are from."""

    def __init__(self, values: Mapping[str, Any], source: str) -> None:
        self.source = source
        self.names = frozenset(values)
        made = [_Default(name, tuple(name.split(".")[:-1]), name.rpartition(".")[2], value) for name, value in values.items()]  # fmt: skip
        self._task = [each for each in made if each.name.startswith(SYNC_TASK + ".")]
        of_location = [each for each in made if each.name.startswith(LOCATION + ".")]
        self._location = {
            kind: [each for each in of_location if each.key in fields]
            for kind, fields in location_types().items()
        }
        self._always = [each for each in made if each not in self._task and each not in of_location]

    def fill(self, spec: dict[str, Any], parts: list[str]) -> None:
        """Put in what the row does not give; ``parts`` are those it gives whole, which are left as they are."""
        _fill(spec, self._always, parts)
        kind = spec.get("type")
        if isinstance(kind, str):
            _fill(spec, self._location.get(kind, []), parts)
        if spec.get(SYNC_TASK) is not None:
            _fill(spec, self._task, parts)


def _fill(spec: dict[str, Any], defaults: list[_Default], parts: list[str]) -> None:
    for default in defaults:
        if parts and any(default.name.startswith(part + ".") for part in parts):
            continue
        place = spec
        for parent in default.parents:
            inner = place.setdefault(parent, {})
            if not isinstance(inner, dict):
                break
            place = inner
        else:
            place.setdefault(default.key, default.value)


def read_defaults(defaults: Mapping[str, Any] | str | Path | None, source: str = "defaults") -> Defaults:
    """Defaults from a mapping, which messages call ``source``, or from a YAML file at a path or URL.

    Raises ``CsvInvalid`` with every problem: an unreadable file, unknown keys, values that cannot be read.
    """
    if defaults is None:
        return Defaults({}, source)
    if not isinstance(defaults, Mapping):
        source = shown_place(defaults)
        defaults = _read_yaml(defaults, source)
    values: dict[str, Any] = {}
    problems: list[RowProblem] = []
    for column, value in _leaves(defaults, "", source, problems):
        if column.name in values:
            problems.append(RowProblem(0, column.name, "", "has two defaults", source))
        values[column.name] = value
    if problems:
        raise CsvInvalid(source, tuple(problems))
    return Defaults(values, source)


def _read_yaml(place: str | Path, source: str) -> Mapping[str, Any]:
    reason = ""
    try:
        data = read_bytes(place, maximum=SPECIFICATION_BYTES)
        return read_mapping(source, data.decode("utf-8-sig"))
    except SpecFileError as error:
        reason = error.reason
    except UnicodeDecodeError:
        reason = "is not UTF-8 text; save the file in UTF-8"
    raise file_problem(source, reason, row=0)


def _leaves(
    mapping: Mapping[str, Any], start: str, source: str, problems: list[RowProblem]
) -> Iterator[tuple[Column, Any]]:
    """Each default with its column; what is wrong goes to ``problems``."""
    for key, value in mapping.items():
        name = f"{start}{key}"
        column = find_column(name)
        if column is None:
            problems.append(RowProblem(0, name, "", f"is not a known field{similar(name)}", source))
            continue
        if value is None:
            continue
        read, rule = _value(column, value)
        if rule:
            shown = short_value(column.path, "", value)
            problems.append(RowProblem(0, column.name, shown, rule, source))
        elif column.part:
            yield from _leaves(read, column.name + ".", source, problems)
        elif read is not None:
            yield column, read


def _value(column: Column, value: Any) -> tuple[Any, str]:
    """The value of a default, and the rule it breaks or ""."""
    if isinstance(value, str) and column.kind not in _LITERAL_KINDS and value.strip():
        try:
            return read_cell(column.kind, value.strip()) or ({} if column.part else None), ""
        except ValueError as error:
            return None, str(error)
    if column.part and not isinstance(value, Mapping):
        return None, "is a mapping of fields"
    return value, ""


def similar(name: str) -> str:
    """ "; did you mean ...?" for a name that is close to a known column, else ""."""
    close = difflib.get_close_matches(name.strip().casefold(), column_names(), n=1, cutoff=0.75)
    return f"; did you mean {columns()[column_names()[close[0]]].name}?" if close else ""
