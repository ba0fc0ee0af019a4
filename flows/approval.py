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
from tasks.planning import Plan, require_same


class PlanApproval(RunInput):
    """The form of the pause."""

    decision: Literal["approve", "reject"] = Field(
        description="approve carries out exactly the plan above; reject ends the run, nothing is written"
    )
    plan_hash: str = Field(
        default="", description="The plan's hash, typed or pasted from the plan; needed to approve"
    )
    reason: str = Field(default="", description="Why; kept in the run's log")


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
        answer = pause_flow_run(wait_for_input=form, timeout=timeout, poll_interval=2)
    except FlowPauseTimeout:
        _leave_pause()
        raise NotApproved(
            "Expired", f"nobody approved plan {plan.hash} within {timeout} s; nothing was written"
        ) from None
    if answer.decision == "reject":
        reason = f": {answer.reason}" if answer.reason else ""
        raise NotApproved("Rejected", f"plan {plan.hash} was rejected{reason}; nothing was written")
    require_same(plan, answer.plan_hash.strip())


def _leave_pause() -> None:
    """Let the run end by itself: the server lets a run whose pause has timed out only fail, without our reason.

    Forced, because a service of the server may have failed the run already, some seconds after the time was up.
    """
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(UUID(str(flow_run.id)), Running(), force=True)
