"""The audit as a flow on a Prefect server: its states, artifacts, files and events; nothing is written to the cloud."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.client.schemas.objects import State
from prefect.utilities.callables import parameter_schema

import flows.events
from cloud.gate import Gate
from config.baseline import Baseline, BaselineEntry, baseline_text
from config.load import SpecError, SpecFileError
from emulator.account import load_account
from emulator.cloud import LocalCloud
from emulator.server import RunningCloud, serve_in_thread
from flows.audit import audit_account
from flows.audit_inputs import AuditUnclear, read_inputs
from flows.audit_report import AuditReport, judged
from flows.bulk_files import FolderUnusable
from flows.events import NAMESPACE, EventName, audit_ended
from tasks.connection import use_gate
from tests.clock import LocalClock
from tests.flows import audit_samples as samples
from tests.flows.server import ROOT, PrefectServer
from tests.settings import REGION, settings_per_persona

ACCOUNT = ROOT / "examples" / "audit" / "account.yaml"
EXAMPLE = ROOT / "examples" / "oss.yaml"
FAR = datetime.date(2999, 12, 31)
FOUND = ["AUD101", "AUD203", "AUD205", "AUD301"]


@pytest.fixture(scope="module")
def drifted() -> Iterator[RunningCloud]:
    """The account of the worked example."""
    cloud = LocalCloud(load_account(ACCOUNT))
    cloud.settings.enforce_rates = False
    with serve_in_thread(cloud) as running:
        yield running


def _run(local: RunningCloud, **parameters: Any) -> tuple[State[Any], AuditReport]:
    gate = Gate(settings_per_persona(local), REGION, LocalClock(local.cloud))
    with use_gate(gate):
        state: State[Any] = audit_account(REGION, return_state=True, **parameters)
    report = state.result(raise_on_failure=False)
    assert isinstance(report, AuditReport), report
    return state, report


# -- the run -------------------------------------------------------------------------------------------


def test_a_run_leaves_its_artifacts_and_files_and_writes_nothing_to_the_cloud(
    drifted: RunningCloud, prefect_server: PrefectServer, tmp_path: Path
) -> None:
    del prefect_server
    state, report = _run(drifted, report_folder=str(tmp_path / "reports"))
    assert state.is_completed()
    assert state.message == "4 findings need attention now"
    assert [one.code for one in report.findings] == FOUND
    assert not drifted.cloud.journal.writes
    run_id = state.state_details.flow_run_id
    assert run_id is not None
    with get_client(sync_client=True) as client:
        assert client.read_flow_run(run_id).name == f"audit {REGION}"
        found = client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run_id]))
        )
    assert {(one.key, one.type) for one in found} == {
        ("audit-1234567890123456-cn-hangzhou", "markdown"),
        ("audit-findings-1234567890123456-cn-hangzhou", "table"),
    }
    (told,) = [json.loads(one.data) for one in found if one.type == "table" and isinstance(one.data, str)]
    assert [row["code"] for row in told] == FOUND
    assert len(list((tmp_path / "reports").iterdir())) == 4


def test_a_run_fails_for_the_severity_it_was_told_and_not_for_what_the_baseline_accepts(
    drifted: RunningCloud, prefect_server: PrefectServer, tmp_path: Path
) -> None:
    del prefect_server
    state, report = _run(drifted, fail_on="high", workspaces=[10001])
    assert state.is_failed()
    assert state.message == "4 findings need attention now"
    baseline = tmp_path / "baseline.yaml"
    entries = [
        BaselineEntry(fingerprint=one.fingerprint, code=one.code, reason="it is an example", expires=FAR)
        for one in report.findings
    ]
    baseline.write_text(baseline_text(Baseline(ignore=tuple(entries))), encoding="utf-8")
    state, report = _run(drifted, fail_on="high", baseline=str(baseline))
    assert state.is_completed()
    assert len(report.accepted) == 4


def test_a_run_compares_with_specifications(drifted: RunningCloud, prefect_server: PrefectServer) -> None:
    del prefect_server
    _, report = _run(drifted, specs=[str(EXAMPLE)])
    assert {one.code[:4] for one in report.findings} == {"AUD1", "AUD2", "AUD3", "AUD6"}


def test_a_file_or_folder_that_cannot_be_used_ends_the_run_before_anything_is_read(
    drifted: RunningCloud, prefect_server: PrefectServer, tmp_path: Path
) -> None:
    del prefect_server
    before = len(drifted.cloud.journal.entries)
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(SpecFileError, match="no such file"):
        audit_account(REGION, baseline=str(tmp_path / "missing.yaml"))
    with pytest.raises(FolderUnusable):
        audit_account(REGION, report_folder=str(tmp_path / "file"))
    assert len(drifted.cloud.journal.entries) == before


def test_every_field_of_the_form_has_a_title_a_description_and_an_example_or_default() -> None:
    fields = parameter_schema(audit_account).properties
    assert next(iter(fields)) == "region"
    for name, field in fields.items():
        assert field["title"], name
        assert field["description"], name
        assert "default" in field or "Example" in field["description"], name


# -- what it is asked for ------------------------------------------------------------------------------


def test_the_region_is_that_of_the_specifications_unless_it_is_named() -> None:
    assert read_inputs(specs=[str(EXAMPLE)]).region == REGION
    assert read_inputs("cn-shanghai").region == "cn-shanghai"
    with pytest.raises(AuditUnclear, match="name the region"):
        read_inputs()
    with pytest.raises(AuditUnclear, match="the audit is of cn-shanghai, and not there: oss_orders"):
        read_inputs("cn-shanghai", specs=[str(EXAMPLE)])


def _two_regions(folder: Path) -> str:
    path = folder / "sources.csv"
    lines = ["name,workspace,region,type,location.bucket,access,grantees.users,resource_groups"]
    lines += [
        f"one_{region[3:]},{number},{region},oss,shop,read,carol,S_res_group_1001_1"
        for number, region in ((10001, "cn-hangzhou"), (10002, "cn-shanghai"))
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def test_rows_of_other_regions_are_left_out_and_that_is_said(tmp_path: Path) -> None:
    file = _two_regions(tmp_path)
    inputs = read_inputs(REGION, csv_files=[file])
    assert [spec.name for spec in inputs.specs] == ["one_hangzhou"]
    assert inputs.notes == ("rows of other regions in the CSV files, not compared: 1",)
    with pytest.raises(AuditUnclear, match="the specifications are of cn-hangzhou, cn-shanghai"):
        read_inputs(csv_files=[file])


def test_a_data_source_that_is_given_twice_is_refused() -> None:
    with pytest.raises(SpecError, match="twice"):
        read_inputs(specs=[str(EXAMPLE), str(EXAMPLE)])


# -- events --------------------------------------------------------------------------------------------


@pytest.fixture
def emitted(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What would be handed to Prefect."""
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(flows.events, "emit_event", lambda **fields: told.append(fields))
    return told


