"""Rows of a file and single onboardings have their turns: the same data source is never onboarded by two runs at once."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import VariableFilter, VariableFilterName

from benchmarks.rows import make_rows, write_csv
from cloud.clock import Stopped
from cloud.errors import Mismatch
from config.spec import DataSourceSpec
from emulator.server import RunningCloud
from flows.row_turns import RowTurns
from flows.turn import Held, Pace, Turn
from tasks.connection import use_gates
from tasks.options import listen
from tests.flows.bulk_runs import Seen, onboard
from tests.flows.files import gate_of, meaning, plan_of, served, specs_of
from tests.tasks.onboarding import example

pytestmark = pytest.mark.usefixtures("prefect_server")
ROWS = make_rows(4, roles=2)
SPECS = specs_of(ROWS)
# A server on a busy machine may take seconds for a sign of life.
_QUICK = Pace(beat=0.1, silence=5.0, look=0.05, wait=20.0)
_SILENT = Pace(beat=1000.0, silence=1.0, look=0.05, wait=20.0)


@pytest.fixture
def cloud() -> Iterator[RunningCloud]:
    with served(ROWS) as running:
        yield running


def _variables() -> list[str]:
    wanted = VariableFilter(name=VariableFilterName(like_="onboarding-%"))
    with get_client(sync_client=True) as client:
        found = client.request(
            "POST", "/variables/filter", json={"variables": wanted.model_dump(mode="json")}
        )
    return sorted(
        one["name"] for one in found.json() if one["name"].startswith(("onboarding-turn", "onboarding-run"))
    )


@contextmanager
def _beside(act: Callable[[], object]) -> Iterator[threading.Thread]:
    """``act`` in a thread that knows this process's Prefect settings."""
    thread = threading.Thread(target=contextvars.copy_context().run, args=(act,), daemon=True)
    thread.start()
    yield thread
    thread.join(60)
    assert not thread.is_alive()


def _until(happens: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < ends
        time.sleep(0.02)  # another thread's work has no clock to inject


def test_every_row_has_its_turn_and_none_is_left(cloud: RunningCloud, tmp_path: Path) -> None:
    write_csv(ROWS, tmp_path / "rows.csv")
    assert onboard(cloud, tmp_path / "rows.csv").outcomes == ["created"] * 4
    assert _variables() == []


def test_a_row_that_a_single_run_onboards_waits_for_it_and_the_others_do_not(
    cloud: RunningCloud, tmp_path: Path
) -> None:
    write_csv(ROWS, tmp_path / "rows.csv")
    seen: list[Seen] = []
    (first, *others) = SPECS

    def made(spec: DataSourceSpec) -> bool:
        return spec.name in {one.name for one in cloud.cloud.state.dataworks.data_sources}

    with ExitStack() as single:
        single.enter_context(Turn(first))
        with _beside(lambda: seen.append(onboard(cloud, tmp_path / "rows.csv"))) as bulk:
            _until(lambda: all(made(spec) for spec in others))
            # Everything else is done; this row is looked at, and waited for.
            bulk.join(3)
            assert bulk.is_alive()
            assert not made(first)
            single.close()
    (ended,) = seen
    assert ended.outcomes == ["created"] * 4
    assert plan_of(gate_of(cloud), SPECS).changes == ()
    assert _variables() == []


def test_two_runs_over_the_same_file_at_once_onboard_each_row_once(
    cloud: RunningCloud, tmp_path: Path
) -> None:
    write_csv(ROWS, tmp_path / "rows.csv")
    with served(ROWS) as alone:
        onboard(alone, tmp_path / "rows.csv")
        wanted = meaning(alone.cloud)
    seen: list[Seen] = []
    gate = gate_of(cloud)
    # Around both: what gates the process uses is put back by whichever run ends first, while the other goes on.
    with (
        use_gates(lambda region: gate),
        _beside(lambda: seen.append(onboard(cloud, tmp_path / "rows.csv"))),
    ):
        seen.append(onboard(cloud, tmp_path / "rows.csv"))
    assert all(set(one.outcomes) <= {"created", "updated", "unchanged"} for one in seen)
    works = cloud.cloud.state.dataworks
    assert len(works.files) == len(works.instances) == len(ROWS)
    actions = [entry.action for entry in cloud.cloud.journal.writes if not entry.code]
    for action in ("CreateDataSource", "CreateDISyncTask", "SubmitFile", "RunCycleDagNodes"):
        assert actions.count(action) == len(ROWS), action
    assert meaning(cloud.cloud) == wanted


def test_a_single_run_waits_for_the_row_of_a_file() -> None:
    spec = example()
    with RowTurns(_QUICK) as turns:
        turns.take(spec, wait=False)
        with pytest.raises(Held), RowTurns(_QUICK) as other:
            other.take(spec, wait=False)
        order: list[str] = []

        def single() -> None:
            listen(order.append)
            with Turn(spec, _QUICK):
                order.append("single")

        with _beside(single):
            # Longer than the silence: signs of life are seen.
            _until(lambda: bool(order))
            time.sleep(_QUICK.silence * 1.5)  # a server's clock is not this test's
            order.append("row ends")
            turns.leave(spec)
    assert [one for one in order if "waiting" not in one] == ["row ends", "single"]
    assert _variables() == []


def test_the_rows_of_a_run_that_was_silent_stop_when_one_of_them_is_taken_over() -> None:
    spec, neighbour = example(), example(name="oss_orders_2")
    with RowTurns(_SILENT) as silent:
        silent.take(spec, wait=False)
        silent.take(neighbour, wait=False)
        silent.require(neighbour)
        with Turn(spec, _SILENT):
            silent.look()
            for one in (spec, neighbour):
                with pytest.raises(Mismatch, match="another run has taken over"):
                    silent.require(one)


def test_a_row_that_waits_ends_with_its_run() -> None:
    ended: list[BaseException] = []
    turns = RowTurns(_QUICK)

    def waits() -> None:
        try:
            turns.take(example(), wait=True)
        except Stopped as error:
            ended.append(error)

    with Turn(example(), _QUICK), turns, _beside(waits):
        turns.end()
    assert len(ended) == 1
