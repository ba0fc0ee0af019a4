"""A run that waits for somebody's approval, on a real server: approved, rejected, forgotten, or given another hash."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.flow_runs import resume_flow_run
from prefect.input import read_flow_run_input
from prefect.states import Failed

from cloud.gate import Gate
from config.spec import DataSourceSpec
from emulator.server import RunningCloud
from flows.approval import PlanApproval
from flows.artifacts import plan_markdown
from flows.onboard import onboard_data_source
from flows.report import OnboardingReport
from tasks.connection import use_gate
from tasks.outcome import Outcome
from tests.clock import LocalClock
from tests.flows.runs import Ran, look_up, run
from tests.settings import REGION, settings_per_persona
from tests.tasks.onboarding import ROLE, Onboarding, example
from tests.tasks.plans import plan_of

pytestmark = pytest.mark.usefixtures("prefect_server")
SHORT = example(sync_task=None, resource_groups=["S_res_group_1001_1"])
_WAIT_SECONDS = 60.0
# The parameter's own minimum is a minute, which is too long for a test.
_WITHOUT_MINIMUM = onboard_data_source.with_options(validate_parameters=False)


@dataclass
class Waiting:
    """A flow run in a thread of its own, which waits for an approval."""

    thread: threading.Thread
    known: set[UUID]
    states: list[Any] = field(default_factory=list)

    def paused(self) -> FlowRun:
        """The run, as soon as it waits."""
        filter_ = FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED]))
        )
        ends = time.monotonic() + _WAIT_SECONDS
        with get_client(sync_client=True) as client:
            while time.monotonic() < ends and self.thread.is_alive():
                for found in client.read_flow_runs(flow_run_filter=filter_):
                    if found.id not in self.known:
                        return found
                time.sleep(0.1)  # another thread's progress has no clock to inject
        raise AssertionError(f"it never paused: {self.states}")

    def end(self) -> Ran:
        """Its end."""
        self.thread.join(_WAIT_SECONDS)
        assert not self.thread.is_alive()
        (state,) = self.states
        report = state.result(raise_on_failure=False)
        assert isinstance(report, OnboardingReport), report
        return look_up(state, report)

    def decide(self, **answer: Any) -> Ran:
        """Give an answer to the form, and let it end."""
        resume_flow_run(self.paused().id, run_input=PlanApproval(**answer).model_dump())
        return self.end()


@contextmanager
def waiting(local: RunningCloud, spec: DataSourceSpec, **parameters: Any) -> Iterator[Waiting]:
    """Start a run that asks for approval."""
    gate = Gate(settings_per_persona(local), REGION, LocalClock(local.cloud))
    paused = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED])))
    with get_client(sync_client=True) as client:
        known = {one.id for one in client.read_flow_runs(flow_run_filter=paused)}
    states: list[Any] = []
    context = contextvars.copy_context()

    def flow() -> None:
        states.append(_WITHOUT_MINIMUM(spec, require_approval=True, return_state=True, **parameters))

    thread = threading.Thread(target=lambda: context.run(flow), daemon=True)
    with use_gate(gate):
        thread.start()
        yield Waiting(thread, known, states)
        thread.join(_WAIT_SECONDS)


def _nothing_was_written(local: RunningCloud) -> bool:
    return local.cloud.journal.writes == ()


def _shows_the_plan(ran: Ran, plan_hash: str) -> bool:
    text = str(ran.artifact("onboarding-plan").data)
    return f"`{plan_hash}`" in text and f"create role {ROLE}" in text


def test_it_pauses_with_the_plan_shown_and_goes_on_with_the_right_hash(local: RunningCloud) -> None:
    plan = plan_of(Onboarding(local, SHORT))
    with waiting(local, SHORT) as flow:
        paused = flow.paused()
        assert paused.state is not None
        assert paused.state.name == "Paused"
        keyset = paused.state.state_details.run_input_keyset
        assert keyset is not None
        description = str(read_flow_run_input(keyset["description"], flow_run_id=paused.id))
        assert plan.hash in description
        assert f"create role {ROLE}" in description
        assert "acs:oss:*:*:shop-orders/orders/*" in description
        assert _nothing_was_written(local)
        ran = flow.decide(decision="approve", plan_hash=f" {plan.hash}\n")
    assert ran.state.is_completed()
    assert ran.message.startswith("created: oss_orders")
    assert [step.outcome for step in ran.report.five_steps] == [Outcome.CREATED] * 3 + [Outcome.SKIPPED] * 2
    assert _shows_the_plan(ran, plan.hash)
    assert plan_of(Onboarding(local, SHORT)).empty


def test_another_hash_fails_and_nothing_is_written(local: RunningCloud) -> None:
    with waiting(local, SHORT) as flow:
        ran = flow.decide(decision="approve", plan_hash="-".join(["0" * 12] * 3))
    assert ran.state.is_failed()
    assert "does not belong to the plan that was shown" in ran.message
    assert ran.report.failure is not None
    assert ran.report.failure.kind == "PlanMoved"
    assert _nothing_was_written(local)
    assert ran.report.plan is not None
    assert _shows_the_plan(ran, ran.report.plan.hash)


def test_rejecting_ends_it_as_rejected_with_the_reason_and_nothing_is_written(local: RunningCloud) -> None:
    with waiting(local, SHORT) as flow:
        ran = flow.decide(decision="reject", reason="too many grantees")
    assert ran.state.is_completed()
    assert ran.state.name == "Rejected"
    assert "was rejected: too many grantees; nothing was written" in ran.message
    assert ran.report.not_approved == ran.message
    assert ran.report.failure is None
    assert _nothing_was_written(local)
    assert ran.report.plan is not None
    assert _shows_the_plan(ran, ran.report.plan.hash)


def test_letting_the_time_pass_ends_it_as_expired_and_nothing_is_written(local: RunningCloud) -> None:
    with waiting(local, SHORT, approval_timeout=1) as flow:
        ran = flow.end()
    assert ran.state.is_completed()
    assert ran.state.name == "Expired"
    assert "within 1 s; nothing was written" in ran.message
    assert _nothing_was_written(local)
    assert ran.report.plan is not None
    assert _shows_the_plan(ran, ran.report.plan.hash)


def test_it_is_expired_too_when_the_server_has_failed_it_before_it_looked(local: RunningCloud) -> None:
    with waiting(local, SHORT, approval_timeout=2) as flow:
        # What the server's own service does some seconds after the time was up.
        failed: State[Any] = Failed(message="The flow was paused and never resumed.")
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(flow.paused().id, failed, force=True)
        ran = flow.end()
    assert (ran.state.name, ran.state.is_completed()) == ("Expired", True)
    assert ran.flow_run.state is not None
    assert ran.flow_run.state.name == "Expired"
    assert _nothing_was_written(local)


def test_an_empty_plan_needs_no_approval(local: RunningCloud) -> None:
    Onboarding(local, SHORT).apply()
    writes = len(local.cloud.journal.writes)
    ran = run(local, SHORT, require_approval=True)
    assert ran.state.is_completed()
    assert ran.report.outcome is Outcome.UNCHANGED
    assert len(local.cloud.journal.writes) == writes


def test_planning_writes_nothing_and_publishes_the_plan(local: RunningCloud) -> None:
    plan = plan_of(Onboarding(local, SHORT))
    ran = run(local, SHORT, mode="plan", require_approval=True)
    assert ran.state.is_completed()
    assert ran.message == f"plan {plan.hash}: {len(plan.changes)} changes"
    assert _shows_the_plan(ran, plan.hash)
    assert _nothing_was_written(local)
    assert not [one for one in ran.task_runs if one.name[0].isdigit()]


def test_a_description_cannot_break_out_of_the_table(local: RunningCloud) -> None:
    text = plan_markdown(plan_of(Onboarding(local, example(description="a | b <script>"))))
    assert "<script>" not in text
    assert "a \\| b &lt;script>" in text
