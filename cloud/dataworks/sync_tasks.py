"""Offline sync tasks: a Data Integration node is a file (type 23) that is submitted and deployed.

Source: vendor's page "Use API operations to perform operations related to a batch synchronization node":
CreateDISyncTask → UpdateFile → SubmitFile → DeployFile (2020-05-18), with GetFile, ListFiles, GetDeployment,
ListDeployments, GetNode.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cloud.dataworks.paging import pages
from cloud.ensure import LOOKS, write_once
from cloud.errors import Conflict, InvalidRequest, NotFound, TaskRefused
from cloud.gate import Gate
from config.limits import DATAWORKS
from config.personas import Persona

_AS = Persona.DEVELOPER
_OFFLINE = "DI_OFFLINE"
_OFFLINE_FILE_TYPE = "23"
RUNNING, SUCCEEDED, FAILED = 0, 1, 2  # GetDeployment.Data.Deployment.Status
_CHECK_FAILED = 7
_RECENT_DEPLOYMENTS_PAGES = 3


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


@dataclass(frozen=True)
class Deployment:
    """A package of one file on its way to development (1) or production (2)."""

    id: int
    status: int
    checking: int | None
    error: str
    to_environment: int
    files: Mapping[int, int]

    @property
    def running(self) -> bool:
        """Not at its end yet."""
        return self.status == RUNNING and not self.check_failed

    @property
    def succeeded(self) -> bool:
        """At its end, well."""
        return self.status == SUCCEEDED

    @property
    def check_failed(self) -> bool:
        """An extension refused the package."""
        return self.checking == _CHECK_FAILED


def workflow_exists(gate: Gate, workspace: int, name: str) -> bool:
    """ListBusiness, compared exactly: Keyword matches by containing."""
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
    parameters = {"ProjectId": workspace, "BusinessName": name, "UseType": "NORMAL"}
    return write_once(
        gate,
        lambda: gate.write(DATAWORKS, "CreateBusiness", parameters, persona=_AS, subject=f"workflow {name}"),
        lambda: workflow_exists(gate, workspace, name) or None,
        subject=f"workflow {name}",
    )


def folder_exists(gate: Gate, workspace: int, path: str) -> bool:
    """GetFolder."""
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
    return write_once(
        gate,
        lambda: gate.write(DATAWORKS, "CreateFolder", parameters, persona=_AS, subject=f"folder {path}"),
        lambda: folder_exists(gate, workspace, path) or None,
        subject=f"folder {path}",
    )


def find_sync_task(gate: Gate, workspace: int, folder: str, name: str) -> SyncTask | None:
    """ListFiles with ExactFileName in the folder, then GetFile."""
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


def create_sync_task(
    gate: Gate, workspace: int, folder: str, name: str, content: str, resource_group: str
) -> SyncTask:
    """CreateDISyncTask(DI_OFFLINE), with a client token made of what is created."""
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
    return write_once(
        gate,
        lambda: gate.write(
            DATAWORKS, "CreateDISyncTask", parameters, persona=_AS, subject=f"sync task {name}"
        ),
        lambda: find_sync_task(gate, workspace, folder, name),
        subject=f"sync task {name}",
    )


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


# -- submit and deploy ---------------------------------------------------------------------------------


def get_deployment(gate: Gate, workspace: int, deployment: int) -> Deployment:
    """GetDeployment."""
    body = gate.read(
        DATAWORKS,
        "GetDeployment",
        {"ProjectId": workspace, "DeploymentId": deployment},
        persona=_AS,
        subject=f"deployment {deployment}",
    )
    found = body["Data"]["Deployment"]
    checking = found.get("CheckingStatus")
    return Deployment(
        id=deployment,
        status=int(found["Status"]),
        checking=int(checking) if checking else None,
        error=str(found.get("ErrorMessage") or ""),
        to_environment=int(found["ToEnvironment"]),
        files={int(i["FileId"]): int(i["FileVersion"]) for i in body["Data"].get("DeployedItems") or []},
    )


def recent_deployment(
    gate: Gate,
    workspace: int,
    task: SyncTask,
    to_environment: int,
    statuses: tuple[int, ...] = (RUNNING, SUCCEEDED),
) -> Deployment | None:
    """The newest package of this version of the file in one of ``statuses`` (ListDeployments, GetDeployment)."""
    listed = pages(
        gate, "ListDeployments", {"ProjectId": workspace}, persona=_AS, subject=f"deployments of {task.name}",
        container="Data", items="Deployments", maximum_pages=_RECENT_DEPLOYMENTS_PAGES,
    )  # fmt: skip
    candidates = sorted(
        (int(item["Id"]) for item in listed if int(item.get("Status") or 0) in statuses), reverse=True
    )
    for identifier in candidates:
        deployment = get_deployment(gate, workspace, identifier)
        if deployment.to_environment == to_environment and deployment.files.get(task.file) == task.version:
            return deployment
    return None


def submit(gate: Gate, workspace: int, task: SyncTask, to_environment: int) -> int:
    """SubmitFile; returns the deployment's id."""
    return _package(
        gate,
        workspace,
        task,
        "SubmitFile",
        {"SkipAllDeployFileExtensions": True, "Comment": "submitted by dataworks-onboarding"},
        to_environment,
    )


def deploy(gate: Gate, workspace: int, task: SyncTask) -> int:
    """DeployFile, from development to production; returns the deployment's id."""
    return _package(
        gate, workspace, task, "DeployFile", {"Comment": "deployed by dataworks-onboarding"}, to_environment=2
    )


def _package(
    gate: Gate, workspace: int, task: SyncTask, action: str, extra: Mapping[str, Any], to_environment: int
) -> int:
    """A package whose id was answered is used as it is; after a lost answer it is looked for."""
    answered: list[int] = []
    parameters = {"ProjectId": workspace, "FileId": task.file, **extra}

    def act() -> object:
        body = gate.write(DATAWORKS, action, parameters, persona=_AS, subject=f"sync task {task.name}")
        answered.append(int(body["Data"]))
        return body

    def look_up() -> int | None:
        if answered:
            return answered[-1]
        # Submitting may raise the file's version, so the file is read again.
        current = get_sync_task(gate, workspace, task.file)
        found = recent_deployment(gate, workspace, current, to_environment)
        return found.id if found else None

    return write_once(gate, act, look_up, subject=f"sync task {task.name}", looks=LOOKS)


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
