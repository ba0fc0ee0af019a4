"""MaxCompute: reader with partition wildcards, writer with truncate.

Source: vendor's pages of the MaxCompute reader and writer. Compute engines are reached with the workspace's own rights,
so that no RAM action is asked for here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from emulator.dataplane.errors import NotBuilt, RunFailure
from emulator.dataplane.steps.base import Row, StepRun
from emulator.state import Table

TYPE = "odps"


def _table(step: StepRun) -> tuple[str, Table]:
    """The table of the step in the data source's project."""
    project, name = str(step.content.get("project") or ""), str(step.needed("table"))
    found = step.cloud.state.data.maxcompute.get(project)
    if found is None:
        raise RunFailure("ODPS-0420111", f"Project not found - '{project}'")
    if name not in found.tables:
        raise RunFailure("ODPS-0130131", f"Table not found - table {project}.{name} cannot be resolved")
    return f"{project}.{name}", found.tables[name]


def _columns(step: StepRun, table: Table, known: list[str]) -> list[str]:
    names = [str(name) for name in step.listed("column")]
    if names == ["*"]:
        return list(table.columns)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise RunFailure(
            "OdpsError-Column", f"the table has no column {', '.join(unknown)}; it has {', '.join(known)}"
        )
    return names


def _partition(text: str) -> str:
    """``pt='20260101' / type=1`` in one spelling: ``pt=20260101,type=1``."""
    parts = text.replace("/", ",").replace("'", "").replace('"', "").split(",")
    return ",".join("=".join(side.strip() for side in part.split("=", 1)) for part in parts if part.strip())


def read(step: StepRun) -> Iterator[Row]:
    """Rows of the partitions that match, columns by name; partition columns may be read too."""
    if step.flag("enableWhere") or step.text("where"):
        raise NotBuilt("the where clause of the odps reader")
    title, table = _table(step)
    names = _columns(step, table, [*table.columns, *table.partition_columns])
    wanted = step.parameter.get("partition")
    listed = wanted if isinstance(wanted, list) else [wanted]
    patterns = [_partition(str(one)) for one in listed if one] or [""]
    if bool(table.partition_columns) != all(patterns):
        need = "needs a partition" if table.partition_columns else "has no partitions"
        raise RunFailure("OdpsReader-Partition", f"table {title} {need}")
    chosen = [
        key for key in sorted(table.partitions) if any(fnmatchcase(key, pattern) for pattern in patterns)
    ]
    if not chosen and table.partition_columns:
        raise RunFailure("OdpsReader-Partition", f"table {title} has no partition {', '.join(patterns)}")
    step.log.info(f"reading {title}, partitions {', '.join(chosen) or 'none'}")
    return _rows(table, chosen, names)


def _rows(table: Table, chosen: list[str], names: list[str]) -> Iterator[Row]:
    for key in chosen:
        fixed = dict(part.split("=", 1) for part in key.split(",") if part)
        for row in table.partitions[key]:
            values: dict[str, str | None] = {**fixed, **dict(zip(table.columns, row, strict=True))}
            yield [values[name] for name in names]


def write(step: StepRun, rows: Iterable[Row]) -> int:
    """Write into one partition; ``truncate`` (default) replaces what is there, else rows are added."""
    title, table = _table(step)
    names = _columns(step, table, table.columns)
    key = _partition(step.text("partition"))
    _check_partition(title, table, key)
    empty_as_null = step.flag("emptyAsNull")
    written: list[Row] = []
    for row in rows:
        if len(row) != len(names):
            step.dirty.add(f"{len(row)} values for the {len(names)} columns of {title}")
            continue
        values = dict(zip(names, row, strict=True))
        if empty_as_null:
            values = {name: value or None for name, value in values.items()}
        written.append([values.get(name) for name in table.columns])
    kept = [] if step.flag("truncate", True) else table.partitions.get(key, [])
    table.partitions[key] = [*kept, *written]
    step.log.info(f"wrote {len(written)} records into {title}{f' partition ({key})' if key else ''}")
    return len(written)


def _check_partition(title: str, table: Table, key: str) -> None:
    given = [part.partition("=")[0] for part in key.split(",") if part]
    if given != table.partition_columns:
        raise RunFailure(
            "OdpsWriter-Partition",
            f"table {title} has the partition columns {table.partition_columns}, the task names {given}",
        )
    if "*" in key:
        raise RunFailure("OdpsWriter-Partition", f"a partition to write must be exact, not {key}")
