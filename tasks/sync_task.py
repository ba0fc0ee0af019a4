"""Step 4 (developer), first half: the sync task's file and its scheduling: CreateDISyncTask → UpdateFile.

Source: vendor's page "Use API operations to perform operations related to a batch synchronization node".
The file's description says that it is ours and which resource group it uses, because no read returns that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from prefect import task

from cloud.dataworks import sync_tasks
from cloud.dataworks.sync_tasks import SyncTask, same_json
from cloud.errors import NotOurs
from cloud.gate import Gate
from config.personas import Persona
from config.sources.base import Environment
from config.spec import DataSourceSpec, SyncTaskSpec
from tasks.connection import step_gate, step_limits
from tasks.custom_policy import readable
from tasks.data_source import DataSourceReady
from tasks.options import completed, options
from tasks.outcome import Outcome, StepReport
from tasks.planning import Kind, PlannedChange
from tasks.proof import proves
from tasks.role import RoleReady
from tasks.scheduling import (
    MARK,
    described_group,
    description,
    differences,
    shown_scheduling,
    wanted_scheduling,
)
from tasks.workspace import Facts

TITLE = "sync task"
_MARKS = frozenset({"FileDescription", "ResourceGroupIdentifier"})
"""What differs of a file that somebody else made when all that can be read is as specified."""


@dataclass(frozen=True)
class SyncTaskState:
    """What step 4 found: the file, its workflow and folder, and the versions that have reached each environment."""

    task: SyncTask | None
    workflow: bool
    folder: bool
    reached: Mapping[str, int | None]


@dataclass(frozen=True)
class SyncTaskReady:
    """The sync task as it stands, and everything that was changed on the way to it."""

    task: SyncTask
    content: str
    changes: tuple[PlannedChange, ...]

    def report(self, spec: SyncTaskSpec, reason: str) -> StepReport:
        """The step's report so far."""
        return StepReport(
            number=4,
            title=TITLE,
            subject=f"sync task {spec.name}",
            outcome=Outcome.of(self.changes),
            reason=reason,
            changes=self.changes,
            facts={"file_id": str(self.task.file), "node_id": str(self.task.node or "")},
        )

    def after(self, task: SyncTask, *changes: PlannedChange) -> SyncTaskReady:
        """The state after further changes."""
        return replace(self, task=task, changes=(*self.changes, *changes))


def wanted_task(spec: DataSourceSpec) -> SyncTaskSpec:
    """The specification's sync task. Raises ``ValueError`` when it has none."""
    if spec.sync_task is None:
        raise ValueError(f"the specification of {spec.name} has no sync task")
    return spec.sync_task


