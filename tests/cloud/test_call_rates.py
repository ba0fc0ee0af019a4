"""The client's own rates: the cloud is never asked more often than its published rate, less the headroom."""

from __future__ import annotations

import math
import random
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise

import pytest

from cloud.rates import RateLimits
from config.limits import DATAWORKS, RAM, STS, Edition, rate_group, rate_limit
from config.personas import Persona
from emulator.server import RunningCloud
from tests.cloud.clocks import SteppingClock, StoppedClock, TurnClock
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
        share = limit.calls * headroom
        assert most_in_a_window(times, limit.seconds) <= math.ceil(share)
        # A share of 1.5 calls a second is 3 in two seconds, and 2 in one of them.
        assert most_in_a_window(times, 10 * limit.seconds) <= 10 * share + math.ceil(share)


@pytest.mark.parametrize(
    ("product", "action", "headroom"),
    [
        (RAM, "CreateRole", 0.95),
        (DATAWORKS, "GetProject", 0.95),
        (DATAWORKS, "GetProject", 0.8),
        (RAM, "GetRole", 0.5),
    ],
)
def test_many_threads_together_use_the_whole_share_fractions_included(
    product: str, action: str, headroom: float
) -> None:
    clock = TurnClock()
    rates = RateLimits(Edition.STANDARD, headroom, clock)
    ends = clock.now() + 60
    made: list[float] = []

    def caller() -> None:
        while clock.now() < ends:
            rates.acquire(product, action)
            made.append(clock.now())

    clock.run(*[caller] * 64)
    calls = rate_limit(product, action, Edition.STANDARD).calls
    assert sum(one < ends for one in made) >= 0.98 * 60 * calls * headroom
    assert most_in_a_window(made, 1.0) <= math.ceil(calls * headroom)


def test_who_asks_first_goes_first() -> None:
    clock = TurnClock()
    rates = RateLimits(Edition.STANDARD, 0.8, clock)
    asked: list[int] = []
    went: list[int] = []

    def caller(number: int) -> None:
        clock.sleep(number * 0.001)
        for call in range(number, 300, 100):
            asked.append(call)
            rates.acquire(DATAWORKS, "GetProject")
            went.append(call)

    clock.run(*[partial(caller, number) for number in range(100)])
    assert len(went) == 300
    assert went == asked


def test_a_repeat_goes_before_those_who_wait_for_their_first_try() -> None:
    clock = TurnClock()
    rates = RateLimits(Edition.STANDARD, 0.8, clock)
    went: list[str] = []

    def caller(name: str, asks_at: float) -> None:
        clock.sleep(asks_at)
        rates.acquire(DATAWORKS, "GetProject", repeat=name.startswith("repeat"))
        went.append(name)

    first_tries = [partial(caller, str(number), 0) for number in range(20)]
    clock.run(*first_tries, partial(caller, "repeat 1", 2.1), partial(caller, "repeat 2", 2.15))
    assert went[8:14] == ["8", "repeat 1", "repeat 2", "9", "10", "11"]
    assert len(went) == 22


def test_those_who_waited_go_at_even_distances() -> None:
    """The end of one bunch and the beginning of the next would meet in one window of the service."""
    clock = TurnClock()
    rates = RateLimits(Edition.STANDARD, 0.8, clock)
    made: list[float] = []

    def caller() -> None:
        rates.acquire(RAM, "CreateRole")
        made.append(clock.now())

    clock.run(*[caller] * 64)
    distances = [later - earlier for earlier, later in pairwise(made)]
    assert distances[:15] == [0] * 15  # 16 of 20 found room
    assert distances[15:] == pytest.approx([1.0, *[1 / 16] * 47])


