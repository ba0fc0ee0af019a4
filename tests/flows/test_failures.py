"""What ends a flow run: its message, what was not started, and what Prefect repeats."""

from __future__ import annotations

from typing import Any

import pytest
from prefect import flow
from prefect.client.schemas.objects import State

from cloud.errors import PermissionDenied, TemporaryFailure
from cloud.gate import Gate
from config.sources.base import Environment
from emulator.server import RunningCloud
from tasks.connection import use_gate
from tasks.connectivity import check_connectivity
from tasks.data_source import DataSourceReady
from tasks.outcome import Outcome
from tasks.role import create_role
from tests.clock import LocalClock
from tests.flows.runs import run
from tests.settings import REGION, settings_per_persona
from tests.tasks.onboarding import Onboarding, add_fault, calls, example

pytestmark = pytest.mark.usefixtures("prefect_server")
DEAF = "S_res_group_1001_3"


def test_a_failed_step_fails_the_flow_with_its_remedy_and_later_tasks_are_never_created(
    local: RunningCloud,
) -> None:
    spec = example(resource_groups=["S_res_group_1001_1", DEAF], sync_task__resource_group=DEAF)
    ran = run(local, spec)
    assert ran.state.is_failed()
    assert ran.message.startswith("step 3 failed: data source oss_orders (DEV): resource group " + DEAF)
    assert "The creator can fix it: bind the resource group's VPC" in ran.message
    assert not [one.name for one in ran.task_runs if one.name.startswith(("4", "5"))]
    assert [step.outcome for step in ran.report.five_steps] == [
        Outcome.CREATED, Outcome.CREATED, Outcome.FAILED, Outcome.SKIPPED, Outcome.SKIPPED,
    ]  # fmt: skip
    summary = str(ran.artifact("onboarding-summary").data)
    assert "## What stopped it" in summary
    assert "**Who can fix it:** the creator" in summary
    rows = ran.artifact("onboarding-connectivity").data
    assert "not connected" in str(rows)
    assert DEAF not in {file.di_resource_group for file in local.cloud.state.dataworks.files.values()}


def test_a_blocked_preflight_fails_the_flow_before_any_write_and_names_everything(
    local: RunningCloud,
) -> None:
    ran = run(local, example(grantees={"users": ["carol"]}, resource_groups=["S_res_group_1001_1", "S_none"]))
    assert ran.state.is_failed()
    assert ran.message.startswith("preflight failed")
    assert "S_none" in ran.message
    assert "erin" in ran.message
    assert local.cloud.journal.writes == ()
    assert not [one.name for one in ran.task_runs if one.name[0].isdigit()]


def test_another_plan_than_the_approved_one_is_refused_before_any_write(local: RunningCloud) -> None:
    ran = run(local, example(), approved_plan="0" * 12 + "-" + "0" * 12 + "-" + "0" * 12)
    assert ran.state.is_failed()
    assert "not the approved plan" in ran.message
    assert local.cloud.journal.writes == ()


def _alone(local: RunningCloud, action: str, **fault: Any) -> tuple[State[Any], int]:
    """Step 1 as the only task of a flow, without pauses; returns its final state and the calls of ``action``."""
    facts = Onboarding(local).facts()
    add_fault(local, action=action, **fault)
    local.cloud.journal.clear()
    create = create_role.with_options(retry_delay_seconds=0, retry_jitter_factor=0.0)

    seen: list[State[Any]] = []

    @flow(name="step 1 alone")
    def alone() -> None:
        seen.append(create(example(), facts, return_state=True))

    with use_gate(Gate(settings_per_persona(local), REGION, LocalClock(local.cloud))):
        alone()
    return seen[0], len(calls(local, action))


def test_a_temporary_failure_is_repeated_by_the_task_and_ends_well(local: RunningCloud) -> None:
    attempts = settings_per_persona(local).retry_attempts
    state, made = _alone(local, "GetPolicy", status=503, code="ServiceUnavailable", times=attempts)
    assert state.is_completed()
    assert made > attempts


def test_a_lasting_failure_ends_after_the_tasks_repetitions(local: RunningCloud) -> None:
    attempts = settings_per_persona(local).retry_attempts
    state, made = _alone(local, "GetPolicy", status=503, code="ServiceUnavailable", times=None)
    assert isinstance(state.result(raise_on_failure=False), TemporaryFailure)
    assert made == 3 * attempts


def test_a_refusal_is_not_repeated(local: RunningCloud) -> None:
    state, made = _alone(local, "GetPolicy", status=403, code="NoPermission", times=None)
    assert isinstance(state.result(raise_on_failure=False), PermissionDenied)
    assert made == 1


def test_a_red_cell_is_a_completed_task_whose_message_says_why(local: RunningCloud) -> None:
    applied = Onboarding(local, example(sync_task=None)).until_sources()
    source: DataSourceReady = applied.sources[Environment.DEV]

    seen: list[State[Any]] = []

    @flow(name="one cell alone")
    def alone() -> None:
        seen.append(check_connectivity(example(), Environment.DEV, DEAF, source, return_state=True))

    with use_gate(Onboarding(local).gate):
        alone()
    assert seen[0].is_completed()
    assert (seen[0].message or "").startswith(f"DEV from {DEAF}: not connected (")
