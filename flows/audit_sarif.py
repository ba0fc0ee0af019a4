"""An audit as SARIF 2.1.0, for the tools that collect findings of CI jobs.

Source: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0". A finding is about an object of the
cloud, not about a line of a file: its place is a logical location. What the baseline accepts is a suppressed result,
what could not be read a notification, with which the invocation was not successful.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from types import MappingProxyType
from typing import Any

from flows.audit_report import Accepted, AuditReport, counted_by_code
from policy.findings import Severity
from tasks.audit.finding import RULES, AuditFinding, AuditRule

SARIF_VERSION = "2.1.0"
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT = "dataworksOnboardingAudit/v1"
"""Key of a result's fingerprint; its version changes when what goes into a fingerprint does."""
LEVELS: Mapping[Severity, str] = MappingProxyType(
    {Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "note", Severity.INFO: "note"}
)


def to_sarif(report: AuditReport) -> dict[str, Any]:
    """The log as plain values; all rules are in it, so that a rule that was never broken is known too."""
    audit = report.audit
    codes = list(RULES)
    findings: Sequence[AuditFinding | Accepted] = (*report.findings, *report.accepted)
    ended = datetime.datetime.fromtimestamp(audit.taken_at, datetime.timezone.utc)
    return {
        "$schema": SCHEMA,
        "version": SARIF_VERSION,
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "dataworks-onboarding audit",
                        "semanticVersion": version("dataworks-onboarding"),
                        "rules": [_rule(rule) for rule in RULES.values()],
                    }
                },
                "automationDetails": {"id": f"audit/{audit.account_id}/{audit.region}/"},
                "invocations": [
                    {
                        "executionSuccessful": not audit.unread,
                        "endTimeUtc": f"{ended:%Y-%m-%dT%H:%M:%SZ}",
                        "toolExecutionNotifications": [
                            {"level": "error", "message": {"text": text}} for text in audit.unread
                        ],
                    }
                ],
                "columnKind": "unicodeCodePoints",
                "results": [_result(one, codes) for one in findings],
                "properties": {
                    "workspaces": list(audit.workspaces),
                    "findingsByCode": dict(counted_by_code(report.findings)),
                },
            }
        ],
    }


def _rule(rule: AuditRule) -> dict[str, Any]:
    return {
        "id": rule.code,
        "name": "".join(word[0].upper() + word[1:] for word in re.findall(r"\w+", rule.title)),
        "shortDescription": {"text": f"{rule.title}."},
        "fullDescription": {"text": rule.description},
        "help": {"text": rule.fix},
        "defaultConfiguration": {"level": LEVELS[rule.severity]},
        "properties": {"severity": rule.severity.value},
    }


def _result(told: AuditFinding | Accepted, codes: Sequence[str]) -> dict[str, Any]:
    finding = told.finding if isinstance(told, Accepted) else told
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": codes.index(finding.code),
        "level": LEVELS[finding.severity],
        "message": {"text": f"{finding.subject}: {finding.what}. {finding.remedy}"},
        "locations": [
            {"logicalLocations": [{"fullyQualifiedName": finding.subject, "kind": finding.kind}]},
        ],
        "partialFingerprints": {FINGERPRINT: finding.fingerprint},
        "properties": {
            "severity": finding.severity.value,
            "persona": finding.persona.value if finding.persona else "",
            "remedy": finding.remedy,
            "command": finding.command,
            **({} if finding.workspace is None else {"workspace": finding.workspace}),
        },
    }
    if isinstance(told, Accepted):
        until = f"{told.reason} (until {told.expires.isoformat()})"
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": until}]
    return result
