"""AnalyticDB for MySQL 2.0: reader with a limit, writer row by row (``insert``) or in bulk (``load``).

Source: vendor's pages of the AnalyticDB for MySQL 2.0 reader and writer. Assumed: ``insert`` replaces a row whose key
exists, as version 2.0 does for INSERT; bulk loading has the same rows at its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from emulator.dataplane.errors import NotBuilt, RunFailure
from emulator.dataplane.steps import adb
from emulator.dataplane.steps.base import Row, StepRun
from emulator.dataplane.steps.sql import empty, partition_of, write_rows

TYPE = adb.TWO
look = adb.look


def read(step: StepRun) -> Iterator[Row]:
    """Rows of a table, at most ``limit``."""
    if step.text("mode", "Select") != "Select":
        raise NotBuilt(f"mode {step.text('mode')} of the ads reader; it has Select")
    limit = step.number("limit", 1) if step.text("limit") else None
    return islice(adb.read(step), limit)


def write(step: StepRun, rows: Iterable[Row]) -> int:
    """Write rows; ``overWrite`` of ``load`` first removes what is there, or in the partition."""
    mode = str(step.needed("writeMode"))
    if mode not in ("insert", "load"):
        raise RunFailure("AdsWriter-01", f"unknown writeMode {mode!r}")
    if mode == "insert":
        step.number("batchSize", 1)
    title, table, names = adb.open_table(step)
    partition = partition_of(step, table, title) if mode == "load" else {}
    if mode == "load" and step.flag("overWrite"):
        step.log.info(f"removed {empty(table, partition)} records of {title}")
    count = write_rows(step, table, rows, names, "replace", partition)
    step.log.info(f"wrote {count} records into {title}")
    return count
