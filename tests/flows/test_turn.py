"""One onboarding of a data source at a time: who waits, who takes over, and who may not go on."""

from __future__ import annotations

import contextvars
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import VariableCreate
from prefect.client.schemas.objects import Variable
from prefect.runtime import flow_run
from prefect.states import Crashed

from cloud.errors import Mismatch, TimedOut
from emulator.server import RunningCloud
from flows.turn import Pace, Turn, this_machine, turn_name
from tasks.options import listen
from tests.flows.runs import run
from tests.flows.server import ROOT, PrefectServer, plain_environment
from tests.tasks.onboarding import example

_QUICK = Pace(beat=0.1, silence=3.0, look=0.05, wait=20.0)
pytestmark = pytest.mark.usefixtures("prefect_server")


def _variable() -> Variable | None:
    with get_client(sync_client=True) as client:
        return client.read_variable_by_name(turn_name(example()))


@pytest.fixture(autouse=True)
def _free(prefect_server: PrefectServer) -> Iterator[None]:
    del prefect_server
    yield
    found = _variable()
    if found is not None:
        with get_client(sync_client=True) as client:
            client.delete_variable_by_name(found.name)


def _held(process: int, machine: str, run: str = "") -> None:
    """A turn of somebody who gives no sign of life."""
    value = {"run": run, "name": "other", "process": process, "machine": machine, "token": "t", "beat": 0}
    with get_client(sync_client=True) as client:
        client.create_variable(VariableCreate(name=turn_name(example()), value=value))


@contextmanager
def _heard() -> Iterator[list[str]]:
    told: list[str] = []
    listen(told.append)
    try:
        yield told
    finally:
        listen(None)


def test_the_turn_is_a_variable_while_it_lasts_and_gone_afterwards() -> None:
    with Turn(example(), _QUICK):
        assert _variable() is not None
    assert _variable() is None


def test_a_second_one_waits_until_the_first_has_ended_and_says_for_whom() -> None:
    order: list[str] = []
    waiting = threading.Event()

    def first() -> None:
        with Turn(example(), _QUICK):
            order.append("first begins")
            waiting.wait(20)
            order.append("first ends")

    def heard(message: str) -> None:
        order.append(message)
        waiting.set()

    listen(heard)
    try:
        with Turn(example(), _QUICK) as turn:
            with turn.left():
                thread = _started(first, lambda: "first begins" in order)
            order.append("second goes on")
    finally:
        listen(None)
    thread.join()
    assert order[0] == "first begins"
    assert "waiting for flow run" in order[1]
    assert "data source oss_orders in workspace 10001" in order[1]
    assert order[2:] == ["first ends", "second goes on"]


def _started(target: Callable[[], None], begun: Callable[[], bool]) -> threading.Thread:
    thread = threading.Thread(target=contextvars.copy_context().run, args=(target,))
    thread.start()
    ends = time.monotonic() + 20
    while not begun():
        assert time.monotonic() < ends
        time.sleep(0.02)  # another thread's work has no clock to inject
    return thread


def test_waiting_is_bounded_and_names_the_run() -> None:
    with (
        Turn(example(), _QUICK),
        pytest.raises(TimedOut, match=r"oss_orders .* has not ended within 0 seconds"),
        Turn(example(), Pace(beat=0.1, silence=60, look=0.05, wait=0.2)),
    ):
        raise AssertionError("two at once")
    assert _variable() is None


def test_a_holder_whose_process_is_gone_from_this_machine_is_replaced_at_once() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    _held(ended.pid, this_machine())
    with _heard() as told, Turn(example(), Pace(silence=60, look=0.05)):
        assert "is taken over" in told[0]


def test_a_holder_on_a_lost_machine_is_replaced_after_its_silence() -> None:
    _held(1, "a machine that is lost")
    began = time.monotonic()
    with Turn(example(), _QUICK):
        assert time.monotonic() - began > _QUICK.silence


def test_a_holder_whose_flow_run_has_ended_is_replaced_at_once() -> None:
    @flow
    def ends() -> str:
        return str(flow_run.id)

    lost = ends()
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(UUID(lost), Crashed(), force=True)
    _held(1, "a machine that is lost", lost)
    with _heard() as told, Turn(example(), Pace(silence=60, look=0.05)):
        assert lost in told[0]


def test_a_holder_that_gives_signs_of_life_keeps_its_turn() -> None:
    with Turn(example(), _QUICK) as turn:
        with (
            pytest.raises(TimedOut),
            Turn(example(), Pace(beat=0.1, silence=3.0, look=0.05, wait=5.0)),
        ):
            raise AssertionError("taken over from a holder that lives")
        turn.require()


def test_a_holder_that_lost_its_turn_may_not_begin_another_step() -> None:
    with Turn(example(), _QUICK) as turn:
        with get_client(sync_client=True) as client:
            client.delete_variable_by_name(turn_name(example()))
        ends = time.monotonic() + 20
        with pytest.raises(Mismatch, match="another run has taken over"):  # noqa: PT012  # it is noticed with the next sign of life
            while time.monotonic() < ends:
                turn.require()
                time.sleep(0.02)  # the thread's next sign of life has no clock to inject


def test_a_turn_that_was_taken_over_is_not_deleted_by_who_had_it() -> None:
    with Turn(example(), _QUICK):
        with get_client(sync_client=True) as client:
            client.delete_variable_by_name(turn_name(example()))
        _held(1, "another machine")
    assert _variable() is not None


def test_the_flow_takes_the_turn_to_apply_and_none_to_plan(shop: RunningCloud) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    _held(ended.pid, this_machine())
    planned = run(shop, example(), mode="plan")
    assert planned.state.is_completed()
    assert _variable() is not None
    applied = run(shop, example())
    assert applied.state.is_completed()
    assert any("is taken over" in log.message for log in applied.logs)
    assert _variable() is None


def test_a_killed_process_leaves_a_turn_that_the_next_run_takes_over(prefect_server: PrefectServer) -> None:
    program = (
        "import time\n"
        "from flows.turn import Turn\n"
        "from tests.tasks.onboarding import example\n"
        "with Turn(example()):\n"
        "    print('mine', flush=True)\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True,
        env={**plain_environment(), **prefect_server.environment},
    )  # fmt: skip
    assert process.stdout is not None
    with process.stdout as answer:
        assert answer.readline() == "mine\n"
    process.kill()
    process.wait(10)
    assert _variable() is not None
    began = time.monotonic()
    with Turn(example()):
        assert time.monotonic() - began < Pace().silence / 2  # nobody had to wait for a silence
