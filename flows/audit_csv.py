"""Findings and chains of an audit as CSV, one line each, for a spreadsheet or a ticket system."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence

from flows.audit_report import AuditReport
from flows.bulk_csv import defused
from tasks.audit.access import AccessChain
from tasks.audit.finding import RULES, AuditFinding

COLUMNS = (
    *("status", "severity", "code", "title", "kind", "workspace", "object", "finding"),
    *("persona", "remedy", "command", "fingerprint", "accepted_because", "accepted_until"),
)
"""The header of findings, in order; ``status`` is open or accepted."""
CHAIN_COLUMNS = (
    *("location", "access", "user", "group", "grants", "role", "policies", "mode"),
    *("workspace", "data_source", "environment", "type", "tasks"),
)
"""The header of chains, in order; several names in a cell are separated by semicolons."""


def to_csv(report: AuditReport) -> str:
    """A header and one line a finding, open ones first; lines end with CRLF (RFC 4180)."""
    rows: list[dict[str, str]] = [{"status": "open", **_cells(one)} for one in report.findings]
    rows += [
        {
            "status": "accepted",
            **_cells(one.finding),
            "accepted_because": one.reason,
            "accepted_until": one.expires.isoformat(),
        }
        for one in report.accepted
    ]
    return _written(COLUMNS, rows)


def chains_csv(chains: Iterable[AccessChain]) -> str:
    """A header and one line a chain."""
    return _written(CHAIN_COLUMNS, (dict(_chain(chain)) for chain in chains))


def _cells(one: AuditFinding) -> dict[str, str]:
    return {
        "severity": one.severity.value,
        "code": one.code,
        "title": RULES[one.code].title,
        "kind": one.kind,
        "workspace": "" if one.workspace is None else str(one.workspace),
        "object": one.subject,
        "finding": one.what,
        "persona": one.persona.value if one.persona else "",
        "remedy": one.remedy,
        "command": one.command,
        "fingerprint": one.fingerprint,
    }


def _chain(chain: AccessChain) -> Iterator[tuple[str, str]]:
    for column in CHAIN_COLUMNS:
        value = getattr(chain, column)
        yield column, "; ".join(value) if isinstance(value, tuple) else str(value)


def _written(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({column: defused(value) for column, value in row.items()} for row in rows)
    return text.getvalue()
