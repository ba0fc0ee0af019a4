"""Step 4 (developer): the sync task: CreateDISyncTask → UpdateFile → SubmitFile → DeployFile, each waited for.

Source: vendor's page "Use API operations to perform operations related to a batch synchronization node".
The file's description says that it is ours and which resource group it uses, because no read returns that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from prefect import task

from cloud.dataworks import sync_tasks
from cloud.dataworks.sync_tasks import Deployment, SyncTask, same_json
from cloud.errors import DeploymentFailed, NotOurs
from cloud.gate import Gate
from cloud.waiting import poll
from config.personas import Persona
from config.sources.base import Environment
from config.spec import DataSourceSpec, SyncTaskSpec
from tasks.connection import gate_for
from tasks.options import announce, completed, options
from tasks.outcome import Change, Outcome, StepReport
from tasks.workspace import Facts

TITLE = "sync task"
_MARK = "Managed by dataworks-onboarding."
_TO_DEV, _TO_PROD = 1, 2  # GetDeployment.Data.Deployment.ToEnvironment


@dataclass(frozen=True)
class SyncTaskReady:
    """The sync task as it stands, and everything that was changed on the way to it."""

    task: SyncTask
    content: str
    changes: tuple[Change, ...]

    def report(self, spec: SyncTaskSpec, reason: str) -> StepReport:
        """The step's report so far."""
        return StepReport(
            number=4,
            title=TITLE,
            subject=f"sync task {spec.name}",
            outcome=Outcome.of(list(self.changes)),
            reason=reason,
            changes=self.changes,
            facts={"file_id": str(self.task.file), "node_id": str(self.task.node or "")},
        )

    def after(self, task: SyncTask, *changes: Change) -> SyncTaskReady:
        """The state after further changes."""
        return replace(self, task=task, changes=(*self.changes, *changes))


def _task_spec(spec: DataSourceSpec) -> SyncTaskSpec:
    if spec.sync_task is None:
        raise ValueError(f"the specification of {spec.name} has no sync task")
    return spec.sync_task


def description(wanted: SyncTaskSpec) -> str:
    """What the file's description says."""
    return f"{_MARK} Data Integration resource group: {wanted.resource_group}"


# -- create --------------------------------------------------------------------------------------------


def ensure_created(gate: Gate, spec: DataSourceSpec) -> SyncTaskReady:
    """The file with its content, in its workflow and folder. Raises :class:`NotOurs` or a call's error."""
    wanted = _task_spec(spec)
    content = spec.task_content_text()
    present = sync_tasks.find_sync_task(gate, spec.workspace, wanted.folder, wanted.name)
    subject = f"sync task {wanted.name}"
    if present is None:
        changes = _ensure_folder(gate, spec.workspace, wanted.folder)
        made = sync_tasks.create_sync_task(
            gate, spec.workspace, wanted.folder, wanted.name, content, wanted.resource_group
        )
        return SyncTaskReady(made, content, (*changes, Change(subject, "created", created=True)))
    # A file that was created here and then cut off has no description yet, but exactly our content.
    cut_off = not present.description and not present.committed and same_json(present.content, content)
    if not present.description.startswith(_MARK) and not cut_off and not spec.role.adopt:
        raise NotOurs(
            "it exists and its description does not say that it is managed here",
            subject=f"{subject} in {wanted.folder}",
            persona=Persona.DEVELOPER,
            remedy="choose another name or folder, or set role.adopt to true to take it over",
        )
    same_group = cut_off or present.description == description(wanted)
    if same_json(present.content, content) and same_group:
        return SyncTaskReady(present, content, ())
    made = sync_tasks.update_sync_task(gate, spec.workspace, present, content, wanted.resource_group)
    what = "content updated" if same_group else "content and resource group updated"
    return SyncTaskReady(made, content, (Change(subject, what),))


def _ensure_folder(gate: Gate, workspace: int, folder: str) -> list[Change]:
    """The workflow must exist; folders below the layer are made when they are missing."""
    changes = []
    _, workflow, *rest = folder.split("/")
    if not sync_tasks.workflow_exists(gate, workspace, workflow):
        sync_tasks.create_workflow(gate, workspace, workflow)
        changes.append(Change(f"workflow {workflow}", "created", created=True))
    if len(rest) > 1 and not sync_tasks.folder_exists(gate, workspace, folder):
        sync_tasks.create_folder(gate, workspace, folder)
        changes.append(Change(f"folder {folder}", "created", created=True))
    return changes


