"""ListNodes, GetNode: the scheduled nodes of an environment."""

from __future__ import annotations

from typing import Any

from emulator.dataworks.access import PROJECT_ID, Right, dataworks_action, require_node_right, workspace
from emulator.dataworks.deployments import find_node
from emulator.dataworks.envelope import ide, milliseconds, one_of, page, present, refusal
from emulator.dataworks.sync_tasks import OFFLINE_FILE
from emulator.registry import Answer, Call, Param
from emulator.state import Node

ENVIRONMENTS = ("DEV", "PROD")
PROGRAM_TYPE = "DI"
"""ProgramType of offline sync tasks. Source: ListNodes."""
_PROJECT_ENV = Param("ProjectEnv", required=True)
_REPEAT_MODES = {"ALL_ALLOWED": 0, "FAILURE_ALLOWED": 1, "ALL_DENIED": 2}


def business_name(call: Call, business: int) -> str:
    """The name of a workflow, "" when it is gone."""
    found = call.cloud.state.dataworks.businesses.get(business)
    return found.name if found else ""


def named_node(call: Call, node_id: int, environment: str, right: Right) -> Node:
    """The node with this id, when the caller has the right in its workspace. Raises the refusal."""
    node = find_node(call, node_id, environment)
    if node is None:
        text = f"The node {node_id} does not exist in environment {environment}."
        raise refusal(call.cloud.settings, "NodeNotExists", text)
    require_node_right(call, node, right)
    return node


@dataworks_action(
    "ListNodes",
    PROJECT_ID,
    _PROJECT_ENV,
    Param("BizName"),
    Param("NodeName"),
    Param("Owner"),
    Param("ProgramType"),
    Param("SchedulerType"),
    Param("PageNumber", int),
    Param("PageSize", int),
)
def list_nodes(call: Call) -> Answer:
    """The nodes of a workspace and environment."""
    space = workspace(call)
    environment = one_of(call, "ProjectEnv", ENVIRONMENTS)
    # What is asked is read once, not once for each of the workspace's thousands.
    fuzzy, name = call.cloud.settings.name_filter_is_fuzzy, call.text("NodeName")
    workflow, owner, scheduler = call.text("BizName"), call.text("Owner"), call.text("SchedulerType")
    other_program = call.text("ProgramType") not in ("", PROGRAM_TYPE)
    found = [
        node
        for node in call.cloud.state.dataworks.nodes
        if node.workspace == space.id
        and node.environment == environment
        and (name in node.name if fuzzy else name in ("", node.name))
        and owner in ("", node.owner)
        and (not workflow or workflow == business_name(call, node.business))
        and (not scheduler or scheduler == node.scheduling.scheduler_type)
        and not other_program
    ]
    counts, shown = page(call, found)
    repeatable = [{**_shown(call, node), "Repeatability": _repeatable(node)} for node in shown]
    return ide(Data={**counts, "Nodes": repeatable})


@dataworks_action("GetNode", Param("NodeId", int, required=True), _PROJECT_ENV)
def get_node(call: Call) -> Answer:
    """One node. Repeatability is text here and a boolean in ListNodes, as in the SDK's models."""
    environment = one_of(call, "ProjectEnv", ENVIRONMENTS)
    node = named_node(call, call.number("NodeId"), environment, Right.READ)
    return ide(Data={**_shown(call, node), "Repeatability": str(_repeatable(node)).lower()})


def _repeatable(node: Node) -> bool:
    return node.scheduling.rerun_mode != "ALL_DENIED"


def _shown(call: Call, node: Node) -> dict[str, Any]:
    scheduling = node.scheduling
    groups = call.cloud.state.dataworks.resource_groups
    group = next((one for one in groups if one.identifier == scheduling.resource_group), None)
    return present(
        NodeId=node.id,
        NodeName=node.name,
        ProjectId=node.workspace,
        FileId=node.file,
        FileVersion=node.file_version,
        FileType=OFFLINE_FILE,
        ProgramType=PROGRAM_TYPE,
        OwnerId=node.owner,
        BusinessId=node.business,
        RelatedFlowId=node.business,
        BaselineId=0,
        CronExpress=scheduling.cron,
        SchedulerType=scheduling.scheduler_type,
        ParamValues=scheduling.parameters,
        RepeatInterval=scheduling.auto_rerun_interval_ms,
        RepeatMode=_REPEAT_MODES[scheduling.rerun_mode],
        Priority=1,
        DqcType=1,  # not associated with Data Quality
        ResGroupIdentifier=group.identifier if group else None,
        ResGroupName=(group.name or group.identifier) if group else None,
        CreateTime=milliseconds(node.created),
        ModifyTime=milliseconds(node.updated),
        DeployDate=milliseconds(node.updated),
    )
