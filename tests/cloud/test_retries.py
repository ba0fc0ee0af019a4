"""What is repeated, how often, and how long the pauses are."""

from __future__ import annotations

from typing import Any

import pytest

from cloud import errors
from cloud.gate import Gate
from emulator.server import RunningCloud
from tests.clock import LocalClock
from tests.cloud.gates import add_fault, calls_of, create_role, gate_of, read_role

RETRYABLE: dict[str, tuple[dict[str, Any], type[errors.RetryableError]]] = {
    "throttled": ({"status": 400, "code": "Throttling.User"}, errors.Throttled),
    "temporary failure": ({"status": 503, "code": "ServiceUnavailable"}, errors.TemporaryFailure),
    "outcome unknown": ({"effect": "reset"}, errors.OutcomeUnknown),
}
ATTEMPTS = 6
THROTTLING = {"status": 429, "code": "Throttling.User"}


def pauses(gate: Gate) -> tuple[float, ...]:
    """The pauses between the tries."""
    assert isinstance(gate.clock, LocalClock)
    return gate.clock.slept


@pytest.mark.parametrize(("fault", "kind"), RETRYABLE.values(), ids=RETRYABLE.keys())
def test_a_read_is_repeated_until_it_succeeds(
    local: RunningCloud, fault: dict[str, Any], kind: type[errors.RetryableError]
) -> None:
    gate = gate_of(local)
    add_fault(local, action="GetRole", times=3, **fault)
    assert read_role(gate)["Role"]["RoleName"]
    assert calls_of(local, "GetRole") == 4
    assert [record.attempt for record in gate.journal.records] == [1, 2, 3, 4]


@pytest.mark.parametrize(("fault", "kind"), RETRYABLE.values(), ids=RETRYABLE.keys())
def test_a_read_is_given_up_after_the_set_number_of_tries(
    local: RunningCloud, fault: dict[str, Any], kind: type[errors.RetryableError]
) -> None:
    add_fault(local, action="GetRole", times=None, **fault)
    with pytest.raises(kind) as caught:
        read_role(gate_of(local, retry_attempts=ATTEMPTS))
    assert type(caught.value) is kind
    assert calls_of(local, "GetRole") == ATTEMPTS


def test_a_write_is_repeated_when_it_was_throttled(local: RunningCloud) -> None:
    add_fault(local, action="CreateRole", times=2, **THROTTLING)
    create_role(gate_of(local))
    assert calls_of(local, "CreateRole") == 3
    assert "OnboardRole" in local.cloud.state.ram.roles


@pytest.mark.parametrize("name", ["temporary failure", "outcome unknown"])
def test_a_write_that_may_have_been_carried_out_is_not_repeated(local: RunningCloud, name: str) -> None:
    fault, kind = RETRYABLE[name]
    add_fault(local, action="CreateRole", times=None, **fault)
    with pytest.raises(kind):
        create_role(gate_of(local))
    assert calls_of(local, "CreateRole") == 1


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "MalformedPolicyDocument"),
        (403, "NoPermission"),
        (404, "EntityNotExist.Role"),
        (400, "What.Is.This"),
    ],
)
def test_a_refusal_is_repeated_neither_for_reads_nor_for_writes(
    local: RunningCloud, status: int, code: str
) -> None:
    for action, call in (("GetRole", read_role), ("CreateRole", create_role)):
        add_fault(local, action=action, times=None, status=status, code=code)
        with pytest.raises(errors.Refused):
            call(gate_of(local))
        assert calls_of(local, action) == 1


def test_pauses_are_full_jitter_and_grow_up_to_their_maximum(local: RunningCloud) -> None:
    add_fault(local, action="GetRole", times=None, **RETRYABLE["temporary failure"][0])
    longest = [0.0] * 9
    seen: set[float] = set()
    for _ in range(6):
        gate = gate_of(
            local, retry_attempts=10, retry_wait_initial=0.5, retry_wait_maximum=20, call_deadline=3600
        )
        with pytest.raises(errors.TemporaryFailure):
            read_role(gate)
        assert len(pauses(gate)) == 9
        for number, pause in enumerate(pauses(gate)):
            assert 0 <= pause <= min(20, 0.5 * 2**number)
            longest[number] = max(longest[number], pause)
            seen.add(pause)
    assert len(seen) == 54  # drawn, not computed
    assert longest[8] > 0.5 * 2**3  # the later pauses really are longer


def test_the_service_s_own_pause_is_kept(local: RunningCloud) -> None:
    add_fault(local, action="GetRole", times=2, headers={"x-acs-retry-after": "7000"}, **THROTTLING)
    gate = gate_of(local, retry_wait_initial=0.5, retry_wait_maximum=2)
    read_role(gate)
    assert pauses(gate) == (7.0, 7.0)


def test_no_try_begins_after_the_deadline(local: RunningCloud) -> None:
    add_fault(local, action="GetRole", times=None, headers={"x-acs-retry-after": "8000"}, **THROTTLING)
    gate = gate_of(local, call_deadline=30, retry_attempts=20)
    started = gate.clock.now()
    with pytest.raises(errors.Throttled):
        read_role(gate)
    assert pauses(gate) == (8.0, 8.0, 8.0)
    assert calls_of(local, "GetRole") == 4
    assert gate.clock.now() - started < 30


def test_a_pause_longer_than_the_deadline_is_not_waited_for(local: RunningCloud) -> None:
    add_fault(local, action="GetRole", times=None, headers={"x-acs-retry-after": "61000"}, **THROTTLING)
    gate = gate_of(local, call_deadline=60)
    with pytest.raises(errors.Throttled) as caught:
        read_role(gate)
    assert caught.value.retry_after == 61
    assert pauses(gate) == ()
    assert calls_of(local, "GetRole") == 1


def test_a_call_that_succeeds_makes_no_pause(local: RunningCloud) -> None:
    gate = gate_of(local)
    read_role(gate)
    assert pauses(gate) == ()
