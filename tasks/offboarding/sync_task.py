"""Step 1 (developer): the sync task that onboarding made. Out of production first, then its file, then development.

The file goes to the recycle bin, which no action of this API empties. Runs and their logs stay: they are history.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cloud.dataworks import runs
from cloud.dataworks.deployments import Deployment
from cloud.dataworks.sync_tasks import SyncTask, find_sync_task, node_version, same_json
from cloud.dataworks.undeploying import (
    delete_file,
    deleted_description,
    newest_package,
    nodes_named,
    offline_node,
)
from cloud.errors import DeploymentFailed, NotOurs
from cloud.gate import Gate
from cloud.waiting import poll
from config.personas import Persona
from config.spec import DataSourceSpec
from tasks.offboarding.choices import Choices, Use
from tasks.options import announce
from tasks.planning import Kind, PlannedChange
from tasks.scheduling import MARK
from tasks.workspace import Facts

_UNDER_WAY = frozenset({"WAIT_RESOURCE", "RUNNING", "CHECKING"})  # ListInstances.Status; NOT_RUN only waits


@dataclass(frozen=True)
class TaskState:
    """What there is: the file, and its node by environment. A deleted file's nodes may be there still."""

    task: SyncTask | None = None
    nodes: Mapping[str, int] = field(default_factory=dict)
    deleted_file: int = 0
    running: tuple[int, ...] = ()
    """Instances that run now."""

    @property
    def file(self) -> int:
        """The file's id, deleted or not; 0 when there is none."""
        return self.task.file if self.task is not None else self.deleted_file

    @property
    def node(self) -> int:
        """The node's id, which both environments share; 0 for a task that was never submitted."""
        if self.task is not None:
            return self.task.node
        return next(iter(self.nodes.values()), 0)


def read_task(gate: Gate, spec: DataSourceSpec, facts: Facts) -> TaskState:
    """The sync task with its nodes, also one whose removal was interrupted."""
    wanted = spec.sync_task
    if wanted is None:
        return TaskState()
    wheres = tuple(environment.name for environment in facts.workspace.environments)
    task = find_sync_task(gate, spec.workspace, wanted.folder, wanted.name)
    if task is None:
        return _left_over(gate, spec.workspace, wanted.name, wheres)
    nodes = {
        where: task.node for where in wheres if task.node and node_version(gate, task.node, where) is not None
    }
    return TaskState(task, nodes, running=_running(gate, spec.workspace, nodes))


def _left_over(gate: Gate, workspace: int, name: str, wheres: tuple[str, ...]) -> TaskState:
    """Nodes of a file of ours that was deleted: an earlier run was cut off."""
    nodes: dict[str, int] = {}
    file = 0
    for where in wheres:
        for found in nodes_named(gate, workspace, where, name):
            description = deleted_description(gate, workspace, found.file)
            if description is not None and description.startswith(MARK):
                nodes[where], file = found.node, found.file
    return TaskState(None, nodes, file, _running(gate, workspace, nodes))


