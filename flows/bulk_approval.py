"""Four-eyes on the plan of a whole file: the run pauses, and goes on with exactly that plan when somebody gives its hash."""

from __future__ import annotations

import asyncio

from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import apause_flow_run

from flows.approval import LOOK_SECONDS, PlanApproval, approved_hash, expired, leave_pause, require_typed
from flows.bulk_report import BulkReport
from flows.report_parts import plain

PLANNED_SHOWN = 200
"""Rows in the plan that somebody approves: what is longer is not read in a form."""


async def ask_for_file_approval(plan: BulkReport, timeout: int) -> None:
    """Pause until somebody decides, ``timeout`` seconds at most.

    Raises :class:`flows.approval.NotApproved` on rejection or expiry and :class:`tasks.planning.PlanMoved` for another hash.
    """
    form = PlanApproval.with_initial_data(description=file_plan_markdown(plan))
    try:
        answer = await apause_flow_run(wait_for_input=form, timeout=timeout, poll_interval=LOOK_SECONDS)
    except FlowPauseTimeout:
        await asyncio.to_thread(leave_pause)
        raise expired(plan.plan_hash, timeout) from None
    require_typed(plan.plan_hash, approved_hash(answer, plan.plan_hash), subject="plan of the file")


def file_plan_markdown(plan: BulkReport) -> str:
    """The plan for whoever approves it: its hash, what would become of the rows, each change of each row, findings."""
    touched = [row for row in plan.rows if row.planned]
    lines = [f"# Plan of {plain(plan.source)}: {len(touched)} of {len(plan.rows)} rows would change", ""]
    lines += [f"Hash, to approve it: `{plan.plan_hash}`", "", "| outcome | rows |", "|---|---:|"]
    lines += [f"| {name.replace('_', ' ')} | {count} |" for name, count in plan.counts().items() if count]
    lines += ["", "| row | data source | workspace | changes |", "|---:|---|---:|---|"]
    for row in touched[:PLANNED_SHOWN]:
        changes = "<br>".join(map(plain, row.planned))
        lines.append(f"| {row.row} | {plain(row.data_source)} | {row.workspace} | {changes} |")
    if len(touched) > PLANNED_SHOWN:
        more = len(touched) - PLANNED_SHOWN
        lines += ["", f"And {more} more rows: plan the file with a report folder to see all of them."]
    if plan.findings:
        lines += ["", *(f"- {plain(str(finding))}" for finding in plan.findings)]
    return "\n".join(lines)