def test_each_persona_is_told_once_with_counts_and_the_most_severe_causes(
    emitted: list[dict[str, Any]],
) -> None:
    findings = [samples.key_finding(f"orders_{number}") for number in range(300)]
    findings += [samples.finding(code) for code in ("AUD104", "AUD203", "AUD501")]
    audit_ended(judged(samples.audit(findings)))
    assert {one["event"] for one in emitted} == {EventName.DRIFT_FOUND.value}
    told = {one["resource"][f"{NAMESPACE}.persona"]: one for one in emitted}
    assert set(told) == {"creator", "administrator", "unknown"}
    creator = told["creator"]
    assert creator["payload"]["counts"] == {"high": 300, "medium": 1, "low": 0, "info": 0}
    assert creator["payload"]["codes"] == {"AUD101": 300, "AUD104": 1}
    assert [cause["code"] for cause in creator["payload"]["causes"]] == ["AUD101", "AUD104"]
    assert creator["resource"][f"{NAMESPACE}.severity"] == "high"
    assert creator["resource"]["prefect.resource.id"] == f"{NAMESPACE}.account.{samples.ACCOUNT}.cn-hangzhou"
    assert {one["prefect.resource.role"] for one in creator["related"]} == {"workspace"}
    assert len(json.dumps(creator["payload"])) < 5000


def test_nobody_is_told_of_a_clean_audit_or_of_what_is_accepted(emitted: list[dict[str, Any]]) -> None:
    audit_ended(judged(samples.audit([])))
    one = samples.key_finding()
    entry = BaselineEntry(fingerprint=one.fingerprint, code=one.code, reason="it is an example", expires=FAR)
    audit_ended(judged(samples.audit([one]), Baseline(ignore=(entry,))))
    assert emitted == []
