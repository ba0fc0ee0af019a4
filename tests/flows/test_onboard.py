"""The flow on a real Prefect server: what its reader sees of a first apply, a second one and a plan."""

from __future__ import annotations

import json
from typing import Any

import pytest

from emulator.server import RunningCloud
from tasks.outcome import Outcome
from tests.flows.runs import Ran, run
from tests.flows.server import PrefectServer
from tests.tasks.onboarding import ROLE, example, outline


@pytest.fixture(scope="module")
def runs(prefect_server: PrefectServer, shop: RunningCloud) -> dict[str, Any]:
    """A plan, a first apply of exactly that plan, and a second apply, with the writes of each."""
    del prefect_server
    seen: dict[str, Any] = {}
    approved = None
    for name in ("plan", "first", "second"):
        shop.cloud.journal.clear()
        choices: dict[str, dict[str, Any]] = {"plan": {"mode": "plan"}, "first": {"approved_plan": approved}}
        parameters = choices.get(name, {})
        ran = run(shop, example(), **parameters)
        seen[name] = ran
        seen[f"{name} writes"] = [entry.action for entry in shop.cloud.journal.writes]
        if ran.report.plan is not None:
            approved = ran.report.plan.hash
    seen["outline"] = outline(shop.cloud)
    return seen


@pytest.fixture(scope="module")
def first(runs: dict[str, Any]) -> Ran:
    found: Ran = runs["first"]
    return found


def test_planning_writes_nothing_and_says_what_would_change(runs: dict[str, Any]) -> None:
    planned: Ran = runs["plan"]
    assert runs["plan writes"] == []
    assert planned.report.plan is not None
    assert planned.message == f"plan {planned.report.plan.hash}: {len(planned.report.plan.changes)} changes"
    assert "1 role of oss_orders" not in {one.name for one in planned.task_runs}


def test_the_approved_plan_is_carried_out_in_five_created_steps(runs: dict[str, Any], first: Ran) -> None:
    assert first.state.is_completed()
    assert [step.outcome for step in first.report.five_steps] == [Outcome.CREATED] * 5
    assert first.message == "created: oss_orders in workspace 10001, 10 read, 10 written"
    planned = [call for change in runs["plan"].report.plan.changes for call in change.calls]
    assert sorted(call.partition(":")[2] for call in planned) == sorted(runs["first writes"])


def test_a_second_apply_writes_nothing_and_every_step_is_unchanged(runs: dict[str, Any]) -> None:
    second: Ran = runs["second"]
    assert runs["second writes"] == []
    assert [step.outcome for step in second.report.five_steps] == [Outcome.UNCHANGED] * 5
    assert second.message.startswith("unchanged: oss_orders in workspace 10001")
    assert second.report.plan is not None
    assert second.report.plan.empty


def test_flow_and_task_runs_carry_the_data_sources_name(first: Ran) -> None:
    assert first.flow_run.name == "onboard oss_orders in 10001"
    assert len(first.task_runs) > 10
    assert [one.name for one in first.task_runs if "oss_orders" not in one.name] == []
    assert len({one.name for one in first.task_runs}) == len(first.task_runs)


def test_every_final_state_has_a_message_a_person_can_read(first: Ran) -> None:
    assert first.task("1 role").state is not None
    for one in first.task_runs:
        assert one.state is not None
        assert one.state.is_completed()
        assert one.state.message, one.name
        assert one.state.message != "None"
    message = first.task("3 data source oss_orders in PROD").state
    assert message is not None
    assert (message.message or "").startswith("created: data source oss_orders (PROD) (id ")


def _parents(ran: Ran, start: str) -> set[str]:
    names = {one.id: one.name for one in ran.task_runs}
    inputs = ran.task(start).task_inputs.values()
    return {names[source.id] for sources in inputs for source in sources if hasattr(source, "id")}


