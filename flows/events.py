"""Events that tell other systems what became of an onboarding; automations act on them, see docs/operations.md.

Prefect adds the flow run, its flow, deployment and work pool to each by itself. Names and labels are an interface: they
may be added to, not changed. An automation can choose by name, resource and labels only, never by payload, so what a
choice needs (persona, outcome) is a label. Secrets are in none: texts are those of reports.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from prefect.events import emit_event

from flows.audit_report import AuditReport, counted_by_code, counted_by_severity
from flows.bulk_report import BulkReport, RowReport
from flows.offboard_report import Ending, OffboardingReport
from flows.report import Failure, OnboardingReport
from tasks.planning import Plan
from tasks.preflight import PreflightBlocked

NAMESPACE = "dataworks-onboarding"
"""Start of every name, resource id and label of ours."""
ROWS_AT_MOST = 100
"""So many failed rows of a file have an event of their own; the summaries count all of them."""
_TEXT_CHARACTERS = 500
_CAUSES_AT_MOST = 5
_WORKSPACES_AT_MOST = 50  # Prefect refuses an event with very many related resources


class EventName(str, Enum):
    """What can happen."""

    PLAN_READY = "dataworks-onboarding.plan.ready"
    APPROVAL_NEEDED = "dataworks-onboarding.approval.needed"
    SOURCE_ONBOARDED = "dataworks-onboarding.data-source.onboarded"
    SOURCE_FAILED = "dataworks-onboarding.data-source.failed"
    ROW_FAILED = "dataworks-onboarding.row.failed"
    ROWS_FAILED = "dataworks-onboarding.rows.failed"
    BULK_FINISHED = "dataworks-onboarding.bulk.finished"
    DRIFT_FOUND = "dataworks-onboarding.drift.found"
    SOURCE_OFFBOARDED = "dataworks-onboarding.data-source.offboarded"
    OFFBOARDING_FAILED = "dataworks-onboarding.data-source.offboarding-failed"


def data_source_id(workspace: int, name: str) -> str:
    """Resource id of a data source, the same in every run."""
    return f"{NAMESPACE}.data-source.{workspace}.{name}"


def file_id(source: str) -> str:
    """Resource id of a CSV file, by its name without the folder: where it lies differs between machines."""
    return f"{NAMESPACE}.file.{re.sub(r'[^0-9A-Za-z._-]+', '-', Path(source).name)}"


def account_id(account: str, region: str) -> str:
    """Resource id of an account in a region."""
    return f"{NAMESPACE}.account.{account}.{region}"


def plan_ready(plan: Plan, region: str) -> None:
    """Tell that the plan of a data source is known."""
    _of_source(EventName.PLAN_READY, plan.workspace, plan.data_source, region, _plan_payload(plan))


def approval_needed(plan: Plan, region: str, timeout: int) -> None:
    """Tell that a run waits, ``timeout`` seconds at most, for somebody to approve its plan."""
    payload = {**_plan_payload(plan), "timeout_seconds": timeout}
    _of_source(EventName.APPROVAL_NEEDED, plan.workspace, plan.data_source, region, payload)


def file_approval_needed(plan: BulkReport, timeout: int) -> None:
    """As :func:`approval_needed`, for the plan of a file."""
    resource = {
        "prefect.resource.id": file_id(plan.source),
        "prefect.resource.name": Path(plan.source).name,
    }
    counts = {name: count for name, count in plan.counts().items() if count}
    payload = {
        "rows": len(plan.rows),
        "counts": counts,
        "plan_hash": plan.plan_hash,
        "timeout_seconds": timeout,
    }
    _emit(EventName.APPROVAL_NEEDED, resource, [], payload)


def source_ended(report: OnboardingReport) -> None:
    """Tell that a data source is onboarded or has failed; nothing for a run that only planned, or was not approved."""
    role = report.step(1).facts.get("role")
    related = [_related("ram-role", role)] if role else []
    if report.failure is not None:
        for persona, payload in _failures(report, report.failure):
            labels = {"persona": persona or "unknown"}
            _of_source(
                EventName.SOURCE_FAILED,
                report.workspace,
                report.data_source,
                report.region,
                payload,
                labels,
                related,
            )
    elif report.steps:
        payload = {"outcome": report.outcome.value, "type": report.type, "records": report.records}
        labels = {"outcome": report.outcome.value}
        _of_source(
            EventName.SOURCE_ONBOARDED,
            report.workspace,
            report.data_source,
            report.region,
            payload,
            labels,
            related,
        )


def _failures(report: OnboardingReport, failure: Failure) -> Iterator[tuple[str, dict[str, Any]]]:
    """What stopped it, by persona: preflight finds what several have to do, and each is told of the own part."""
    whole = {
        "step": failure.step,
        "kind": failure.kind,
        "subject": _short(failure.subject),
        "what": _short(failure.what),
        "remedy": _short(failure.remedy),
        "code": _short(failure.code),
        "request_id": failure.request_id,
    }
    blocking = [finding for finding in report.findings if finding.blocks]
    if failure.kind != PreflightBlocked.__name__ or not blocking:
        yield failure.persona, whole
        return
    for persona in dict.fromkeys(finding.persona for finding in blocking):
        own = [finding for finding in blocking if finding.persona is persona]
        yield (
            persona.value if persona else "",
            {
                **whole,
                "what": _short("; ".join(f"{finding.subject}: {finding.what}" for finding in own)),
                "remedy": _short(
                    "; ".join(dict.fromkeys(finding.remedy for finding in own if finding.remedy))
                ),
                "code": _short(", ".join(dict.fromkeys(finding.code for finding in own))),
            },
        )


def bulk_ended(report: BulkReport) -> None:
    """Tell what became of a file: its failed rows, a summary a persona, and the whole; of a plan only that it is ready."""
    counts = {name: count for name, count in report.counts().items() if count}
    resource = {
        "prefect.resource.id": file_id(report.source),
        "prefect.resource.name": Path(report.source).name,
    }
    whole: dict[str, Any] = {"rows": len(report.rows), "counts": counts, "plan_hash": report.plan_hash}
    if report.mode == "plan":
        _emit(EventName.PLAN_READY, resource, [], whole)
        return
    failed = [row for row in report.urgent_first() if row.outcome.value in ("failed", "blocked")]
    for row in failed[:ROWS_AT_MOST]:
        _row_failed(report, row)
    _rows_failed(report, resource)
    whole["stop"] = _short(report.stop.what) if report.stop else ""
    whole["seconds"] = round(report.seconds, 3)
    outcome = {0: "done", 1: "failed"}.get(report.exit_code, "stopped")
    _emit(EventName.BULK_FINISHED, {**resource, f"{NAMESPACE}.outcome": outcome}, [], whole)


def audit_ended(report: AuditReport) -> None:
    """Tell each persona what the audit has found for them to mend; nothing when there is nothing open."""
    audit = report.audit
    for persona, findings in report.by_persona().items():
        resource = {
            "prefect.resource.id": account_id(audit.account_id, audit.region),
            "prefect.resource.name": f"account {audit.account_id} in {audit.region}",
            f"{NAMESPACE}.region": audit.region,
            f"{NAMESPACE}.persona": persona or "unknown",
            f"{NAMESPACE}.severity": findings[0].severity.value,
        }
        own = [cause for cause in report.causes() if cause.persona == persona]
        payload = {
            "findings": len(findings),
            "counts": counted_by_severity(findings),
            "codes": dict(counted_by_code(findings)),
            "causes": [
                {
                    "code": cause.code,
                    "severity": cause.severity.value,
                    "what": _short(cause.title),
                    "remedy": _short(cause.remedy),
                    "findings": len(cause.findings),
                    "object": _short(cause.findings[0].subject),
                }
                for cause in own[:_CAUSES_AT_MOST]
            ],
            "unread": len(audit.unread),
        }
        related = [
            _related("workspace", str(workspace)) for workspace in audit.workspaces[:_WORKSPACES_AT_MOST]
        ]
        _emit(EventName.DRIFT_FOUND, resource, related, payload)


def _row_failed(report: BulkReport, row: RowReport) -> None:
    payload = {
        "row": row.row,
        "outcome": row.outcome.value,
        "step": row.failure.step if row.failure else 0,
        "what": _short(row.why),
        "remedy": _short(row.how),
        "code": row.failure.code if row.failure else "",
    }
    related = [_related("file", file_id(report.source).rpartition(f"{NAMESPACE}.file.")[2])]
    if row.role:
        related.append(_related("ram-role", row.role))
    labels = {"persona": row.who or "unknown"}
    _of_source(EventName.ROW_FAILED, row.workspace, row.data_source, row.region, payload, labels, related)


def _rows_failed(report: BulkReport, resource: dict[str, str]) -> None:
    """One event a persona, so that who can fix a hundred rows hears of them once; invalid rows are the file's author's."""
    for persona, groups in report.failures_by_persona().items():
        payload = {
            "rows": sum(len(group.rows) for group in groups),
            "causes": [
                {
                    "what": _short(group.what),
                    "remedy": _short("; ".join(group.remedies)),
                    "code": group.code,
                    "rows": len(group.rows),
                }
                for group in groups[:_CAUSES_AT_MOST]
            ],
        }
        labelled = {**resource, f"{NAMESPACE}.persona": persona or "unknown"}
        _emit(EventName.ROWS_FAILED, labelled, [], payload)


def offboarding_ended(report: OffboardingReport) -> None:
    """Tell what became of each data source that was touched, refused or failed; of a file of the first so many."""
    told = [
        row for row in report.rows if row.ending not in (Ending.UNCHANGED, Ending.NOT_STARTED, Ending.PLANNED)
    ]
    for row in sorted(told, key=lambda row: row.error is None)[:ROWS_AT_MOST]:
        spec, error = row.spec, row.error
        labels = {"outcome": row.ending.value}
        payload: dict[str, Any] = {"outcome": row.ending.value, "type": spec.type, "row": row.row}
        name = EventName.SOURCE_OFFBOARDED
        if error is not None:
            name = EventName.OFFBOARDING_FAILED
            labels["persona"] = error.persona.value if error.persona else "unknown"
            payload |= {
                "what": _short(str(error)),
                "remedy": _short(error.remedy),
                "step": row.at,
                "code": error.code,
            }
        related = [_related("ram-role", spec.role_name)]
        _of_source(name, spec.workspace, spec.name, spec.region, payload, labels, related)


def _plan_payload(plan: Plan) -> dict[str, Any]:
    return {"plan_hash": plan.hash, "changes": len(plan.changes), "summary": plan.summary()}


def _of_source(
    name: EventName,
    workspace: int,
    data_source: str,
    region: str,
    payload: dict[str, Any],
    labels: dict[str, str] | None = None,
    related: Sequence[dict[str, str]] = (),
) -> None:
    """An event about one data source, related to its workspace."""
    resource = {
        "prefect.resource.id": data_source_id(workspace, data_source),
        "prefect.resource.name": data_source,
        f"{NAMESPACE}.workspace": str(workspace),
        f"{NAMESPACE}.region": region,
        **{f"{NAMESPACE}.{key}": value for key, value in (labels or {}).items()},
    }
    _emit(name, resource, [_related("workspace", str(workspace)), *related], payload)


def _related(kind: str, name: str) -> dict[str, str]:
    return {
        "prefect.resource.id": f"{NAMESPACE}.{kind}.{name}",
        "prefect.resource.role": kind,
        "prefect.resource.name": name,
    }


def _emit(
    name: EventName, resource: dict[str, str], related: list[dict[str, str]], payload: dict[str, Any]
) -> None:
    """Hand the event to Prefect, which sends it in the background; a server that is away stops no onboarding."""
    emit_event(event=name.value, resource=resource, related=related, payload=payload)


def _short(text: str) -> str:
    """Events are kept by the server for days and copied into notifications."""
    return text if len(text) <= _TEXT_CHARACTERS else f"{text[: _TEXT_CHARACTERS - 1]}…"
