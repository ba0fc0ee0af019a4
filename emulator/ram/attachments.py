"""Attachments: AttachPolicyTo and DetachPolicyFrom a role, user or group, the lists of both directions.

Attaching and detaching are not idempotent (a repetition is refused), and ListEntitiesForPolicy may answer late
(setting ``list_lag_seconds``). Grants limited to a resource group are not implemented and refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from config import limits
from emulator.authorization import role_arn
from emulator.clock import iso8601
from emulator.errors import ApiError
from emulator.ram.lookups import (
    changing,
    group_of,
    needs_on,
    own_role_of,
    policy_named,
    role_of,
    typed_policy_of,
    user_of,
)
from emulator.ram.validation import checked_name, checked_policy_type
from emulator.registry import RAM, Answer, Call, Param, action
from emulator.state import Attachment, Principal

_POLICY_NAME = Param("PolicyName", required=True)
_POLICY_TYPE = Param("PolicyType", required=True)
_NO_ROLE_POLICY = (
    "The indicate policy attached to the role does not exist."  # text assumed: no page prints it
)


class _Kind(NamedTuple):
    """A kind of principal: its word in action names and codes, its parameter, and how it is found."""

    word: str
    parameter: str
    find: Callable[[Call], Principal]
    find_for_change: Callable[[Call], Principal]


_ROLE = _Kind("Role", "RoleName", role_of, own_role_of)
_USER = _Kind("User", "UserName", user_of, user_of)
_GROUP = _Kind("Group", "GroupName", group_of, group_of)


def _refuse_resource_group(call: Call) -> None:
    if call.given("ResourceGroupId"):
        raise ApiError(
            "NotImplemented",
            "The local cloud does not implement grants limited to a resource group.",
            status=400,
        )


def _attached(principal: Principal, policy: str, policy_type: str) -> Attachment | None:
    for attachment in principal.attachments:
        if attachment.policy == policy and attachment.type == policy_type:
            return attachment
    return None


def _attach(call: Call, kind: _Kind) -> Answer:
    """Grants the policy in the whole account; a second time is refused."""
    _refuse_resource_group(call)
    principal = kind.find_for_change(call)
    policy_type, policy = typed_policy_of(call)
    if _attached(principal, policy.name, policy_type) is not None:
        raise ApiError(f"EntityAlreadyExists.{kind.word}.Policy")
    most = limits.SYSTEM_POLICIES_PER_ENTITY if policy_type == "System" else limits.CUSTOM_POLICIES_PER_ENTITY
    if sum(one.type == policy_type for one in principal.attachments) >= most:
        raise ApiError(f"LimitExceeded.{kind.word}.Policy")
    principal.attachments.append(
        Attachment.model_validate(
            {"policy": policy.name, "type": policy_type, "attached": call.cloud.clock.now()}
        )
    )
    return {}


def _detach(call: Call, kind: _Kind) -> Answer:
    """Withdraws the policy; refused when it is not attached."""
    _refuse_resource_group(call)
    principal = kind.find_for_change(call)
    policy_type, policy = typed_policy_of(call)
    attachment = _attached(principal, policy.name, policy_type)
    if attachment is None:
        raise ApiError(f"EntityNotExist.{kind.word}.Policy", _NO_ROLE_POLICY if kind is _ROLE else None)
    principal.attachments.remove(attachment)
    return {}


def _list(call: Call, kind: _Kind) -> Answer:
    """A user's list has no policies of its groups."""
    ram = call.cloud.state.ram
    items = []
    for attachment in kind.find(call).attachments:
        policy = policy_named(ram, attachment.type, attachment.policy)
        items.append(
            {
                "PolicyName": policy.name,
                "PolicyType": attachment.type,
                "Description": policy.description,
                "DefaultVersion": policy.default,
                "AttachDate": iso8601(attachment.attached),
            }
        )
    return {"Policies": {"Policy": items}}


def _register(kind: _Kind) -> None:
    name = Param(kind.parameter, required=True)
    grant = (name, _POLICY_NAME, _POLICY_TYPE, Param("ResourceGroupId"))
    for verb, change in ((f"AttachPolicyTo{kind.word}", _attach), (f"DetachPolicyFrom{kind.word}", _detach)):

        def handler(call: Call, change: Callable[[Call, _Kind], Answer] = change) -> Answer:
            return change(call, kind)

        handler.__doc__ = change.__doc__
        needs = needs_on(verb, kind.parameter, "PolicyName")
        action(RAM, verb, *grant, write=True, needs=needs)(changing(handler))
    verb = f"ListPoliciesFor{kind.word}"
    action(RAM, verb, name, needs=needs_on(verb, kind.parameter))(lambda call: _list(call, kind))


for _kind in (_ROLE, _USER, _GROUP):
    _register(_kind)


@action(
    RAM,
    "ListEntitiesForPolicy",
    _POLICY_NAME,
    _POLICY_TYPE,
    needs=needs_on("ListEntitiesForPolicy", "PolicyName"),
)
def list_entities_for_policy(call: Call) -> Answer:
    """Users, groups and roles of a policy, as they were ``list_lag_seconds`` ago."""
    typed_policy_of(call)
    name, policy_type = checked_name(call, "PolicyName"), checked_policy_type(call)
    ram = call.cloud.listed_ram()
    users, groups, roles = [], [], []
    for user in ram.users.values():
        if attachment := _attached(user, name, policy_type):
            users.append(
                {
                    "UserName": user.name,
                    "UserId": user.id,
                    "DisplayName": user.display_name,
                    "AttachDate": iso8601(attachment.attached),
                }
            )
    for group in ram.groups.values():
        if attachment := _attached(group, name, policy_type):
            groups.append(
                {
                    "GroupName": group.name,
                    "Comments": group.comments,
                    "AttachDate": iso8601(attachment.attached),
                }
            )
    for role in ram.roles.values():
        if attachment := _attached(role, name, policy_type):
            roles.append(
                {
                    "RoleName": role.name,
                    "RoleId": role.id,
                    "Arn": role_arn(call.cloud, role.name),
                    "Description": role.description,
                    "AttachDate": iso8601(attachment.attached),
                }
            )
    return {"Users": {"User": users}, "Groups": {"Group": groups}, "Roles": {"Role": roles}}
