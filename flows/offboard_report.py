"""What became of an offboarding, for people and for machines: each data source, each role, each workflow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any, Literal

from cloud.errors import OnboardingError
from config.spec import DataSourceSpec
from flows.bulk_report import Stop
from flows.report import Failure
from flows.report_parts import plain
from tasks.offboarding.choices import Choices, StillUsed
from tasks.offboarding.plan import Key
from tasks.offboarding.steps import Removal
from tasks.planning import Kind, Plan, PlannedChange

OFFBOARDING_REPORT_VERSION = 1


class Ending(str, Enum):
    """What became of a data source, the most urgent first."""

    FAILED = "failed"
    """A step could not be completed; what is left is told by the steps."""
    REFUSED = "refused"
    """Something still uses it, or it is not ours: nothing of it was touched."""
    NOT_STARTED = "not_started"
    PLANNED = "planned"
    REMOVED = "removed"
    QUARANTINED = "quarantined"
    GIVEN_BACK = "given_back"
    """Adopted objects lost our tags, and stay."""
    UNCHANGED = "unchanged"

    @property
    def words(self) -> str:
        """For people: ``not started``."""
        return self.value.replace("_", " ")


@dataclass
class SourceReport:
    """One data source. ``row`` is its line in the CSV file, 0 without one; ``steps`` are 1 and 2."""

    spec: DataSourceSpec
    row: int
    ending: Ending = Ending.NOT_STARTED
    steps: list[Removal] = field(default_factory=list)
    planned: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    error: OnboardingError | None = None
    at: int = 0
    """The step at which it failed; 0 before the first."""

    @property
    def key(self) -> Key:
        """Workspace and name."""
        return self.spec.workspace, self.spec.name

    def fail(self, step: int, error: OnboardingError) -> None:
        """Note an error; the first one counts."""
        if self.error is None:
            self.ending, self.at, self.error = Ending.FAILED, step, error

    @property
    def why(self) -> str:
        """What a person should read first."""
        if self.error is not None:
            return str(self.error)
        return "; ".join(removal.line for removal in self.steps if removal.changes or removal.note)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        uses = self.error.uses if isinstance(self.error, StillUsed) else ()
        return {
            "row": self.row,
            "workspace": self.spec.workspace,
            "data_source": self.spec.name,
            "type": self.spec.type,
            "region": self.spec.region,
            "role": self.spec.role_name,
            "outcome": self.ending.value,
            "steps": [_step_json(step) for step in self.steps],
            "planned": list(self.planned),
            "notes": list(self.notes),
            "uses": [{**asdict(use), "persona": use.persona.value} for use in uses],
            "failure": asdict(Failure.of(self.at, self.error)) if self.error is not None else None,
        }


def _step_json(step: Removal) -> dict[str, Any]:
    return {
        "number": step.number,
        "title": step.title,
        "subject": step.subject,
        "changes": [change.to_json() for change in step.changes],
        "note": step.note,
    }


@dataclass
class OffboardingReport:
    """One run over a data source or a file. ``shared`` are the steps that data sources have in common: 3 to 5."""

    source: str
    choices: Choices
    mode: Literal["plan", "apply"]
    rows: list[SourceReport] = field(default_factory=list)
    shared: list[Removal] = field(default_factory=list)
    plan: Plan | None = None
    stop: Stop | None = None
    callers: Mapping[str, str] = field(default_factory=dict)
    calls: Mapping[str, int] = field(default_factory=dict)
    failure: OnboardingError | None = None
    """What concerns all data sources, such as credentials or another plan than the approved one."""
    not_approved: str = ""
    not_approved_as: str = ""
    """``Rejected`` or ``Expired``."""

    @property
    def counts(self) -> dict[str, int]:
        """How many data sources ended how, the most urgent first."""
        found = Counter(row.ending for row in self.rows)
        return {ending.value: found[ending] for ending in Ending if found[ending]}

    @property
    def outcome(self) -> str:
        """One word: the most urgent ending, or what stopped all of them."""
        if self.failure is not None:
            return Ending.FAILED.value
        if self.stop is not None:
            return "stopped"
        return next(iter(self.counts), Ending.UNCHANGED.value)

    @property
    def exit_code(self) -> int:
        """0 done, 1 something failed or was refused, 2 everything was refused, 4 stopped by a brake."""
        endings = {row.ending for row in self.rows}
        if self.failure is not None:
            return 1
        if self.stop is not None:
            return 4
        if endings == {Ending.REFUSED}:
            return 2
        return 1 if endings & {Ending.FAILED, Ending.REFUSED} else 0

    @property
    def headline(self) -> str:
        """One sentence."""
        if self.failure is not None:
            return str(self.failure)
        if self.not_approved:
            return self.not_approved
        counted = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in self.counts.items())
        return f"{self.source}: {counted or 'nothing to do'}" + (
            f"; stopped: {self.stop.what}" if self.stop else ""
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values; what the artifact of type ``result`` and ``--json`` hold."""
        return {
            "version": OFFBOARDING_REPORT_VERSION,
            "kind": "offboarding report",
            "source": self.source,
            "mode": self.mode,
            "quarantine": self.choices.quarantine,
            "delete_adopted": self.choices.delete_adopted,
            "outcome": self.outcome,
            "counts": self.counts,
            "rows": [row.to_json() for row in self.rows],
            "shared": [_step_json(step) for step in self.shared],
            "stop": asdict(self.stop) if self.stop else None,
            "callers": dict(self.callers),
            "calls": dict(self.calls),
            "failure": asdict(Failure.of(0, self.failure)) if self.failure is not None else None,
            "not_approved": self.not_approved,
            "plan": self.plan.to_json() if self.plan is not None else None,
        }


def told(change: PlannedChange) -> str:
    """One planned change in a few words."""
    holder = change.before.get("entity") if change.kind is Kind.DETACH else None
    return f"{change.kind.value} {change.subject}" + (f" from {holder}" if holder else "")


def markdown(report: OffboardingReport) -> str:
    """The artifact: what became of each data source, what roles and workflows lost, who has to do what."""
    return "\n".join(_lines(report))


def _lines(report: OffboardingReport) -> Iterator[str]:
    what = "Quarantine" if report.choices.quarantine else "Offboarding"
    yield f"# {what} of {plain(report.source)}: {report.outcome.replace('_', ' ')}"
    yield from ("", plain(report.headline), "")
    if report.plan is not None:
        yield from (f"Plan `{report.plan.hash}`", "")
    yield "| data source | workspace | outcome | details |"
    yield "|---|---|---|---|"
    for row in report.rows:
        details = row.why or "; ".join(row.planned)
        yield f"| {plain(row.spec.name)} | {row.spec.workspace} | {row.ending.words} | {plain(details)} |"
    if report.shared:
        yield from ("", "## Roles, grants and workflows", "")
        yield from (f"- {plain(step.line)}" for step in report.shared)
    needing = [row.error for row in report.rows if row.error is not None]
    if needing:
        yield from ("", "## Who has to do what", "")
        yield from dict.fromkeys(
            f"- the {error.persona.value if error.persona else 'operator'}: {plain(error.remedy)}"
            for error in needing
        )
    notes = dict.fromkeys(
        (*(report.plan.notes if report.plan else ()), *(n for row in report.rows for n in row.notes))
    )
    if notes:
        yield from ("", "## Notes", "", *(f"- {plain(note)}" for note in notes))
