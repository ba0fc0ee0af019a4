"""What became of a whole file: one report for all rows, the source of JSON, CSV, HTML and Prefect's artifacts.

A row's steps, ids and failure are its :class:`flows.report.OnboardingReport`; this module adds what only the file
knows: rows that were never begun, what stopped the run, how fast it went and how the rates were used.
Times are Unix seconds, durations seconds.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any, Literal

from flows.report import STEP_TITLES, Failure, OnboardingReport, finding_json
from tasks.preflight import PreflightFinding

BULK_REPORT_KIND = "bulk report"
BULK_REPORT_VERSION = 1
"""A reader refuses another version; fields may be added within one."""

StopKind = Literal["failures", "changes", "allowance", "room", "approval"]
# Ids of instances, files and requests differ in every row; without them two rows have the same cause.
_ID = re.compile(r"\b(?:\d{5,}|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\b")
_FOUND = re.compile(r"\bfound '[^']*'")
# Blanks that break a line; then what is not seen but acts: controls, Unicode's direction marks, lone surrogates.
_BREAKS = re.compile("[\\t\\n\\v\\f\\r\\x85\\u2028\\u2029]")
_UNSEEN = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ud800-\\udfff]"
)


class RowOutcome(str, Enum):
    """What became of a row, the most urgent first."""

    FAILED = "failed"
    """A step could not be completed."""
    BLOCKED = "blocked"
    """A role that it shares with other rows failed; the row itself was not begun."""
    INVALID = "invalid"
    """The row breaks a rule of the file and was left out."""
    NOT_STARTED = "not_started"
    """The run stopped before it."""
    CREATED = "created"
    UPDATED = "updated"
    PLANNED = "planned"
    """It would change; the run only planned."""
    UNCHANGED = "unchanged"
    NOT_SELECTED = "not_selected"
    """The run was asked for other rows."""

    @property
    def words(self) -> str:
        """For people: ``not started``."""
        return self.value.replace("_", " ")


UNFINISHED = (RowOutcome.FAILED, RowOutcome.BLOCKED, RowOutcome.INVALID)
"""Outcomes that somebody has to do something about."""
_ORDER = {outcome: place for place, outcome in enumerate(RowOutcome)}
_ENDED = frozenset(RowOutcome) - {
    RowOutcome.BLOCKED,
    RowOutcome.INVALID,
    RowOutcome.NOT_STARTED,
    RowOutcome.NOT_SELECTED,
}


def visible(text: str) -> str:
    """The text on one line without characters that cannot be seen: controls, direction marks, lone surrogates.

    Texts come from services and from a file that anybody may have written.
    """
    # Nearly every text is printable, which none of the characters sought is.
    return text if text.isprintable() else _UNSEEN.sub("", _BREAKS.sub(" ", text))


@dataclass
class RowReport:
    """One row of the file. ``row`` is the line in the file where it begins; ``seconds`` its wall time.

    ``reason``, ``persona`` and ``remedy`` are for rows without an onboarding of their own (blocked, invalid, not
    started); of a failed row they are those of ``onboarding.failure``. ``planned`` are the changes that a run of
    mode ``plan`` found, as ``create role X``.
    """

    row: int
    workspace: int
    data_source: str
    type: str
    region: str
    role: str
    outcome: RowOutcome
    reason: str = ""
    onboarding: OnboardingReport | None = None
    seconds: float = 0.0
    step_seconds: Mapping[int, float] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    persona: str = ""
    remedy: str = ""
    planned: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[int, str]:
        """Workspace and name: what makes a data source the same one in two runs."""
        return self.workspace, self.data_source

    @property
    def failure(self) -> Failure | None:
        """Why a step of the row stopped."""
        return self.onboarding.failure if self.onboarding else None

    @property
    def why(self) -> str:
        """One sentence, empty when there is nothing to say."""
        if self.failure:
            subject = self.failure.subject
            named = not subject or self.data_source in subject
            return self.failure.what if named else f"{subject}: {self.failure.what}"
        return self.reason or "; ".join(self.problems)

    @property
    def who(self) -> str:
        """The persona who can fix it, empty when none is known."""
        return self.failure.persona if self.failure else self.persona

    @property
    def how(self) -> str:
        """The remedy."""
        return self.failure.remedy if self.failure else self.remedy

    @property
    def changes(self) -> tuple[str, ...]:
        """What was planned for the row, as ``create role X``."""
        if self.planned or self.onboarding is None or self.onboarding.plan is None:
            return self.planned
        return tuple(f"{change.kind.value} {change.subject}" for change in self.onboarding.plan.changes)

    def to_json(self) -> dict[str, Any]:
        """Plain values. A step that ran for several environments has one entry for each."""
        onboarding = self.onboarding
        return {
            "row": self.row,
            "workspace": self.workspace,
            "data_source": self.data_source,
            "type": self.type,
            "region": self.region,
            "role": self.role,
            "outcome": self.outcome.value,
            "reason": self.reason,
            "persona": self.persona,
            "remedy": self.remedy,
            "seconds": _rounded(self.seconds),
            "step_seconds": {str(n): _rounded(self.step_seconds[n]) for n in sorted(self.step_seconds)},
            "problems": list(self.problems),
            "planned": list(self.changes),
            "onboarding": None if onboarding is None else _onboarding_json(onboarding),
        }


def _onboarding_json(onboarding: OnboardingReport) -> dict[str, Any]:
    """As in the report of one data source, less what is the same in every row or long (plans, documents)."""
    return {
        "steps": [
            {
                "number": part.number,
                "title": part.title,
                "subject": part.subject,
                "outcome": part.outcome.value,
                "reason": part.reason,
                "facts": dict(sorted(part.facts.items())),
                "notes": list(part.notes),
            }
            for number in STEP_TITLES
            for part in onboarding.parts(number)
        ],
        "connectivity": [
            {**asdict(cell), "environment": cell.environment.name, "state": cell.state.value}
            for cell in onboarding.matrix
        ],
        "runs": [
            {
                "environment": proof.environment.name,
                "instance_id": proof.instance,
                "records_read": proof.records_read,
                "records_written": proof.records_written,
            }
            for proof in onboarding.proofs
        ],
        "failure": asdict(onboarding.failure) if onboarding.failure else None,
        "findings": [finding_json(finding) for finding in onboarding.findings],
        "not_approved": onboarding.not_approved,
    }


@dataclass(frozen=True)
class Stop:
    """Why the run ended before its last row: ``what`` happened, and where it ``goes_on``."""

    kind: StopKind
    what: str
    goes_on: str


@dataclass(frozen=True)
class UsagePoint:
    """Calls of one rate group in a bucket of the run's time.

    ``second`` counts from the run's start, ``seconds`` is the bucket's width, ``calls`` its count, ``allowed`` the
    calls a second that this run granted itself, ``throttled`` the answers that were refused for the rate.
    """

    second: int
    group: str
    calls: int
    allowed: float
    throttled: int
    seconds: float = 1.0


@dataclass(frozen=True)
class Shard:
    """A part of the file that a flow run of its own worked on; more than one attempt: it was started again."""

    number: int
    rows: int
    started: float
    ended: float
    attempts: int = 1


@dataclass(frozen=True)
class StepTime:
    """How long a step took over the rows that did it: median and longest, in seconds."""

    number: int
    seconds: float
    longest: float
    rows: int


@dataclass(frozen=True)
class FailureGroup:
    """Rows with the same cause. ``what`` is one row's own sentence when all say the same, else without what differs."""

    code: str
    what: str
    persona: str
    remedies: tuple[str, ...]
    rows: tuple[RowReport, ...]


