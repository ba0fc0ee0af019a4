"""Workspaces and resource groups. Source: GetProject, ListResourceGroups (2020-05-18)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cloud.dataworks.paging import pages
from cloud.errors import InvalidRequest, NotFound
from cloud.gate import Gate
from config.limits import (
    DATAWORKS,
    DATAWORKS_PAGE_NUMBER_MAXIMUM,
    PROJECT_MEMBERS_PAGE_NUMBER_MAXIMUM,
)
from config.personas import Persona
from config.sources.base import Environment

DATA_INTEGRATION_GROUP = 4  # ListResourceGroups.ResourceGroupType
_SCHEDULING_GROUPS = (1, 7)  # the same: shared and exclusive groups for scheduling
_STANDARD_MODE = 3  # GetProject.Data.ProjectMode; 2 is basic
_AVAILABLE = 0


@dataclass(frozen=True)
class Workspace:
    """A workspace and the environments its mode gives it (basic: production only)."""

    id: int
    identifier: str
    name: str
    standard: bool
    available: bool
    environments: tuple[Environment, ...]


@dataclass(frozen=True)
class ResourceGroup:
    """A Data Integration resource group."""

    identifier: str
    name: str
    normal: bool


def get_workspace(gate: Gate, workspace: int, persona: Persona = Persona.CREATOR) -> Workspace | None:
    """GetProject; None when it does not exist."""
    try:
        body = gate.read(
            DATAWORKS,
            "GetProject",
            {"ProjectId": workspace},
            persona=persona,
            subject=f"workspace {workspace}",
        )
    except NotFound:
        return None
    except InvalidRequest as error:
        if error.code == "Invalid.Tenant.ProjectNotExists":
            return None
        raise
    data: dict[str, Any] = body["Data"]
    standard = int(data["ProjectMode"]) == _STANDARD_MODE
    return Workspace(
        id=int(data["ProjectId"]),
        identifier=str(data["ProjectIdentifier"]),
        name=str(data.get("ProjectName") or data["ProjectIdentifier"]),
        standard=standard,
        available=int(data.get("Status") or 0) == _AVAILABLE,
        environments=(Environment.DEV, Environment.PROD) if standard else (Environment.PROD,),
    )


def list_workspaces(gate: Gate, persona: Persona = Persona.CREATOR) -> tuple[int, ...]:
    """ListProjects: ids of the workspaces of the account and region that are available."""
    found = pages(
        gate,
        "ListProjects",
        {},
        persona=persona,
        subject="workspaces",
        container="PageResult",
        items="ProjectList",
        maximum_pages=DATAWORKS_PAGE_NUMBER_MAXIMUM,
    )
    return tuple(
        int(item["ProjectId"]) for item in found if int(item.get("ProjectStatus") or 0) == _AVAILABLE
    )


def data_integration_groups(gate: Gate, persona: Persona = Persona.CREATOR) -> dict[str, ResourceGroup]:
    """ListResourceGroups of type 4, by identifier. The call cannot tell which workspace a group is bound to."""
    return _groups(gate, DATA_INTEGRATION_GROUP, persona)


def scheduling_groups(gate: Gate, persona: Persona = Persona.CREATOR) -> dict[str, ResourceGroup]:
    """ListResourceGroups of the types that schedule, by identifier: what UpdateFile.ResourceGroupIdentifier takes."""
    return {
        name: group for kind in _SCHEDULING_GROUPS for name, group in _groups(gate, kind, persona).items()
    }


def _groups(gate: Gate, kind: int, persona: Persona) -> dict[str, ResourceGroup]:
    body = gate.read(
        DATAWORKS,
        "ListResourceGroups",
        {"ResourceGroupType": kind},
        persona=persona,
        subject="resource groups",
    )
    return {
        str(group["Identifier"]): ResourceGroup(
            str(group["Identifier"]), str(group.get("Name") or ""), int(group.get("Status") or 0) == 0
        )
        for group in body.get("Data") or []
    }


def member_roles(gate: Gate, workspace: int, persona: Persona = Persona.CREATOR) -> dict[str, frozenset[str]]:
    """ListProjectMembers: workspace role codes (``role_project_dev`` …) by the member's user or role id."""
    found = pages(
        gate,
        "ListProjectMembers",
        {"ProjectId": workspace},
        persona=persona,
        subject=f"members of workspace {workspace}",
        container="Data",
        items="ProjectMemberList",
        maximum_pages=PROJECT_MEMBERS_PAGE_NUMBER_MAXIMUM,
    )
    return {
        str(member["ProjectMemberId"]): frozenset(
            str(role["ProjectRoleCode"]) for role in member.get("ProjectRoleList") or []
        )
        for member in found
    }
