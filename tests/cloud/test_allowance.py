"""The DataWorks calls of a day: never one too many, and a run that knows when it may go on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Any

import pytest

from cloud.allowance import DailyAllowance
from cloud.errors import DailyAllowanceSpent, RetryableError
from cloud.gate import Gate
from config.limits import DATAWORKS, RAM, STS, Edition
from config.personas import Persona
from emulator.server import RunningCloud
from tests.cloud.clocks import StoppedClock
from tests.cloud.gates import add_fault, calls_of, gate_of, read_role

# 10:00 of 24 November in UTC+8; the day there ends at 16:00 UTC.
MORNING = datetime(2026, 11, 24, 2, 0, tzinfo=timezone.utc).timestamp()
MIDNIGHT = datetime(2026, 11, 24, 16, 0, tzinfo=timezone.utc).timestamp()


def at(time: float) -> StoppedClock:
    """A clock that shows that time."""
    clock = StoppedClock()
    clock.time = time
    return clock


def spent(allowance: DailyAllowance) -> DailyAllowanceSpent:
    """The refusal of the next call."""
    with pytest.raises(DailyAllowanceSpent) as caught:
        allowance.take(action="dataworks:GetProject", subject="workspace 10001")
    return caught.value


def read_workspace(gate: Gate) -> None:
    """One DataWorks call."""
    gate.read(
        DATAWORKS, "GetProject", {"ProjectId": 10001}, persona=Persona.CREATOR, subject="workspace 10001"
    )


def test_the_call_that_would_pass_the_allowance_is_refused_before_it_is_made() -> None:
    allowance = DailyAllowance(3, at(MORNING))
    for left in (2, 1, 0):
        allowance.take()
        assert allowance.remaining == left
    error = spent(allowance)
    assert not isinstance(error, RetryableError)
    assert (error.action, error.subject) == ("dataworks:GetProject", "workspace 10001")
    assert error.persona is Persona.ADMINISTRATOR
    assert "3 of 3" in error.what
    assert "the next day begins at 2026-11-25 00:00 UTC+08:00" in error.remedy
    assert allowance.remaining == 0


def test_a_day_of_the_vendor_begins_at_midnight_in_its_zone() -> None:
    clock = at(MIDNIGHT - 1)
    allowance = DailyAllowance(3, clock, used=3)
    assert allowance.next_day.timestamp() == MIDNIGHT
    spent(allowance)
    clock.time = MIDNIGHT
    assert allowance.remaining == 3
    allowance.take()
    assert allowance.remaining == 2


def test_a_clock_set_back_over_midnight_gives_no_call_twice() -> None:
    clock = at(MIDNIGHT + 1)
    allowance = DailyAllowance(3, clock)
    allowance.take()
    clock.time = MIDNIGHT - 1
    assert allowance.remaining == 2
    clock.time = MIDNIGHT + 2
    assert allowance.remaining == 2


def test_calls_of_others_are_counted_for_today_only() -> None:
    clock = at(MORNING)
    allowance = DailyAllowance(100, clock, used=40)
    assert allowance.remaining == 60
    clock.time += 86_400
    assert allowance.remaining == 100


def test_more_calls_of_others_than_allowed_leave_nothing() -> None:
    assert DailyAllowance(100, at(MORNING), used=140).remaining == 0


def test_without_a_limit_every_call_fits() -> None:
    allowance = DailyAllowance(None, at(MORNING))
    for _ in range(1000):
        allowance.take()
    assert allowance.remaining is None
    assert allowance.fits(10**9)


def test_new_work_fits_as_long_as_the_reserve_is_left() -> None:
    allowance = DailyAllowance(100, at(MORNING), reserve=10, used=70)
    assert allowance.fits(20)
    assert not allowance.fits(21)
    for _ in range(30):  # what has begun may use the reserve
        allowance.take()
    assert allowance.remaining == 0
    assert not allowance.fits(0)


@pytest.mark.parametrize("limit", [100, None])
def test_the_service_s_refusal_ends_the_day_whatever_was_counted(limit: int | None) -> None:
    clock = at(MORNING)
    allowance = DailyAllowance(limit, clock)
    told = DailyAllowanceSpent("no more", remedy="stop calling until tomorrow")
    allowance.refused(told)
    assert allowance.remaining == 0
    assert not allowance.fits(1)
    assert told.remedy == "stop calling until tomorrow; the next day begins at 2026-11-25 00:00 UTC+08:00"
    assert "as the service says" in spent(allowance).what
    clock.time += 86_400
    assert allowance.remaining == limit


def test_a_refusal_just_after_midnight_may_be_of_the_day_before_and_does_not_end_the_new_one() -> None:
    allowance = DailyAllowance(100, at(MIDNIGHT + 2))
    told = DailyAllowanceSpent("no more", remedy="stop calling until tomorrow")
    allowance.refused(told)
    assert allowance.remaining == 100
    assert told.remedy == "stop calling until tomorrow"


def test_threads_together_take_no_call_too_many() -> None:
    allowance = DailyAllowance(100, at(MORNING))

    def take(_: int) -> int:
        try:
            allowance.take()
        except DailyAllowanceSpent:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(400))) == 100


# -- the gate ------------------------------------------------------------------------------------------


def morning_gate(local: RunningCloud, **settings: Any) -> Gate:
    """A gate whose day neither has just begun nor ends soon."""
    gate = gate_of(local, **settings)
    gate.clock.sleep((MORNING - gate.clock.now()) % 86_400)
    return gate


def test_the_gate_stops_before_the_basic_edition_s_hundred_and_first_call(local: RunningCloud) -> None:
    local.cloud.settings.enforce_rates = True
    local.cloud.settings.edition = Edition.BASIC
    gate = morning_gate(local, edition=Edition.BASIC)
    for _ in range(100):
        read_workspace(gate)
    with pytest.raises(DailyAllowanceSpent) as caught:
        read_workspace(gate)
    assert caught.value.subject == "workspace 10001"
    assert {entry.code for entry in local.cloud.journal.entries} == {""}
    assert calls_of(local, "GetProject") == 100
    assert gate.journal.total(DATAWORKS) == 100
    assert gate.allowance.remaining == 0


def test_calls_of_ram_and_sts_are_not_counted_and_go_on(local: RunningCloud) -> None:
    gate = morning_gate(local, daily_allowance=1)
    for _ in range(3):
        read_role(gate)
        gate.read(STS, "GetCallerIdentity", {}, persona=Persona.CREATOR)
    read_workspace(gate)
    with pytest.raises(DailyAllowanceSpent):
        read_workspace(gate)
    read_role(gate)
    assert gate.journal.total(RAM) == 4


@pytest.mark.parametrize(
    ("settings", "remaining"),
    [
        ({"edition": "basic"}, 100),
        ({"edition": "standard"}, None),
        ({"edition": "standard", "daily_allowance": 1000}, 1000),
        ({"edition": "basic", "daily_calls_used": 30}, 70),
    ],
)
def test_the_limit_is_the_edition_s_unless_it_is_set(
    local: RunningCloud, settings: dict[str, Any], remaining: int | None
) -> None:
    assert gate_of(local, **settings).allowance.remaining == remaining


def test_repeats_are_counted_like_first_tries(local: RunningCloud) -> None:
    add_fault(local, action="GetProject", times=2, status=429, code="Throttling.User")
    gate = morning_gate(local, daily_allowance=10)
    read_workspace(gate)
    assert gate.allowance.remaining == 7


def test_a_repeat_that_the_allowance_does_not_hold_is_not_made(local: RunningCloud) -> None:
    add_fault(local, action="GetProject", times=None, status=429, code="Throttling.User")
    with pytest.raises(DailyAllowanceSpent):
        read_workspace(morning_gate(local, daily_allowance=2))
    assert calls_of(local, "GetProject") == 2


def test_after_the_service_s_refusal_no_further_call_is_made_today(local: RunningCloud) -> None:
    gate = morning_gate(local)
    add_fault(local, action="GetProject", times=1, status=429, code="Throttling.Api.Risk")
    with pytest.raises(DailyAllowanceSpent, match="UTC\\+08:00"):
        read_workspace(gate)
    with pytest.raises(DailyAllowanceSpent):
        read_workspace(gate)
    assert calls_of(local, "GetProject") == 1
    gate.clock.sleep(86_400)
    read_workspace(gate)
    assert gate.allowance.remaining is None


def test_a_spent_allowance_is_told_at_once_not_after_a_wait_under_the_rate(local: RunningCloud) -> None:
    gate = morning_gate(local, edition="standard", daily_allowance=4)
    for _ in range(4):
        read_workspace(gate)
    started = gate.clock.now()
    for _ in range(50):
        with pytest.raises(DailyAllowanceSpent):
            read_workspace(gate)
    assert gate.clock.now() - started < 5  # 50 calls at four a second would wait twelve
