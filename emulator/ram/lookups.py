"""Finding RAM objects, naming them in permissions, and marking changes: what all RAM actions share.

Source of the ARNs: RAM's page "RAM authorization" of the API reference. The region slot of the resources of RAM's
own actions is ``*``; it is empty in the role ARNs that STS and ``ram:PassRole`` use.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

from emulator.authorization import find_role
from emulator.errors import ApiError
from emulator.ram.system_policies import SYSTEM_POLICIES, SYSTEM_POLICY_CREATED
from emulator.ram.validation import checked_name, checked_policy_type
from emulator.registry import Answer, Call, Handler, Needed
from emulator.state import Group, Policy, PolicyVersion, RamState, Role, User

Needs = Callable[[Call], list[Needed]]
_KINDS = {"RoleName": "role", "PolicyName": "policy", "UserName": "user", "GroupName": "group"}


def changing(handler: Handler) -> Handler:
    """Keep RAM's history around a change, from which the lag settings show older views."""

    @functools.wraps(handler)
    def with_history(call: Call) -> Answer:
        call.cloud.before_ram_change()
        answer = handler(call)
        call.cloud.ram_changed()
        return answer

    return with_history


def resource(call: Call, kind: str, name: str, owner: str = "") -> str:
    """``acs:ram:*:<account>:<kind>/<name>``; the owner of system policies is ``system``."""
    return f"acs:ram:*:{owner or call.cloud.state.account_id}:{kind}/{name}"


def needs_on(action: str, *parameters: str) -> Needs:
    """The permission ``ram:<action>`` on each object that the parameters name."""

    def needed(call: Call) -> list[Needed]:
        found = []
        for parameter in parameters:
            system = parameter == "PolicyName" and call.text("PolicyType") == "System"
            owner = "system" if system else ""
            found.append(
                Needed(f"ram:{action}", resource(call, _KINDS[parameter], call.text(parameter), owner))
            )
        return found

    return needed


def needs_on_all(action: str, kind: str) -> Needs:
    """The permission ``ram:<action>`` on all objects of a kind, which a list asks for."""
    return lambda call: [Needed(f"ram:{action}", resource(call, kind, "*"))]


def role_of(call: Call) -> Role:
    """The role that ``RoleName`` names. Raises ``EntityNotExist.Role``."""
    role = find_role(call.cloud.state.ram, checked_name(call, "RoleName"))
    if role is None:
        raise ApiError("EntityNotExist.Role")
    return role


def own_role_of(call: Call) -> Role:
    """As :func:`role_of`, for a change: a service-linked role belongs to its service (code is a setting)."""
    role = role_of(call)
    if role.service_linked:
        raise ApiError(
            call.cloud.settings.service_linked_role_code,
            f"The role {role.name} is a service-linked role: only its service changes it.",
            status=400,
        )
    return role


def user_of(call: Call) -> User:
    """The user that ``UserName`` names. Raises ``EntityNotExist.User``."""
    user = call.cloud.state.ram.users.get(checked_name(call, "UserName"))
    if user is None:
        raise ApiError("EntityNotExist.User")
    return user


def group_of(call: Call) -> Group:
    """The group that ``GroupName`` names. Raises ``EntityNotExist.Group``."""
    group = call.cloud.state.ram.groups.get(checked_name(call, "GroupName"))
    if group is None:
        raise ApiError("EntityNotExist.Group")
    return group


def custom_policy_of(call: Call) -> Policy:
    """The custom policy that ``PolicyName`` names. Raises ``EntityNotExist.Policy``."""
    policy = call.cloud.state.ram.policies.get(checked_name(call, "PolicyName"))
    if policy is None:
        raise ApiError("EntityNotExist.Policy")
    return policy


class TypedPolicy(NamedTuple):
    """A policy with its type; a system policy has the one version ``v1``."""

    type: str
    policy: Policy


def system_policy(name: str) -> Policy:
    """A system policy in the form of a custom one. Raises ``EntityNotExist.Policy``."""
    document = SYSTEM_POLICIES.get(name)
    if document is None:
        raise ApiError("EntityNotExist.Policy")
    made = SYSTEM_POLICY_CREATED
    # Built without validation: the texts are ours, and lists build many.
    version = PolicyVersion.model_construct(id="v1", document=document, created=made)
    return Policy.model_construct(
        name=name,
        description=f"System policy {name}.",
        created=made,
        updated=made,
        versions=[version],
        default="v1",
        next_version=2,
        tags={},
    )


def policy_named(ram: RamState, policy_type: str, name: str) -> Policy:
    """A policy by type and name. Raises ``EntityNotExist.Policy``."""
    if policy_type == "System":
        return system_policy(name)
    policy = ram.policies.get(name)
    if policy is None:
        raise ApiError("EntityNotExist.Policy")
    return policy


def typed_policy_of(call: Call) -> TypedPolicy:
    """The policy that ``PolicyName`` and ``PolicyType`` name. Raises ``EntityNotExist.Policy``."""
    name = checked_name(call, "PolicyName")
    policy_type = checked_policy_type(call)
    return TypedPolicy(policy_type, policy_named(call.cloud.state.ram, policy_type, name))
