"""Clocks on which many threads wait for their turn without a pause in real time."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


class SteppingClock:
    """A clock that a pause moves; it remembers, for each thread, when it was last looked at."""

    def __init__(self) -> None:
        self._now = 1_000_000.0
        self._lock = threading.Lock()
        self.seen = threading.local()

    def now(self) -> float:
        """A little later than before, as on a real clock."""
        with self._lock:
            self._now += 0.0001
            self.seen.at = self._now
            return self._now

    def sleep(self, seconds: float) -> None:
        """Move on."""
        with self._lock:
            self._now += seconds


class StoppedClock:
    """A clock whose pauses end when they are let go."""

    def __init__(self) -> None:
        self.time = 1_000_000.0
        self.sleeping = threading.Event()
        self.wake = threading.Event()

    def now(self) -> float:
        """What was set."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Wait to be let go, then be that much later."""
        self.sleeping.set()
        assert self.wake.wait(10)
        self.time += seconds


class TurnClock:
    """A clock for many threads of which one runs at a time, the one that is to wake next: no chance but the seed's."""

    def __init__(self) -> None:
        self.time = 1_000_000.0
        self._lock = threading.Lock()
        self._awake = 0
        self._asleep: list[tuple[float, int, threading.Event]] = []
        self._pauses = 0

    def now(self) -> float:
        """The time of the thread that runs."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Let those run whose time comes first."""
        woken = threading.Event()
        with self._lock:
            self._pauses += 1
            heapq.heappush(self._asleep, (self.time + seconds, self._pauses, woken))
            self._give_way()
        assert woken.wait(60)

    def run(self, *callers: Callable[[], None]) -> None:
        """Run them all, each in a thread, until they end; raises what the first of them raised."""
        self._awake = len(callers)
        with ThreadPoolExecutor(len(callers)) as pool:
            for ended in [pool.submit(self._turn, caller) for caller in callers]:
                ended.result()

    def _turn(self, caller: Callable[[], None]) -> None:
        try:
            self.sleep(0)
            caller()
        finally:
            with self._lock:
                self._give_way()

    def _give_way(self) -> None:
        self._awake -= 1
        if not self._awake and self._asleep:
            due, _, woken = heapq.heappop(self._asleep)
            self.time = max(self.time, due)
            self._awake = 1
            woken.set()
