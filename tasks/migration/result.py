"""What became of one data source, and the AccessKeys that nothing uses any more."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from cloud.errors import OnboardingError
from tasks.migration.found import Stage
from tasks.migration.item import Item


class Ending(str, Enum):
    """How a data source ended."""

    MIGRATED = "migrated"
    WATCHED = "watching"
    STOPPED = "stopped"
    PLANNED = "planned"
    UNCHANGED = "unchanged"
    RESTORED = "as it was"
    KEY_NEEDED = "needs its key"
    REFUSED = "cannot be migrated"
    FAILED = "failed"

    @property
    def good(self) -> bool:
        """Whether nobody has to do anything about it."""
        return self in (Ending.MIGRATED, Ending.STOPPED, Ending.PLANNED, Ending.UNCHANGED)


@dataclass(frozen=True)
class SourceResult:
    """One data source. ``reached`` is the last stage that was completed; ``error`` what stopped it, ``undone`` why what
    it should have been put back to could not be reached."""

    workspace: int
    name: str
    type: str
    ending: Ending
    reached: Stage
    reason: str
    item: Item | None = None
    notes: tuple[str, ...] = ()
    error: OnboardingError | None = None
    undone: OnboardingError | None = None


@dataclass(frozen=True)
class UnusedKey:
    """An AccessKey that no data source that could be looked at uses any more. ``before`` are those that did."""

    key_id: str
    before: tuple[str, ...]
    unread: tuple[int, ...] = ()
    """Workspaces that may not be read."""
