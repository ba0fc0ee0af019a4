"""Many look-ups, one listing: who shares what, how old an answer may be, and what happens when the listing fails."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from cloud.coalesce import Coalescer
from cloud.errors import NotFound


class StillClock:
    """A clock that a test moves; a pause waits until the test lets it go on."""

    def __init__(self) -> None:
        self.moment = 1000.0
        self.asked: list[float] = []
        self.go = threading.Event()
        self.sleeping = threading.Event()

    def now(self) -> float:
        """Seconds, as the test set them."""
        return self.moment

    def sleep(self, seconds: float) -> None:
        """Note the pause and wait for the test."""
        self.asked.append(seconds)
        self.sleeping.set()
        assert self.go.wait(10)


class Listing:
    """A listing that counts how often it was made, and of what."""

    def __init__(self) -> None:
        self.asked: list[frozenset[str]] = []

    def __call__(self, keys: frozenset[str]) -> Mapping[str, int]:
        """Every key's length, but nothing for "absent"."""
        self.asked.append(keys)
        return {key: len(key) for key in keys if key != "absent"}


def test_look_ups_of_one_moment_share_one_listing() -> None:
    clock, listing = StillClock(), Listing()
    together = Coalescer(listing, clock, interval=0, gather=0.25)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(together.get, "a")
        assert clock.sleeping.wait(10)
        others = [pool.submit(together.get, key) for key in ("bb", "ccc", "absent", "bb")]
        while (
            len(together._open.keys if together._open else ()) < 4
        ):  # that they have joined shows nowhere else
            threading.Event().wait(0.001)
        clock.go.set()
        assert first.result(10) == 1
        assert [other.result(10) for other in others] == [2, 3, None, 2]
    assert listing.asked == [frozenset({"a", "bb", "ccc", "absent"})]
    assert clock.asked == [0.25]


def test_an_answer_is_never_older_than_its_question() -> None:
    state = {"x": 1}
    clock = StillClock()
    clock.go.set()
    began, release = threading.Event(), threading.Event()

    def fetch(keys: frozenset[str]) -> Mapping[str, int]:
        found = dict(state)
        began.set()
        assert release.wait(10)
        return {key: found[key] for key in keys}

    together = Coalescer(fetch, clock, interval=0, gather=0)
    with ThreadPoolExecutor(2) as pool:
        early = pool.submit(together.get, "x")
        assert began.wait(10)
        state["x"] = 2  # changed after the first listing has begun
        late = pool.submit(together.get, "x")
        release.set()
        assert early.result(10) == 1
        assert late.result(10) == 2


def test_listings_of_polls_keep_their_distance() -> None:
    clock, listing = StillClock(), Listing()
    clock.go.set()
    together = Coalescer(listing, clock, interval=2, gather=0.25)
    together.get("a")
    clock.moment += 0.5
    together.get("a")
    clock.moment += 5
    together.get("a")
    assert clock.asked == [0.25, 1.5, 0.25]


def test_a_listing_that_fails_fails_for_everybody_of_its_batch_and_for_nobody_later() -> None:
    clock = StillClock()
    clock.go.set()
    failing = [True]

    def fetch(keys: frozenset[str]) -> Mapping[str, int]:
        if failing.pop() if failing else False:
            raise NotFound("gone", subject="list")
        return dict.fromkeys(keys, 7)

    together = Coalescer(fetch, clock, interval=0, gather=0)
    with pytest.raises(NotFound, match="gone"):
        together.get("a")
    assert together.get("a") == 7
