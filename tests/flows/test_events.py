"""Events and the automations of the repository on a real server: who is told, of what, and what an event can start."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import NAMESPACE_URL, uuid5

import httpx
import pytest
import yaml
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound

from cli.automations import apply_automations
from emulator.server import RunningCloud
from flows.audit_report import judged
from flows.bulk_report import RowOutcome
from flows.events import (
    ROWS_AT_MOST,
    EventName,
    audit_ended,
    bulk_ended,
    data_source_id,
    file_id,
    source_ended,
)
from flows.onboard import onboard_data_source
from flows.report import Failure, OnboardingReport
from tests.flows import audit_samples
from tests.flows.bulk_samples import report as bulk_report
from tests.flows.bulk_samples import row
from tests.flows.receiver import Receiver, receiver
from tests.flows.runs import run
from tests.flows.server import ROOT, PrefectServer, plain_environment
from tests.flows.test_approval import SHORT, waiting
from tests.tasks.onboarding import EXAMPLE, example

pytestmark = pytest.mark.servers

AUTOMATIONS = sorted((ROOT / "automations").glob("*.yaml"))
TOLD = ("administrator", "creator", "developer", "executor", "operator", "approver")
DEAF = "S_res_group_1001_3"
_SECONDS = 40.0


@pytest.fixture(scope="module")
def inbox(prefect_server: PrefectServer) -> Iterator[Receiver]:
    """A server with the repository's automations, whose notification blocks post to this receiver."""
    del prefect_server
    with receiver() as running, get_client(sync_client=True) as client, mock.patch.dict(os.environ):
        for who in TOLD:
            CustomWebhookNotificationBlock(
                name=who,
                url=f"{running.url}/{who}",
                json_data={"msgtype": "text", "text": {"content": "{{subject}}\n{{body}}"}},
                headers=None,
                cookies=None,
            ).save(f"notify-{who}", overwrite=True)
        _require_deployment(client)
        assert apply_automations(AUTOMATIONS) == 0
        yield running
        for path in AUTOMATIONS:
            for found in client.read_automations_by_name(yaml.safe_load(path.read_text("utf-8"))["name"]):
                client.delete_automation(found.id)


def _require_deployment(client: SyncPrefectClient) -> None:
    try:
        client.read_deployment_by_name("onboard data source/onboard-api")
    except ObjectNotFound:
        flow_id = client.create_flow(onboard_data_source)
        client.create_deployment(flow_id, "onboard-api", entrypoint="flows/onboard.py:onboard_data_source")


def _failed(name: str, persona: str) -> OnboardingReport:
    failure = Failure(
        3, "PermissionDenied", f"{name} may not", f"data source {name}", persona, "let it", "Forbidden", "R-1"
    )
    return OnboardingReport(name, 10001, "cn-hangzhou", "oss", failure=failure)


def _events(
    server: PrefectServer, resource: str, name: EventName, wanted: int = 1, place: str = "resource"
) -> list[dict[str, Any]]:
    """The events of a resource, or related to it, that the server has kept, once there are as many as wanted."""
    filters = {place: {"id": [resource]}, "event": {"name": [name.value]}}
    ends = time.monotonic() + _SECONDS
    while True:
        answer = httpx.post(f"{server.api}/events/filter", json={"filter": filters, "limit": 50}, timeout=20)
        answer.raise_for_status()
        page = answer.json()
        found: list[dict[str, Any]] = page["events"]
        while page["next_page"]:
            page = httpx.get(page["next_page"], timeout=20).json()
            found += page["events"]
        if len(found) >= wanted:
            return found
        assert time.monotonic() < ends, f"{len(found)} of {wanted} {name.value} of {resource}"
        time.sleep(0.3)  # another process's work has no clock to inject


