"""Slower when the service refuses, several processes in one account, and what was used of the rates."""

from __future__ import annotations

import math
import random
from collections import defaultdict, deque
from collections.abc import Callable

import pytest

from cloud.rates import RateLimits
from config.limits import DATAWORKS, RAM, STS, Edition, rate_limit
from config.personas import Persona
from emulator.server import RunningCloud
from tests.cloud.clocks import SteppingClock, StoppedClock, TurnClock
from tests.cloud.gates import add_fault, gate_of, read_role


def admits(calls: int, sliding: bool) -> Callable[[float], bool]:
    """A service that admits so many calls in each second of its clock, or in any second."""
    admitted: deque[float] = deque()
    seen: dict[int, int] = defaultdict(int)

    def admit(now: float) -> bool:
        seen[int(now)] += 1
        while admitted and admitted[0] <= now - 1:
            admitted.popleft()
        room = len(admitted) < calls if sliding else seen[int(now)] <= calls
        if room:
            admitted.append(now)
        return room

    return admit


@pytest.mark.parametrize("sliding", [False, True], ids=["fixed windows", "sliding window"])
@pytest.mark.parametrize("says_when", [False, True], ids=["silent", "retry after"])
@pytest.mark.parametrize(
    ("product", "action"), [(RAM, "CreateRole"), (RAM, "AttachPolicyToRole"), (RAM, "GetRole")]
)
def test_a_service_that_admits_half_the_rate_is_soon_asked_for_half_the_rate(
    product: str, action: str, says_when: bool, sliding: bool
) -> None:
    clock, chance = TurnClock(), random.Random(4)
    rates = RateLimits(Edition.STANDARD, 0.95, clock)
    half = rate_limit(product, action, Edition.STANDARD).calls // 2
    admit = admits(half, sliding)
    started = clock.now()
    answers: list[tuple[float, bool]] = []

    def caller() -> None:
        while clock.now() - started < 80:
            rates.acquire(product, action)
            clock.sleep(chance.uniform(0.02, 0.04))
            good = admit(clock.now())
            answers.append((clock.now() - started, good))
            clock.sleep(chance.uniform(0.02, 0.04))
            if not good:
                rates.throttled(product, action, 1 - clock.now() % 1 if says_when else None)
                clock.sleep(chance.uniform(0, 0.5))

    clock.run(*[caller] * 64)
    settled = [good for elapsed, good in answers if 20 <= elapsed < 80]
    assert 1 - sum(settled) / len(settled) < 0.05
    assert sum(settled) >= 0.85 * 60 * half


def seconds_for(rates: RateLimits, clock: SteppingClock, calls: int) -> float:
    """How long so many calls take."""
    started = clock.now()
    for _ in range(calls):
        rates.acquire(DATAWORKS, "GetProject")
    return clock.now() - started


def test_a_throttled_answer_slows_its_group_down_and_no_other() -> None:
    clock = SteppingClock()
    rates = RateLimits(Edition.STANDARD, 0.8, clock)
    for _ in range(20):
        clock.sleep(1.5)
        rates.throttled(DATAWORKS, "GetProject")
    assert seconds_for(rates, clock, 5) >= 9  # a tenth of four a second, and no less
    assert [rates.acquire(RAM, "CreateRole") for _ in range(16)] == [0] * 16


def test_several_throttled_answers_at_once_slow_down_once() -> None:
    clock = SteppingClock()
    rates = RateLimits(Edition.STANDARD, 0.8, clock)
    rates.acquire(DATAWORKS, "GetProject")
    for _ in range(20):
        rates.throttled(DATAWORKS, "GetProject")
    assert rates.usage()[-1].allowed == pytest.approx(0.9 * 4)


def test_half_a_minute_without_throttling_restores_the_full_rate() -> None:
    clock = SteppingClock()
    rates = RateLimits(Edition.STANDARD, 0.8, clock)
    for _ in range(20):
        clock.sleep(1.5)
        rates.throttled(DATAWORKS, "GetProject")
    told = []
    for _ in range(4):
        rates.acquire(DATAWORKS, "GetProject")
        told.append(rates.usage()[-1].allowed)
        clock.sleep(10)
    assert told == sorted(told)
    assert told[0] < 0.5
    assert told[3] == pytest.approx(4)


def test_no_call_goes_before_the_time_the_service_named() -> None:
    clock = SteppingClock()
    rates = RateLimits(Edition.STANDARD, 0.8, clock)
    rates.throttled(DATAWORKS, "GetProject", 7)
    assert rates.acquire(DATAWORKS, "GetProject") == pytest.approx(7, abs=0.01)
    rates.throttled(DATAWORKS, "GetProject", 86_400)
    assert rates.acquire(DATAWORKS, "GetProject") == pytest.approx(60, abs=0.01)


