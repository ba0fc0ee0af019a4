"""What became of an onboarding, for people and for machines: the flow's result and the source of its artifacts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from cloud.errors import OnboardingError
from tasks.connectivity import Cell
from tasks.outcome import Outcome, StepReport
from tasks.planning import Plan
from tasks.preflight import PreflightFinding
from tasks.run import Proof

REPORT_VERSION = 1
STEP_TITLES: Mapping[int, str] = {
    1: "RAM role",
    2: "PassRole",
    3: "data source",
    4: "sync task",
    5: "sync run",
}


@dataclass(frozen=True)
class Failure:
    """Why an onboarding stopped: at which step, on which object, who can fix it and how."""

    step: int
    kind: str
    what: str
    subject: str
    persona: str
    remedy: str
    code: str
    request_id: str

    @classmethod
    def of(cls, step: int, error: OnboardingError) -> Failure:
        """The failure an error stands for; ``step`` 0 is the reading before step 1."""
        return cls(
            step=step,
            kind=type(error).__name__,
            what=error.what,
            subject=error.subject,
            persona=error.persona.value if error.persona else "",
            remedy=error.remedy,
            code=error.code,
            request_id=error.request_id,
        )


def finding_json(finding: PreflightFinding) -> dict[str, Any]:
    """Plain values of a preflight finding."""
    return {**asdict(finding), "persona": finding.persona.value if finding.persona else ""}


def _step_json(step: StepReport) -> dict[str, Any]:
    """Plain values of a step; its changes as they were planned."""
    return {
        "number": step.number,
        "title": step.title,
        "subject": step.subject,
        "outcome": step.outcome.value,
        "reason": step.reason,
        "changes": [change.to_json() for change in step.changes],
        "facts": step.facts,
        "notes": list(step.notes),
    }


@dataclass
class OnboardingReport:
    """The report of one data source; filled step by step, so that a failed run tells what was done before."""

    data_source: str
    workspace: int
    region: str
    type: str
    steps: list[StepReport] = field(default_factory=list)
    matrix: list[Cell] = field(default_factory=list)
    proofs: list[Proof] = field(default_factory=list)
    callers: dict[str, str] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    failure: Failure | None = None
    plan: Plan | None = None
    findings: tuple[PreflightFinding, ...] = ()
    not_approved: str = ""
    """Why nothing was written although nothing failed: rejected or expired."""

    @property
    def outcome(self) -> Outcome:
        """failed; or the strongest of the steps' outcomes; skipped steps do not count."""
        if self.failure is not None:
            return Outcome.FAILED
        seen = {step.outcome for step in self.steps}
        for outcome in (Outcome.CREATED, Outcome.UPDATED):
            if outcome in seen:
                return outcome
        return Outcome.UNCHANGED

    @property
    def records(self) -> str:
        """``5 read, 5 written`` over all environments, or "" when nothing was run."""
        if not self.proofs:
            return ""
        read = [proof.records_read for proof in self.proofs]
        written = [proof.records_written for proof in self.proofs]

        def total(counts: list[int | None]) -> str:
            known = [count for count in counts if count is not None]
            return str(sum(known)) if len(known) == len(counts) else "unknown"

        return f"{total(read)} read, {total(written)} written"

    def step(self, number: int) -> StepReport:
        """One report a step: several tasks or environments of a step are folded into one."""
        parts = [step for step in self.steps if step.number == number]
        title = STEP_TITLES[number]
        if not parts:
            failed = self.failure is not None and self.failure.step == number
            reason = self.failure.what if failed and self.failure else "not started"
            return StepReport(number, title, "", Outcome.FAILED if failed else Outcome.SKIPPED, reason)
        outcomes = {part.outcome for part in parts}
        order = (Outcome.FAILED, Outcome.CREATED, Outcome.UPDATED, Outcome.UNCHANGED, Outcome.SKIPPED)
        outcome = next(outcome for outcome in order if outcome in outcomes)
        if self.failure is not None and self.failure.step == number:
            outcome = Outcome.FAILED
        return StepReport(
            number=number,
            title=title,
            subject=", ".join(dict.fromkeys(part.subject for part in parts if part.subject)),
            outcome=outcome,
            reason="; ".join(dict.fromkeys(part.reason for part in parts if part.reason)),
            changes=tuple(change for part in parts for change in part.changes),
            facts={key: value for part in parts for key, value in part.facts.items()},
            notes=tuple(note for part in parts for note in part.notes),
        )

    def parts(self, number: int) -> list[StepReport]:
        """The tasks and environments of a step, each by itself; the step's one report when there are none."""
        return [step for step in self.steps if step.number == number] or [self.step(number)]

    @property
    def five_steps(self) -> list[StepReport]:
        """The five steps in order, whatever became of them."""
        return [self.step(number) for number in STEP_TITLES]

    def to_json(self) -> dict[str, Any]:
        """Plain values; enumerations by their value or, for environments, their name."""
        return {
            "version": REPORT_VERSION,
            "data_source": self.data_source,
            "workspace": self.workspace,
            "region": self.region,
            "type": self.type,
            "outcome": self.outcome.value,
            "steps": [_step_json(step) for step in self.five_steps],
            "connectivity": [
                {**asdict(cell), "environment": cell.environment.name, "state": cell.state.value}
                for cell in self.matrix
            ],
            "runs": [
                {
                    "environment": proof.environment.name,
                    "instance_id": proof.instance,
                    "records_read": proof.records_read,
                    "records_written": proof.records_written,
                    "outcome": proof.report.outcome.value,
                }
                for proof in self.proofs
            ],
            "callers": self.callers,
            "calls": self.calls,
            "failure": asdict(self.failure) if self.failure else None,
            "findings": [finding_json(finding) for finding in self.findings],
            "plan": self.plan.to_json() if self.plan else None,
            "not_approved": self.not_approved,
        }
