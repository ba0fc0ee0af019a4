"""Roles: CreateRole, GetRole, UpdateRole, DeleteRole, ListRoles."""

from __future__ import annotations

from config import limits
from emulator.authorization import find_role, role_arn
from emulator.clock import iso8601
from emulator.errors import ApiError
from emulator.ram.lookups import changing, needs_on, needs_on_all, own_role_of, role_of
from emulator.ram.paging import page
from emulator.ram.validation import (
    checked_document,
    checked_name,
    checked_number,
    checked_text,
    has_tags,
    shown_tags,
    tag_pairs,
)
from emulator.registry import RAM, Answer, Call, Param, action
from emulator.state import Role
from policy import PolicyKind

ROLE_NAME = Param("RoleName", required=True)


def _shown(call: Call, role: Role) -> Answer:
    """What every answer about a role has."""
    return {
        "RoleId": role.id,
        "RoleName": role.name,
        "Arn": role_arn(call.cloud, role.name),
        "Description": role.description,
        "CreateDate": iso8601(role.created),
        "MaxSessionDuration": role.max_session_duration,
        "AllowConsoleLogin": role.allow_console_login,
    }


def _session_duration(call: Call, parameter: str, default: int) -> int:
    return checked_number(
        call, parameter, limits.ROLE_SESSION_SECONDS_MINIMUM, limits.ROLE_SESSION_SECONDS_MAXIMUM, default
    )


@action(
    RAM,
    "CreateRole",
    ROLE_NAME,
    Param("AssumeRolePolicyDocument", required=True),
    Param("Description"),
    Param("MaxSessionDuration", int),
    Param("AllowConsoleLogin", bool),
    Param("Tag", list),
    write=True,
    needs=needs_on("CreateRole", "RoleName"),
)
@changing
def create_role(call: Call) -> Answer:
    """Role names are unique whatever their case, because their ARNs are lower-cased."""
    ram = call.cloud.state.ram
    name = checked_name(call, "RoleName")
    description = checked_text(call, "Description", limits.RAM_DESCRIPTION_CHARACTERS)
    duration = _session_duration(call, "MaxSessionDuration", limits.ROLE_SESSION_SECONDS_MINIMUM)
    tags = {key: value or "" for key, value in tag_pairs(call).items()}
    document = checked_document(call, "AssumeRolePolicyDocument", PolicyKind.TRUST)
    if find_role(ram, name) is not None:
        raise ApiError("EntityAlreadyExists.Role")
    if len(ram.roles) >= limits.ROLES_PER_ACCOUNT:
        raise ApiError("LimitExceeded.Role")
    now = call.cloud.clock.now()
    role = Role(
        name=name,
        id=call.cloud.state.identifiers.digits("3"),
        created=now,
        updated=now,
        trust_policy=document,
        description=description,
        max_session_duration=duration,
        allow_console_login=bool(call.params.get("AllowConsoleLogin", False)),
        tags=tags,
    )
    ram.roles[name] = role
    return {"Role": {**_shown(call, role), "AssumeRolePolicyDocument": role.trust_policy}}


@action(RAM, "GetRole", ROLE_NAME, needs=needs_on("GetRole", "RoleName"))
def get_role(call: Call) -> Answer:
    """The only reading action that shows a role's trust policy."""
    role = role_of(call)
    account = call.cloud.state.account_id
    return {
        "Role": {
            **_shown(call, role),
            "AssumeRolePolicyDocument": role.trust_policy,
            "UpdateDate": iso8601(role.updated),
            "IsServiceLinkedRole": role.service_linked,
            "RolePrincipalName": f"{role.name.lower()}@role.{account}.onaliyunservice.com",
        }
    }


@action(
    RAM,
    "UpdateRole",
    ROLE_NAME,
    Param("NewAssumeRolePolicyDocument"),
    Param("NewDescription"),
    Param("NewMaxSessionDuration", int),
    Param("NewAllowConsoleLogin", bool),
    write=True,
    needs=needs_on("UpdateRole", "RoleName"),
)
@changing
def update_role(call: Call) -> Answer:
    """Parameters that are left out stay as they are."""
    role = own_role_of(call)
    duration = _session_duration(call, "NewMaxSessionDuration", role.max_session_duration)
    description = role.description
    if call.given("NewDescription"):
        description = checked_text(call, "NewDescription", limits.RAM_DESCRIPTION_CHARACTERS)
    document = role.trust_policy
    if call.given("NewAssumeRolePolicyDocument"):
        document = checked_document(call, "NewAssumeRolePolicyDocument", PolicyKind.TRUST)
    role.max_session_duration, role.description, role.trust_policy = duration, description, document
    role.allow_console_login = bool(call.params.get("NewAllowConsoleLogin", role.allow_console_login))
    role.updated = call.cloud.clock.now()
    return {
        "Role": {
            **_shown(call, role),
            "AssumeRolePolicyDocument": role.trust_policy,
            "UpdateDate": iso8601(role.updated),
        }
    }


@action(RAM, "DeleteRole", ROLE_NAME, write=True, needs=needs_on("DeleteRole", "RoleName"))
@changing
def delete_role(call: Call) -> Answer:
    """Refused while policies are attached. The sessions of the role end with it."""
    role = own_role_of(call)
    if role.attachments:
        raise ApiError("DeleteConflict.Role.Policy")
    del call.cloud.state.ram.roles[role.name]
    return {}


@action(
    RAM,
    "ListRoles",
    Param("Marker"),
    Param("MaxItems", int),
    Param("Tag", list),
    needs=needs_on_all("ListRoles", "role"),
)
def list_roles(call: Call) -> Answer:
    """The items have no trust policy."""
    wanted = tag_pairs(call)
    found = [(name, role) for name, role in call.cloud.state.ram.roles.items() if has_tags(role.tags, wanted)]
    shown, more = page(call, found, limits.RAM_PAGE_ITEMS, limits.RAM_PAGE_ITEMS_DEFAULT)
    items = [
        {**_shown(call, role), "UpdateDate": iso8601(role.updated), "Tags": shown_tags(role.tags)}
        for role in shown
    ]
    return {"Roles": {"Role": items}, **more}
