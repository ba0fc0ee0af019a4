"""Offline sync tasks: a Data Integration node is a file (type 23) that is submitted and deployed.

Source: vendor's page "Use API operations to perform operations related to a batch synchronization node":
CreateDISyncTask → UpdateFile → SubmitFile → DeployFile (2020-05-18), with GetFile, ListFiles, GetDeployment,
ListDeployments, GetNode.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from cloud.dataworks.paging import pages
from cloud.ensure import write_once
from cloud.errors import Conflict, InvalidRequest, NotFound, TaskRefused
from cloud.gate import Gate
from cloud.shared import UNKNOWN
from config.limits import DATAWORKS, DATAWORKS_PAGE_NUMBER_MAXIMUM, FILE_IDS_PER_CALL
from config.personas import Persona

_AS = Persona.DEVELOPER
_OFFLINE = "DI_OFFLINE"
_OFFLINE_FILE_TYPE = "23"
_REALTIME_FILE_TYPE = 900
WORKFLOW_MARK = "Managed by dataworks-onboarding."
"""Description of a workflow that this project makes: an empty one may be taken away again."""


@dataclass(frozen=True)
class SyncTask:
    """A file with its scheduling, as GetFile tells. ``node`` is 0 until it was submitted once."""

    file: int
    name: str
    content: str
    description: str
    owner: str
    committed: bool
    version: int
    node: int
    scheduling: Mapping[str, Any]


def workflow_key(workspace: int, name: str) -> Hashable:
    """Under which :class:`cloud.shared.Shared` keeps whether a workflow exists."""
    return "workflow", workspace, name


def folder_key(workspace: int, path: str) -> Hashable:
    """Under which :class:`cloud.shared.Shared` keeps whether a folder exists."""
    return "folder", workspace, path


def sync_task_key(workspace: int, folder: str, name: str) -> Hashable:
    """Under which :class:`cloud.shared.Shared` keeps that there is no such sync task."""
    return "sync task", workspace, folder, name


def making_folders(gate: Gate, workspace: int, workflow: str) -> AbstractContextManager[object]:
    """Only one onboarding at a time makes what is missing of a workflow; the others find it."""
    if gate.shared is None:
        return nullcontext()
    return gate.shared.lock(workflow_key(workspace, workflow))


def _known(gate: Gate, key: Hashable) -> object:
    return UNKNOWN if gate.shared is None else gate.shared.known(key)


def _made(gate: Gate, key: Hashable) -> None:
    if gate.shared is not None:
        gate.shared.learn({key: True}, gate.clock.now())


def workflow_exists(gate: Gate, workspace: int, name: str) -> bool:
    """ListBusiness, compared exactly: Keyword matches by containing."""
    known = _known(gate, workflow_key(workspace, name))
    if known is not UNKNOWN:
        return bool(known)
    parameters = {"ProjectId": workspace, "Keyword": name}
    found = pages(
        gate,
        "ListBusiness",
        parameters,
        persona=_AS,
        subject=f"workflow {name}",
        container="Data",
        items="Business",
    )
    return any(item.get("BusinessName") == name for item in found)


def create_workflow(gate: Gate, workspace: int, name: str) -> bool:
    """CreateBusiness: the workflow must exist before a sync task can be put into it."""
    parameters = {
        "ProjectId": workspace,
        "BusinessName": name,
        "UseType": "NORMAL",
        "Description": WORKFLOW_MARK,
    }
    _forget(gate, workflow_key(workspace, name))
    made = write_once(
        gate,
        lambda: gate.write(DATAWORKS, "CreateBusiness", parameters, persona=_AS, subject=f"workflow {name}"),
        lambda: workflow_exists(gate, workspace, name) or None,
        subject=f"workflow {name}",
    )
    _made(gate, workflow_key(workspace, name))
    return made


def _forget(gate: Gate, key: Hashable) -> None:
    if gate.shared is not None:
        gate.shared.forget(key)


def folder_exists(gate: Gate, workspace: int, path: str) -> bool:
    """GetFolder."""
    known = _known(gate, folder_key(workspace, path))
    if known is not UNKNOWN:
        return bool(known)
    try:
        body = gate.read(
            DATAWORKS,
            "GetFolder",
            {"ProjectId": workspace, "FolderPath": path},
            persona=_AS,
            subject=f"folder {path}",
        )
    except (NotFound, InvalidRequest, TaskRefused):
        return False  # the code for an absent folder is not documented
    return bool((body.get("Data") or {}).get("FolderId"))


def create_folder(gate: Gate, workspace: int, path: str) -> bool:
    """CreateFolder."""
    parameters = {"ProjectId": workspace, "FolderPath": path}
    _forget(gate, folder_key(workspace, path))
    made = write_once(
        gate,
        lambda: gate.write(DATAWORKS, "CreateFolder", parameters, persona=_AS, subject=f"folder {path}"),
        lambda: folder_exists(gate, workspace, path) or None,
        subject=f"folder {path}",
    )
    _made(gate, folder_key(workspace, path))
    return made


def find_sync_task(gate: Gate, workspace: int, folder: str, name: str) -> SyncTask | None:
    """ListFiles with ExactFileName in the folder, then GetFile."""
    if _known(gate, sync_task_key(workspace, folder, name)) is None:
        return None
    parameters = {
        "ProjectId": workspace,
        "ExactFileName": name,
        "FileFolderPath": folder,
        "FileTypes": _OFFLINE_FILE_TYPE,
        "UseType": "NORMAL",
    }
    for item in pages(
        gate,
        "ListFiles",
        parameters,
        persona=_AS,
        subject=f"sync task {name}",
        container="Data",
        items="Files",
    ):
        if item.get("FileName") == name:
            return get_sync_task(gate, workspace, int(item["FileId"]))
    return None


def get_sync_task(gate: Gate, workspace: int, file: int) -> SyncTask:
    """GetFile."""
    body = gate.read(
        DATAWORKS, "GetFile", {"ProjectId": workspace, "FileId": file}, persona=_AS, subject=f"file {file}"
    )
    found: dict[str, Any] = body["Data"]["File"]
    return SyncTask(
        file=int(found.get("FileId") or file),
        name=str(found["FileName"]),
        content=str(found.get("Content") or ""),
        description=str(found.get("FileDescription") or ""),
        owner=str(found.get("Owner") or ""),
        committed=int(found.get("CommitStatus") or 0) == 1,
        version=int(found.get("CurrentVersion") or 0),
        node=int(found.get("NodeId") or 0),
        scheduling=dict(body["Data"].get("NodeConfiguration") or {}),
    )


@dataclass(frozen=True)
class ListedFile:
    """A sync task's file as ListFiles shows it: without its scheduling. ``edited_ms`` is LastEditTime."""

    file: int
    name: str
    folder: str
    description: str
    committed: bool
    version: int
    node: int
    edited_ms: int


