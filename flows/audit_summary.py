"""An audit in Prefect: a short markdown artifact, and a table of the findings that matter most."""

from __future__ import annotations

import re
from collections.abc import Iterator

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows.audit_report import AuditReport, Cause, headline, whose
from flows.bulk_report import visible
from flows.html_page import moment
from flows.report_parts import plain

CAUSES_SHOWN = 20
"""Causes of one persona in the markdown; an artifact is read at a glance, and the reports have all of them."""
TABLE_ROWS = 500
"""Findings in the table artifact: the browser draws all of them at once."""


def audit_markdown(report: AuditReport) -> str:
    """Headline, counts, what could not be read, what to do by who can do it."""
    return "\n".join(_lines(report))


def _lines(report: AuditReport) -> Iterator[str]:
    audit = report.audit
    yield f"# {headline(report)}"
    yield ""
    workspaces = ", ".join(map(str, audit.workspaces)) or "none"
    yield (
        f"{audit.data_sources} data sources and {audit.roles} roles of account {plain(audit.account_id)} in "
        f"{plain(audit.region)}, workspaces {workspaces}, {moment(audit.taken_at)}"
    )
    yield from ("", "| severity | findings |", "|---|---:|")
    yield from (f"| {severity} | {count} |" for severity, count in report.counts().items())
    yield f"| accepted by the baseline | {len(report.accepted)} |"
    if audit.unread:
        yield from ("", "## What could not be read", "")
        yield from (f"- {plain(text)}" for text in audit.unread[:CAUSES_SHOWN])
        if len(audit.unread) > CAUSES_SHOWN:
            yield f"- and {len(audit.unread) - CAUSES_SHOWN} more in the report"
    causes = report.causes()
    for persona in report.by_persona():
        yield from ("", f"## {plain(whose(persona))}", "")
        own = [cause for cause in causes if cause.persona == persona]
        yield from (_cause(cause) for cause in own[:CAUSES_SHOWN])
        if len(own) > CAUSES_SHOWN:
            yield f"- and {len(own) - CAUSES_SHOWN} more causes in the report"
    if report.notes:
        yield from ("", "## Notes", "")
        yield from (f"- {plain(note)}" for note in report.notes)


def _cause(cause: Cause) -> str:
    count = len(cause.findings)
    objects = ", ".join(plain(one.subject) for one in cause.findings[:3])
    more = f" and {count - 3} more" if count > 3 else ""
    return (
        f"- **{count} ×** {plain(cause.title)} ({cause.severity.value}, `{cause.code}`) → {plain(cause.remedy)} "
        f"({objects}{more})"
    )


def audit_table(report: AuditReport, limit: int = TABLE_ROWS) -> list[dict[str, str]]:
    """One entry a finding, at most ``limit``, the most severe first."""
    return [
        {
            "severity": one.severity.value,
            "code": one.code,
            "object": visible(one.subject),
            "finding": visible(one.what),
            "who can fix it": one.persona.value if one.persona else "",
            "how": visible(one.remedy),
            "command": visible(one.command),
            "fingerprint": one.fingerprint,
        }
        for one in report.findings[:limit]
    ]


def publish_audit(report: AuditReport) -> None:
    """Both artifacts of the running flow; the newest of an account and region is found by its key."""
    audit = report.audit
    place = re.sub(r"[^a-z0-9-]+", "-", f"{audit.account_id}-{audit.region}".lower())
    create_markdown_artifact(
        key=f"audit-{place}",
        markdown=audit_markdown(report),
        description=f"Audit of account {audit.account_id} in {audit.region}",
    )
    create_table_artifact(
        key=f"audit-findings-{place}",
        table=audit_table(report),
        description=f"Findings in account {audit.account_id} in {audit.region}",
    )