def test_what_an_audit_has_found_is_told_to_whoever_can_mend_it(inbox: Receiver) -> None:
    codes = {
        "AUD104": "creator",
        "AUD203": "administrator",
        "AUD401": "executor",
        "AUD602": "developer",
        "AUD501": "operator",
    }
    audit_ended(judged(audit_samples.audit([audit_samples.finding(code) for code in codes])))
    for code, who in codes.items():
        text = inbox.wait_for(f"/{who}", f"({code}, ")
        assert f"account {audit_samples.ACCOUNT} in cn-hangzhou" in text
        assert "How: " in text


def test_each_persona_is_told_of_what_only_it_can_fix(inbox: Receiver) -> None:
    personas = {"administrator": "administrator", "creator": "creator", "developer": "developer"}
    personas |= {"executor": "executor", "": "operator"}
    for persona, who in personas.items():
        source_ended(_failed(f"told_{who}", persona))
    for who in personas.values():
        text = inbox.wait_for(f"/{who}", f"told_{who} may not")
        assert "How: let it" in text
        assert f"Onboarding failed: told_{who}" in text
        others = [one for one in inbox.seen if one.path != f"/{who}" and f"told_{who}" in str(one.body)]
        assert not others


def test_the_approver_is_told_while_the_run_waits_and_can_open_it(
    inbox: Receiver, local: RunningCloud
) -> None:
    with waiting(local, SHORT) as flow:
        paused = flow.paused()
        text = inbox.wait_for("/approver", "Approval needed: oss_orders")
        assert str(paused.id) in text
        ran = flow.decide(decision="reject", reason="not today")
    assert ran.report.plan is not None
    assert ran.report.plan.hash in text
    assert "in workspace 10001" in text
    assert local.cloud.journal.writes == ()


def test_a_failing_run_tells_its_plan_and_its_failure_with_its_flow_run_and_no_secret(
    inbox: Receiver, local: RunningCloud, prefect_server: PrefectServer
) -> None:
    name = "oss_events"
    ran = run(local, example(name=name, resource_groups=[DEAF], sync_task=None))
    resource = data_source_id(10001, name)
    (plan,) = _events(prefect_server, resource, EventName.PLAN_READY)
    (failed,) = _events(prefect_server, resource, EventName.SOURCE_FAILED)
    assert ran.report.plan is not None
    assert plan["payload"]["plan_hash"] == ran.report.plan.hash
    assert failed["resource"]["dataworks-onboarding.persona"] == "creator"
    assert failed["payload"]["step"] == 3
    assert DEAF in failed["payload"]["what"]
    related = {one["prefect.resource.role"]: one["prefect.resource.id"] for one in failed["related"]}
    assert related["flow-run"] == f"prefect.flow-run.{ran.flow_run.id}"
    assert related["workspace"] == "dataworks-onboarding.workspace.10001"
    assert related["ram-role"].startswith("dataworks-onboarding.ram-role.DataWorks-10001-")
    assert "local-secret" not in f"{plan}{failed}"
    assert str(ran.flow_run.id) in inbox.wait_for("/creator", f"Onboarding failed: {name}")


def test_an_onboarded_source_is_told_with_its_role(
    local: RunningCloud, prefect_server: PrefectServer
) -> None:
    # A name of its own: the server keeps what other modules' runs have told of the example.
    spec = example(name="oss_told", sync_task=None, resource_groups=["S_res_group_1001_1"])
    run(local, spec)
    resource = data_source_id(10001, spec.name)
    (told,) = _events(prefect_server, resource, EventName.SOURCE_ONBOARDED)
    assert told["payload"] == {"outcome": "created", "type": "oss", "records": ""}
    assert {"prefect.resource.id": f"dataworks-onboarding.ram-role.{spec.role_name}"}.items() <= {
        key: value
        for one in told["related"]
        if one["prefect.resource.role"] == "ram-role"
        for key, value in one.items()
    }.items()


