"""What an audit says after its baseline: open findings, accepted ones with their reasons, chains of access.

The source of every output: table, JSON, SARIF, CSV, HTML, Prefect's artifacts and events. Times are Unix seconds.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from config.baseline import Baseline, BaselineEntry
from policy.findings import Severity
from tasks.audit.access import AccessChain
from tasks.audit.audit import Audit
from tasks.audit.finding import BASELINE, RULES, SEVERITIES, AuditFinding, found, in_order

AUDIT_REPORT_KIND = "audit report"
AUDIT_REPORT_VERSION = 1
"""A reader refuses another version; fields may be added within one."""
MOST_SEVERE_FIRST = tuple(reversed(SEVERITIES))


@dataclass(frozen=True)
class Accepted:
    """A finding that the baseline accepts until the end of ``expires`` (UTC)."""

    finding: AuditFinding
    reason: str
    expires: datetime.date

    def to_json(self) -> dict[str, Any]:
        """The finding, and why and how long it is accepted."""
        return {**self.finding.to_json(), "reason": self.reason, "expires": self.expires.isoformat()}


@dataclass(frozen=True)
class Cause:
    """Open findings with the same code and persona; ``remedy`` is theirs, or the rule's where each has its own."""

    code: str
    severity: Severity
    persona: str
    remedy: str
    findings: tuple[AuditFinding, ...]

    @property
    def title(self) -> str:
        """Of its rule."""
        return RULES[self.code].title


@dataclass(frozen=True)
class AuditReport:
    """One audit. ``findings`` are open, those about the baseline itself included, the most severe first.

    ``notes`` say what was left out because of what was asked for; what could not be read is in ``audit.unread``.
    """

    audit: Audit
    findings: tuple[AuditFinding, ...]
    accepted: tuple[Accepted, ...] = ()
    notes: tuple[str, ...] = ()

    def counts(self) -> dict[str, int]:
        """Open findings by severity, the most severe first, zeros included."""
        return counted_by_severity(self.findings)

    def by_persona(self) -> dict[str, list[AuditFinding]]:
        """Open findings by who can fix them, "" for nobody known, whoever has the most severe one first."""
        found_for: dict[str, list[AuditFinding]] = {}
        for one in self.findings:
            found_for.setdefault(_persona(one), []).append(one)
        return found_for

    def causes(self) -> list[Cause]:
        """What one person mends in the same way, the most severe first, then the most frequent."""
        groups: dict[tuple[str, str], list[AuditFinding]] = {}
        for one in self.findings:
            groups.setdefault((one.code, _persona(one)), []).append(one)
        causes = [_cause(code, persona, members) for (code, persona), members in groups.items()]
        return sorted(
            causes, key=lambda cause: (-SEVERITIES.index(cause.severity), -len(cause.findings), cause.code)
        )

    def at_least(self, severity: Severity) -> tuple[AuditFinding, ...]:
        """Open findings of this severity or a higher one."""
        least = SEVERITIES.index(severity)
        return tuple(one for one in self.findings if SEVERITIES.index(one.severity) >= least)

    def exit_code(self, fail_on: Severity | None) -> int:
        """0 clean, 1 for open findings of ``fail_on`` or higher; without ``fail_on`` an audit that was made is 0.

        What could not be read is not clean either: with ``fail_on`` it is 1.
        """
        if fail_on is None:
            return 0
        return 1 if self.at_least(fail_on) or self.audit.unread else 0

    def to_json(self) -> dict[str, Any]:
        """Plain values. Schema: docs/schemas/audit-report-1.json."""
        audit = self.audit
        return {
            "kind": AUDIT_REPORT_KIND,
            "version": AUDIT_REPORT_VERSION,
            "account_id": audit.account_id,
            "region": audit.region,
            "workspaces": list(audit.workspaces),
            "taken_at": round(audit.taken_at, 3),
            "data_sources": audit.data_sources,
            "roles": audit.roles,
            "calls": dict(sorted(audit.calls.items())),
            "counts": self.counts(),
            "findings": [one.to_json() for one in self.findings],
            "accepted": [one.to_json() for one in self.accepted],
            "unread": list(audit.unread),
            "notes": list(self.notes),
            "chains": [chain_json(chain) for chain in audit.chains],
        }