def _running(gate: Gate, workspace: int, nodes: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(
        instance.id
        for where, node in nodes.items()
        for instance in runs.list_instances(gate, workspace, where, node=node)
        if instance.status in _UNDER_WAY
    )


def kept_task(spec: DataSourceSpec, state: TaskState, choices: Choices) -> str:
    """Why the task is kept, "" when it is not: who made an adopted one cannot be told."""
    if state.task is not None and spec.role.adopt and not choices.delete_adopted:
        return f"sync task {state.task.name} is kept: the specification has taken over what others made"
    return ""


def task_uses(state: TaskState) -> tuple[Use, ...]:
    """Runs under way."""
    if not state.running:
        return ()
    instances = ", ".join(map(str, state.running))
    return (
        Use(
            f"a run of its sync task (instance {instances})",
            "is under way",
            Persona.EXECUTOR,
            "let it end, or stop it",
        ),
    )


def task_changes(spec: DataSourceSpec, state: TaskState, choices: Choices) -> tuple[PlannedChange, ...]:
    """What step 1 changes. Raises :class:`NotOurs` for a task that somebody else made."""
    if spec.sync_task is None or kept_task(spec, state, choices):
        return ()
    _refuse_foreign(spec, state, choices)
    subject = f"sync task {spec.sync_task.name}"
    changes = [
        PlannedChange(
            1, Kind.UNDEPLOY, f"{subject} (PROD)", Persona.DEVELOPER, ("dataworks:OfflineNode",),
            {"node": node}, {"node": None},
        )
        for where, node in state.nodes.items() if where == "PROD"
    ]  # fmt: skip
    if state.task is not None:
        before = {"file": state.task.file, "folder": spec.sync_task.folder}
        changes.append(
            PlannedChange(
                1, Kind.DELETE, subject, Persona.DEVELOPER, ("dataworks:DeleteFile",), before,
                {"file": None, "folder": None},
            )
        )  # fmt: skip
    changes += [
        PlannedChange(
            1, Kind.UNDEPLOY, f"{subject} ({where})", Persona.DEVELOPER, (), {"node": node}, {"node": None}
        )
        for where, node in state.nodes.items()
        if where != "PROD"  # the package that DeleteFile starts takes it away
    ]
    return tuple(changes)


def _refuse_foreign(spec: DataSourceSpec, state: TaskState, choices: Choices) -> None:
    task = state.task
    if task is None or choices.delete_adopted or task.description.startswith(MARK):
        return
    # As onboarding sees it: cut off after its creation, it has no description yet, but exactly our content.
    if not task.description and not task.committed and same_json(task.content, spec.task_content_text()):
        return
    raise NotOurs(
        "its description does not say that it is managed here",
        subject=f"sync task {task.name}",
        persona=Persona.DEVELOPER,
        remedy="correct sync_task in the specification; if it is really to go, use --delete-adopted",
    )


def remove_task(
    gate: Gate, spec: DataSourceSpec, facts: Facts, choices: Choices
) -> tuple[PlannedChange, ...]:
    """Carry out what :func:`task_changes` says of what is there now; everything is read back.

    Raises :class:`NotOurs`, :class:`DeploymentFailed`, :class:`TimedOut` or a call's error.
    """
    state = read_task(gate, spec, facts)
    changes = task_changes(spec, state, choices)
    if not changes:
        return ()
    assert spec.sync_task is not None
    name = spec.sync_task.name
    if "PROD" in state.nodes:
        offline_node(gate, spec.workspace, state.nodes["PROD"], name)
    if state.task is not None:
        delete_file(gate, spec.workspace, state.task)
    if state.node:
        _see_it_gone(gate, spec.workspace, name, state, facts)
    return changes


def _see_it_gone(gate: Gate, workspace: int, name: str, state: TaskState, facts: Facts) -> None:
    """Wait for the package that takes the node away, whoever started it."""
    wheres = tuple(environment.name for environment in facts.workspace.environments)

    def look() -> tuple[Deployment | None, tuple[str, ...]]:
        package = newest_package(gate, workspace, state.file, name)
        left = tuple(where for where in wheres if node_version(gate, state.node, where) is not None)
        return package, left

    package, left = poll(
        gate,
        look,
        lambda seen: seen[0] is None or not seen[0].running,
        what=f"sync task {name} leaving the workspace",
        subject=f"sync task {name}",
        timeout=gate.settings.deployment_timeout,
        announce=announce,
        describe=lambda seen: f"still in {', '.join(seen[1])}" if seen[1] else "its package is under way",
        persona=Persona.DEVELOPER,
    )
    if left:
        reason = (package.error if package is not None else "") or "no package is under way any more"
        raise DeploymentFailed(
            f"its node is still in {', '.join(left)}: {reason}",
            subject=f"sync task {name}",
            persona=Persona.DEVELOPER,
            remedy="undeploy the node in the workspace (Deployment Center names the reason), then start it again",
        )