def test_a_preflight_that_blocks_tells_each_persona_its_own_part(
    local: RunningCloud, prefect_server: PrefectServer
) -> None:
    name = "oss_blocked"
    spec = example(name=name, grantees={"users": ["carol"]}, resource_groups=["S_res_group_1001_1", "S_none"])
    ran = run(local, spec)
    expected = {one.persona.value if one.persona else "unknown" for one in ran.report.findings if one.blocks}
    assert len(expected) > 1
    told = _events(prefect_server, data_source_id(10001, name), EventName.SOURCE_FAILED, len(expected))
    assert {one["resource"]["dataworks-onboarding.persona"] for one in told} == expected
    for one in told:
        persona = one["resource"]["dataworks-onboarding.persona"]
        own = [
            item
            for item in ran.report.findings
            if item.blocks and item.persona and item.persona.value == persona
        ]
        assert one["payload"]["what"] == "; ".join(f"{item.subject}: {item.what}" for item in own)


def test_a_file_with_many_failed_rows_tells_a_bounded_number_of_rows_and_all_in_its_summaries(
    inbox: Receiver, prefect_server: PrefectServer
) -> None:
    rows = [row(number, RowOutcome.FAILED) for number in range(2, ROWS_AT_MOST + 52)]
    told = bulk_report([*rows, row(1000, RowOutcome.CREATED)], source="/data/many failures.csv")
    began = time.perf_counter()
    bulk_ended(told)
    assert time.perf_counter() - began < 1.0
    resource = file_id("/elsewhere/many failures.csv")
    (whole,) = _events(prefect_server, resource, EventName.BULK_FINISHED)
    assert whole["payload"]["counts"] == {"failed": len(rows), "created": 1}
    assert whole["resource"]["dataworks-onboarding.outcome"] == "failed"
    summaries = _events(prefect_server, resource, EventName.ROWS_FAILED, 2)
    assert sum(one["payload"]["rows"] for one in summaries) == len(rows)
    single = _events(prefect_server, resource, EventName.ROW_FAILED, ROWS_AT_MOST, "related")
    assert len({one["resource"]["prefect.resource.id"] for one in single}) == len(single) == ROWS_AT_MOST
    assert "grant the creator ram:PassRole" in inbox.wait_for("/administrator", "rows of many failures.csv")
    assert "VPC" in inbox.wait_for("/creator", "rows of many failures.csv")
    assert f"{len(rows)} failed" in inbox.wait_for("/operator", "many failures.csv: failed")


def test_a_plan_of_a_file_tells_that_it_is_ready_and_nothing_of_its_rows(
    prefect_server: PrefectServer,
) -> None:
    rows = [row(2, RowOutcome.PLANNED), row(3, RowOutcome.FAILED, name="only_planned")]
    bulk_ended(bulk_report(rows, source="only-planned.csv", mode="plan", plan_hash="abc"))
    (ready,) = _events(prefect_server, file_id("only-planned.csv"), EventName.PLAN_READY)
    assert ready["payload"] == {"rows": 2, "counts": {"failed": 1, "planned": 1}, "plan_hash": "abc"}
    assert not _events(prefect_server, file_id("only-planned.csv"), EventName.BULK_FINISHED, 0)


def test_an_event_that_another_system_posts_starts_the_deployment_once_with_its_specification(
    inbox: Receiver, prefect_server: PrefectServer
) -> None:
    del inbox  # the automations are needed, not who is told
    spec = yaml.safe_load(EXAMPLE.read_text("utf-8"))
    asked: list[dict[str, Any]] = [
        {
            "occurred": "2026-01-05T08:00:00Z",
            "event": "com.example.data-source.requested",
            "resource": {"prefect.resource.id": f"com.example.request.{name}"},
            "payload": {"spec": {**spec, "name": name}},
            "id": str(uuid5(NAMESPACE_URL, name)),
        }
        for name in ("oss_requested", "oss_requested", "oss_requested_later")
    ]
    for event in asked:
        httpx.post(f"{prefect_server.api}/events", json=[event], timeout=20).raise_for_status()
    with get_client(sync_client=True) as client:
        later = _started(client, "oss_requested_later")
        first = _started(client, "oss_requested")
        assert [one.parameters for one in (*first, *later)] == [
            {"spec": asked[0]["payload"]["spec"]},
            {"spec": asked[2]["payload"]["spec"]},
        ]
        for flow_run in (*first, *later):
            client.delete_flow_run(flow_run.id)  # no worker is there to run it