@dataclass
class BulkReport:
    """The report of a run over a file. ``floor_seconds`` is the time that the rates alone would have taken."""

    source: str
    region: str
    mode: str
    started: float
    ended: float
    rows: list[RowReport] = field(default_factory=list)
    stop: Stop | None = None
    findings: tuple[PreflightFinding, ...] = ()
    calls: dict[str, int] = field(default_factory=dict)
    actions: tuple[Mapping[str, Any], ...] = ()
    """Calls by action, see :func:`flows.metrics.action_calls`."""
    throttled: int = 0
    retries: int = 0
    usage: tuple[UsagePoint, ...] = ()
    floor_seconds: float | None = None
    shards: tuple[Shard, ...] = ()
    plan_hash: str = ""
    """Of the plan that was carried out, or that a run of mode ``plan`` shows; "" when there is none."""
    unwritten: str = ""
    """Why the files of this report could not be written; in no form of the report itself."""

    @property
    def seconds(self) -> float:
        """Wall time of the run."""
        return max(0.0, self.ended - self.started)

    def counts(self) -> dict[str, int]:
        """Rows by outcome, the most urgent outcome first; every outcome is named."""
        counted = {outcome.value: 0 for outcome in RowOutcome}
        for row in self.rows:
            counted[row.outcome.value] += 1
        return counted

    @property
    def exit_code(self) -> int:
        """0 all done; 1 some rows need somebody; 4 stopped before the last row (a bad file, 2, has no report)."""
        outcomes = {row.outcome for row in self.rows}
        if self.stop is not None or RowOutcome.NOT_STARTED in outcomes:
            return 4
        return 1 if outcomes & set(UNFINISHED) else 0

    @property
    def rows_per_second(self) -> float:
        """Rows that came to an end, a second; 0 for a run without duration."""
        ended = sum(row.outcome in _ENDED for row in self.rows)
        return ended / self.seconds if self.seconds else 0.0

    def urgent_first(self) -> list[RowReport]:
        """Failed, blocked, invalid, not started, then changed, then the rest; by row within."""
        return sorted(self.rows, key=lambda row: (_ORDER[row.outcome], row.row))

    def failures_by_cause(self) -> list[FailureGroup]:
        """Failed, blocked and invalid rows with the same code and sentence, the largest group first."""
        found: dict[tuple[str, str, str], list[RowReport]] = {}
        for row in self.rows:
            if row.outcome in UNFINISHED:
                code = row.failure.code or row.failure.kind if row.failure else row.outcome.words
                found.setdefault((code, _alike(row.why, row), row.who), []).append(row)
        groups = [_group(code, what, persona, rows) for (code, what, persona), rows in found.items()]
        return sorted(groups, key=lambda group: (-len(group.rows), group.rows[0].row))

    def failures_by_persona(self) -> dict[str, list[FailureGroup]]:
        """The causes by who can fix them, whoever can help most rows first; "" is nobody known."""
        found: dict[str, list[FailureGroup]] = {}
        for group in self.failures_by_cause():
            found.setdefault(group.persona, []).append(group)
        return dict(sorted(found.items(), key=lambda item: -sum(len(group.rows) for group in item[1])))

    def step_times(self) -> list[StepTime]:
        """Median and longest time of each step that rows spent time on."""
        taken = {n: [row.step_seconds[n] for row in self.rows if n in row.step_seconds] for n in STEP_TITLES}
        return [StepTime(n, statistics.median(s), max(s), len(s)) for n, s in taken.items() if s]

    def to_json(self) -> dict[str, Any]:
        """Plain values, rows in the file's order. Schema: docs/schemas/bulk-report-1.json."""
        return {
            "kind": BULK_REPORT_KIND,
            "version": BULK_REPORT_VERSION,
            "source": self.source,
            "region": self.region,
            "mode": self.mode,
            "started": _rounded(self.started),
            "ended": _rounded(self.ended),
            "seconds": _rounded(max(0.0, _rounded(self.ended) - _rounded(self.started))),
            "exit_code": self.exit_code,
            "plan_hash": self.plan_hash,
            "counts": self.counts(),
            "stop": asdict(self.stop) if self.stop else None,
            "causes": [
                {
                    "code": group.code,
                    "what": group.what,
                    "persona": group.persona,
                    "remedies": list(group.remedies),
                    "rows": [row.row for row in group.rows],
                }
                for group in self.failures_by_cause()
            ],
            "findings": [finding_json(finding) for finding in self.findings],
            "calls": dict(sorted(self.calls.items())),
            "actions": [{**one, "seconds": _rounded(one["seconds"])} for one in self.actions],
            "throttled": self.throttled,
            "retries": self.retries,
            "floor_seconds": None if self.floor_seconds is None else _rounded(self.floor_seconds),
            "usage": [asdict(point) for point in sorted(self.usage, key=lambda p: (p.second, p.group))],
            "shards": [asdict(shard) for shard in self.shards],
            "rows": [row.to_json() for row in sorted(self.rows, key=lambda row: row.row)],
        }


def _rounded(seconds: float) -> float:
    """To the millisecond: what is finer is noise."""
    return round(float(seconds), 3)


def _alike(text: str, row: RowReport) -> str:
    """The sentence without what differs from row to row: its names, its number, ids and cell values."""
    for name, word in ((row.data_source, "(data source)"), (row.role, "(role)")):
        if name:
            # Not inside a longer name: "logs" is no part of "audit_logs".
            text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", word, text)
    text = re.sub(rf"\brow {row.row}\b", "row …", text)
    return _ID.sub("…", _FOUND.sub("found …", text))


def _group(code: str, what: str, persona: str, rows: Sequence[RowReport]) -> FailureGroup:
    own = {row.why for row in rows}
    remedies = dict.fromkeys(row.how for row in rows if row.how)
    if len(remedies) > 1:
        remedies = dict.fromkeys(_alike(row.how, row) for row in rows if row.how)
    return FailureGroup(code, own.pop() if len(own) == 1 else what, persona, tuple(remedies), tuple(rows))