def list_files(gate: Gate, workspace: int, files: frozenset[int] = frozenset()) -> list[ListedFile]:
    """ListFiles: every offline sync task of the workspace, or those of ``files`` (50 a call)."""
    selections: list[str | None] = [None]
    if files:
        ids = sorted(files)
        selections = [
            ",".join(map(str, ids[start : start + FILE_IDS_PER_CALL]))
            for start in range(0, len(ids), FILE_IDS_PER_CALL)
        ]
    return [
        ListedFile(
            file=int(item["FileId"]),
            name=str(item.get("FileName") or ""),
            folder=str(item.get("AbsoluteFolderPath") or ""),
            description=str(item.get("FileDescription") or ""),
            committed=int(item.get("CommitStatus") or 0) == 1,
            version=int(item.get("CurrentVersion") or 0),
            node=int(item.get("NodeId") or 0),
            edited_ms=int(item.get("LastEditTime") or 0),
        )
        for selection in selections
        for item in pages(
            gate, "ListFiles",
            {
                "ProjectId": workspace, "FileTypes": _OFFLINE_FILE_TYPE, "UseType": "NORMAL",
                "NeedAbsoluteFolderPath": True, "FileIdIn": selection,
            },
            persona=_AS, subject=f"files of workspace {workspace}", container="Data", items="Files",
        )
    ]  # fmt: skip


