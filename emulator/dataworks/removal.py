"""OfflineNode, GetNodeCode, DeleteFolder, DeleteBusiness: taking away what a sync task leaves behind.

A folder or workflow in which something lies is kept; a workflow's own layers go with it. What these actions refuse is
not documented: an empty object is assumed to be needed.
"""

from __future__ import annotations

from typing import Any

from emulator.dataworks.access import PROJECT, PROJECT_ID, Right, dataworks_action, ide_workspace, workspace
from emulator.dataworks.envelope import ide, one_of, refusal
from emulator.dataworks.folders import WORKFLOW_PARTS
from emulator.dataworks.nodes import ENVIRONMENTS, named_node
from emulator.registry import Answer, Call, Param
from emulator.state import Business, File, Node

_NODE_ID = Param("NodeId", int, required=True)


@dataworks_action("OfflineNode", _NODE_ID, PROJECT_ID, write=True)
def offline_node(call: Call) -> Answer:
    """Take a node out of production; its file stays. Refused while another node waits for it. ``Success`` is text."""
    space = workspace(call, Right.DEPLOY)
    node = named_node(call, call.number("NodeId"), "PROD", Right.DEPLOY)
    if node.workspace != space.id:
        text = f"The node {node.id} does not exist in workspace {space.identifier}."
        raise refusal(call.cloud.settings, "NodeNotExists", text)
    waiting = _waiting_for(call, node)
    if waiting:
        text = f"The node {node.name} has downstream nodes: {', '.join(sorted(waiting))}."
        raise refusal(call.cloud.settings, "NodeHasChildren", text)
    call.cloud.state.dataworks.nodes.remove(node)
    return {"Success": "true"}


def _waiting_for(call: Call, node: Node) -> set[str]:
    """Names of the nodes that have one of the node's outputs among their inputs."""
    outputs = set(node.scheduling.outputs)
    return {
        other.name
        for other in call.cloud.state.dataworks.nodes
        if other.id != node.id
        and (other.workspace, other.environment) == (node.workspace, node.environment)
        and outputs.intersection(other.scheduling.inputs)
    }


@dataworks_action("GetNodeCode", _NODE_ID, Param("ProjectEnv", required=True))
def get_node_code(call: Call) -> Answer:
    """The code that a node runs, which its file may have left behind since."""
    environment = one_of(call, "ProjectEnv", ENVIRONMENTS)
    return ide(Data=named_node(call, call.number("NodeId"), environment, Right.READ).content)


@dataworks_action("DeleteFolder", *PROJECT, Param("FolderId", required=True), write=True)
def delete_folder(call: Call) -> Answer:
    """Delete an empty folder below a workflow's layer."""
    space = ide_workspace(call, Right.EDIT)
    folders = call.cloud.state.dataworks.folders
    folder = folders.get(call.text("FolderId"))
    if folder is None or folder.workspace != space.id:
        text = f"The folder {call.text('FolderId')} does not exist."
        raise refusal(call.cloud.settings, "FolderNotExists", text)
    if len(folder.path.split("/")) <= WORKFLOW_PARTS:
        text = f"The folder {folder.path} belongs to its workflow."
        raise refusal(call.cloud.settings, "FolderOfWorkflow", text)
    below = f"{folder.path}/"
    files = [one.name for one in _files(call, space.id) if f"{one.folder}/".startswith(below)]
    inside = [
        *files,
        *(one.path for one in folders.values() if _below(one.workspace, one.path, space.id, below)),
    ]
    if inside:
        text = f"The folder {folder.path} is not empty: {', '.join(sorted(inside))}."
        raise refusal(call.cloud.settings, "FolderNotEmpty", text)
    del folders[folder.id]
    return ide()


@dataworks_action("DeleteBusiness", *PROJECT, Param("BusinessId", int, required=True), write=True)
def delete_business(call: Call) -> Answer:
    """Delete an empty workflow, its layers with it."""
    space = ide_workspace(call, Right.EDIT)
    dataworks, settings = call.cloud.state.dataworks, call.cloud.settings
    business = dataworks.businesses.get(call.number("BusinessId"))
    if business is None or business.workspace != space.id:
        text = f"The workflow {call.number('BusinessId')} does not exist."
        raise refusal(settings, "BusinessNotExists", text)
    path = f"{settings.folder_roots[0]}/{business.name}"
    own = {one.id for one in dataworks.folders.values() if _own(one.workspace, one.path, space.id, path)}
    inside = _inside(call, business, own, f"{path}/")
    if inside:
        text = f"The workflow {business.name} is not empty: {', '.join(sorted(inside))}."
        raise refusal(settings, "BusinessNotEmpty", text)
    for identity in own:
        del dataworks.folders[identity]
    del dataworks.businesses[business.id]
    return ide()


def _inside(call: Call, business: Business, own: set[str], below: str) -> list[str]:
    folders = call.cloud.state.dataworks.folders.values()
    files = [one.name for one in _files(call, business.workspace) if one.business == business.id]
    return [
        *files,
        *(
            one.path
            for one in folders
            if one.id not in own and _below(one.workspace, one.path, business.workspace, below)
        ),
    ]


def _own(workspace_id: int, path: str, wanted: int, start: str) -> bool:
    """The workflow's folder itself, or one of its layers."""
    return workspace_id == wanted and (path == start or path.rpartition("/")[0] == start)


def _below(workspace_id: int, path: str, wanted: int, start: str) -> bool:
    return workspace_id == wanted and path.startswith(start)


def _files(call: Call, workspace_id: int) -> list[File]:
    """Files that are not in the recycle bin."""
    files: Any = call.cloud.state.dataworks.files.values()
    return [one for one in files if one.workspace == workspace_id and one.deleted == "NORMAL"]
