"""A clock for the cloud layer that is the local cloud's own: nothing sleeps, and both sides agree on the time."""

from __future__ import annotations

import threading

from emulator.cloud import LocalCloud


class LocalClock:
    """A :class:`cloud.clock.Clock` whose ``sleep`` moves the local cloud's clock; safe to use from threads.

    Use it as ``Gate(settings, region, LocalClock(local.cloud))``. Waiting of minutes then takes no time, and what the
    local cloud counts by its clock (rates, propagation, states) has moved on as much as the client has waited.
    All values are seconds. ``slept`` keeps every pause, in the order they were asked for.
    """

    def __init__(self, cloud: LocalCloud) -> None:
        self._cloud = cloud
        self._lock = threading.Lock()
        self._slept: list[float] = []

    def now(self) -> float:
        """Seconds since the epoch, as the local cloud sees them."""
        return self._cloud.clock.now()

    def sleep(self, seconds: float) -> None:
        """Move the local cloud's clock forward until ``seconds`` from now and return at once.

        Pauses of several threads overlap, as they would in real time. Raises ``ValueError`` for a negative pause.
        """
        due = self.now() + seconds
        with self._lock:
            self._cloud.clock.advance(max(0.0, due - self.now()) if seconds >= 0 else seconds)
            self._slept.append(seconds)

    @property
    def slept(self) -> tuple[float, ...]:
        """Every pause so far."""
        with self._lock:
            return tuple(self._slept)
