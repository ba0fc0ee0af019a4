"""Reading and writing a table of a database: what Hologres and AnalyticDB for MySQL have in common.

Rows are written as they come in, so that a run that fails in the middle leaves what it has written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from emulator.dataplane.errors import NotBuilt, RunFailure
from emulator.dataplane.steps.base import Row, StepRun
from emulator.state_data import SqlTable

OnConflict = Literal["ignore", "replace", "update"]
"""What becomes of a row whose key exists: it stays, is replaced as a whole, or changed in the columns given."""

_WHOLE = frozenset(
    {"INT", "INTEGER", "BIGINT", "SMALLINT", "TINYINT", "INT2", "INT4", "INT8", "SERIAL", "BIGSERIAL"}
)
_NUMBER = frozenset({"FLOAT", "DOUBLE", "DOUBLE PRECISION", "REAL", "NUMERIC", "DECIMAL", "FLOAT4", "FLOAT8"})
_BOOLEAN = frozenset({"BOOL", "BOOLEAN"})


def check_filter(step: StepRun) -> None:
    """The local cloud has no filter language. Raises :class:`NotBuilt`."""
    if step.text("where").strip():
        raise NotBuilt("the where clause of this reader")


def columns_of(step: StepRun, table: SqlTable, unknown: Callable[[str], RunFailure]) -> list[str]:
    """The step's columns, ``*`` for all; ``unknown`` words the failure for one the table does not have."""
    names = [str(name) for name in step.listed("column")]
    if names == ["*"]:
        return list(table.columns)
    for name in names:
        if name not in table.columns:
            raise unknown(name)
    return names


def partition_of(step: StepRun, table: SqlTable, title: str) -> dict[str, str]:
    """The partition ``column=value`` of a step; empty for a table without partitions. Raises :class:`RunFailure`."""
    name, _, value = (part.strip(" '\"") for part in step.text("partition").partition("="))
    if name != table.partition_column:
        wanted = (
            f"has the partition column {table.partition_column}" if table.partition_column else "has none"
        )
        raise RunFailure(
            "Partition", f"the task names partition {step.text('partition')!r}, table {title} {wanted}"
        )
    return {name: value} if name else {}


def read_rows(table: SqlTable, names: list[str], partition: dict[str, str]) -> Iterator[Row]:
    """Rows of a table, or of one partition."""
    for row in list(table.rows):
        values = dict(zip(table.columns, row, strict=True))
        if all(values[name] == value for name, value in partition.items()):
            yield [values[name] for name in names]


def empty(table: SqlTable, partition: dict[str, str]) -> int:
    """Remove all rows, or those of one partition; returns how many there were."""
    before = len(table.rows)
    places = {list(table.columns).index(name): value for name, value in partition.items()}
    table.rows = [row for row in table.rows if any(row[at] != value for at, value in places.items())]
    return before - len(table.rows)


def write_rows(
    step: StepRun,
    table: SqlTable,
    rows: Iterable[Row],
    names: list[str],
    on_conflict: OnConflict,
    partition: dict[str, str],
) -> int:
    """Write rows by key; values that do not fit their column are dirty. A row that stays counts as written."""
    places = {
        _key(table, dict(zip(table.columns, row, strict=True))): at for at, row in enumerate(table.rows)
    }
    for row in rows:
        values = _values(step, table, row, names)
        if values is None:
            continue
        values |= partition
        key = _key(table, values)
        if key is not None and None in key:
            step.dirty.add(f"NULL in the primary key {', '.join(table.primary_key)}")
            continue
        at = places.get(key) if key is not None else None
        if at is None:
            if key is not None:
                places[key] = len(table.rows)
            table.rows.append([values.get(name) for name in table.columns])
        elif on_conflict == "replace":
            table.rows[at] = [values.get(name) for name in table.columns]
        elif on_conflict == "update":
            old = zip(table.columns, table.rows[at], strict=True)
            table.rows[at] = [values.get(name, cell) for name, cell in old]
        step.progress.written += 1
    return step.progress.written


def _key(table: SqlTable, values: dict[str, str | None]) -> tuple[str | None, ...] | None:
    return tuple(values.get(name) for name in table.primary_key) if table.primary_key else None


def _values(step: StepRun, table: SqlTable, row: Row, names: list[str]) -> dict[str, str | None] | None:
    """The values of a row in the types of their columns, or None when it is dirty and was counted."""
    if len(row) != len(names):
        step.dirty.add(f"{len(row)} values for {len(names)} columns")
        return None
    found: dict[str, str | None] = {}
    for name, value in zip(names, row, strict=True):
        try:
            found[name] = None if value is None else _fitting(value, table.columns[name].upper())
        except ValueError:
            step.dirty.add(f"{value!r} does not fit column {name}, which is {table.columns[name]}")
            return None
    return found


def _fitting(value: str, kind: str) -> str:
    """The value as a column of this type keeps it. Raises ``ValueError``."""
    base = kind.partition("(")[0].strip()
    if base in _WHOLE:
        return str(int(value))
    if base in _NUMBER:
        float(value)
    if base in _BOOLEAN and value.lower() not in ("true", "false"):
        raise ValueError(value)
    return value.lower() if base in _BOOLEAN else value