@dataclass(frozen=True)
class ListedCode:
    """A file of any type with its code, as ListFiles shows it with NeedContent. ``owner`` is an id."""

    file: int
    name: str
    folder: str
    type: int
    owner: str
    committed: bool
    version: int
    node: int
    code: str = field(repr=False)

    @property
    def sync_task(self) -> bool:
        """Whether it is a node of Data Integration, offline or real-time."""
        return self.type in (int(_OFFLINE_FILE_TYPE), _REALTIME_FILE_TYPE)


def list_code(gate: Gate, workspace: int) -> Iterator[ListedCode]:
    """ListFiles with NeedContent: every file of the workspace, whatever its type, 100 a call.

    Code may hold secrets: take what is needed of each file and let it go.
    """
    for item in pages(
        gate, "ListFiles",
        {"ProjectId": workspace, "NeedContent": True, "NeedAbsoluteFolderPath": True},
        persona=_AS, subject=f"files of workspace {workspace}", container="Data", items="Files",
    ):  # fmt: skip
        yield ListedCode(
            file=int(item["FileId"]),
            name=str(item.get("FileName") or ""),
            folder=str(item.get("AbsoluteFolderPath") or ""),
            type=int(item.get("FileType") or 0),
            owner=str(item.get("Owner") or ""),
            committed=int(item.get("CommitStatus") or 0) == 1,
            version=int(item.get("CurrentVersion") or 0),
            node=int(item.get("NodeId") or 0),
            code=str(item.get("Content") or ""),
        )


def reread(gate: Gate, workspace: int, task: SyncTask) -> SyncTask:
    """The file after it was submitted: its version, node and commit status (GetFile, or ListFiles for many)."""
    if gate.shared is None:
        return get_sync_task(gate, workspace, task.file)
    together = gate.shared.together(
        ("files", workspace),
        lambda: lambda keys: {one.file: one for one in list_files(gate, workspace, keys)},
    )
    found = together.get(task.file)
    if found is None:  # the list may be stale
        return get_sync_task(gate, workspace, task.file)
    return replace(task, committed=found.committed, version=found.version, node=found.node)


def create_sync_task(
    gate: Gate, workspace: int, folder: str, name: str, content: str, resource_group: str
) -> SyncTask:
    """CreateDISyncTask(DI_OFFLINE), with a client token made of what is created.

    Of what was answered only the file's id is known: the look that follows UpdateFile verifies the rest.
    """
    token = hashlib.sha256(f"{workspace}\n{folder}\n{name}\n{content}".encode()).hexdigest()[:32]
    parameters = {
        "ProjectId": workspace,
        "TaskType": _OFFLINE,
        "TaskName": name,
        "TaskContent": content,
        "TaskParam": json.dumps(
            {"FileFolderPath": folder, "ResourceGroup": resource_group}, ensure_ascii=False
        ),
        "ClientToken": token,
    }
    _forget(gate, sync_task_key(workspace, folder, name))
    answered: list[int] = []

    def act() -> object:
        body = gate.write(DATAWORKS, "CreateDISyncTask", parameters, persona=_AS, subject=f"sync task {name}")
        answered.append(int((body.get("Data") or {}).get("FileId") or 0))
        return body

    def created() -> SyncTask | None:
        if answered and answered[-1]:
            return SyncTask(
                answered[-1], name, content, "", "", committed=False, version=0, node=0, scheduling={}
            )
        found = find_sync_task(gate, workspace, folder, name)
        # One that somebody else made meanwhile is not what was asked for.
        return found if found is not None and same_json(found.content, content) else None

    return write_once(gate, act, created, subject=f"sync task {name}")


