"""Rules about sync tasks and the code of other tasks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

from cloud.dataworks.runs import FAILURE
from cloud.dataworks.sync_tasks import ListedNode
from config.personas import Persona
from config.sources.base import Environment
from tasks.audit.account import Account, AuditedTask, AuditedWorkspace
from tasks.audit.finding import SYNC_TASK, AuditFinding, found


def sync_task_findings(account: Account) -> Iterator[AuditFinding]:
    """Everything about tasks."""
    for space in account.workspaces.values():
        names = None if space.sources is None else {source.name for source in space.sources}
        for task in space.tasks or ():
            yield from _keys(task)
            if not task.sync_task:
                continue
            yield from _runs(space, task)
            yield from _versions(space, task)
            if names is not None:
                yield from _absent(task, names)


def _keys(task: AuditedTask) -> Iterator[AuditFinding]:
    if task.keys:
        ends = [f"one whose id ends in {end}" if end else "one without its id" for end in task.keys]
        number = "a static AccessKey stands" if len(ends) == 1 else f"{len(ends)} static AccessKeys stand"
        yield found(
            "AUD403", SYNC_TASK, str(task), f"{number} in its code: {', '.join(ends)}", Persona.DEVELOPER,
            workspace=task.workspace,
        )  # fmt: skip


def _runs(space: AuditedWorkspace, task: AuditedTask) -> Iterator[AuditFinding]:
    if task.node not in space.nodes.get(Environment.PROD, {}) or task.node in space.unknown_runs:
        return
    runs = space.runs.get(task.node)
    if runs is None:
        yield found(
            "AUD402", SYNC_TASK, str(task), "it is deployed to production, and no run of it is known",
            Persona.EXECUTOR, workspace=space.id,
        )  # fmt: skip
        return
    failed = list(takewhile(lambda run: run.status == FAILURE, runs))
    if failed:
        last = "its last run" if len(failed) == 1 else f"its last {len(failed)} runs"
        what = f"{last} in production failed, the newest as instance {failed[0].id}"
        yield found("AUD401", SYNC_TASK, str(task), what, Persona.EXECUTOR, workspace=space.id)


def _versions(space: AuditedWorkspace, task: AuditedTask) -> Iterator[AuditFinding]:
    if not space.standard or not task.node or len(space.nodes) < len(Environment):
        return
    dev, prod = (space.nodes[one].get(task.node) for one in (Environment.DEV, Environment.PROD))
    what = _behind(dev, prod)
    if what:
        yield found("AUD105", SYNC_TASK, str(task), what, Persona.DEVELOPER, workspace=space.id)


def _behind(dev: ListedNode | None, prod: ListedNode | None) -> str:
    if dev is not None and prod is None:
        return f"version {dev.version} was submitted to development and never deployed to production"
    if dev is not None and prod is not None and dev.version != prod.version:
        return f"development has version {dev.version}, production version {prod.version}"
    return ""


def _absent(task: AuditedTask, names: set[str]) -> Iterator[AuditFinding]:
    for name in sorted({use.data_source for use in task.uses} - names):
        what = f"its code names data source {name}, which the workspace does not have"
        yield found(
            "AUD404", SYNC_TASK, str(task), what, Persona.DEVELOPER, workspace=task.workspace, detail=name
        )
