"""The flow that removes grants whose end date has passed, found in the cloud without a specification.

The cloud ends such a grant by itself; what is removed are statements that grant nothing any more, and the policies that
held nothing else. A second run writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.states import Failed
from pydantic import Field

from cloud.errors import OnboardingError
from cloud.gate import Gate
from config.forms import Blocks, Mode, titled
from config.limits import RAM
from config.scheduler import scheduler_time
from flows.report_parts import plain
from flows.result import publish_data
from tasks.connection import gate_for, use_credentials
from tasks.expiring import TimedGrant, expiry_limits, plan_expiry, read_timed, remove_ended
from tasks.options import ended
from tasks.planning import PlannedChange

EXPIRY_REPORT_VERSION = 1
Workspace = Annotated[int | None, Field(ge=1, description="A workspace's id.")]


@dataclass(frozen=True)
class ExpiryReport:
    """One run. ``grants`` have ended and are removed, or would be in mode "plan"; ``lasting`` are to end later."""

    workspace: int | None
    mode: Mode
    grants: tuple[TimedGrant, ...]
    lasting: tuple[TimedGrant, ...]
    changes: tuple[PlannedChange, ...]
    calls: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "version": EXPIRY_REPORT_VERSION,
            "workspace": self.workspace,
            "mode": self.mode,
            "grants": [grant_json(grant) for grant in self.grants],
            "lasting": [grant_json(grant) for grant in self.lasting],
            "changes": [change.to_json() for change in self.changes],
            "calls": dict(self.calls),
        }

    @property
    def headline(self) -> str:
        """One sentence."""
        count = f"{len(self.grants)} grant{'' if len(self.grants) == 1 else 's'}"
        if not self.changes:
            return "no grant has ended since the last run"
        return f"{count} ended and {'to be removed' if self.mode == 'plan' else 'removed'}"


def grant_json(grant: TimedGrant) -> dict[str, Any]:
    """Plain values."""
    return {
        "holder": grant.holder,
        "role": grant.role,
        "until": grant.until.isoformat(),
        "ended": grant.ended,
        "policy": grant.policy,
    }


def expire(gate: Gate, workspace: int | None = None, mode: Mode = "apply") -> ExpiryReport:
    """Read, and in mode "apply" remove what has ended. Raises a call's error; started again it goes on."""
    before = gate.journal.total(RAM)
    with expiry_limits():
        timed = read_timed(gate, workspace)
        expiry = plan_expiry(timed, scheduler_time(gate.clock.now()))
        if mode == "apply":
            remove_ended(gate, timed)
    calls = {RAM: gate.journal.total(RAM) - before}
    return ExpiryReport(workspace, mode, expiry.grants, expiry.lasting, expiry.changes, calls)


def expiry_markdown(report: ExpiryReport) -> str:
    """What has ended, and what will."""
    lines = [f"# {report.headline[:1].upper()}{report.headline[1:]}", ""]
    for title, grants in (("Ended", report.grants), ("Still to end", report.lasting)):
        if grants:
            lines += [f"## {title}", "", "| last day | holder | role | policy |", "|---|---|---|---|"]
            lines += [
                f"| {one.until} | {plain(one.holder)} | {plain(one.role)} | {plain(one.policy)} |"
                for one in grants
            ]
            lines.append("")
    return "\n".join(lines)


@flow(name="expire grants", persist_result=False)
def expire_grants(
    region: Annotated[str, titled("Region")] = "cn-hangzhou",
    workspace: Annotated[Workspace, titled("Workspace")] = None,
    mode: Annotated[Mode, titled("Plan or apply")] = "apply",
    credentials: Annotated[Blocks, titled("Credentials")] = None,
) -> ExpiryReport:
    """Remove PassRole grants whose end date has passed; a second run writes nothing.

    Args:
        region: Any region of the account: users, roles and policies are the same in all of them.
        workspace: Only grants on roles of this workspace's data sources; without, those of the whole account.
        mode: plan shows what has ended and writes nothing; apply removes it.
        credentials: With whose credentials the calls are made; only the administrator's are used.

    Returns:
        A completed state with the report, or a failed one that says who can fix what stopped it and how.
    """
    blocks: dict[str, str] = {str(persona): block for persona, block in (credentials or {}).items()}
    with use_credentials(blocks, region):
        try:
            report = expire(gate_for(region), workspace, mode)
        except OnboardingError as error:
            return cast(ExpiryReport, Failed(message=f"grants could not be removed: {error}"))
    create_markdown_artifact(
        key="expired-grants", description=report.headline, markdown=expiry_markdown(report)
    )
    publish_data("expired-grants-result", "Removed grants: the report for programs", report.to_json())
    return ended(report.headline, report)