def update_sync_task(
    gate: Gate, workspace: int, task: SyncTask, content: str, resource_group: str
) -> SyncTask:
    """UpdateDISyncTask(DI_OFFLINE): new content, or another resource group."""
    parameters = {
        "ProjectId": workspace,
        "FileId": task.file,
        "TaskType": _OFFLINE,
        "TaskContent": content,
        "TaskParam": json.dumps({"ResourceGroup": resource_group}),
    }
    subject = f"sync task {task.name}"
    # GetFile does not tell the resource group, so only new content proves a change whose answer was lost.
    proves = not same_json(task.content, content)
    accepted: list[bool] = []

    def act() -> object:
        body = gate.write(DATAWORKS, "UpdateDISyncTask", parameters, persona=_AS, subject=subject)
        accepted.append(True)
        return body

    def changed() -> SyncTask | None:
        found = get_sync_task(gate, workspace, task.file)
        return found if (proves or accepted) and same_json(found.content, content) else None

    return write_once(gate, act, changed, subject=subject)


def same_json(left: str, right: str) -> bool:
    """Whether two texts hold the same JSON value."""
    try:
        return bool(json.loads(left) == json.loads(right))
    except ValueError:
        return left == right


def update_file(
    gate: Gate, workspace: int, task: SyncTask, changes: Mapping[str, Any], done: Callable[[SyncTask], bool]
) -> SyncTask:
    """UpdateFile with only the changed keys: fields that are left out stay, and unchanged values may be refused."""
    parameters = {"ProjectId": workspace, "FileId": task.file, **changes}

    def act() -> object:
        return gate.write(DATAWORKS, "UpdateFile", parameters, persona=_AS, subject=f"sync task {task.name}")

    def changed() -> SyncTask | None:
        found = get_sync_task(gate, workspace, task.file)
        return found if done(found) else None

    return write_once(gate, act, changed, subject=f"sync task {task.name}")


def node_version(gate: Gate, node: int, environment: str, persona: Persona = _AS) -> int | None:
    """GetNode's FileVersion in ``DEV`` or ``PROD``; None when there is no such node."""
    try:
        body = gate.read(
            DATAWORKS,
            "GetNode",
            {"NodeId": node, "ProjectEnv": environment},
            persona=persona,
            subject=f"node {node}",
        )
    except (NotFound, InvalidRequest, TaskRefused, Conflict):
        return None  # the code for an absent node is not documented
    version = (body.get("Data") or {}).get("FileVersion")
    return int(version) if version is not None else None


@dataclass(frozen=True)
class ListedNode:
    """A node as ListNodes shows it; ``deployed_ms`` is when its present version came to the environment."""

    node: int
    version: int
    deployed_ms: int
    name: str = ""
    owner: str = ""
    """Id of the owner."""
    scheduled: bool = False
    """Whether the scheduler runs it (SchedulerType NORMAL)."""


def list_nodes(gate: Gate, workspace: int, environment: str) -> list[ListedNode]:
    """ListNodes: the sync tasks' nodes of an environment (``DEV`` or ``PROD``), 10,000 at the most."""
    parameters = {"ProjectId": workspace, "ProjectEnv": environment, "ProgramType": "DI"}
    return [
        ListedNode(
            int(item["NodeId"]),
            int(item.get("FileVersion") or 0),
            int(item.get("DeployDate") or item.get("ModifyTime") or 0),
            str(item.get("NodeName") or ""),
            str(item.get("OwnerId") or ""),
            item.get("SchedulerType") == "NORMAL",
        )
        for item in pages(
            gate, "ListNodes", parameters, persona=_AS, subject=f"nodes of workspace {workspace}",
            container="Data", items="Nodes", maximum_pages=DATAWORKS_PAGE_NUMBER_MAXIMUM,
        )
    ]  # fmt: skip
