"""Time as the cloud layer sees it, injectable so that no test sleeps."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Where time and pauses come from. All values are seconds."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return after ``seconds``."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Block this thread."""
        time.sleep(seconds)


class Stopped(KeyboardInterrupt):
    """Whatever was to be done next is not done: the flow is being cancelled, or somebody has pressed Ctrl-C.

    No ``Exception``: nothing on the way out may take it for a failure of a call, and go on.
    """


class StoppableClock(SystemClock):
    """The machine's clock, whose pauses end when it is stopped."""

    def __init__(self) -> None:
        self._stopped = threading.Event()

    def sleep(self, seconds: float) -> None:
        """Block this thread. Raises :class:`Stopped` as soon as the clock is stopped."""
        if self._stopped.wait(seconds):
            raise Stopped

    def stop(self) -> None:
        """End all pauses, those to come included."""
        self._stopped.set()