def test_a_late_thread_neither_stops_the_others_nor_lets_one_too_many_go() -> None:
    clock = TurnClock()
    made: list[float] = []
    late = threading.local()

    class LateOnce:
        """The same time, but one thread's first pause is five seconds longer."""

        def now(self) -> float:
            return clock.now()

        def sleep(self, seconds: float) -> None:
            clock.sleep(seconds + getattr(late, "by", 0))
            late.by = 0

    rates = RateLimits(Edition.STANDARD, 0.8, LateOnce())

    def caller(seconds: float, calls: int) -> None:
        late.by = seconds
        for _ in range(calls):
            rates.acquire(DATAWORKS, "GetProject")
            made.append(clock.now())

    punctual = partial(caller, 0, 10)
    started = clock.now()
    clock.run(*[punctual] * 5, partial(caller, 5, 1), punctual)
    assert len(made) == 61
    assert most_in_a_window(made, 1.0) == 4
    # One place of four was empty for less than six seconds.
    assert max(made) - started <= (61 + 6) / 4


@pytest.mark.parametrize("seed", range(6))
def test_however_late_threads_wake_no_window_holds_one_too_many(seed: int) -> None:
    clock, chance = TurnClock(), random.Random(seed)
    made: list[float] = []

    class Uneven:
        """The same time, but pauses end late, and now and then the whole machine stands still."""

        def now(self) -> float:
            return clock.now()

        def sleep(self, seconds: float) -> None:
            clock.sleep(seconds + chance.choice((0, 0, 0, 0.001, 0.05, 0.4, 3)))
            clock.time += chance.choice((0,) * 40 + (10,))

    rates = RateLimits(Edition.STANDARD, 0.95, Uneven())

    def caller() -> None:
        for _ in range(10):
            rates.acquire(DATAWORKS, "GetProject")
            made.append(clock.now())

    clock.run(*[caller] * 30)
    assert len(made) == 300
    assert most_in_a_window(made, 1.0) <= 5


def test_after_a_standstill_those_in_front_go_first_and_not_all_at_once() -> None:
    """The last of the queue may wake first, when the times of all are over."""
    clock = TurnClock()
    made: list[float] = []
    went: list[int] = []
    late = threading.local()

    class Standstill:
        """The same time, but each thread's first pause is as much longer as is set for it."""

        def now(self) -> float:
            return clock.now()

        def sleep(self, seconds: float) -> None:
            clock.sleep(seconds + getattr(late, "by", 0))
            late.by = 0

    rates = RateLimits(Edition.STANDARD, 0.8, Standstill())

    def caller(number: int) -> None:
        late.by = 60 - number / 1000
        rates.acquire(DATAWORKS, "GetProject")
        made.append(clock.now())
        went.append(number)

    clock.run(*[partial(caller, number) for number in range(30)])
    assert sorted(went[:8]) == list(range(8))
    assert went[8:] == list(range(8, 30))
    assert most_in_a_window(made, 1.0) <= 4


def test_a_caller_that_gives_up_frees_its_place() -> None:
    class Stop(Exception):
        """A cancellation that reaches a waiting thread."""

    class StoppingClock(SteppingClock):
        stop = False

        def sleep(self, seconds: float) -> None:
            if self.stop:
                raise Stop
            super().sleep(seconds)

    clock = StoppingClock()
    rates = RateLimits(Edition.STANDARD, 0.8, clock)
    for _ in range(4):
        rates.acquire(DATAWORKS, "GetProject")
    clock.stop = True
    for _ in range(10):
        with pytest.raises(Stop):
            rates.acquire(DATAWORKS, "GetProject")
    clock.stop = False
    assert rates.acquire(DATAWORKS, "GetProject") <= 1.0


def test_a_clock_that_is_set_back_stops_nobody_for_as_long() -> None:
    clock = StoppedClock()
    clock.wake.set()
    rates = RateLimits(Edition.STANDARD, 0.8, clock)
    for _ in range(4):
        rates.acquire(DATAWORKS, "GetProject")
    clock.time -= 3600
    assert 0 < rates.acquire(DATAWORKS, "GetProject") <= 1.0


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


# -- the local cloud -----------------------------------------------------------------------------------


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
