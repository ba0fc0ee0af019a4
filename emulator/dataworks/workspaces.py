"""ListProjects, GetProject, ListProjectMembers, ListResourceGroups."""

from __future__ import annotations

from typing import Any

from config.limits import PROJECT_MEMBERS_PAGE_NUMBER_MAXIMUM
from emulator.clock import console_date
from emulator.cloud import LocalCloud
from emulator.dataplane.network import DATA_INTEGRATION
from emulator.dataworks.access import (
    PROJECT,
    PROJECT_ID,
    ROLE_NAMES,
    dataworks_action,
    project_status,
    workspace,
)
from emulator.dataworks.envelope import page, tenant
from emulator.registry import DATAWORKS, Answer, Call, Param
from emulator.state import ResourceGroup, Workspace, WorkspaceMember

_MODES = {"basic": 2, "standard": 3}
_SCHEDULING = 1
_MEMBER_TYPES = {"account": "1", "user": "5", "role": "6"}
_RERUNS, _RERUN_INTERVAL_MS = 3, 120_000
# The region's own resource group of Resource Management, in which everything is that was not put elsewhere.
_RESOURCE_MANAGER_GROUP = "rg-default"


def _owner_id(cloud: LocalCloud, space: Workspace) -> str:
    user = cloud.state.ram.users.get(space.owner)
    return user.id if user else cloud.state.account_id


def _tags() -> list[dict[str, str]]:
    """Workspaces and resource groups of the local cloud carry no tags."""
    return []


@dataworks_action(
    "ListProjects",
    Param("PageNumber", int),
    Param("PageSize", int),
    Param("ResourceManagerResourceGroupId"),
    Param("Tags", list),
)
def list_projects(call: Call) -> Answer:
    """The workspaces of the account and region."""
    spaces = sorted(call.cloud.state.dataworks.workspaces.values(), key=lambda space: space.id)
    if call.text("ResourceManagerResourceGroupId", _RESOURCE_MANAGER_GROUP) != _RESOURCE_MANAGER_GROUP:
        spaces = []
    if call.params.get("Tags"):
        spaces = []
    counts, shown = page(call, spaces)
    projects = [
        {
            "ProjectId": space.id,
            "ProjectIdentifier": space.identifier,
            "ProjectName": space.name or space.identifier,
            "ProjectDescription": space.description,
            "ProjectOwnerBaseId": _owner_id(call.cloud, space),
            "ProjectStatus": space.status,
            "ProjectStatusCode": project_status(space),
            "DisableDevelopment": False,
            "IsDefault": 0,
            "TablePrivacyMode": 1,
            "UseProxyOdpsAccount": False,
            "ResourceManagerResourceGroupId": _RESOURCE_MANAGER_GROUP,
            "Tags": _tags(),
        }
        for space in shown
    ]
    return {"PageResult": {**counts, "ProjectList": projects}}


@dataworks_action("GetProject", *PROJECT)
def get_project(call: Call) -> Answer:
    """One workspace: ProjectMode 2 is basic, 3 is standard."""
    space = workspace(call)
    dataworks = call.cloud.state.dataworks
    default = next(
        (group.identifier for group in dataworks.resource_groups if group.type == DATA_INTEGRATION), ""
    )
    created = console_date(space.created)
    return tenant(
        {
            "ProjectId": space.id,
            "ProjectIdentifier": space.identifier,
            "ProjectName": space.name or space.identifier,
            "ProjectDescription": space.description,
            "ProjectMode": _MODES[space.mode],
            "EnvTypes": ["PROD"] if space.mode == "basic" else ["DEV", "PROD"],
            "ProjectOwnerBaseId": _owner_id(call.cloud, space),
            "Status": space.status,
            "TenantId": dataworks.tenant_id,
            "DefaultDiResourceGroupIdentifier": default,
            "SchedulerMaxRetryTimes": _RERUNS,
            "SchedulerRetryInterval": _RERUN_INTERVAL_MS,
            "GmtCreate": created,
            "GmtModified": created,
            "DisableDevelopment": False,
            "IsAllowDownload": 1,
            "IsDefault": 0,
            "ProtectedMode": 0,
            "ResidentArea": "private",
            "TablePrivacyMode": 1,
            "UseProxyOdpsAccount": False,
            "ResourceManagerResourceGroupId": _RESOURCE_MANAGER_GROUP,
            "Tags": _tags(),
        }
    )


@dataworks_action("ListProjectMembers", PROJECT_ID, Param("PageNumber", int), Param("PageSize", int))
def list_project_members(call: Call) -> Answer:
    """The members of a workspace with their workspace roles."""
    space = workspace(call)
    counts, shown = page(call, space.members, last=PROJECT_MEMBERS_PAGE_NUMBER_MAXIMUM)
    members = [_member(call.cloud, member) for member in shown]
    return {"Data": {**counts, "ProjectMemberList": members}}


def _member(cloud: LocalCloud, member: WorkspaceMember) -> dict[str, Any]:
    ram = cloud.state.ram
    named = ram.roles.get(member.user) if member.kind == "role" else ram.users.get(member.user)
    codes = list(ROLE_NAMES)
    return {
        "ProjectMemberId": named.id if named else cloud.state.account_id,
        "ProjectMemberName": member.user,
        "Nick": member.user,
        "ProjectMemberType": _MEMBER_TYPES[member.kind],
        "Status": "0",
        "ProjectRoleList": [
            {
                "ProjectRoleId": codes.index(code) + 1 if code in codes else 0,
                "ProjectRoleCode": code,
                "ProjectRoleName": ROLE_NAMES.get(code, code),
                "ProjectRoleType": "SYSTEM" if code in codes else "USER_CUSTOM",
            }
            for code in member.roles
        ],
    }


@dataworks_action(
    "ListResourceGroups",
    Param("ResourceGroupType", int),
    Param("BizExtKey"),
    Param("Keyword"),
    Param("ResourceManagerResourceGroupId"),
    Param("Tags", list),
)
def list_resource_groups(call: Call) -> Answer:
    """Resource groups of one type (default 1, scheduling); nothing tells which workspaces may use them."""
    wanted = call.number("ResourceGroupType", _SCHEDULING)
    if wanted not in (0, 1, 2, 3, 4, 7, 9):
        raise DATAWORKS.invalid("ResourceGroupType")
    keyword, key = call.text("Keyword"), call.text("BizExtKey")
    groups = [
        group
        for group in call.cloud.state.dataworks.resource_groups
        if group.type == wanted
        and (keyword in group.name or keyword in group.identifier)
        and key in ("", _biz_ext_key(group))
        and not call.params.get("Tags")
    ]
    return tenant([_group(call.cloud, group) for group in groups])


def _biz_ext_key(group: ResourceGroup) -> str:
    return "single" if group.exclusive else "default"


def _group(cloud: LocalCloud, group: ResourceGroup) -> dict[str, Any]:
    created = console_date(group.created)
    return {
        "Id": group.id,
        "Identifier": group.identifier,
        "Name": group.name or group.identifier,
        "ResourceGroupType": str(group.type),
        "Mode": group.mode,
        "Status": group.status,
        "BizExtKey": _biz_ext_key(group),
        "Cluster": f"{cloud.state.region}-cluster",
        "EnableKp": True,
        "IsDefault": False,
        "Sequence": group.id,
        "Specs": {},
        "TenantId": cloud.state.dataworks.tenant_id,
        "CreateTime": created,
        "UpdateTime": created,
        "ResourceManagerResourceGroupId": _RESOURCE_MANAGER_GROUP,
        "Tags": _tags(),
    }
