"""What the onboardings of one process share: what was listed once, and look-ups that are made together.

A gate without it (a single onboarding) reads each object by itself. Nothing here is state: it is what the cloud said
a while ago, dropped as soon as it is written to, and read again when it is too old.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final, TypeVar, cast

from cloud.clock import Clock
from cloud.coalesce import Coalescer, Fetch

K = TypeVar("K")
V = TypeVar("V")


class Unknown:
    """Stands for what no listing has told, because None means that it does not exist."""


UNKNOWN: Final = Unknown()


class Shared:
    """Listed facts and coalesced look-ups of one process; safe to use from threads.

    ``interval`` (seconds) lies between two listings of one kind at the least, ``gather`` (seconds) is how long a
    look-up waits for others; a fact counts for ``maximum_age`` seconds.
    """

    def __init__(self, clock: Clock, *, interval: float, gather: float, maximum_age: float) -> None:
        self._clock = clock
        self._interval = interval
        self._gather = gather
        self._maximum_age = maximum_age
        self._lock = threading.Lock()
        self._facts: dict[Hashable, tuple[float, object]] = {}
        self._together: dict[Hashable, Coalescer[Any, Any]] = {}
        self._memos: dict[Hashable, object] = {}
        self._taken: set[Hashable] = set()
        self._locks: dict[Hashable, threading.Lock] = {}

    def learn(self, facts: Mapping[Hashable, object], listed_at: float) -> None:
        """Keep what a listing that began at ``listed_at`` (seconds since the epoch) told; None: it does not exist."""
        with self._lock:
            self._facts.update({key: (listed_at, value) for key, value in facts.items()})

    def known(self, key: Hashable) -> object:
        """What was told, or :data:`UNKNOWN` when nothing was, or too long ago."""
        with self._lock:
            listed_at, value = self._facts.get(key, (0.0, UNKNOWN))
        return value if self._clock.now() - listed_at <= self._maximum_age else UNKNOWN

    def forget(self, key: Hashable) -> None:
        """Read this again next time: it is about to be changed."""
        with self._lock:
            self._facts.pop(key, None)

    def take(self, key: Hashable) -> None:
        """Note that somebody else has made this since it was listed: perhaps another run on the same file."""
        with self._lock:
            self._taken.add(key)

    def taken(self, key: Hashable) -> bool:
        """Whether somebody else was seen to make it; asking once is enough, the next time it is as any other."""
        with self._lock:
            found = key in self._taken
            self._taken.discard(key)
        return found

    def memo(self, key: Hashable, make: Callable[[], V]) -> V:
        """The one object of a name, made when it is first asked for."""
        with self._lock:
            if key not in self._memos:
                self._memos[key] = make()
            return cast(V, self._memos[key])

    def lock(self, key: Hashable) -> threading.Lock:
        """The one lock for an object that several onboardings might make at once."""
        with self._lock:
            return self._locks.setdefault(key, threading.Lock())

    def together(
        self, kind: Hashable, fetch: Callable[[], Fetch[K, V]], *, polls: bool = False
    ) -> Coalescer[K, V]:
        """The one coalescer of a kind of look-up; ``fetch`` makes its listing when it is first asked for.

        ``polls``: it is asked again and again, so its listings keep their distance.
        """
        with self._lock:
            if kind not in self._together:
                interval = self._interval if polls else 0.0
                self._together[kind] = Coalescer(fetch(), self._clock, interval=interval, gather=self._gather)
            return cast("Coalescer[K, V]", self._together[kind])