def _started(client: SyncPrefectClient, name: str) -> list[FlowRun]:
    """The runs of the deployment for a data source, as soon as there are any."""
    deployment = client.read_deployment_by_name("onboard data source/onboard-api")
    wanted = DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id]))
    ends = time.monotonic() + _SECONDS
    while time.monotonic() < ends:
        runs = client.read_flow_runs(deployment_filter=wanted)
        found = [one for one in runs if one.parameters.get("spec", {}).get("name") == name]
        if found:
            return found
        time.sleep(0.2)  # another process's work has no clock to inject
    raise AssertionError("no run was started")


def test_the_notification_block_of_the_page_sends_what_a_dingtalk_robot_reads(
    inbox: Receiver, prefect_server: PrefectServer
) -> None:
    del prefect_server  # the block is saved there
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    code = code.replace("https://oapi.dingtalk.com", inbox.url).replace("notify-creator", "dingtalk-example")
    exec(compile(code, "operations.md", "exec"), {})  # noqa: S102  # this project's own page
    block = CustomWebhookNotificationBlock.load("dingtalk-example")
    assert isinstance(block, CustomWebhookNotificationBlock)
    block.notify("it may not", subject="Onboarding failed")
    text = inbox.wait_for("/robot/send?access_token=...", "it may not")
    assert json.loads(text) == {"msgtype": "text", "text": {"content": "Onboarding failed\nit may not"}}
    CustomWebhookNotificationBlock.delete("dingtalk-example")


def test_applying_automations_again_updates_them_and_makes_no_second_one(
    inbox: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    del inbox
    assert apply_automations(AUTOMATIONS) == 0
    assert capsys.readouterr().out.count("updated onboard") == len(AUTOMATIONS)
    with get_client(sync_client=True) as client:
        assert len(client.read_automations_by_name("onboarding approval needed")) == 1


@pytest.mark.usefixtures("prefect_server")
def test_an_automation_that_names_what_is_not_there_is_refused_and_none_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    declared = yaml.safe_load((ROOT / "automations" / "approval-needed.yaml").read_text("utf-8"))
    good = {**declared, "name": "never made", "actions": [{"type": "do-nothing"}]}
    declared["actions"][0]["block_document_id"] = "custom-webhook/nobody"
    path = tmp_path / "two.yaml"
    path.write_text(yaml.safe_dump([good, declared]), encoding="utf-8")
    with mock.patch.dict(os.environ):
        assert apply_automations([path]) == 2
    assert "there is no block 'custom-webhook/nobody'" in capsys.readouterr().err
    with get_client(sync_client=True) as client:
        assert not client.read_automations_by_name("never made")


def test_prefects_own_command_takes_the_same_file_once_names_are_ids(
    inbox: Receiver, prefect_server: PrefectServer, tmp_path: Path
) -> None:
    del inbox
    text = (ROOT / "automations" / "approval-needed.yaml").read_text("utf-8")
    with get_client(sync_client=True) as client:
        block = client.read_block_document_by_name("notify-approver", "custom-webhook")
        path = tmp_path / "own.yaml"
        path.write_text(
            text.replace("custom-webhook/notify-approver", str(block.id)).replace(
                'approval needed"', 'own"', 1
            ),
            encoding="utf-8",
        )
        done = subprocess.run(
            [sys.executable, "-m", "prefect", "automation", "create", "--from-file", str(path)],
            env={**plain_environment(), **prefect_server.environment},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        (made,) = client.read_automations_by_name("onboarding own")
        client.delete_automation(made.id)


def test_every_event_is_described() -> None:
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    for name in EventName:
        assert f"`{name.value}`" in page
