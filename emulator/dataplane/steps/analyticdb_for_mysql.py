"""AnalyticDB for MySQL 3.0: reader of a table, writer with insert, replace and update.

Source: vendor's pages of the AnalyticDB for MySQL 3.0 reader and writer: ``insert`` leaves a row whose key exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from emulator.dataplane.errors import NotBuilt, RunFailure
from emulator.dataplane.steps import adb
from emulator.dataplane.steps.base import Row, StepRun
from emulator.dataplane.steps.sql import OnConflict, write_rows

TYPE = adb.THREE
look = adb.look
read = adb.read

_MODES: Mapping[str, OnConflict] = {"insert": "ignore", "replace": "replace", "update": "update"}


def write(step: StepRun, rows: Iterable[Row]) -> int:
    """Write rows by their key."""
    for statements in ("preSql", "postSql"):
        if step.parameter.get(statements):
            raise NotBuilt(f"{statements} of the analyticdb_for_mysql writer")
    mode = _MODES.get(step.text("writeMode", "insert"))
    if mode is None:
        raise RunFailure("AdbWriter-01", f"unknown writeMode {step.text('writeMode')!r}")
    title, table, names = adb.open_table(step)
    count = write_rows(step, table, rows, names, mode, {})
    step.log.info(f"wrote {count} records into {title}")
    return count
