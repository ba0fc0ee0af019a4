"""Workflows and folders of the development tree: what lies in them, and taking empty ones away.

Source: ListBusiness, ListFolders, ListFiles, DeleteFolder, DeleteBusiness (2020-05-18). Made as the developer.
"""

from __future__ import annotations

from dataclasses import dataclass

from cloud.dataworks.paging import pages
from cloud.dataworks.sync_tasks import folder_exists, folder_key, workflow_exists, workflow_key
from cloud.ensure import write_once
from cloud.gate import Gate
from config.limits import DATAWORKS
from config.personas import Persona

_AS = Persona.DEVELOPER


@dataclass(frozen=True)
class Workflow:
    """A workflow (business process) of a workspace."""

    id: int
    name: str
    description: str


@dataclass(frozen=True)
class Folder:
    """A folder by its id, which is a text, and its path."""

    id: str
    path: str


def find_workflow(gate: Gate, workspace: int, name: str) -> Workflow | None:
    """ListBusiness, compared exactly: Keyword matches by containing."""
    found = pages(
        gate, "ListBusiness", {"ProjectId": workspace, "Keyword": name}, persona=_AS, subject=f"workflow {name}",
        container="Data", items="Business",
    )  # fmt: skip
    for item in found:
        if item.get("BusinessName") == name:
            return Workflow(int(item["BusinessId"]), name, str(item.get("Description") or ""))
    return None


def folders_below(gate: Gate, workspace: int, path: str) -> tuple[Folder, ...]:
    """ListFolders, level by level: every folder below a path, each before those in it."""
    found: list[Folder] = []
    waiting = [path]
    while waiting:
        parent = waiting.pop(0)
        listed = pages(
            gate, "ListFolders", {"ProjectId": workspace, "ParentFolderPath": parent}, persona=_AS,
            subject=f"folder {parent}", container="Data", items="Folders",
        )  # fmt: skip
        below = [Folder(str(item["FolderId"]), str(item["FolderPath"])) for item in listed]
        found += below
        waiting += [one.path for one in below]
    return tuple(found)


def files_of_workflow(gate: Gate, workspace: int, workflow: int) -> tuple[str, ...]:
    """ListFiles of every type: the paths of the files in a workflow."""
    found = pages(
        gate, "ListFiles", {"ProjectId": workspace, "NeedAbsoluteFolderPath": True}, persona=_AS,
        subject=f"files of workspace {workspace}", container="Data", items="Files",
    )  # fmt: skip
    return tuple(
        f"{item.get('AbsoluteFolderPath') or ''}/{item.get('FileName') or ''}"
        for item in found
        if workflow in (int(item.get("BusinessId") or 0), int(item.get("BizId") or 0))
    )


def delete_folder(gate: Gate, workspace: int, folder: Folder) -> None:
    """DeleteFolder, read back."""
    parameters = {"ProjectId": workspace, "FolderId": folder.id}
    subject = f"folder {folder.path}"
    _forget(gate, workspace, folder.path)
    write_once(
        gate,
        lambda: gate.write(DATAWORKS, "DeleteFolder", parameters, persona=_AS, subject=subject),
        lambda: not folder_exists(gate, workspace, folder.path) or None,
        subject=subject,
    )


def delete_workflow(gate: Gate, workspace: int, workflow: Workflow) -> None:
    """DeleteBusiness, read back."""
    parameters = {"ProjectId": workspace, "BusinessId": workflow.id}
    subject = f"workflow {workflow.name}"
    if gate.shared is not None:
        gate.shared.forget(workflow_key(workspace, workflow.name))
    write_once(
        gate,
        lambda: gate.write(DATAWORKS, "DeleteBusiness", parameters, persona=_AS, subject=subject),
        lambda: not workflow_exists(gate, workspace, workflow.name) or None,
        subject=subject,
    )


def _forget(gate: Gate, workspace: int, path: str) -> None:
    if gate.shared is not None:
        gate.shared.forget(folder_key(workspace, path))
