"""Step 4 (developer), second half: SubmitFile → DeployFile, each waited for.

Source: vendor's page "Use API operations to perform operations related to a batch synchronization node".
"""

from __future__ import annotations

from collections.abc import Callable

from prefect import task

from cloud.dataworks import deployments, sync_tasks
from cloud.dataworks.deployments import Deployment
from cloud.dataworks.sync_tasks import SyncTask
from cloud.errors import DeploymentFailed
from cloud.gate import Gate
from cloud.waiting import poll
from config.personas import Persona
from config.sources.base import Environment
from config.spec import DataSourceSpec
from tasks.connection import step_gate
from tasks.options import announce, completed, options
from tasks.planning import Kind, PlannedChange
from tasks.sync_task import SyncTaskReady, deployment, submission, wanted_task
from tasks.workspace import Facts

_TO_DEV, _TO_PROD = 1, 2  # GetDeployment.Data.Deployment.ToEnvironment


def ensure_submitted(gate: Gate, spec: DataSourceSpec, facts: Facts, ready: SyncTaskReady) -> SyncTaskReady:
    """The file's present version in development (basic workspace: in production)."""
    environment, to = ("DEV", _TO_DEV) if facts.workspace.standard else ("PROD", _TO_PROD)
    if ready.task.committed and _reached(gate, ready.task, environment):
        return ready
    return _carry(
        gate,
        spec,
        ready,
        to,
        lambda: deployments.submit(gate, spec.workspace, ready.task, to),
        submission(spec),
    )


def ensure_deployed(gate: Gate, spec: DataSourceSpec, facts: Facts, ready: SyncTaskReady) -> SyncTaskReady:
    """The submitted version in production, when the specification has that environment."""
    just_submitted = facts.workspace.standard and any(change.kind is Kind.SUBMIT for change in ready.changes)
    if Environment.PROD not in facts.environments:
        return ready
    if not just_submitted and _reached(gate, ready.task, "PROD"):
        return ready
    return _carry(
        gate,
        spec,
        ready,
        _TO_PROD,
        lambda: deployments.deploy(gate, spec.workspace, ready.task),
        deployment(spec),
    )


def _reached(gate: Gate, task: SyncTask, environment: str) -> bool:
    return task.node != 0 and sync_tasks.node_version(gate, task.node, environment) == task.version


def _carry(
    gate: Gate,
    spec: DataSourceSpec,
    ready: SyncTaskReady,
    to: int,
    start: Callable[[], int],
    change: PlannedChange,
) -> SyncTaskReady:
    """Wait for a package that is on its way, or start one, and see it through."""
    wanted = wanted_task(spec)
    subject = f"sync task {wanted.name}"
    under_way = None
    if ready.task.committed:  # an interrupted run may have left one; a file never submitted has none
        under_way = deployments.recent_deployment(
            gate, spec.workspace, ready.task, to, (deployments.RUNNING,)
        )
        # It may have ended after the node was looked at and before the packages were.
        where = "PROD" if to == _TO_PROD else "DEV"
        if under_way is None and _reached(gate, ready.task, where):
            return ready
    identifier = under_way.id if under_way else start()
    ended = poll(
        gate,
        lambda: deployments.watch_deployment(gate, spec.workspace, identifier),
        lambda deployment: not deployment.running,
        what=f"{subject} on its way to {'production' if to == _TO_PROD else 'development'}",
        subject=subject,
        timeout=gate.settings.deployment_timeout,
        announce=announce,
        describe=_describe,
        persona=Persona.DEVELOPER,
        paced=True,
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
    fresh = sync_tasks.reread(gate, spec.workspace, ready.task)
    return ready.after(fresh, change)


def _describe(deployment: Deployment) -> str:
    return "being checked" if deployment.checking else "under way"


@task(**options("4 submit sync task", "4 submit sync task of {spec.name}", timeout=1800))
def submit_sync_task(spec: DataSourceSpec, facts: Facts, ready: SyncTaskReady) -> SyncTaskReady:
    """Prefect task of :func:`ensure_submitted`."""
    with step_gate(spec, 4) as gate:
        ready = ensure_submitted(gate, spec, facts, ready)
    return completed(ready.report(wanted_task(spec), f"version {ready.task.version} submitted"), ready)


@task(**options("4 deploy sync task", "4 deploy sync task of {spec.name}", timeout=1800))
def deploy_sync_task(spec: DataSourceSpec, facts: Facts, ready: SyncTaskReady) -> SyncTaskReady:
    """Prefect task of :func:`ensure_deployed`."""
    with step_gate(spec, 4) as gate:
        ready = ensure_deployed(gate, spec, facts, ready)
    return completed(
        ready.report(wanted_task(spec), f"node {ready.task.node}, version {ready.task.version}"), ready
    )
