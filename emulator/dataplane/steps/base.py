"""What a reader or writer is given, and the counting of dirty records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from emulator.cloud import LocalCloud
from emulator.dataplane.errors import RunFailure
from emulator.dataplane.log import RunLog
from emulator.dataplane.session import Session

Row = list[str | None]
Look = Callable[[Session, Mapping[str, Any]], None]
"""The look at a data source's place with a session's rights. Raises :class:`RunFailure`."""


class DirtyRecords:
    """Counts records that could not be read or written, against the task's limit (None: no limit)."""

    def __init__(self, limit: int | None, log: RunLog) -> None:
        self.count = 0
        self._limit = limit
        self._log = log

    def add(self, reason: str) -> None:
        """Count one. Raises :class:`RunFailure` when it is one too many."""
        self.count += 1
        self._log.warn(f"dirty record {self.count}: {reason}")
        if self._limit is not None and self.count > self._limit:
            raise RunFailure(
                "Framework-14",
                f"{self.count} dirty records are more than the limit of {self._limit} (setting.errorLimit.record)",
            )


@dataclass
class Progress:
    """Records that a writer has written so far: a run that fails in the middle keeps them."""

    written: int = 0


@dataclass(frozen=True)
class StepRun:
    """One step of one run. ``parameter`` has its placeholders filled in; ``content`` is the data source's."""

    cloud: LocalCloud
    instance: int
    parameter: Mapping[str, Any]
    content: Mapping[str, Any]
    session: Session
    log: RunLog
    dirty: DirtyRecords
    progress: Progress = field(default_factory=Progress)

    def look(self, look: Look) -> None:
        """Look at the source first, where a setting says that the engine does."""
        if self.cloud.settings.runs_look_first:
            look(self.session, self.content)

    def text(self, name: str, default: str = "") -> str:
        """A parameter as text."""
        value = self.parameter.get(name)
        return default if value is None else str(value)

    def flag(self, name: str, default: bool = False) -> bool:
        """A parameter that is a boolean, or one written as text."""
        value = self.parameter.get(name)
        return default if value is None or value == "" else str(value).lower() == "true"

    def number(self, name: str, default: int) -> int:
        """A parameter that is a whole number above zero, or one written as text. Raises :class:`RunFailure`."""
        text = self.text(name) or str(default)
        if not text.isdecimal() or int(text) < 1:
            raise RunFailure(
                "Common-00", f"the parameter {name} must be a whole number above zero, not {text!r}"
            )
        return int(text)

    def needed(self, name: str) -> Any:
        """A parameter that must be there. Raises :class:`RunFailure`."""
        value = self.parameter.get(name)
        if value in (None, "", []):
            raise RunFailure("Common-00", f"the parameter {name} is missing")
        return value

    def listed(self, name: str) -> list[Any]:
        """A parameter that must be there and be a list. Raises :class:`RunFailure`."""
        value = self.needed(name)
        if not isinstance(value, list):
            raise RunFailure("Common-00", f"the parameter {name} must be a list")
        return value


def column_count(parameter: Mapping[str, Any]) -> int | None:
    """How many columns a step names, None for ``*``. A Tablestore writer names its key's columns apart."""
    columns, keys = parameter.get("column"), parameter.get("primaryKey")
    if not isinstance(columns, list) or columns == ["*"]:
        return None
    return len(columns) + (len(keys) if isinstance(keys, list) else 0)
