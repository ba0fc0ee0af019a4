"""The local cloud's clock: real time plus an offset that only moves forward.

States, tokens, rates and propagation follow this clock, so a rehearsal of hours takes milliseconds.
Signature dates are compared with the machine's own time instead: clients sign with theirs.
"""

from __future__ import annotations

import time
from datetime import datetime, timezone

_LATEST = 253_370_764_800  # 9999-01-01: a year of room before Python's dates end


class Clock:
    """Seconds since the epoch, plus what :meth:`advance` has added."""

    def __init__(self) -> None:
        self.offset = 0.0

    def now(self) -> float:
        """Seconds since the epoch, as the local cloud sees them."""
        return time.time() + self.offset

    def now_ms(self) -> int:
        """Milliseconds since the epoch (the unit of DataWorks' operation times)."""
        return int(self.now() * 1000)

    def advance(self, seconds: float) -> float:
        """Move forward; returns the new time. Raises ``ValueError`` for a negative step, and beyond the year 9999."""
        if not seconds >= 0:
            raise ValueError(f"the clock only moves forward, got {seconds} s")
        self.set_offset(self.offset + seconds)
        return self.now()

    def set_offset(self, offset: float) -> None:
        """Replace the offset. Raises ``ValueError`` when dates could no longer be written."""
        if not 0 <= offset <= _LATEST - time.time():
            raise ValueError(f"the clock's offset must be between 0 s and the year 9999, got {offset} s")
        self.offset = offset


def iso8601(epoch_seconds: float) -> str:
    """``2026-01-31T08:00:00Z``: RAM's and STS' date format (UTC, whole seconds)."""
    return datetime.fromtimestamp(epoch_seconds, tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def console_date(epoch_seconds: float) -> str:
    """``Mar 17, 2021 4:09:32 PM``: DataWorks' GmtCreate and GmtModified (no zone given; UTC here)."""
    moment = datetime.fromtimestamp(epoch_seconds, tz=timezone.utc)
    return f"{moment:%b} {moment.day}, {moment.year} {moment.hour % 12 or 12}:{moment:%M:%S %p}"
