"""What a cancelled flow does to calls: the one under way is answered, none follows, and whoever waits ends at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from cloud.clock import Stopped
from cloud.gate import Gate
from config.personas import Persona
from emulator.server import RunningCloud
from flows.stopping import ends_with_its_call
from tasks.connection import gate_for, use_gates
from tests.settings import REGION, settings_per_persona

_SLOW_SECONDS = 1.0


@pytest.fixture
def slow(local: RunningCloud) -> Iterator[RunningCloud]:
    """A cloud whose answers take a while."""
    local.cloud.settings.answer_latency_seconds = _SLOW_SECONDS
    yield local
    local.cloud.settings.answer_latency_seconds = 0


def _create(gate: Gate, name: str) -> None:
    gate.write("ram", "CreateGroup", {"GroupName": name}, persona=Persona.ADMINISTRATOR)


def test_the_call_under_way_is_answered_and_the_next_one_is_not_made(slow: RunningCloud) -> None:
    gate = Gate(settings_per_persona(slow), REGION)
    ended: list[str] = []

    def work() -> None:
        for name in ("first", "second"):
            try:
                _create(gate, name)
            except Stopped:
                ended.append(f"{name} was not made")
                return
            ended.append(name)

    thread = threading.Thread(target=work)
    thread.start()
    ends = time.monotonic() + 20
    while not gate.busy:
        assert time.monotonic() < ends
        time.sleep(0.01)  # another thread's progress has no clock to inject
    with pytest.raises(KeyboardInterrupt), ends_with_its_call(gate):
        raise KeyboardInterrupt
    # The block was left when the answer was there.
    assert {"first"} <= set(slow.cloud.state.ram.groups)
    thread.join(20)
    assert ended == ["first", "second was not made"]
    assert "second" not in slow.cloud.state.ram.groups


def test_a_failure_of_the_block_stops_nothing(local: RunningCloud) -> None:
    gate = Gate(settings_per_persona(local), REGION)
    with pytest.raises(ValueError, match="no cancellation"), ends_with_its_call(gate):
        raise ValueError("no cancellation")
    _create(gate, "goes-on")
    assert "goes-on" in local.cloud.state.ram.groups


def test_whoever_pauses_ends_at_once(local: RunningCloud) -> None:
    gate = Gate(settings_per_persona(local), REGION)
    ended = threading.Event()

    def waits() -> None:
        with pytest.raises(Stopped):
            gate.clock.sleep(3600)
        ended.set()

    thread = threading.Thread(target=waits)
    thread.start()
    assert gate.stop(1)
    assert ended.wait(20)


def test_a_call_that_is_not_answered_in_time_is_not_waited_for(slow: RunningCloud) -> None:
    gate = Gate(settings_per_persona(slow), REGION)
    thread = threading.Thread(target=_create, args=(gate, "late"))
    thread.start()
    while not gate.busy:
        time.sleep(0.01)  # as above
    assert not gate.stop(0.01)
    thread.join(20)
    assert "late" in slow.cloud.state.ram.groups


def test_the_next_flow_of_this_process_has_a_gate_of_its_own(local: RunningCloud) -> None:
    with use_gates(lambda region: Gate(settings_per_persona(local), region)):
        stopped = gate_for(REGION)
        stopped.stop(1)
        assert gate_for(REGION) is not stopped
        _create(gate_for(REGION), "next")
    assert "next" in local.cloud.state.ram.groups
