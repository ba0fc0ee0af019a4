"""Step 5 (developer): the workflow that onboarding made for its sync tasks, when nothing is in it any more.

A workflow says in its description that it was made here. A folder carries no mark: one on the way to the specification's
sync task goes with such a workflow, when both are empty. Everything else is kept, and the report says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cloud.dataworks.sync_tasks import WORKFLOW_MARK
from cloud.dataworks.workflows import (
    Folder,
    Workflow,
    delete_folder,
    delete_workflow,
    files_of_workflow,
    find_workflow,
    folders_below,
)
from cloud.gate import Gate
from config.personas import Persona
from config.spec import DataSourceSpec
from tasks.planning import Kind, PlannedChange

STEP = 5
_LAYER_PARTS = 3  # <root>/<workflow>/<layer>: these belong to the workflow

Place = tuple[int, str]
"""A workspace and ``<root>/<workflow>``."""


@dataclass(frozen=True)
class WorkflowState:
    """A workflow with the files and folders in it, as paths; ``folders`` are those below its layers."""

    workflow: Workflow | None = None
    files: tuple[str, ...] = ()
    folders: tuple[Folder, ...] = ()


def places_of(specs: Iterable[DataSourceSpec]) -> dict[Place, tuple[str, ...]]:
    """The folders of the specifications' sync tasks, by workflow."""
    found: dict[Place, dict[str, None]] = {}
    for spec in specs:
        if spec.sync_task is not None:
            start = "/".join(spec.sync_task.folder.split("/")[:2])
            found.setdefault((spec.workspace, start), {})[spec.sync_task.folder] = None
    return {place: tuple(paths) for place, paths in found.items()}


def read_workflow(gate: Gate, place: Place) -> WorkflowState:
    """What there is of a workflow; what is in one that was not made here is not looked at."""
    workspace, start = place
    workflow = find_workflow(gate, workspace, start.split("/")[1])
    if workflow is None or workflow.description != WORKFLOW_MARK:
        return WorkflowState(workflow)
    folders = folders_below(gate, workspace, start)
    below = tuple(one for one in folders if len(one.path.split("/")) > _LAYER_PARTS)
    return WorkflowState(workflow, files_of_workflow(gate, workspace, workflow.id), below)


def workflow_changes(
    place: Place, paths: Sequence[str], state: WorkflowState, leaving: Iterable[str] = ()
) -> tuple[PlannedChange, ...]:
    """Folders from below, then the workflow. ``leaving`` are paths of files that will be gone by then."""
    if state.workflow is None or kept_reason(place, paths, state, leaving):
        return ()
    deepest_first = sorted(state.folders, key=lambda one: -one.path.count("/"))
    return (
        *(
            PlannedChange(
                STEP, Kind.DELETE, f"folder {one.path}", Persona.DEVELOPER, ("dataworks:DeleteFolder",),
                {"id": one.id}, {"id": None},
            )
            for one in deepest_first
        ),
        PlannedChange(
            STEP, Kind.DELETE, f"workflow {state.workflow.name}", Persona.DEVELOPER, ("dataworks:DeleteBusiness",),
            {"id": state.workflow.id}, {"id": None},
        ),
    )  # fmt: skip


def kept_reason(place: Place, paths: Sequence[str], state: WorkflowState, leaving: Iterable[str] = ()) -> str:
    """Why workflow and folders are kept, "" when they are not."""
    if state.workflow is None:
        return ""
    title = f"workflow {state.workflow.name} of workspace {place[0]}"
    if state.workflow.description != WORKFLOW_MARK:
        return f"{title} is kept with its folders: its description does not say that it was made here"
    gone = {_key(path) for path in leaving}
    left = [path for path in state.files if _key(path) not in gone]
    if left:
        return f"{title} is kept: {len(left)} files are in it, such as {_name(left[0])}"
    wanted = {_below(path) for path in paths}
    known = {parts[:end] for parts in wanted for end in range(1, len(parts) + 1)}
    others = [one.path for one in state.folders if _below(one.path) not in known]
    if others:
        return f"{title} is kept: folder {others[0]} is in it, and nothing tells who made it"
    return ""


def _key(path: str) -> tuple[str, ...]:
    """A path without root and layer, which the service may spell in another language than the specification."""
    return (*path.split("/")[1:2], *_below(path))


def _below(path: str) -> tuple[str, ...]:
    return tuple(path.split("/")[_LAYER_PARTS:])


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def remove_workflow(gate: Gate, place: Place, paths: Sequence[str]) -> tuple[tuple[PlannedChange, ...], str]:
    """Carry out what :func:`workflow_changes` says of what is there now; also why something is kept."""
    state = read_workflow(gate, place)
    changes = workflow_changes(place, paths, state)
    by_path = {f"folder {one.path}": one for one in state.folders}
    for change in changes:
        if change.subject in by_path:
            delete_folder(gate, place[0], by_path[change.subject])
        elif state.workflow is not None:
            delete_workflow(gate, place[0], state.workflow)
    return changes, kept_reason(place, paths, state)