def chain_json(chain: AccessChain) -> dict[str, Any]:
    """Plain values."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(chain).items()}


def _cause(code: str, persona: str, findings: Sequence[AuditFinding]) -> Cause:
    remedies = {one.remedy for one in findings}
    remedy = remedies.pop() if len(remedies) == 1 else RULES[code].fix
    return Cause(code, findings[0].severity, persona, remedy, tuple(findings))


def _persona(finding: AuditFinding) -> str:
    return finding.persona.value if finding.persona else ""


def headline(report: AuditReport) -> str:
    """One sentence: how it stands. It says "nothing to mend" only when everything could be read."""
    need = [one for one in report.findings if one.severity is not Severity.INFO]
    urgent = len(report.at_least(Severity.HIGH))
    if urgent:
        text = f"{urgent:,} finding{' needs' if urgent == 1 else 's need'} attention now"
    elif need:
        text = f"{len(need):,} finding{'' if len(need) == 1 else 's'}, none of high severity"
    else:
        text = "Nothing found" if report.audit.unread else "Nothing to mend"
        if report.accepted:
            count = len(report.accepted)
            text += f" beside {count:,} accepted finding{'' if count == 1 else 's'}"
    return f"{text}, but not everything could be read" if report.audit.unread else text


def whose(persona: str) -> str:
    """Who can fix it: ``The administrator``."""
    return f"The {persona}" if persona else "Whoever runs the audit"


# -- the baseline --------------------------------------------------------------------------------------


def judged(
    audit: Audit, baseline: Baseline | None = None, *, name: str = "", notes: Sequence[str] = ()
) -> AuditReport:
    """The report of an audit under a baseline called ``name``: what it accepts is apart, what it no longer does is told.

    The day that decides is that of the audit, in UTC. An entry of a workspace that was not audited is not judged.
    """
    if baseline is None:
        return AuditReport(audit, audit.findings, notes=tuple(notes))
    today = taken_on(audit)
    entries = {(entry.fingerprint, entry.code): entry for entry in baseline.ignore}
    kept: list[AuditFinding] = []
    accepted: list[Accepted] = []
    for one in audit.findings:
        entry = entries.get((one.fingerprint, one.code))
        if entry is None or entry.expired(today):
            kept.append(one)
        else:
            accepted.append(Accepted(one, entry.reason, entry.expires))
    present = {(one.fingerprint, one.code) for one in audit.findings}
    for key, entry in entries.items():
        if entry.expired(today):
            kept.append(_expired(entry, name))
        elif key not in present and (entry.workspace is None or entry.workspace in audit.workspaces):
            kept.append(_unmatched(entry, name, bool(audit.unread)))
    return AuditReport(audit, in_order(kept), tuple(accepted), tuple(notes))


def taken_on(audit: Audit) -> datetime.date:
    """The day of the audit, in UTC."""
    return datetime.datetime.fromtimestamp(audit.taken_at, datetime.timezone.utc).date()


def _entry_subject(entry: BaselineEntry) -> str:
    about = f", {entry.subject}" if entry.subject else ""
    return f"baseline entry {entry.fingerprint} ({entry.code}{about})"


def _expired(entry: BaselineEntry, name: str) -> AuditFinding:
    return found(
        "AUD701",
        BASELINE,
        _entry_subject(entry),
        f"it was accepted until {entry.expires.isoformat()} in {name or 'the baseline'}: {entry.reason}",
        None,
        workspace=entry.workspace,
    )


def _unmatched(entry: BaselineEntry, name: str, partly: bool) -> AuditFinding:
    doubt = "; but not everything could be read" if partly else ""
    return found(
        "AUD702",
        BASELINE,
        _entry_subject(entry),
        f"nothing that was found matches it any more in {name or 'the baseline'}{doubt}",
        None,
        workspace=entry.workspace,
    )


def extended(baseline: Baseline | None, report: AuditReport, reason: str, expires: datetime.date) -> Baseline:
    """A baseline that accepts every open finding for this reason, besides what is accepted already.

    Entries that have expired or match nothing are left out; those of workspaces that were not audited stay.
    """
    audit = report.audit
    today = taken_on(audit)
    present = {one.fingerprint for one in audit.findings}
    kept = [
        entry
        for entry in (baseline.ignore if baseline else ())
        if not entry.expired(today)
        and (
            entry.fingerprint in present
            or (entry.workspace is not None and entry.workspace not in audit.workspaces)
        )
    ]
    have = {entry.fingerprint for entry in kept}
    added = [
        BaselineEntry(
            fingerprint=one.fingerprint,
            code=one.code,
            subject=one.subject,
            workspace=one.workspace,
            reason=reason,
            expires=expires,
        )
        for one in report.findings
        if one.kind != BASELINE and one.fingerprint not in have
    ]
    return Baseline(ignore=(*kept, *added))


# -- reach ---------------------------------------------------------------------------------------------


def reaching(chains: Iterable[AccessChain], location: str) -> tuple[AccessChain, ...]:
    """The chains that reach a location, what is below it, or what it is in; with or without its ``scheme://``.

    ``oss://shop/orders/2026`` is reached by a chain to ``oss://shop/orders/`` as by one to ``oss://shop``.
    """
    scheme, colon, rest = location.strip().rpartition("://")
    return tuple(chain for chain in chains if _touch(chain.location, f"{scheme.lower()}{colon}{rest}"))


def reach_json(audit: Audit, location: str) -> dict[str, Any]:
    """The answer to "who reaches it" as plain values, with what could not be read: it may be incomplete."""
    return {
        "question": f"who reaches {location}",
        "account_id": audit.account_id,
        "region": audit.region,
        "taken_at": round(audit.taken_at, 3),
        "chains": [chain_json(chain) for chain in reaching(audit.chains, location)],
        "unread": list(audit.unread),
    }


def _touch(reached: str, asked: str) -> bool:
    in_oss = reached.startswith("oss://")
    if "://" not in asked:
        reached = reached.partition("://")[2] or reached
    first, second = (text.rstrip("/") for text in (reached, asked))
    if first == second or _inside(first, second) or _inside(second, first):
        return True
    # A prefix of OSS is literal text: oss://shop/ord reaches oss://shop/orders, and who asks for it asks for that, too.
    return in_oss and (
        (_has_prefix(reached) and asked.startswith(reached))
        or (_has_prefix(asked) and reached.startswith(asked))
    )


def _has_prefix(location: str) -> bool:
    """Whether a location of OSS names more than its bucket."""
    return "/" in location.removeprefix("oss://")


def _inside(inner: str, outer: str) -> bool:
    return bool(outer) and inner.startswith(f"{outer}/")


def counted_by_severity(findings: Sequence[AuditFinding]) -> dict[str, int]:
    """How many findings a severity has, the most severe first, zeros included."""
    return {
        severity.value: sum(one.severity is severity for one in findings) for severity in MOST_SEVERE_FIRST
    }


def counted_by_code(findings: Iterable[AuditFinding]) -> Mapping[str, int]:
    """How many findings a code has, in the order of the codes."""
    counts: dict[str, int] = {}
    for one in findings:
        counts[one.code] = counts.get(one.code, 0) + 1
    return dict(sorted(counts.items()))
