"""Tablestore (OTS), wide column model, newest versions only: reader of a range of keys, writer with PutRow and UpdateRow.

Each operation asks for the RAM action of its name; in a resource the instance's name is lower-case. Source: Tablestore
"Custom RAM policy" page, DataX ``OtsReader`` and ``OtsWriter`` (which operations the engine calls):

- the look at the instance, first of all (a setting): ``ots:ListTable`` on all its tables;
- reading: ``ots:DescribeTable``, ``ots:ComputeSplitPointsBySize`` unless the task says how to split, ``ots:GetRange``;
- writing: ``ots:DescribeTable``, then ``ots:BatchWriteRow`` for each batch. A batch in which one row breaks a limit is
  refused as a whole; the engine then sends its rows one by one with ``ots:PutRow`` or ``ots:UpdateRow``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from emulator.dataplane.errors import NotBuilt, RunFailure
from emulator.dataplane.network import endpoint_of
from emulator.dataplane.session import Session
from emulator.dataplane.steps.base import Row, StepRun
from emulator.dataworks.content import host_of
from emulator.state_data import OtsTable

TYPE = "ots"

_BATCH = 100  # rows of one BatchWriteRow
# Tablestore, "General limits": bytes of one key value, and of one attribute value.
_KEY_BYTES, _ATTRIBUTE_BYTES = 1024, 2 * 1024 * 1024
_OPERATIONS = {"PutRow": "ots:PutRow", "UpdateRow": "ots:UpdateRow"}

Change = tuple[dict[str, str], dict[str, str | None]]
"""Key and attributes of one row to write."""


# -- the table -----------------------------------------------------------------------------------------


def _start(session: Session, content: Mapping[str, Any]) -> str:
    """What the resources of all tables of the instance start with."""
    endpoint = endpoint_of(TYPE, host_of(TYPE, content))
    region = (endpoint and endpoint.region) or session.cloud.state.region
    instance = str(content["instanceName"]).lower()
    return f"acs:ots:{region}:{session.cloud.state.account_id}:instance/{instance}/table/"


def look(session: Session, content: Mapping[str, Any]) -> None:
    """Which tables there are, as a connectivity test may ask. Raises :class:`AccessRefused`."""
    session.authorise("ots:ListTable", f"{_start(session, content)}*")


def _open(step: StepRun) -> tuple[OtsTable, str]:
    """The table with its resource. Raises what a client of Tablestore would see."""
    name, host = str(step.content["instanceName"]).lower(), host_of(TYPE, step.content)
    endpoint = endpoint_of(TYPE, host)
    instance = step.cloud.state.data.tablestore.get(name)
    if endpoint is None:
        raise RunFailure("UnknownHostException", f"{host}: Name or service not known")
    if instance is None or endpoint.label != name or endpoint.region != instance.region:
        text = f"Tablestore answered 403 OTSAuthFailed: Instance not found: {name} at {host}"
        raise RunFailure("OTSAuthFailed", text)
    _check_built(step)
    step.look(look)
    table = str(step.needed("table"))
    resource = _start(step.session, step.content) + table
    step.session.authorise("ots:DescribeTable", resource)
    if table not in instance.tables:
        text = "Tablestore answered 404 OTSObjectNotExist: Requested table does not exist."
        raise RunFailure("OTSObjectNotExist", f"{text} Table: {table}")
    return instance.tables[table], resource


def _check_built(step: StepRun) -> None:
    if step.text("mode", "normal") != "normal":
        raise NotBuilt(f"mode {step.text('mode')} of ots; it has normal")
    if step.flag("isTimeseriesTable"):
        raise NotBuilt("time-series tables of ots")


def _invalid(text: str) -> RunFailure:
    return RunFailure("OTSParameterInvalid", f"Tablestore answered 400 OTSParameterInvalid: {text}")


def _whole(text: str) -> str:
    return str(int(text))


def _floating(text: str) -> str:
    float(text)
    return text


def _boolean(text: str) -> str:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower()


_TYPES: dict[str, Callable[[str], str]] = {
    "INT": _whole,
    "DOUBLE": _floating,
    "BOOL": _boolean,
    "STRING": str,
    "BINARY": str,
}
"""How a value of each type is kept. Raises ``ValueError``."""


def _order(table: OtsTable, row: Mapping[str, str]) -> list[tuple[int, Any]]:
    """Where a row lies among the others."""
    return [_place(kind, row[name]) for name, kind in table.primary_key.items()]


def _place(kind: str, value: str) -> tuple[int, Any]:
    return 1, int(value) if kind == "INT" else value.encode()


# -- reading -------------------------------------------------------------------------------------------


def read(step: StepRun) -> Iterator[Row]:
    """Rows of a range of keys, the first included, the last not, in the order of their keys."""
    columns = step.listed("column")
    for column in columns:
        if not isinstance(column, dict) or ("name" in column) == ("value" in column):
            raise RunFailure("OtsReader-01", f"a column needs a name or a value, not {column!r}")
    table, resource = _open(step)
    bounds = step.parameter.get("range") or {}
    begin, end = _bound(table, bounds, "begin", 0), _bound(table, bounds, "end", 2)
    if begin > end:
        raise NotBuilt("a range of ots from a higher to a lower key")
    if not bounds.get("split"):
        step.session.authorise("ots:ComputeSplitPointsBySize", resource)
    step.session.authorise("ots:GetRange", resource)
    step.log.info(f"reading {step.text('table')}")
    return _rows(table, columns, begin, end)


def _bound(table: OtsTable, bounds: Mapping[str, Any], word: str, default: int) -> list[tuple[int, Any]]:
    """A key to compare rows with; INF_MIN is before and INF_MAX after every value."""
    values = bounds.get(word) or []
    if not values:
        return [(default, "")] * len(table.primary_key)
    if len(values) != len(table.primary_key):
        raise _invalid(
            f"primary key mismatch: range.{word} has {len(values)} values, the table {len(table.primary_key)} key columns"
        )
    found: list[tuple[int, Any]] = []
    for value, (name, kind) in zip(values, table.primary_key.items(), strict=True):
        given = str(value.get("type")).upper()
        if given in ("INF_MIN", "INF_MAX"):
            found.append((0 if given == "INF_MIN" else 2, ""))
            continue
        if given != kind:
            raise _invalid(f"primary key mismatch: range.{word} has {given} for {name}, which is {kind}")
        try:
            found.append(_place(kind, str(value.get("value"))))
        except ValueError as error:
            raise _invalid(f"range.{word} has {value.get('value')!r} for {name}, which is {kind}") from error
    return found


def _rows(table: OtsTable, columns: list[Any], begin: list[Any], end: list[Any]) -> Iterator[Row]:
    for row in sorted(table.rows, key=lambda one: _order(table, one)):
        if begin <= _order(table, row) < end:
            yield [str(one["value"]) if "value" in one else row.get(str(one["name"])) for one in columns]


# -- writing -------------------------------------------------------------------------------------------


def write(step: StepRun, rows: Iterable[Row]) -> int:
    """Write rows in batches; PutRow replaces a whole row, UpdateRow changes its columns (NULL removes one)."""
    if step.flag("enableAutoIncrement"):
        raise NotBuilt("enableAutoIncrement of the ots writer")
    mode = str(step.needed("writeMode"))
    if mode not in _OPERATIONS:
        raise RunFailure("OtsWriter-01", f"unknown writeMode {mode!r}")
    keys, columns = _typed(step.listed("primaryKey")), _typed(step.parameter.get("column") or [])
    table, resource = _open(step)
    if list(keys.items()) != list(table.primary_key.items()):
        raise RunFailure(
            "OTSInvalidPK",
            f"Tablestore answered 400 OTSInvalidPK: Primary key schema mismatch: the task has {keys}, "
            f"the table {table.primary_key}",
        )
    changes = _changes(step, rows, keys, columns)
    while batch := list(islice(changes, _BATCH)):
        step.session.authorise("ots:BatchWriteRow", resource)
        refused = next(filter(None, map(_over_limit, batch)), None)
        if refused is None or len(batch) == 1:
            for change in batch:
                _store(step, table, change, mode)
            continue
        step.log.warn(f"the batch is refused: {refused}; its {len(batch)} rows are sent one by one")
        for change in batch:
            step.session.authorise(_OPERATIONS[mode], resource)
            _store(step, table, change, mode)
    step.log.info(f"wrote {step.progress.written} records into {step.text('table')}")
    return step.progress.written


def _typed(columns: Any) -> dict[str, str]:
    for column in columns:
        if (
            not isinstance(column, dict)
            or not column.get("name")
            or str(column.get("type")).upper() not in _TYPES
        ):
            raise RunFailure("OtsWriter-01", f"a column needs a name and a type, not {column!r}")
    return {str(column["name"]): str(column["type"]).upper() for column in columns}


def _changes(
    step: StepRun, rows: Iterable[Row], keys: Mapping[str, str], columns: Mapping[str, str]
) -> Iterator[Change]:
    """Rows whose values fit the types; the others are dirty."""
    kinds = {**keys, **columns}
    for row in rows:
        if len(row) != len(kinds):
            step.dirty.add(f"{len(row)} values for {len(kinds)} columns")
            continue
        try:
            values = {
                name: None if value is None else _TYPES[kind](value)
                for (name, kind), value in zip(kinds.items(), row, strict=True)
            }
        except ValueError as error:
            step.dirty.add(f"a value does not fit its type: {error}")
            continue
        key = {name: value for name in keys if (value := values[name]) is not None}
        if len(key) == len(keys):
            yield key, {name: values[name] for name in columns}
        else:
            step.dirty.add(f"NULL in the primary key {', '.join(keys)}")


def _over_limit(change: Change) -> str | None:
    """Why Tablestore refuses a row, None when it does not."""
    for values, limit, what in (
        (change[0], _KEY_BYTES, "primary key"),
        (change[1], _ATTRIBUTE_BYTES, "attribute"),
    ):
        for name, value in values.items():
            if value is not None and len(value.encode()) > limit:
                return f"OTSParameterInvalid: The length of {what} column: '{name}' exceeds the MaxLength:{limit}"
    return None


def _store(step: StepRun, table: OtsTable, change: Change, mode: str) -> None:
    refused = _over_limit(change)
    if refused is not None:
        step.dirty.add(refused)
        return
    key, attributes = change
    place = _order(table, key)
    old = next((row for row in table.rows if _order(table, row) == place), None)
    if old is not None:
        table.rows.remove(old)
    merged = {**(old if old is not None and mode == "UpdateRow" else key), **attributes}
    table.rows.append({name: value for name, value in merged.items() if value is not None})
    table.rows.sort(key=lambda row: _order(table, row))
    step.progress.written += 1
