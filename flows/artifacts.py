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
from tasks.planning import Plan, PlannedChange

_CELL_CHARACTERS = 60


def artifact_key(kind: str, workspace: int, data_source: str) -> str:
    """``onboarding-<kind>-<workspace>-<name>``: lower-case letters, digits and dashes, as Prefect asks."""
    return re.sub(r"[^a-z0-9-]+", "-", f"onboarding-{kind}-{workspace}-{data_source}".lower())


def _cell(text: str) -> str:
    """Text from a service or a specification must not break out of its table cell."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


_RAM = "https://ram.console.aliyun.com"
_DATAWORKS = "https://dataworks.data.aliyun.com"


def console_links(report: OnboardingReport) -> list[tuple[str, str]]:
    """Pages of the vendor's consoles where a person looks next; they are no part of the API and may move."""
    links = []
    role, policy = (report.step(1).facts.get(key) for key in ("role", "policy"))
    granting = report.step(2).facts.get("pass_role_policy")
    if role:
        links.append((f"role {role}", f"{_RAM}/roles/{role}"))
    for name in (policy, granting):
        if name:
            links.append((f"custom policy {name}", f"{_RAM}/policies/{name}/Custom/content"))
    place, project = f"{_DATAWORKS}/{report.region}", f"?defaultProjectId={report.workspace}"
    links.append((f"data sources of workspace {report.workspace}", f"{place}/sc{project}"))
    links.append((f"DataStudio of workspace {report.workspace}", f"{place}/ide{project}"))
    return links


def summary_markdown(report: OnboardingReport) -> str:
    """On failure what stopped it, who can fix it and how; then what was made, ids, links."""
    lines = [f"# {report.data_source} in workspace {report.workspace}: {report.outcome.value}", ""]
    lines += _failure_lines(report)
    lines += ["| step | what | outcome | object | details |", "|---|---|---|---|---|"]
    lines += [
        f"| {step.number} | {step.title} | {step.outcome.value} | {_cell(step.subject)} | {_cell(step.reason)} |"
        for step in report.five_steps
    ]
    if report.matrix:
        lines += ["", "## Connectivity", "", *_matrix_lines(report.matrix)]
    facts = [
        f"| {_cell(step.subject)} | {key.replace('_', ' ')} | `{value}` |"
        for step in report.steps
        for key, value in step.facts.items()
        if value and value not in step.subject
    ]
    if facts:
        lines += ["", "## Identifiers", "", "| object | identifier | value |", "|---|---|---|", *facts]
    notes = [note for step in report.five_steps for note in step.notes]
    if notes:
        lines += ["", "## Notes", "", *(f"- {_cell(note)}" for note in notes)]
    lines += ["", "## Where to look next", "", *(f"- [{name}]({url})" for name, url in console_links(report))]
    return "\n".join(lines)


def _failure_lines(report: OnboardingReport) -> list[str]:
    failure = report.failure
    if failure is None:
        return []
    lines = ["## What stopped it", "", f"**{_cell(failure.subject)}**: {_cell(failure.what)}", ""]
    if failure.remedy:
        lines.append(f"- **Who can fix it:** the {failure.persona or 'operator'}")
        lines.append(f"- **How:** {_cell(failure.remedy)}")
    lines += [
        f"- **{title}:** `{value}`"
        for title, value in (("Code", failure.code), ("Request id", failure.request_id))
        if value
    ]
    return [*lines, "", "## What was done", ""]


def plan_markdown(plan: Plan) -> str:
    """The plan for people: what changes by whom, then each change field by field; the hash stands at both ends."""
    counted = ", ".join(f"{count} × {kind}" for kind, count in plan.summary().items()) or "nothing to do"
    lines = [
        f"# Plan for {plan.data_source} in workspace {plan.workspace}",
        "",
        f"Hash: `{plan.hash}`",
        "",
        f"{counted}. Calls it takes, at the least: "
        f"{', '.join(f'{n} {product}' for product, n in plan.calls.items() if n)}.",
    ]
    if plan.changes:
        lines += ["", "| step | by the | change | object |", "|---|---|---|---|"]
        lines += [
            f"| {c.step} | {c.persona.value} | {c.kind.value} | {_cell(c.subject)}{_to_whom(c)} |"
            for c in plan.changes
        ]
    for change in plan.changes:
        lines += ["", f"## Step {change.step}: {change.kind.value} {change.subject}", ""]
        lines.append(f"By the {change.persona.value}; {', '.join(f'`{call}`' for call in change.calls)}")
        long = [d for d in change.differences if _is_long(d.before) or _is_long(d.after)]
        rows = [
            f"| `{d.path}` | {_value(d.before)} | {_value(d.after)} |"
            for d in change.differences
            if d not in long
        ]
        if rows:
            lines += ["", "| field | now | then |", "|---|---|---|", *rows]
        for difference in long:
            lines += _block(difference.path, "now", difference.before)
            lines += _block(difference.path, "then", difference.after)
    if plan.notes:
        lines += ["", "## Notes", "", *(f"- {_cell(note)}" for note in plan.notes)]
    if plan.changes:
        lines += ["", f"To approve exactly this, give its hash: `{plan.hash}`"]
    return "\n".join(lines)


def _to_whom(change: PlannedChange) -> str:
    """Whom a policy is attached to: the subject names the policy alone."""
    entity = change.after.get("entity")
    return f" to {_cell(str(entity))}" if entity else ""


def _is_long(value: object) -> bool:
    """Whether it is read as a block of its own, such as the statements of a policy."""
    return isinstance(value, (list, dict)) and len(json.dumps(value)) > _CELL_CHARACTERS


def _block(path: str, when: str, value: object) -> list[str]:
    """A long value as JSON; no text in it can end the block, since each line of it begins with JSON's own signs."""
    if value is None:
        return []
    return ["", f"`{path}` {when}:", "", "```json", json.dumps(value, ensure_ascii=False, indent=2), "```"]


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

    def __init__(self, description: str, total: int, key: str) -> None:
        self._total = total
        self._done = 0
        # Called from a synchronous flow, Prefect's function returns the id itself, not a coroutine.
        self._id = cast(UUID, create_progress_artifact(progress=0.0, description=description, key=key))

    def advance(self, done: int = 1) -> None:
        """``done`` more of the total parts are finished."""
        self._done = min(self._total, self._done + done)
        # Not beside the run: a server on SQLite refuses one of two writes at once (503), and the client that it refuses,
        # the run's own, waits two seconds before it asks again.
        update_progress_artifact(artifact_id=self._id, progress=100.0 * self._done / self._total)
