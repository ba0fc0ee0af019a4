"""Taking a sync task back: who refers to a data source, a file's node out of each environment, the file itself.

Source: ListRefDISyncTasks, GetNodeCode, OfflineNode, DeleteFile, GetFile, ListNodes, ListDeployments, GetDeployment
(2020-05-18). Made as the developer. Objects are told by their ids: a workspace may have several files of one name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cloud.dataworks.deployments import Deployment, get_deployment
from cloud.dataworks.paging import pages
from cloud.dataworks.sync_tasks import SyncTask, list_files, list_nodes, node_version
from cloud.ensure import write_once
from cloud.errors import Conflict, InvalidRequest, NotFound, TaskRefused
from cloud.gate import Gate
from config.limits import DATAWORKS, DATAWORKS_PAGE_ITEMS, DATAWORKS_PAGE_NUMBER_MAXIMUM
from config.personas import Persona

_AS = Persona.DEVELOPER
_DIRECTIONS = {"from": "reads", "to": "writes"}  # RefType
_KINDS = {"DI_OFFLINE": "sync task", "DI_REALTIME": "real-time sync task"}  # TaskType
_NORMAL = "NORMAL"  # GetFile.Data.File.DeletedStatus
_RECENT_PACKAGES_PAGES = 3
_ABSENT = (NotFound, InvalidRequest, TaskRefused, Conflict)  # the codes for what is absent are not documented


@dataclass(frozen=True)
class Reference:
    """A sync task that uses a data source. ``node`` is 0 for one that was never submitted."""

    kind: str
    name: str
    node: int
    does: str
    environment: str = ""
    """Where only the deployed version does; "" for the file."""


def references_to(gate: Gate, workspace: int, data_source: str) -> tuple[Reference, ...]:
    """ListRefDISyncTasks for readers and writers, offline and real-time: what the files say, deployed or not."""
    return tuple(
        Reference(
            _KINDS[kind], str(item.get("NodeName") or ""), int(item.get("NodeId") or 0), _DIRECTIONS[way]
        )
        for kind in _KINDS
        for way in _DIRECTIONS
        for item in _referring(gate, workspace, data_source, way, kind)
    )


def _referring(gate: Gate, workspace: int, data_source: str, way: str, kind: str) -> Iterator[dict[str, Any]]:
    """The answer has no total: a page that is not full is the last one."""
    parameters = {
        "ProjectId": workspace,
        "DatasourceName": data_source,
        "RefType": way,
        "TaskType": kind,
        "PageSize": DATAWORKS_PAGE_ITEMS,
    }
    for number in range(1, DATAWORKS_PAGE_NUMBER_MAXIMUM + 1):
        body = gate.read(
            DATAWORKS, "ListRefDISyncTasks", {**parameters, "PageNumber": number}, persona=_AS,
            subject=f"data source {data_source}",
        )  # fmt: skip
        found = (body.get("Data") or {}).get("DISyncTasks") or []
        yield from found
        if len(found) < DATAWORKS_PAGE_ITEMS:
            return


def deployed_references(
    gate: Gate, workspace: int, environments: tuple[str, ...]
) -> dict[str, tuple[Reference, ...]]:
    """By data source, the nodes that use it although their file says something else by now.

    Such a node runs code that no reading of files shows: GetNodeCode of the nodes whose version is not the file's.
    """
    versions = {one.node: one.version for one in list_files(gate, workspace) if one.node}
    found: dict[str, list[Reference]] = {}
    for environment in environments:
        for node in list_nodes(gate, workspace, environment):
            if versions.get(node.node) == node.version:
                continue
            for name, category, _ in steps_in(_node_code(gate, node.node, environment)):
                does = "writes" if category == "writer" else "reads"
                reference = Reference("sync task", node.name, node.node, does, environment)
                found.setdefault(name, []).append(reference)
    return {name: tuple(references) for name, references in found.items()}


def _node_code(gate: Gate, node: int, environment: str) -> str:
    try:
        body = gate.read(
            DATAWORKS, "GetNodeCode", {"NodeId": node, "ProjectEnv": environment}, persona=_AS,
            subject=f"node {node}",
        )  # fmt: skip
    except _ABSENT:
        return ""  # it went away meanwhile
    return str(body.get("Data") or "")


def steps_in(code: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Steps of a TaskContent: the data source's name, the step's category and its parameters; nothing in other code."""
    try:
        content = json.loads(code)
    except ValueError:
        return
    steps = content.get("steps") if isinstance(content, dict) else None
    for step in steps if isinstance(steps, list) else ():
        parameter = step.get("parameter") if isinstance(step, dict) else None
        if isinstance(parameter, dict) and isinstance(parameter.get("datasource"), str):
            yield parameter["datasource"], str(step.get("category") or ""), parameter


