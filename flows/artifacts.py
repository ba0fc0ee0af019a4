"""The flow's artifacts in Prefect: a summary, the connectivity table, progress.

Keys are stable, so that the newest version of an artifact is found by the data source's name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import cast
from uuid import UUID

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from config.sources.base import Environment
from flows.report import OnboardingReport
from tasks.connectivity import Cell
from tasks.outcome import Outcome
from tasks.planning import Plan


def artifact_key(kind: str, workspace: int, data_source: str) -> str:
    """``onboarding-<kind>-<workspace>-<name>``: lower-case letters, digits and dashes, as Prefect asks."""
    return re.sub(r"[^a-z0-9-]+", "-", f"onboarding-{kind}-{workspace}-{data_source}".lower())


def _cell(text: str) -> str:
    """Text from a service or a specification must not break out of its table cell."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def console_links(report: OnboardingReport) -> list[tuple[str, str]]:
    """Pages of the vendor's consoles where a person looks next; they are no part of the API and may move."""
    links = []
    role = report.step(1).facts.get("role")
    if role:
        links.append((f"role {role}", f"https://ram.console.aliyun.com/roles/{role}"))
    links.append(
        (
            f"workspace {report.workspace}",
            f"https://dataworks.console.aliyun.com/?regionId={report.region}#/project/{report.workspace}",
        )
    )
    return links


def summary_markdown(report: OnboardingReport) -> str:
    """What was made, ids, links; on failure, who can fix it and how."""
    lines = [
        f"# {report.data_source} in workspace {report.workspace}: {report.outcome.value}",
        "",
        "| step | | outcome | object | details |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {step.number} | {step.title} | {step.outcome.value} | {_cell(step.subject)} | {_cell(step.reason)} |"
        for step in report.five_steps
    ]
    if report.failure is not None:
        failure = report.failure
        lines += ["", "## What stopped it", "", f"**{_cell(failure.subject)}**: {_cell(failure.what)}", ""]
        if failure.remedy:
            lines.append(f"- The {failure.persona or 'operator'} can fix it: {_cell(failure.remedy)}")
        if failure.code or failure.request_id:
            lines.append(f"- code `{failure.code}`, request id `{failure.request_id}`")
    if report.matrix:
        lines += ["", "## Connectivity", "", *_matrix_lines(report.matrix)]
    facts = [
        f"- {_cell(step.subject)}, {key.replace('_', ' ')}: `{value}`"
        for step in report.steps
        for key, value in step.facts.items()
        if value
    ]
    if facts:
        lines += ["", "## Identifiers", "", *facts]
    notes = [note for step in report.five_steps for note in step.notes]
    if notes:
        lines += ["", "## Notes", "", *(f"- {_cell(note)}" for note in notes)]
    lines += ["", "## Where to look next", "", *(f"- [{name}]({url})" for name, url in console_links(report))]
    return "\n".join(lines)


def plan_markdown(plan: Plan) -> str:
    """The plan for people: summary first, then each change field by field, the calls and the hash."""
    counted = ", ".join(f"{count} × {kind}" for kind, count in plan.summary().items()) or "nothing to do"
    lines = [
        f"# Plan for {plan.data_source} in workspace {plan.workspace}: {counted}",
        "",
        f"Hash: `{plan.hash}`",
        "",
        f"Calls it takes, at the least: {', '.join(f'{n} {product}' for product, n in plan.calls.items() if n)}",
    ]
    for change in plan.changes:
        lines += ["", f"## Step {change.step}: {change.kind.value} {change.subject}", ""]
        lines.append(f"By the {change.persona.value}; {', '.join(f'`{call}`' for call in change.calls)}")
        rows = [f"| `{d.path}` | {_value(d.before)} | {_value(d.after)} |" for d in change.differences]
        if rows:
            lines += ["", "| field | now | then |", "|---|---|---|", *rows]
    if plan.notes:
        lines += ["", "## Notes", "", *(f"- {_cell(note)}" for note in plan.notes)]
    return "\n".join(lines)


def _value(value: object) -> str:
    """A value of a difference; nothing for what does not exist yet."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"`{_cell(text)}`" if text else "(empty)"


def publish_plan(plan: Plan) -> None:
    """The plan as an artifact."""
    create_markdown_artifact(
        key=artifact_key("plan", plan.workspace, plan.data_source),
        description=f"What onboarding {plan.data_source} would change",
        markdown=plan_markdown(plan),
    )


def _matrix_lines(cells: Sequence[Cell]) -> list[str]:
    groups = list(dict.fromkeys(cell.resource_group for cell in cells))
    lines = [f"| | {' | '.join(groups)} |", f"|---|{'---|' * len(groups)}"]
    for environment in dict.fromkeys(cell.environment for cell in cells):
        row = {cell.resource_group: cell.state.value for cell in cells if cell.environment is environment}
        lines.append(f"| {environment.name} | {' | '.join(row.get(group, '') for group in groups)} |")
    return lines


def publish_matrix(report: OnboardingReport) -> None:
    """The connectivity table: one row a cell with state, reason, who can fix it and how."""
    create_table_artifact(
        key=artifact_key("connectivity", report.workspace, report.data_source),
        description=f"Connectivity of {report.data_source}: environment × resource group",
        table=[
            {
                "environment": Environment(cell.environment).name,
                "resource group": cell.resource_group,
                "state": cell.state.value,
                "reason": cell.reason,
                "who can fix it": cell.persona,
                "how": cell.remedy,
            }
            for cell in report.matrix
        ],
    )


def publish_summary(report: OnboardingReport) -> None:
    """The markdown summary."""
    failed = report.outcome is Outcome.FAILED
    create_markdown_artifact(
        key=artifact_key("summary", report.workspace, report.data_source),
        description=f"Onboarding of {report.data_source}: {'what stopped it' if failed else 'what was made'}",
        markdown=summary_markdown(report),
    )


class Progress:
    """The progress bar of a flow run, in per cent."""

    def __init__(self, description: str, total: int) -> None:
        self._total = total
        self._done = 0
        # Called from a synchronous flow, Prefect's function returns the id itself, not a coroutine.
        self._id = cast(UUID, create_progress_artifact(progress=0.0, description=description))

    def advance(self, done: int = 1) -> None:
        """``done`` more of the total parts are finished."""
        self._done = min(self._total, self._done + done)
        update_progress_artifact(artifact_id=self._id, progress=100.0 * self._done / self._total)