def test_the_run_graph_has_its_edges(first: Ran) -> None:
    assert "1 role of oss_orders" in _parents(first, "2 PassRole")
    assert {"1 role of oss_orders", "2 PassRole for oss_orders"} <= _parents(
        first, "3 data source oss_orders in DEV"
    )
    cell = "3 connectivity oss_orders DEV from S_res_group_1001_1"
    assert "3 data source oss_orders in DEV" in _parents(first, cell)
    assert cell in _parents(first, "3 connectivity matrix")
    assert "3 connectivity matrix of oss_orders" in _parents(first, "4 create sync task")
    assert "4 create sync task of oss_orders" in _parents(first, "4 schedule sync task")
    assert "4 schedule sync task of oss_orders" in _parents(first, "4 submit sync task")
    assert "4 submit sync task of oss_orders" in _parents(first, "4 deploy sync task")
    assert {
        "1 role of oss_orders",
        "2 PassRole for oss_orders",
        "3 data source oss_orders in PROD",
        "4 deploy sync task of oss_orders",
    } <= _parents(first, "5 run sync task of oss_orders in PROD")


def test_the_summary_tells_outcomes_ids_matrix_and_where_to_look(first: Ran, shop: RunningCloud) -> None:
    text = str(first.artifact("onboarding-summary-10001-oss-orders").data)
    assert text.startswith("# oss_orders in workspace 10001: created")
    for number in range(1, 6):
        assert f"| {number} | " in text
    assert f"`{shop.cloud.state.ram.roles[ROLE].id}`" in text
    assert "| DEV | connected | connected |" in text
    assert "| records written | `5` |" in text
    assert f"https://ram.console.aliyun.com/roles/{ROLE}" in text


def test_the_connectivity_table_has_a_row_for_each_cell(first: Ran) -> None:
    table = first.artifact("onboarding-connectivity-10001-oss-orders").data
    rows = json.loads(table) if isinstance(table, str) else table
    assert isinstance(rows, list)
    assert {(row["environment"], row["resource group"], row["state"]) for row in rows} == {
        (environment, group, "connected")
        for environment in ("DEV", "PROD")
        for group in ("S_res_group_1001_1", "S_res_group_1001_2")
    }


def test_the_plan_artifact_shows_hash_and_changes(runs: dict[str, Any]) -> None:
    planned: Ran = runs["plan"]
    text = str(planned.artifact("onboarding-plan-10001-oss-orders").data)
    assert planned.report.plan is not None
    assert planned.report.plan.hash in text
    assert f"create role {ROLE}" in text


def test_progress_ends_at_a_hundred_per_cent(first: Ran, runs: dict[str, Any]) -> None:
    for ran in (first, runs["second"]):
        (progress,) = [one for one in ran.artifacts if one.type == "progress"]
        assert progress.data == 100.0


def test_artifact_keys_are_the_same_in_every_run(first: Ran, runs: dict[str, Any]) -> None:
    keys = {one.key for one in first.artifacts}
    assert keys == {one.key for one in runs["second"].artifacts}
    assert keys - {None} == {
        f"onboarding-{kind}-10001-oss-orders"
        for kind in ("plan", "progress", "connectivity", "summary", "result")
    }


def test_the_log_tells_each_step(first: Ran) -> None:
    told = "\n".join(one.message for one in first.logs)
    for line in ("step 1, RAM role: created", "step 3, connectivity: 4 of 4", "step 5, sync run: created"):
        assert line in told


def test_no_secret_key_or_signature_is_shown_anywhere(runs: dict[str, Any]) -> None:
    for name in ("plan", "first", "second"):
        told = runs[name].everything_told
        assert "oss_orders" in told
        for secret in ("local-secret", "LTAIlocal", "Signature=", "ACS3-HMAC", "SecurityToken"):
            assert secret not in told


def test_the_report_names_who_made_the_calls_and_how_many(first: Ran) -> None:
    assert first.report.callers == {
        "administrator": "alice", "creator": "carol", "developer": "dave", "executor": "erin",
    }  # fmt: skip
    assert all(count > 0 for count in first.report.calls.values())
    json.dumps(first.report.to_json())
