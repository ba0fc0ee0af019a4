"""What stops a run over a file before it writes more."""

from __future__ import annotations

from dataclasses import dataclass

from flows.bulk_report import Stop

GOES_ON = "start it again with the same file: what is done is found in the cloud and not repeated"
"""Where a run that was stopped goes on."""
_LOOK = "look at the plan; then start it again with a higher bound, or with another file"


@dataclass(frozen=True)
class Brakes:
    """What stops a run before it writes more; None: nothing does. ``changes_percent`` is of the file's rows."""

    failures: int | None = None
    changes: int | None = None
    changes_percent: float | None = None

    def before(self, touched: int, rows: int) -> Stop | None:
        """Whether so many of all rows are more than may change; asked before the first write."""
        if self.changes is not None and touched > self.changes:
            return Stop(
                "changes", f"{touched} of {rows} rows would change, at most {self.changes} may", _LOOK
            )
        if self.changes_percent is not None and rows and touched * 100 > self.changes_percent * rows:
            share = f"{touched * 100 / rows:.1f} % of {rows} rows"
            return Stop("changes", f"{share} would change, at most {self.changes_percent:g} % may", _LOOK)
        return None
