"""A file whose plan waits for somebody's approval, on a real server: approved, rejected, forgotten, or given another hash."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import StateType
from prefect.flow_runs import resume_flow_run
from prefect.input import read_flow_run_input

from benchmarks.rows import make_rows, write_csv
from emulator.server import RunningCloud
from flows.approval import PlanApproval
from flows.bulk import onboard_from_csv
from flows.bulk_approval import PLANNED_SHOWN, file_plan_markdown
from flows.bulk_report import BulkReport, RowOutcome, RowReport
from tasks.planning import PlanMoved
from tests.flows.bulk_runs import Seen, onboard
from tests.flows.files import apply, gate_of, plan_of, served, specs_of
from tests.flows.test_approval import Waiting

pytestmark = pytest.mark.usefixtures("prefect_server")
ROWS = make_rows(4, roles=2)
_WAIT_SECONDS = 60.0
_WRONG = "-".join(["0" * 12] * 3)
# The parameter's own minimum is a minute, which is too long for a test.
_WITHOUT_MINIMUM = onboard_from_csv.with_options(validate_parameters=False)


@pytest.fixture
def cloud() -> Iterator[RunningCloud]:
    with served(ROWS) as running:
        yield running


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "sources.csv"
    write_csv(ROWS, path)
    return path


@contextmanager
def waiting(cloud: RunningCloud, source: Path, **parameters: Any) -> Iterator[Waiting]:
    """Start a run that asks for approval, in a thread of its own."""
    paused = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED])))
    with get_client(sync_client=True) as client:
        known = {one.id for one in client.read_flow_runs(flow_run_filter=paused)}
    seen: list[Any] = []
    context = contextvars.copy_context()

    def run() -> None:
        seen.append(onboard(cloud, source, flow=_WITHOUT_MINIMUM, require_approval=True, **parameters))

    thread = threading.Thread(target=lambda: context.run(run), daemon=True)
    thread.start()
    yield Waiting(thread, known, seen)
    thread.join(_WAIT_SECONDS)


def _ended(flow: Waiting, **answer: Any) -> Seen:
    if answer:
        resume_flow_run(flow.paused().id, run_input=PlanApproval(**answer).model_dump())
    flow.thread.join(_WAIT_SECONDS)
    (seen,) = flow.states
    assert isinstance(seen, Seen)
    return seen


def test_it_pauses_with_every_row_s_changes_and_carries_out_exactly_what_was_approved(
    cloud: RunningCloud, source: Path
) -> None:
    plan = plan_of(gate_of(cloud), specs_of(ROWS))
    with waiting(cloud, source) as flow:
        paused = flow.paused()
        assert paused.state is not None
        keyset = paused.state.state_details.run_input_keyset
        assert keyset is not None
        shown = str(read_flow_run_input(keyset["description"], flow_run_id=paused.id))
        assert plan.hash in shown
        assert "4 of 4 rows would change" in shown
        for one in ROWS:
            assert f"create data source {one['name']}".replace("_", "\\_") in shown.replace("\\\\", "\\")
        assert cloud.cloud.journal.writes == ()
        seen = _ended(flow, decision="approve", plan_hash=f" {plan.hash}\n")
    assert seen.state.is_completed()
    assert seen.outcomes == ["created"] * 4
    assert seen.report.plan_hash == plan.hash
    assert plan_of(gate_of(cloud), specs_of(ROWS)).changes == ()


def test_another_hash_fails_and_nothing_is_written(cloud: RunningCloud, source: Path) -> None:
    with waiting(cloud, source) as flow:
        seen = _ended(flow, decision="approve", plan_hash=_WRONG)
    assert seen.state.is_failed()
    assert isinstance(seen.result, PlanMoved)
    assert f"not belong to the plan that was shown: '{_WRONG}' was given" in seen.ran.message
    assert seen.writes == ()


def test_what_has_moved_during_the_pause_is_not_carried_out(cloud: RunningCloud, source: Path) -> None:
    plan = plan_of(gate_of(cloud), specs_of(ROWS))
    with waiting(cloud, source) as flow:
        flow.paused()
        assert apply(gate_of(cloud), specs_of(ROWS[:1])).outcomes == ["created"]
        before = len(cloud.cloud.journal.writes)
        seen = _ended(flow, decision="approve", plan_hash=plan.hash)
    assert isinstance(seen.result, PlanMoved)
    assert len(cloud.cloud.journal.writes) == before


def test_rejecting_ends_it_as_rejected_with_the_reason_and_the_plan_as_its_report(
    cloud: RunningCloud, source: Path, tmp_path: Path
) -> None:
    with waiting(cloud, source, report_folder=str(tmp_path / "reports")) as flow:
        seen = _ended(flow, decision="reject", reason="not this week")
    assert (seen.state.name, seen.state.is_completed()) == ("Rejected", True)
    assert "was rejected: not this week; nothing was written" in seen.ran.message
    assert seen.outcomes == ["planned"] * 4
    assert seen.report.stop is not None
    assert seen.report.stop.kind == "approval"
    assert (tmp_path / "reports" / "sources.report.json").exists()
    assert seen.writes == ()


def test_letting_the_time_pass_ends_it_as_expired(cloud: RunningCloud, source: Path) -> None:
    with waiting(cloud, source, approval_timeout=1) as flow:
        seen = _ended(flow)
    assert (seen.state.name, seen.state.is_completed()) == ("Expired", True)
    assert "within 1 s; nothing was written" in seen.ran.message
    assert seen.writes == ()


def test_an_empty_plan_needs_no_approval(cloud: RunningCloud, source: Path) -> None:
    assert onboard(cloud, source).outcomes == ["created"] * 4
    seen = onboard(cloud, source, require_approval=True)
    assert seen.state.is_completed()
    assert seen.outcomes == ["unchanged"] * 4
    assert seen.writes == ()


def test_what_is_too_long_to_be_read_is_cut_and_said() -> None:
    rows = [
        RowReport(
            number, 1, "a", "oss", "cn-hangzhou", "r", RowOutcome.PLANNED, planned=("create a | b <b>",)
        )
        for number in range(2, PLANNED_SHOWN + 5)
    ]
    shown = file_plan_markdown(BulkReport("f.csv", "cn-hangzhou", "plan", 0, 0, rows))
    assert "And 3 more rows" in shown
    assert shown.count("\n|") == PLANNED_SHOWN + 5
    assert "<b>" not in shown
