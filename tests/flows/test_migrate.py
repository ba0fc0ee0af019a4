"""The migration flow on a real Prefect server: report, artifacts, files, the plan's hash, and no secret anywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import State
from prefect.logging.handlers import APILogHandler

from cloud.gate import Gate
from config.csv_file import read_rows
from config.load import load_spec
from emulator.server import RunningCloud
from flows.migrate import migrate_sources
from flows.migrate_report import MigrationReport
from tasks.connection import use_gate
from tasks.migration.result import Ending
from tests.clock import LocalClock
from tests.flows.server import PrefectServer
from tests.settings import REGION, settings_per_persona
from tests.tasks.migrating import KEY_ID, RETAIL, SECRET, contents, migratable, reading_task, told_everywhere

pytestmark = pytest.mark.usefixtures("prefect_server")
KEYS = {KEY_ID: {"access_key_secret": SECRET}}


@pytest.fixture
def shop(local: RunningCloud, prefect_server: PrefectServer) -> RunningCloud:
    """Two data sources with keys; the runs of one of them fail after the switch."""
    del prefect_server
    local.cloud.settings.scheduler_runs = True
    migratable(local.cloud, ("orders", "returns"))
    for node in local.cloud.state.dataworks.nodes:
        if node.name == "returns_to_ods":
            node.content = reading_task("returns", object=["absent/*.csv"])
    return local


def run(local: RunningCloud, **parameters: Any) -> tuple[State[Any], MigrationReport]:
    """Run the flow in this process, with a clock that never sleeps."""
    gate = Gate(settings_per_persona(local, rollback_keys=KEYS), REGION, LocalClock(local.cloud))
    call: Any = migrate_sources
    with use_gate(gate):
        state = call(region=REGION, return_state=True, **parameters)
    report = state.result(raise_on_failure=False)
    assert isinstance(report, MigrationReport), report
    return state, report


def _told(state: State[Any]) -> str:
    """All that a reader of Prefect's UI or API can see of the run."""
    APILogHandler().flush()
    identifier = state.state_details.flow_run_id
    assert identifier is not None
    with get_client(sync_client=True) as client:
        parts: list[Any] = [
            client.read_flow_run(identifier),
            *client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[identifier]))),
            *client.read_artifacts(
                artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[identifier]))
            ),
            *client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[identifier]))),
        ]
    return "\n".join(one.model_dump_json() for one in parts)


def test_plan_shows_everything_and_writes_nothing(shop: RunningCloud) -> None:
    state, report = run(shop, workspace=RETAIL)
    assert state.is_completed()
    assert report.outcome == "planned"
    assert report.plan is not None
    assert report.plan.hash in _told(state)
    assert not shop.cloud.journal.writes


def test_apply_ends_each_source_by_itself_and_tells_no_secret(shop: RunningCloud, tmp_path: Path) -> None:
    state, report = run(shop, workspace=RETAIL, mode="apply", output=str(tmp_path))
    ended = {one.name: one.ending for one in report.results}
    assert ended == {"orders": Ending.MIGRATED, "returns": Ending.RESTORED}
    assert state.is_failed()  # somebody has to look at one of them
    told = _told(state)
    assert "migrate orders of workspace 10001" in told
    assert "failed after the switch" in told
    written = "".join(path.read_text(encoding="utf-8") for path in tmp_path.iterdir())
    kept = told_everywhere(shop).replace(f'"secret": "{SECRET}"', "")
    assert SECRET not in told + written + repr(report) + json.dumps(report.to_json()) + kept
    assert {path.name for path in tmp_path.iterdir()} == {
        "orders.yaml", "returns.yaml", "sources.csv", "migration.report.json"
    }  # fmt: skip
    spec = load_spec(tmp_path / "orders.yaml")
    assert spec in [row.spec for row in read_rows(tmp_path / "sources.csv").require_valid().rows]
    told_json = json.loads((tmp_path / "migration.report.json").read_text(encoding="utf-8"))
    assert told_json == json.loads(json.dumps(report.to_json()))
    assert told_json["counts"] == {"migrated": 1, "as it was": 1}


def test_what_was_proposed_and_written_can_be_migrated_from_the_file(
    shop: RunningCloud, tmp_path: Path
) -> None:
    run(shop, workspace=RETAIL, only=["orders"], output=str(tmp_path))
    _, report = run(shop, file=str(tmp_path / "sources.csv"), mode="apply", watch_runs=0)
    assert {one.name: one.ending for one in report.results} == {"orders": Ending.MIGRATED}
    assert report.unused == ()  # returns holds the same key
    assert {content["authType"] for content in contents(shop.cloud, "orders")} == {"RamRole"}


def test_the_last_source_of_a_key_names_it_as_unused(shop: RunningCloud) -> None:
    _, report = run(shop, workspace=RETAIL, mode="apply", watch_runs=0)
    assert [(one.key_id, one.before) for one in report.unused] == [(KEY_ID, ("orders", "returns"))]


def test_only_the_approved_plan_is_carried_out(shop: RunningCloud) -> None:
    _, planned = run(shop, workspace=RETAIL, only=["orders"])
    assert planned.plan is not None
    migratable(shop.cloud, ("more",))
    shop.cloud.state.dataworks.data_sources[-1].description = "unrelated"
    _, refused = run(shop, workspace=RETAIL, mode="apply", approved_plan=planned.plan.hash)
    assert refused.failure is not None
    assert "it is not the approved plan" in refused.failure.what
    assert not shop.cloud.journal.writes
    _, applied = run(shop, workspace=RETAIL, only=["orders"], mode="apply", approved_plan=planned.plan.hash)
    assert [one.ending for one in applied.results] == [Ending.MIGRATED]


@pytest.mark.parametrize("given", [{}, {"workspace": RETAIL, "file": "x.csv"}])
def test_neither_or_both_of_workspace_and_file_are_refused(shop: RunningCloud, given: dict[str, Any]) -> None:
    state, report = run(shop, **given)
    assert state.is_failed()
    assert report.failure is not None
    assert not shop.cloud.journal.entries
