"""Waiting is visible, bounded, and ends with who can help."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloud import errors
from cloud.gate import Gate
from cloud.waiting import poll, until_effective
from config.personas import Persona
from emulator.server import RunningCloud
from tests.clock import LocalClock
from tests.cloud.gates import gate_of


@pytest.fixture
def gate(local: RunningCloud) -> Gate:
    """Pauses of 2 s that grow to 10 s."""
    return gate_of(local, poll_interval_initial=2, poll_interval_maximum=10, propagation_timeout=120)


def slept(gate: Gate) -> tuple[float, ...]:
    """The pauses so far."""
    assert isinstance(gate.clock, LocalClock)
    return gate.clock.slept


def states(*names: str) -> Iterator[str]:
    """Each name once, the last for ever."""
    yield from names
    while True:
        yield names[-1]


def wait(gate: Gate, told: list[str], *names: str, timeout: float = 120, remedy: str = "") -> str:
    """Poll a run that goes through ``names``."""
    seen = states(*names)
    return poll(
        gate,
        lambda: next(seen),
        lambda state: state == "SUCCESS",
        what="sync task orders running",
        subject="sync task orders (PROD)",
        timeout=timeout,
        announce=told.append,
        persona=Persona.EXECUTOR,
        remedy=remedy,
    )


def test_what_is_done_at_once_is_neither_waited_for_nor_announced(gate: Gate) -> None:
    told: list[str] = []
    assert wait(gate, told, "SUCCESS") == "SUCCESS"
    assert (told, slept(gate)) == ([], ())


def test_every_change_is_announced_once_with_time_waited_and_time_allowed(gate: Gate) -> None:
    told: list[str] = []
    assert wait(gate, told, "NOT_RUN", "NOT_RUN", "RUNNING", "RUNNING", "SUCCESS") == "SUCCESS"
    assert told == [
        "sync task orders running: NOT_RUN (0 s of 120 s)",
        "sync task orders running: RUNNING (5 s of 120 s)",
    ]


def test_pauses_grow_to_their_maximum(gate: Gate) -> None:
    wait(gate, [], *["RUNNING"] * 8, "SUCCESS")
    assert slept(gate) == pytest.approx((2, 3, 4.5, 6.75, 10, 10, 10, 10))


def test_waiting_ends_when_its_time_is_over_and_names_person_and_remedy(gate: Gate) -> None:
    told: list[str] = []
    with pytest.raises(errors.TimedOut) as caught:
        wait(gate, told, "RUNNING", timeout=60, remedy="look at instance 7 in the Operation Center")
    assert sum(slept(gate)) == pytest.approx(60, abs=0.5)
    assert str(caught.value) == (
        "sync task orders (PROD): sync task orders running: still RUNNING after 60 s. "
        "The executor can fix it: look at instance 7 in the Operation Center."
    )
    assert caught.value.persona is Persona.EXECUTOR


def test_waiting_without_a_remedy_of_its_own_says_what_to_do(gate: Gate) -> None:
    with pytest.raises(errors.TimedOut, match="apply again; what was done is found and not repeated"):
        wait(gate, [], "RUNNING", timeout=1)


def test_an_error_of_the_look_ends_the_waiting(gate: Gate) -> None:
    def look() -> str:
        raise errors.PermissionDenied("no")

    with pytest.raises(errors.PermissionDenied):
        poll(gate, look, bool, what="w", subject="s", timeout=60, announce=lambda _: None)
    assert slept(gate) == ()


class Refusing:
    """Refuses until the clock has come to a time."""

    def __init__(self, gate: Gate, until: float, error: Exception | None = None) -> None:
        self._gate = gate
        self._until = until
        self._error = error or errors.PermissionDenied("carol may not pass the role")
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self._gate.clock.now() < self._until:
            raise self._error
        return "done"


def effective(gate: Gate, act: Refusing, changed_at: float, told: list[str] | None = None) -> str:
    """Carry out ``act`` until the grant is effective."""
    announce = told.append if told is not None else lambda _: None
    return until_effective(
        gate,
        act,
        refusals=(errors.PermissionDenied,),
        changed_at=changed_at,
        what="PassRole of carol",
        announce=announce,
    )


def test_a_grant_that_is_not_yet_effective_is_waited_for_visibly(gate: Gate) -> None:
    now = gate.clock.now()
    told: list[str] = []
    assert effective(gate, Refusing(gate, now + 12), now - 12, told) == "done"
    assert told[0] == "PassRole of carol not yet effective, 12 s of 120 s"
    assert all(line.startswith("PassRole of carol not yet effective, ") for line in told)
    assert 12 <= sum(slept(gate)) < 24


def test_a_refusal_after_the_propagation_time_is_final(gate: Gate) -> None:
    act = Refusing(gate, gate.clock.now() + 3600)
    with pytest.raises(errors.PermissionDenied, match="carol may not pass the role"):
        effective(gate, act, gate.clock.now() - 121)
    assert (act.calls, slept(gate)) == (1, ())


def test_waiting_for_a_grant_ends_with_the_last_refusal(gate: Gate) -> None:
    told: list[str] = []
    with pytest.raises(errors.PermissionDenied):
        effective(gate, Refusing(gate, gate.clock.now() + 3600), gate.clock.now(), told)
    assert sum(slept(gate)) == pytest.approx(120, abs=0.5)
    assert told


def test_a_cloud_whose_clock_is_ahead_does_not_lengthen_the_waiting(gate: Gate) -> None:
    with pytest.raises(errors.PermissionDenied):
        effective(gate, Refusing(gate, gate.clock.now() + 3600), gate.clock.now() + 800)
    assert sum(slept(gate)) == pytest.approx(120, abs=0.5)


def test_only_the_named_refusals_are_waited_for(gate: Gate) -> None:
    act = Refusing(gate, gate.clock.now() + 5, errors.InvalidRequest("no such bucket"))
    with pytest.raises(errors.InvalidRequest):
        effective(gate, act, gate.clock.now())
    assert act.calls == 1
