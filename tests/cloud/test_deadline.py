"""The total deadline of a call: the SDK's time-outs hold for each read of a socket only."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cloud import errors
from cloud.clock import SystemClock
from cloud.deadline import DeadlinePassed, within
from config.limits import DATAWORKS
from config.personas import Persona
from emulator.server import RunningCloud
from tests.cloud.gates import add_fault, calls_of, create_role, gate_of, read_role

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4096\r\n\r\n"


@contextmanager
def dripping_server() -> Iterator[str]:
    """Answers every request with a byte each 50 ms, without end."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(5)

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(_HEAD)
                while not stop.wait(0.05):
                    try:
                        connection.sendall(b" ")
                    except OSError:
                        return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            stop.set()
            thread.join()


def test_a_dripping_answer_ends_with_the_deadline(local: RunningCloud) -> None:
    with dripping_server() as url:
        gate = gate_of(local, clock=SystemClock(), local_cloud=url, call_deadline=0.3, read_timeout=5)
        # Without a deadline of its own the call would never end: the server drips for ever.
        with pytest.raises(errors.OutcomeUnknown, match=r"no answer within 0\.\d+ s"):
            create_role(gate)


def test_a_slow_answer_ends_with_the_deadline_and_tells_nothing_of_the_request(local: RunningCloud) -> None:
    add_fault(local, action="GetRole", delay=2, times=None)
    gate = gate_of(local, clock=SystemClock(), call_deadline=0.2)
    with pytest.raises(errors.OutcomeUnknown, match=r"ram:GetRole: no answer within 0\.\d+ s"):
        read_role(gate)
    assert calls_of(local, "GetRole") == 1


def test_a_longer_read_timeout_of_one_call_lengthens_its_deadline(local: RunningCloud) -> None:
    """A connectivity test answers only when it is done."""
    add_fault(local, action="GetRole", delay=0.4, times=None)
    gate = gate_of(local, clock=SystemClock(), call_deadline=0.1, read_timeout=0.1, connect_timeout=1)
    body = gate.read(
        "ram",
        "GetRole",
        {"RoleName": "AliyunServiceRoleForDataWorksDI"},
        persona=Persona.ADMINISTRATOR,
        read_timeout=5,
    )
    assert body["Role"]["RoleId"]
    with pytest.raises(errors.OutcomeUnknown):
        read_role(gate)


def test_waiting_for_a_turn_under_the_rate_is_not_part_of_the_deadline(local: RunningCloud) -> None:
    """Many callers may be ahead; the call itself has not begun."""
    gate = gate_of(local, edition="standard", call_deadline=1, rate_headroom=0.2)
    for _ in range(5):  # one a second
        gate.read(DATAWORKS, "ListResourceGroups", {"ResourceGroupType": 4}, persona=Persona.CREATOR)
    assert len(gate.journal.records) == 5


def test_a_repeat_that_gets_no_turn_before_the_deadline_is_not_sent(local: RunningCloud) -> None:
    gate = gate_of(local, edition="standard", rate_headroom=0.02, call_deadline=5)  # one call in ten seconds
    add_fault(local, action="CreateBusiness", times=1, status=429, code="Throttling.User")
    parameters = {"ProjectId": 10001, "BusinessName": "onboarding"}
    with pytest.raises(errors.NotSent, match="no time was left"):
        gate.write(DATAWORKS, "CreateBusiness", parameters, persona=Persona.DEVELOPER)
    assert calls_of(local, "CreateBusiness") == 1


def test_within_returns_the_result_or_the_exception_of_the_call() -> None:
    assert within(5, lambda: 7) == 7
    with pytest.raises(KeyError):
        within(5, lambda: {"present": 1}["absent"])


def test_within_gives_up_on_a_call_that_does_not_end() -> None:
    ended = threading.Event()
    with pytest.raises(DeadlinePassed, match=r"no answer within 0\.05 s"):
        within(0.05, lambda: ended.wait(10))
    ended.set()
