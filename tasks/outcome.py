"""What a step hands on: its outcome, for people and machines, and the facts the next step needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from tasks.planning import PlannedChange


class Outcome(str, Enum):
    """What became of a step."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    FAILED = "failed"

    @staticmethod
    def of(changes: Sequence[PlannedChange]) -> Outcome:
        """The outcome of a step that made these changes: created when something new came to be."""
        if not changes:
            return Outcome.UNCHANGED
        return Outcome.CREATED if any(change.created for change in changes) else Outcome.UPDATED


@dataclass(frozen=True)
class StepReport:
    """One step of the report. ``number`` is 1 to 5; ``facts`` are ids and names worth keeping."""

    number: int
    title: str
    subject: str
    outcome: Outcome
    reason: str
    changes: tuple[PlannedChange, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """One line for a state message or a terminal."""
        return (
            f"{self.outcome.value}: {self.subject} ({self.reason})"
            if self.reason
            else f"{self.outcome.value}: {self.subject}"
        )