def _change(
    kind: Kind,
    subject: str,
    call: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> PlannedChange:
    return PlannedChange(
        4, kind, subject, Persona.DEVELOPER, (f"dataworks:{call}",), before or {}, after or {}
    )


# -- read ----------------------------------------------------------------------------------------------


def read_sync_task(gate: Gate, spec: DataSourceSpec, facts: Facts) -> SyncTaskState:
    """Everything step 4 compares with."""
    wanted = wanted_task(spec)
    task = sync_tasks.find_sync_task(gate, spec.workspace, wanted.folder, wanted.name)
    if task is None:
        workflow, folder = _folders(gate, spec.workspace, wanted.folder)
        return SyncTaskState(None, workflow, folder, {})
    wheres = ("DEV", "PROD") if facts.workspace.standard else ("PROD",)
    reached = {
        where: sync_tasks.node_version(gate, task.node, where) if task.node else None for where in wheres
    }
    return SyncTaskState(task, workflow=True, folder=True, reached=reached)


def _folders(gate: Gate, workspace: int, folder: str) -> tuple[bool, bool]:
    """Whether the workflow is there, and whether nothing below its layer is missing."""
    _, workflow, *rest = folder.split("/")
    if not sync_tasks.workflow_exists(gate, workspace, workflow):
        return False, len(rest) < 2
    return True, len(rest) < 2 or sync_tasks.folder_exists(gate, workspace, folder)


# -- compare -------------------------------------------------------------------------------------------


def sync_task_changes(
    spec: DataSourceSpec, facts: Facts, state: SyncTaskState, proved: str
) -> tuple[PlannedChange, ...]:
    """All changes of step 4, from the folder to the deployment; ``proved`` is :func:`tasks.proof.proves`.

    Raises :class:`NotOurs`.
    """
    wanted = wanted_task(spec)
    edits = (
        *creation_changes(spec, state.task, workflow=state.workflow, folder=state.folder),
        *scheduling_changes(wanted, facts, state.task, proved, adopt=spec.role.adopt),
    )
    changes = list(edits)
    first, *_ = state.reached or {"": None}
    version = state.task.version if state.task else 0
    submits = (
        bool(edits) or state.task is None or not state.task.committed or state.reached.get(first) != version
    )
    if submits:
        changes.append(submission(spec))
    deploys = facts.workspace.standard and Environment.PROD in facts.environments
    if deploys and (submits or state.reached.get("PROD") != version):
        changes.append(deployment(spec))
    return tuple(changes)


def submission(spec: DataSourceSpec) -> PlannedChange:
    """The change that brings the file to development (basic workspace: to production)."""
    return _change(Kind.SUBMIT, f"sync task {wanted_task(spec).name}", "SubmitFile")


def deployment(spec: DataSourceSpec) -> PlannedChange:
    """The change that brings what was submitted to production."""
    return _change(Kind.DEPLOY, f"sync task {wanted_task(spec).name}", "DeployFile")


def creation_changes(
    spec: DataSourceSpec, present: SyncTask | None, *, workflow: bool = True, folder: bool = True
) -> tuple[PlannedChange, ...]:
    """Folder and file, or the file's content. Raises :class:`NotOurs`."""
    wanted = wanted_task(spec)
    subject = f"sync task {wanted.name}"
    content = spec.task_content()
    if present is None:
        after = {"folder": wanted.folder, "resource_group": wanted.resource_group, "content": content}
        name = wanted.folder.split("/")[1]
        return (
            *(
                ()
                if workflow
                else (_change(Kind.CREATE, f"workflow {name}", "CreateBusiness", None, {"name": name}),)
            ),
            *(
                ()
                if folder
                else (
                    _change(
                        Kind.CREATE, f"folder {wanted.folder}", "CreateFolder", None, {"path": wanted.folder}
                    ),
                )
            ),
            _change(Kind.CREATE, subject, "CreateDISyncTask", None, after),
        )
    # A file that was created here and then cut off has no description yet, but exactly our content.
    same = same_json(present.content, spec.task_content_text())
    cut_off = not present.description and not present.committed and same
    if not present.description.startswith(MARK) and not cut_off and not spec.role.adopt:
        raise NotOurs(
            "it exists and its description does not say that it is managed here",
            subject=f"{subject} in {wanted.folder}",
            persona=Persona.DEVELOPER,
            remedy="choose another name or folder, or set role.adopt to true to take it over",
        )
    group = described_group(present.description)
    # Which resource group somebody else's file uses cannot be read: where all else is as specified, it stays.
    same_group = cut_off or group == wanted.resource_group or (same and spec.role.adopt and not group)
    if same and same_group:
        return ()
    before: dict[str, Any] = {} if same else {"content": readable(present.content)}
    after = {} if same else {"content": content}
    if not same_group:
        before["resource_group"] = group
        after["resource_group"] = wanted.resource_group
    return (_change(Kind.UPDATE, subject, "UpdateDISyncTask", before, after),)


def scheduling_changes(
    wanted: SyncTaskSpec, facts: Facts, present: SyncTask | None, proved: str, *, adopt: bool
) -> tuple[PlannedChange, ...]:
    """The scheduling and description that GetFile does not show yet.

    An adopted file that is as specified is not edited for its description alone: that would be a new version.
    """
    target = {"FileDescription": description(wanted, proved), **wanted_scheduling(wanted, facts)}
    different = differences(present, target) if present is not None else target
    if not different or (adopt and present is not None and set(different) <= _MARKS):
        return ()
    shown = shown_scheduling(present) if present is not None else {}
    before = {"scheduling": {key: shown.get(key) for key in different}}
    return (
        _change(Kind.UPDATE, f"sync task {wanted.name}", "UpdateFile", before, {"scheduling": different}),
    )


# -- change --------------------------------------------------------------------------------------------


def ensure_created(gate: Gate, spec: DataSourceSpec) -> SyncTaskReady:
    """The file with its content, in its workflow and folder. Raises :class:`NotOurs` or a call's error."""
    wanted = wanted_task(spec)
    content = spec.task_content_text()
    present = sync_tasks.find_sync_task(gate, spec.workspace, wanted.folder, wanted.name)
    if present is not None:
        changes = creation_changes(spec, present)
        if changes:
            present = sync_tasks.update_sync_task(
                gate, spec.workspace, present, content, wanted.resource_group
            )
        return SyncTaskReady(present, content, changes)
    workflow_name = wanted.folder.split("/")[1]
    with sync_tasks.making_folders(gate, spec.workspace, workflow_name):
        workflow, folder = _folders(gate, spec.workspace, wanted.folder)
        changes = creation_changes(spec, None, workflow=workflow, folder=folder)
        if not workflow:
            sync_tasks.create_workflow(gate, spec.workspace, workflow_name)
        if not folder:
            sync_tasks.create_folder(gate, spec.workspace, wanted.folder)
    made = sync_tasks.create_sync_task(
        gate, spec.workspace, wanted.folder, wanted.name, content, wanted.resource_group
    )
    return SyncTaskReady(made, content, changes)


def make_folders(gate: Gate, specs: Iterable[DataSourceSpec]) -> None:
    """Make the workflows and folders that sync tasks need and nobody has made yet, each once."""
    wanted = {(spec.workspace, spec.sync_task.folder): spec for spec in specs if spec.sync_task is not None}
    for (workspace, path), spec in wanted.items():
        with step_limits(spec, 4):
            workflow, folder = _folders(gate, workspace, path)
            if not workflow:
                sync_tasks.create_workflow(gate, workspace, path.split("/")[1])
            if not folder:
                sync_tasks.create_folder(gate, workspace, path)


def ensure_scheduled(
    gate: Gate, spec: DataSourceSpec, facts: Facts, ready: SyncTaskReady, proved: str
) -> SyncTaskReady:
    """The file's scheduling and description: only keys that differ are sent."""
    wanted = wanted_task(spec)
    changes = scheduling_changes(wanted, facts, ready.task, proved, adopt=spec.role.adopt)
    if not changes:
        return ready
    different = dict(changes[0].after["scheduling"])
    # Parents and parsing are one setting: sending one without the other would reset it.
    if "InputList" in different:
        different["AutoParsing"] = False
    updated = sync_tasks.update_file(
        gate,
        spec.workspace,
        ready.task,
        different,
        lambda found: not scheduling_changes(wanted, facts, found, proved, adopt=False),
    )
    if any(change.kind is Kind.CREATE for change in ready.changes):
        # The plan could not know what the service gives a new file: all of the specification's is reported, as planned.
        changes = scheduling_changes(wanted, facts, None, proved, adopt=False)
    return ready.after(updated, *changes)


def proved_by(spec: DataSourceSpec, facts: Facts, role: RoleReady, sources: Iterable[DataSourceReady]) -> str:
    """:func:`tasks.proof.proves` of what steps 1 and 3 have made."""
    return proves(spec, facts, role.role_id, {source.environment: source.content for source in sources})


# -- Prefect tasks -------------------------------------------------------------------------------------


@task(**options("4 create sync task", "4 create sync task of {spec.name}", timeout=900))
def create_sync_task(spec: DataSourceSpec, matrix: str) -> SyncTaskReady:
    """Prefect task of :func:`ensure_created`; ``matrix`` orders it after the connectivity."""
    del matrix
    with step_gate(spec, 4) as gate:
        ready = ensure_created(gate, spec)
    return completed(ready.report(wanted_task(spec), f"file {ready.task.file}"), ready)


@task(**options("4 schedule sync task", "4 schedule sync task of {spec.name}", timeout=900))
def schedule_sync_task(
    spec: DataSourceSpec, facts: Facts, role: RoleReady, sources: list[DataSourceReady], ready: SyncTaskReady
) -> SyncTaskReady:
    """Prefect task of :func:`ensure_scheduled`."""
    with step_gate(spec, 4) as gate:
        ready = ensure_scheduled(gate, spec, facts, ready, proved_by(spec, facts, role, sources))
    wanted = wanted_task(spec)
    when = f"cron {wanted.schedule.cron}" if wanted.schedule else "not scheduled"
    return completed(ready.report(wanted, when), ready)