# -- schedule ------------------------------------------------------------------------------------------


def ensure_scheduled(gate: Gate, spec: DataSourceSpec, facts: Facts, ready: SyncTaskReady) -> SyncTaskReady:
    """The file's scheduling and description: only keys that differ are sent."""
    wanted = _task_spec(spec)
    target = _scheduling(wanted, facts)
    changes = _differences(ready.task, target)
    if not changes:
        return ready
    # Parents and parsing are one setting: sending one without the other would reset it.
    if "InputList" in changes:
        changes["AutoParsing"] = False
    updated = sync_tasks.update_file(
        gate, spec.workspace, ready.task, changes, lambda found: not _differences(found, target)
    )
    what = f"scheduling updated ({', '.join(sorted(changes))})"
    return ready.after(updated, Change(f"sync task {wanted.name}", what))


def _scheduling(wanted: SyncTaskSpec, facts: Facts) -> dict[str, Any]:
    """UpdateFile's parameters for the specification.

    A node needs a parent; the workspace's root is the vendor's own choice for sync nodes.
    """
    target: dict[str, Any] = {
        "FileDescription": description(wanted),
        "InputList": f"{facts.workspace.identifier}_root",
        "ParaValue": wanted.parameter_text,
        "SchedulerType": "NORMAL",
        # Without a schedule the node is never started by itself; a smoke test or a backfill still runs it.
        "Stop": wanted.schedule is None,
    }
    if wanted.owner:
        target["Owner"] = wanted.owner
    if wanted.scheduling_resource_group:
        target["ResourceGroupIdentifier"] = wanted.scheduling_resource_group
    if wanted.schedule is not None:
        target |= {
            "CycleType": wanted.schedule.cycle.value,
            "CronExpress": wanted.schedule.cron,
            "RerunMode": wanted.schedule.rerun_mode.value,
            "AutoRerunTimes": wanted.schedule.auto_rerun_times,
        }
        if wanted.schedule.auto_rerun_times:
            target["AutoRerunIntervalMillis"] = wanted.schedule.auto_rerun_interval * 1000
    return target


def _differences(found: SyncTask, target: dict[str, Any]) -> dict[str, Any]:
    """The part of ``target`` that GetFile does not show yet."""
    shown = found.scheduling
    present: dict[str, Any] = {
        **{
            key: shown.get(key)
            for key in ("ParaValue", "SchedulerType", "CycleType", "CronExpress", "RerunMode")
        },
        "FileDescription": found.description,
        "InputList": ",".join(str(item.get("Input")) for item in shown.get("InputList") or []),
        "Stop": bool(shown.get("Stop")),
        "Owner": found.owner,
        "AutoRerunTimes": int(shown.get("AutoRerunTimes") or 0),
        "AutoRerunIntervalMillis": int(shown.get("AutoRerunIntervalMillis") or 0),
    }
    # GetFile shows the scheduling resource group as a number, UpdateFile takes its identifier: it is sent along
    # with other changes, never alone.
    different = {
        key: value
        for key, value in target.items()
        if key != "ResourceGroupIdentifier" and present.get(key) != value
    }
    if different and "ResourceGroupIdentifier" in target:
        different["ResourceGroupIdentifier"] = target["ResourceGroupIdentifier"]
    return different


# -- submit and deploy ---------------------------------------------------------------------------------


def ensure_submitted(gate: Gate, spec: DataSourceSpec, facts: Facts, ready: SyncTaskReady) -> SyncTaskReady:
    """The file's present version in development (basic workspace: in production)."""
    environment, to = ("DEV", _TO_DEV) if facts.workspace.standard else ("PROD", _TO_PROD)
    if ready.task.committed and _reached(gate, ready.task, environment):
        return ready
    return _carry(
        gate, spec, ready, to, lambda: sync_tasks.submit(gate, spec.workspace, ready.task, to), "submitted"
    )


