"""The client's own rates: the cloud is never asked more often than its published rate, less the headroom."""

from __future__ import annotations

import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest

from cloud.rates import RateLimits
from config.limits import DATAWORKS, RAM, STS, Edition, rate_group, rate_limit
from config.personas import Persona
from emulator.server import RunningCloud
from tests.cloud.gates import gate_of, read_role

CALLS = (
    (RAM, "GetRole"),
    (RAM, "CreateRole"),
    (RAM, "AttachPolicyToRole"),
    (RAM, "TagResources"),
    (STS, "GetCallerIdentity"),
    (DATAWORKS, "ListDataSources"),
    (DATAWORKS, "CreateDataSource"),
    (DATAWORKS, "GetProject"),
)


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


def most_in_a_window(times: list[float], seconds: float) -> int:
    """The most calls in any window of that length, wherever it begins."""
    ordered = sorted(times)
    return max(sum(start <= one < start + seconds for one in ordered) for start in ordered)


@pytest.mark.parametrize("edition", [Edition.STANDARD, Edition.ENTERPRISE])
@pytest.mark.parametrize("headroom", [0.3, 0.8, 1.0])
def test_no_window_holds_more_than_the_used_share_of_the_rate(edition: Edition, headroom: float) -> None:
    clock = SteppingClock()
    rates = RateLimits(edition, headroom, clock)
    made: dict[str, list[float]] = defaultdict(list)
    lock = threading.Lock()

    def caller(number: int) -> None:
        for turn in range(60):
            product, action = CALLS[(number + turn) % len(CALLS)]
            rates.acquire(product, action)
            with lock:
                made[rate_group(product, action, edition)].append(clock.seen.at)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(caller, range(8)))
    assert sum(len(times) for times in made.values()) == 480
    for product, action in CALLS:
        limit = rate_limit(product, action, edition)
        times = made[rate_group(product, action, edition)]
        assert most_in_a_window(times, limit.seconds) <= limit.calls * headroom


def test_the_whole_share_is_used(local: RunningCloud) -> None:
    """A client that waited for every call would keep the rate as well."""
    clock = SteppingClock()
    rates = RateLimits(Edition.STANDARD, 0.8, clock)
    waited = [rates.acquire(DATAWORKS, "GetProject") for _ in range(12)]
    assert [pause > 0 for pause in waited] == [False] * 4 + ([True] + [False] * 3) * 2


def test_a_share_below_one_call_is_one_call_in_a_longer_window() -> None:
    clock = SteppingClock()
    rates = RateLimits(Edition.STANDARD, 0.1, clock)  # of 5 a second: one in two seconds
    started = clock.now()
    for _ in range(6):
        rates.acquire(DATAWORKS, "GetProject")
    assert 10 <= clock.now() - started < 10.1


def test_a_group_that_waits_holds_no_other_group_up() -> None:
    clock = StoppedClock()
    rates = RateLimits(Edition.STANDARD, 0.8, clock)
    for _ in range(4):
        rates.acquire(DATAWORKS, "GetProject")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(rates.acquire, DATAWORKS, "CreateDataSource")
        assert clock.sleeping.wait(10)
        assert rates.acquire(RAM, "GetRole") == 0
        assert rates.acquire(STS, "GetCallerIdentity") == 0
        assert not waiting.done()
        clock.wake.set()
        assert waiting.result(10) == pytest.approx(1.0)


@pytest.mark.parametrize("edition", [Edition.STANDARD, Edition.ENTERPRISE])
def test_the_local_cloud_with_its_rates_on_never_throttles_the_gate(
    local: RunningCloud, edition: Edition
) -> None:
    local.cloud.settings.enforce_rates = True
    local.cloud.settings.edition = edition
    gate = gate_of(local, edition=edition)
    for _ in range(60):
        read_role(gate)
        gate.read(STS, "GetCallerIdentity", {}, persona=Persona.CREATOR)
        gate.read(DATAWORKS, "GetProject", {"ProjectId": 10001}, persona=Persona.CREATOR)
    assert {entry.code for entry in local.cloud.journal.entries} == {""}
    assert len(gate.journal.records) == 180


def test_the_local_cloud_does_throttle_who_asks_too_often(local: RunningCloud) -> None:
    """So that the test above can fail: a client that believes in a higher edition is throttled, and repeats."""
    local.cloud.settings.enforce_rates = True
    local.cloud.settings.edition = Edition.STANDARD
    gate = gate_of(local, edition=Edition.ENTERPRISE, retry_attempts=20)
    for _ in range(20):
        gate.read(DATAWORKS, "GetProject", {"ProjectId": 10001}, persona=Persona.CREATOR)
    assert "Throttling.User" in {entry.code for entry in local.cloud.journal.entries}
