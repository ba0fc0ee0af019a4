"""The machine-readable result of a run: read by the run and by its stable key, as the published schema says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from prefect.client.orchestration import get_client

from emulator.server import RunningCloud
from flows.artifacts import artifact_key
from flows.result import RESULT_TYPE, ResultInvalid, read_result, report_of
from tests.flows.runs import Ran, run
from tests.flows.test_approval import SHORT, waiting
from tests.tasks.onboarding import example

pytestmark = pytest.mark.usefixtures("prefect_server")
SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "schemas" / "onboarding-report-1.json"


def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return schema


def _result(ran: Ran) -> dict[str, Any]:
    """What the run has left; it is valid, the whole report, and holds no secret."""
    with get_client(sync_client=True) as client:
        result = read_result(client, ran.flow_run.id)
    assert result is not None
    jsonschema.Draft202012Validator(_schema()).validate(result)
    assert result == json.loads(json.dumps(ran.report.to_json()))
    assert "local-secret" not in json.dumps(result)
    return result


def _objects(schema: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(schema, dict):
        if "properties" in schema and schema.get("type") == "object":
            yield schema
        for part in schema.values():
            yield from _objects(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _objects(part)


def test_the_schema_describes_every_field_and_takes_no_other() -> None:
    jsonschema.Draft202012Validator.check_schema(_schema())
    objects = list(_objects(_schema()))
    assert len(objects) > 5
    for found in objects:
        assert found["additionalProperties"] is False
        for name, field in found["properties"].items():
            assert "$ref" in field or field.get("description"), name


def test_a_run_that_creates_everything_leaves_its_ids_and_records(local: RunningCloud) -> None:
    ran = run(local, example())
    result = _result(ran)
    assert (result["outcome"], result["failure"]) == ("created", None)
    assert [step["outcome"] for step in result["steps"]] == ["created"] * 5
    assert [one["records_written"] for one in result["runs"]] == [5, 5]
    rebuilt = report_of(result)
    assert rebuilt.outcome is ran.report.outcome
    assert rebuilt.records == ran.report.records
    assert rebuilt.matrix == ran.report.matrix
    assert [step.facts for step in rebuilt.five_steps] == [step.facts for step in ran.report.five_steps]


def test_the_key_leads_to_the_newest_run_and_the_run_to_its_own(local: RunningCloud) -> None:
    first, second = run(local, SHORT), run(local, SHORT)
    key = artifact_key("result", 10001, "oss_orders")
    with get_client(sync_client=True) as client:
        newest = client.request("GET", "/artifacts/{key}/latest", path_params={"key": key}).json()
    assert (newest["type"], newest["flow_run_id"]) == (RESULT_TYPE, str(second.flow_run.id))
    assert newest["data"]["outcome"] == "unchanged"
    assert _result(first)["outcome"] == "created"


def test_a_planning_run_leaves_the_plan_with_the_hash_to_approve(local: RunningCloud) -> None:
    result = _result(run(local, SHORT, mode="plan"))
    assert result["outcome"] == "unchanged"
    approved = run(local, SHORT, approved_plan=result["plan"]["hash"])
    assert _result(approved)["outcome"] == "created"


def test_a_blocked_run_leaves_its_findings_and_who_can_fix_it(local: RunningCloud) -> None:
    ran = run(local, example(sync_task=None, resource_groups=["S_res_group_none"]))
    result = _result(ran)
    assert (result["outcome"], result["failure"]["step"]) == ("failed", 0)
    assert [finding["code"] for finding in result["findings"] if finding["blocks"]]
    assert report_of(result).failure == ran.report.failure


def test_a_run_that_was_not_approved_says_why_and_has_no_failure(local: RunningCloud) -> None:
    with waiting(local, SHORT) as flow:
        ran = flow.decide(decision="reject", reason="too many grantees")
    result = _result(ran)
    assert "too many grantees" in result["not_approved"]
    assert (result["outcome"], result["failure"]) == ("unchanged", None)


@pytest.mark.parametrize("change", [{"version": 2}, {"steps": [{}]}, {"connectivity": [{"state": "fine"}]}])
def test_a_result_that_this_release_cannot_read_is_refused(
    local: RunningCloud, change: dict[str, Any]
) -> None:
    del local
    whole = {
        "version": 1, "data_source": "a", "workspace": 1, "region": "r", "type": "oss", "steps": [], "connectivity": [],
        "runs": [], "callers": {}, "calls": {}, "failure": None, "findings": [], "not_approved": "",
    }  # fmt: skip
    assert report_of(whole).data_source == "a"
    with pytest.raises(ResultInvalid):
        report_of({**whole, **change})