def ensure_deployed(gate: Gate, spec: DataSourceSpec, facts: Facts, ready: SyncTaskReady) -> SyncTaskReady:
    """The submitted version in production, when the specification has that environment."""
    if Environment.PROD not in facts.environments or _reached(gate, ready.task, "PROD"):
        return ready
    return _carry(
        gate, spec, ready, _TO_PROD, lambda: sync_tasks.deploy(gate, spec.workspace, ready.task), "deployed"
    )


def _reached(gate: Gate, task: SyncTask, environment: str) -> bool:
    return task.node != 0 and sync_tasks.node_version(gate, task.node, environment) == task.version


def _carry(
    gate: Gate, spec: DataSourceSpec, ready: SyncTaskReady, to: int, start: Callable[[], int], what: str
) -> SyncTaskReady:
    """Wait for a package that is on its way, or start one, and see it through."""
    wanted = _task_spec(spec)
    subject = f"sync task {wanted.name}"
    under_way = None
    if ready.task.committed:  # an interrupted run may have left one; a file never submitted has none
        under_way = sync_tasks.recent_deployment(gate, spec.workspace, ready.task, to, (sync_tasks.RUNNING,))
    identifier = under_way.id if under_way else start()
    ended = poll(
        gate,
        lambda: sync_tasks.get_deployment(gate, spec.workspace, identifier),
        lambda deployment: not deployment.running,
        what=f"{subject} being {what}",
        subject=subject,
        timeout=gate.settings.deployment_timeout,
        announce=announce,
        describe=_describe,
        persona=Persona.DEVELOPER,
    )
    if not ended.succeeded:
        reason = (
            "an extension's check refused it" if ended.check_failed else ended.error or "no reason was given"
        )
        raise DeploymentFailed(
            f"deployment {identifier} failed: {reason}",
            subject=subject,
            persona=Persona.DEVELOPER,
            remedy="correct what the deployment names (Deployment Center of the workspace), then apply again",
        )
    fresh = sync_tasks.get_sync_task(gate, spec.workspace, ready.task.file)
    return ready.after(fresh, Change(subject, f"{what} (deployment {identifier})"))


def _describe(deployment: Deployment) -> str:
    return "being checked" if deployment.checking else "under way"


# -- Prefect tasks -------------------------------------------------------------------------------------

_TAGS = ("step-4", "developer")


@task(**options("4 create sync task", "4 create sync task of {spec.name}", _TAGS, timeout=900))
def create_sync_task(spec: DataSourceSpec, matrix: str) -> SyncTaskReady:
    """Prefect task of :func:`ensure_created`; ``matrix`` orders it after the connectivity."""
    del matrix
    ready = ensure_created(gate_for(spec.region), spec)
    return completed(ready.report(_task_spec(spec), f"file {ready.task.file}"), ready)


@task(**options("4 schedule sync task", "4 schedule sync task of {spec.name}", _TAGS, timeout=900))
def schedule_sync_task(spec: DataSourceSpec, facts: Facts, ready: SyncTaskReady) -> SyncTaskReady:
    """Prefect task of :func:`ensure_scheduled`."""
    ready = ensure_scheduled(gate_for(spec.region), spec, facts, ready)
    wanted = _task_spec(spec)
    when = f"cron {wanted.schedule.cron}" if wanted.schedule else "not scheduled"
    return completed(ready.report(wanted, when), ready)


@task(**options("4 submit sync task", "4 submit sync task of {spec.name}", _TAGS, timeout=1800))
def submit_sync_task(spec: DataSourceSpec, facts: Facts, ready: SyncTaskReady) -> SyncTaskReady:
    """Prefect task of :func:`ensure_submitted`."""
    ready = ensure_submitted(gate_for(spec.region), spec, facts, ready)
    return completed(ready.report(_task_spec(spec), f"version {ready.task.version} submitted"), ready)


@task(**options("4 deploy sync task", "4 deploy sync task of {spec.name}", _TAGS, timeout=1800))
def deploy_sync_task(spec: DataSourceSpec, facts: Facts, ready: SyncTaskReady) -> SyncTaskReady:
    """Prefect task of :func:`ensure_deployed`."""
    ready = ensure_deployed(gate_for(spec.region), spec, facts, ready)
    return completed(
        ready.report(_task_spec(spec), f"node {ready.task.node}, version {ready.task.version}"), ready
    )
