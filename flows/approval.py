"""Four-eyes on a plan: the run pauses after the plan, and goes on only when somebody gives the right hash.

Prefect cannot tell who pressed Resume, so what is approved is a hash: it names exactly one set of changes on exactly
one state of the cloud, and the identities that may write belong to the run that goes on.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from prefect import pause_flow_run
from prefect.client.orchestration import get_client
from prefect.exceptions import FlowPauseTimeout
from prefect.input import RunInput
from prefect.runtime import flow_run
from prefect.states import Running
from pydantic import Field

from flows.artifacts import plan_markdown
from tasks.planning import Plan, PlanMoved

LOOK_SECONDS = 2
"""Between two looks whether somebody has decided."""


class PlanApproval(RunInput):
    """The form of the pause."""

    decision: Literal["approve", "reject"] = Field(
        title="Decision",
        description="approve carries out exactly the plan above; reject ends the run, and nothing is written.",
        json_schema_extra={"position": 0},
    )
    plan_hash: str = Field(
        default="",
        title="Hash of the plan",
        description="Typed or pasted from the plan above; needed to approve. "
        "Example: 3f2a91c0b7d4-5e6f70819a2b-c3d4e5f60718",
        json_schema_extra={"position": 1},
    )
    reason: str = Field(
        default="",
        title="Reason",
        description="Why; it is kept in the run's message. Example: too many grantees",
        json_schema_extra={"position": 2},
    )


class NotApproved(Exception):
    """The plan was rejected, or nobody decided in time. Not an error: the run ends and nothing is written."""

    def __init__(self, name: str, message: str) -> None:
        self.name = name
        super().__init__(message)


def ask_for_approval(plan: Plan, timeout: int) -> None:
    """Pause until somebody decides, ``timeout`` seconds at most.

    Raises :class:`NotApproved` on rejection or expiry and :class:`tasks.planning.PlanMoved` for another hash.
    """
    form = PlanApproval.with_initial_data(description=plan_markdown(plan))
    try:
        answer = pause_flow_run(wait_for_input=form, timeout=timeout, poll_interval=LOOK_SECONDS)
    except FlowPauseTimeout:
        leave_pause()
        raise expired(plan.hash, timeout) from None
    require_typed(plan.hash, approved_hash(answer, plan.hash), subject=f"plan of {plan.data_source}")


def approved_hash(answer: PlanApproval, plan_hash: str) -> str:
    """The hash that was typed. Raises :class:`NotApproved` on rejection."""
    if answer.decision == "reject":
        reason = f": {answer.reason}" if answer.reason else ""
        raise NotApproved("Rejected", f"plan {plan_hash} was rejected{reason}; nothing was written")
    return answer.plan_hash.strip()


def require_typed(plan_hash: str, typed: str, subject: str) -> None:
    """Raise :class:`PlanMoved` unless the hash of the plan that was shown was typed."""
    if typed != plan_hash:
        given = f"{typed[:80]!r} was given" if typed else "none was given"
        raise PlanMoved(
            f"the hash does not belong to the plan that was shown: {given}, the plan is {plan_hash}; nothing was written",
            subject=subject,
            remedy="start it again, and approve with the hash that its plan shows",
        )


def expired(plan_hash: str, timeout: int) -> NotApproved:
    """Nobody has decided in ``timeout`` seconds."""
    return NotApproved("Expired", f"nobody approved plan {plan_hash} within {timeout} s; nothing was written")


def leave_pause() -> None:
    """Let the run end by itself: the server lets a run whose pause has timed out only fail, without our reason.

    Forced, because a service of the server may have failed the run already, some seconds after the time was up.
    """
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(UUID(str(flow_run.id)), Running(), force=True)
