"""Who may do what in a workspace: lookup, membership, workspace roles, and the RAM permission of each action.

Order: RAM permission (gateway) → workspace exists → caller is a member → the member's workspace roles.
Source: vendor's page "Manage workspace members" (roles) and the error codes of the 2020-05-18 API.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from emulator.authorization import Caller, identity_sources, role_arn
from emulator.cloud import LocalCloud
from emulator.errors import ApiError
from emulator.registry import DATAWORKS, Call, Handler, Needed, Param, action
from emulator.state import Node, Workspace

OWNER = "role_project_owner"
ADMINISTRATOR = "role_project_admin"
DEVELOPER = "role_project_dev"
OPERATOR = "role_project_pe"
DEPLOYER = "role_project_deploy"

ROLE_NAMES = {
    OWNER: "Workspace Owner",
    ADMINISTRATOR: "Workspace Administrator",
    DEVELOPER: "Development",
    OPERATOR: "O&M",
    DEPLOYER: "Deployment",
    "role_project_guest": "Visitor",
    "role_project_security": "Security Administrator",
    "role_project_data_analyst": "Data Analyst",
    "role_project_erd": "Model Developer",
    "role_project_scheduler": "Scheduler",
}
"""Codes of the system's workspace roles with their names. Source: ListProjectRoles."""


class Right(Enum):
    """What a workspace role lets a member do; any member may read."""

    READ = frozenset(ROLE_NAMES)
    MANAGE_DATA_SOURCES = frozenset({OWNER, ADMINISTRATOR, OPERATOR})
    EDIT = frozenset({OWNER, ADMINISTRATOR, OPERATOR, DEVELOPER})
    DEPLOY = frozenset({OWNER, ADMINISTRATOR, OPERATOR, DEVELOPER, DEPLOYER})
    RUN = frozenset({OWNER, ADMINISTRATOR, OPERATOR, DEVELOPER, "role_project_scheduler"})


PROJECT = (Param("ProjectId", int), Param("ProjectIdentifier"))
"""The parameters of which an IDE action needs one."""
PROJECT_ID = Param("ProjectId", int, required=True)

_FULL_ACCESS = frozenset({"AliyunDataWorksFullAccess", "AdministratorAccess"})


def dataworks_action(name: str, *params: Param, write: bool = False) -> Callable[[Handler], Handler]:
    """Register a DataWorks action; its caller needs ``dataworks:<name>`` on ``*`` (a setting).

    Legacy actions know no resources. Source: vendor's page "Permissions of the DataWorks OpenAPI".
    """

    def needs(call: Call) -> list[Needed]:
        return [Needed(f"dataworks:{name}", "*")] if call.cloud.settings.ram_policy_required else []

    return action(DATAWORKS, name, *params, write=write, needs=needs)


def workspace(call: Call, right: Right = Right.READ) -> Workspace:
    """The workspace of ``ProjectId`` or ``ProjectIdentifier``, when the caller has the right in it.

    Raises ``Invalid.Tenant.ProjectNotExists``, ``Invalid.Tenant.UserNotInProject`` (400) and
    ``ResourceNotAuthorized.Api`` (403).
    """
    found = find_workspace(call)
    require_right(call, found, right)
    return found


def find_workspace(call: Call) -> Workspace:
    """The workspace that is named, whoever asks."""
    workspaces = call.cloud.state.dataworks.workspaces
    identifier = call.text("ProjectIdentifier")
    if call.given("ProjectId"):
        found = workspaces.get(call.number("ProjectId"))
    elif identifier:
        found = next((one for one in workspaces.values() if one.identifier == identifier), None)
    else:
        text = "下列参数必须指定其中一个：projectId或者projectIdentifier"
        raise ApiError("1201111279", text, status=400)
    if found is None:
        raise ApiError("Invalid.Tenant.ProjectNotExists", status=400)
    return found


def ide_workspace(call: Call, right: Right = Right.READ) -> Workspace:
    """As :func:`workspace`, for the actions that a workspace with the new Data Studio does not answer."""
    found = workspace(call, right)
    if found.new_data_studio:
        settings = call.cloud.settings
        raise ApiError(
            settings.ide_code.format(reason="NewDataStudio"),
            f"Query failed: workspace {found.identifier} uses the new Data Studio; call version 2024-05-18.",
            status=settings.new_data_studio_status,
        )
    return found


def roles_in(cloud: LocalCloud, caller: Caller, space: Workspace) -> frozenset[str] | None:
    """The caller's workspace roles, or None when it is no member. The account owns every workspace."""
    if caller.kind == "account":
        return frozenset({OWNER})
    for member in space.members:
        if member.user == caller.name and member.kind == caller.kind:
            return frozenset(member.roles)
    return None


def require_right(call: Call, space: Workspace, right: Right) -> None:
    """Raise unless the caller is a member of the workspace with one of the right's roles."""
    roles = roles_in(call.cloud, call.caller, space)
    if roles is None:
        raise ApiError("Invalid.Tenant.UserNotInProject", status=400)
    if right is Right.READ or roles & right.value:
        return
    if right is Right.MANAGE_DATA_SOURCES and call.cloud.settings.full_access_manages_data_sources:
        sources = identity_sources(call.cloud.effective_ram(), call.caller.kind, call.caller.name)
        if any(source.name in _FULL_ACCESS for source in sources):
            return
    raise ApiError(
        "ResourceNotAuthorized.Api",
        f"{call.caller.display} has {', '.join(sorted(roles)) or 'no workspace role'} in workspace "
        f"{space.identifier}; one of {', '.join(sorted(right.value))} is needed.",
        status=403,
    )


def require_node_right(call: Call, node: Node, right: Right) -> Workspace:
    """As :func:`require_right` for actions that name a node or an instance and no workspace."""
    space = call.cloud.state.dataworks.workspaces[node.workspace]
    require_right(call, space, right)
    return space


def caller_by_id(cloud: LocalCloud, identity: str) -> Caller | None:
    """The user, role or account with this id; files, nodes and instances keep ids as the API shows them."""
    state = cloud.state
    if identity == state.account_id:
        return Caller("account", "root", identity, f"acs:ram::{identity}:root", identity)
    for user in state.ram.users.values():
        if user.id == identity:
            arn = f"acs:ram::{state.account_id}:user/{user.name}"
            return Caller("user", user.name, user.id, arn, state.account_id)
    for role in state.ram.roles.values():
        if role.id == identity:
            return Caller("role", role.name, role.id, role_arn(cloud, role.name), state.account_id)
    return None


def project_status(space: Workspace) -> str:
    """ProjectStatusCode of a workspace. Source: ListProjects."""
    codes = (
        "AVAILABLE", "DELETED", "INITIALIZING", "INIT_FAILED", "FORBIDDEN", "DELETING", "DEL_FAILED", "FROZEN",
        "UPDATING", "UPDATE_FAILED",
    )  # fmt: skip
    return codes[space.status]
