"""The stream writer: takes every record and keeps none. It has no data source.

Source: samples of the vendor's pages of the plug-ins, whose writer it is; DataX ``StreamWriter``.
"""

from __future__ import annotations

from collections.abc import Iterable

from emulator.dataplane.steps.base import Row, StepRun

TYPE = "stream"


def write(step: StepRun, rows: Iterable[Row]) -> int:
    """Count the records."""
    count = sum(1 for _ in rows)
    step.log.info(f"took {count} records and kept none")
    return count