@dataclass(frozen=True)
class DeployedNode:
    """A node of an environment, and the file it comes from."""

    node: int
    file: int


def nodes_named(gate: Gate, workspace: int, environment: str, name: str) -> tuple[DeployedNode, ...]:
    """ListNodes, compared exactly: whether NodeName is exact is not documented."""
    found = pages(
        gate, "ListNodes", {"ProjectId": workspace, "ProjectEnv": environment, "NodeName": name}, persona=_AS,
        subject=f"sync task {name}", container="Data", items="Nodes",
    )  # fmt: skip
    return tuple(
        DeployedNode(int(item["NodeId"]), int(item.get("FileId") or 0))
        for item in found
        if item.get("NodeName") == name
    )


def deleted_description(gate: Gate, workspace: int, file: int) -> str | None:
    """GetFile: the description of a file that was deleted; None for one that was not, or that is not found."""
    try:
        body = gate.read(
            DATAWORKS,
            "GetFile",
            {"ProjectId": workspace, "FileId": file},
            persona=_AS,
            subject=f"file {file}",
        )
    except _ABSENT:
        return None
    found = body["Data"]["File"]
    if str(found.get("DeletedStatus") or _NORMAL) == _NORMAL:
        return None
    return str(found.get("FileDescription") or "")


def offline_node(gate: Gate, workspace: int, node: int, name: str) -> None:
    """OfflineNode: the node leaves production; it is read back that it has."""
    subject = f"sync task {name}"
    parameters = {"ProjectId": workspace, "NodeId": node}
    write_once(
        gate,
        lambda: gate.write(DATAWORKS, "OfflineNode", parameters, persona=_AS, subject=subject),
        lambda: node_version(gate, node, "PROD") is None or None,
        subject=subject,
    )


def delete_file(gate: Gate, workspace: int, task: SyncTask) -> None:
    """DeleteFile: a file that was submitted goes to the recycle bin, and a package takes its node away."""
    subject = f"sync task {task.name}"
    parameters = {"ProjectId": workspace, "FileId": task.file}

    def gone() -> bool | None:
        return (
            all(one.file != task.file for one in list_files(gate, workspace, frozenset({task.file}))) or None
        )

    write_once(
        gate,
        lambda: gate.write(DATAWORKS, "DeleteFile", parameters, persona=_AS, subject=subject),
        gone,
        subject=subject,
    )


def newest_package(gate: Gate, workspace: int, file: int, name: str) -> Deployment | None:
    """ListDeployments, GetDeployment: the newest package of a file, whatever became of it."""
    listed = pages(
        gate, "ListDeployments", {"ProjectId": workspace}, persona=_AS, subject=f"deployments of {name}",
        container="Data", items="Deployments", maximum_pages=_RECENT_PACKAGES_PAGES,
    )  # fmt: skip
    # A package is named after its file; whether it always is is not documented, so others are looked at, too.
    for identifier in sorted((int(item["Id"]) for item in listed), reverse=True):
        deployment = get_deployment(gate, workspace, identifier)
        if file in deployment.files:
            return deployment
    return None