def test_a_waiting_caller_is_held_back_too_when_the_service_names_a_time() -> None:
    clock = TurnClock()
    rates = RateLimits(Edition.STANDARD, 0.8, clock)
    started = clock.now()
    made: list[float] = []

    def caller() -> None:
        rates.acquire(DATAWORKS, "GetProject")
        made.append(clock.now() - started)

    def refused() -> None:
        clock.sleep(0.5)
        rates.throttled(DATAWORKS, "GetProject", 7)

    clock.run(*[caller] * 6, refused)
    assert made == pytest.approx([0, 0, 0, 0, 7.5, 7.5 + 1 / 3.6], abs=0.01)


def test_the_gate_slows_down_when_it_is_throttled(local: RunningCloud) -> None:
    gate = gate_of(local)
    add_fault(
        local,
        action="GetRole",
        times=1,
        status=429,
        code="Throttling.User",
        headers={"x-acs-retry-after": "3000"},
    )
    started = gate.clock.now()
    read_role(gate)
    assert gate.clock.now() - started >= 3
    (*_, last) = gate.rates.usage()
    assert sum(one.throttled for one in gate.rates.usage()) == 1
    assert (last.group, last.calls) == ("ram:GetRole", 1)
    assert last.allowed < 80


# -- several workers -----------------------------------------------------------------------------------


def test_a_share_is_multiplied_with_the_headroom() -> None:
    clock = SteppingClock()
    rates = RateLimits(Edition.STANDARD, 0.8, clock, share=0.5)
    assert 9 <= seconds_for(rates, clock, 20) < 9.1


def test_a_share_that_grows_is_used_by_those_who_wait_already() -> None:
    clock = TurnClock()
    rates = RateLimits(Edition.STANDARD, 0.8, clock, share=0.01)
    started = clock.now()
    made: list[float] = []

    def caller() -> None:
        rates.acquire(DATAWORKS, "GetProject")
        made.append(clock.now() - started)

    def grow() -> None:
        clock.sleep(10)
        rates.set_share(1.0)

    clock.run(*[caller] * 21, grow)
    assert rates.share == 1.0
    assert max(made) <= 10 + 20 / 4 + 1


@pytest.mark.parametrize("share", [0, -0.5, 1.01, math.nan])
def test_a_share_outside_0_to_1_is_refused(share: float) -> None:
    rates = RateLimits(Edition.STANDARD, 0.8, SteppingClock())
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        rates.set_share(share)
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        RateLimits(Edition.STANDARD, 0.8, SteppingClock(), share=share)


def test_the_gate_keeps_to_its_share(local: RunningCloud) -> None:
    gate = gate_of(local, edition="standard", rate_share=0.25)  # one a second
    started = gate.clock.now()
    for _ in range(4):
        gate.read(DATAWORKS, "GetProject", {"ProjectId": 10001}, persona=Persona.CREATOR)
    assert gate.clock.now() - started >= 3


# -- usage ---------------------------------------------------------------------------------------------


def test_usage_tells_calls_and_throttled_answers_by_second_and_group() -> None:
    clock = StoppedClock()
    clock.wake.set()
    rates = RateLimits(Edition.STANDARD, 0.8, clock)
    for _ in range(5):
        rates.acquire(DATAWORKS, "GetProject")
    rates.acquire(STS, "GetCallerIdentity")
    clock.time += 10
    rates.throttled(DATAWORKS, "GetProject")
    told = [(one.group, one.second, one.calls, one.throttled) for one in rates.usage()]
    assert told == [
        ("dataworks", 0, 4, 0),
        ("dataworks", 1, 1, 0),
        ("dataworks", 11, 0, 1),
        ("sts:GetCallerIdentity", 1, 1, 0),
    ]
    assert [one.allowed for one in rates.usage()] == pytest.approx([4.0, 4.0, 3.6, 80.0])


def test_usage_of_a_long_run_is_told_in_longer_pieces_and_loses_nothing() -> None:
    clock = StoppedClock()
    clock.wake.set()
    rates = RateLimits(Edition.STANDARD, 0.8, clock)
    for second in range(8 * 3600):
        clock.time = 1_000_000.0 + second + 0.5
        rates.acquire(DATAWORKS, "GetProject")
    usage = rates.usage()
    assert {one.seconds for one in usage} == {10}
    assert sum(one.calls for one in usage) == 8 * 3600
    assert [one.second for one in usage] == list(range(0, 8 * 3600, 10))
    assert {one.calls for one in usage} == {10}
    assert min(one.allowed for one in usage) == pytest.approx(4.0) == max(one.allowed for one in usage)
