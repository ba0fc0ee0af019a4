"""Many look-ups, one listing: threads that want one object each wait for a listing that answers all of them.

Source: RAM's and DataWorks' rates are counted per account, and a listing shows 100 objects for the price of one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from cloud.clock import Clock

K = TypeVar("K")
V = TypeVar("V")
Fetch = Callable[[frozenset[K]], Mapping[K, V]]


class _Batch(Generic[K, V]):
    """The look-ups that wait for the next listing."""

    def __init__(self) -> None:
        self.keys: set[K] = set()
        self.ended = threading.Event()
        self.found: Mapping[K, V] = {}
        self.error: BaseException | None = None


class Coalescer(Generic[K, V]):
    """Answers look-ups in batches; safe to use from threads.

    A look-up joins the batch that has not begun yet, so its answer is never older than its question. The first of a
    batch leads it: it waits until ``interval`` seconds have passed since the last listing began, then calls
    ``fetch`` with everything that is wanted by then. An error of ``fetch`` is raised to each of the batch.
    ``gather`` is the least time (seconds) a batch stays open, so that look-ups of one moment meet.
    """

    def __init__(self, fetch: Fetch[K, V], clock: Clock, *, interval: float, gather: float) -> None:
        self._fetch = fetch
        self._clock = clock
        self._interval = interval
        self._gather = gather
        self._lock = threading.Lock()
        self._open: _Batch[K, V] | None = None
        self._next = 0.0

    def get(self, key: K) -> V | None:
        """What a listing that begins after this call shows of ``key``; None when it does not show it."""
        with self._lock:
            leads = self._open is None
            if self._open is None:
                self._open = _Batch()
            batch = self._open
            batch.keys.add(key)
            pause = max(self._gather, self._next - self._clock.now())
        if leads:
            self._lead(batch, pause)
        else:
            batch.ended.wait()
        if batch.error is not None:
            raise batch.error
        return batch.found.get(key)

    def _lead(self, batch: _Batch[K, V], pause: float) -> None:
        """Wait, close the batch, ask, and wake everybody: whatever happens, nobody is left waiting."""
        try:
            try:
                self._clock.sleep(pause)
            finally:
                with self._lock:
                    self._open = None
                    self._next = self._clock.now() + self._interval
                    keys = frozenset(batch.keys)
            batch.found = self._fetch(keys)
        except BaseException as error:  # noqa: BLE001  # raised by every thread of the batch, this one included
            batch.error = error
        finally:
            batch.ended.set()
