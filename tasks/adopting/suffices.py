"""Whether what an adopted role and its grantees hold already suffices: then nothing of it is changed, nor tagged.

Asked of the documents by what they allow, not by how they are written: somebody else wrote them. What cannot be read
or decided does not suffice.
"""

from __future__ import annotations

from dataclasses import replace

from cloud.gate import Gate
from cloud.inventory import inventory_of
from cloud.ram import Grantee, Role
from config.names import SERVICE_PRINCIPAL, role_arns
from config.sources.base import Permission
from policy import PolicyKind, PolicySyntaxError, parse_policy
from policy.explain import (
    AttachedPolicy,
    RolePolicies,
    UserPolicies,
    access_to,
    can_pass,
)
from policy.explain import Inventory as Documents
from tasks.explaining import policies_of
from tasks.role_group import Entity, RoleGroup

_ACCOUNT_PART = 3  # acs:<product>:<region>:<account>:<resource>


def read_held(gate: Gate, group: RoleGroup, entity: Entity) -> tuple[AttachedPolicy, ...]:
    """Every policy of a user with its groups', a group or a role, system policies too; nothing without ``adopt``."""
    if not group.role.adopt:
        return ()
    inventory, (kind, name) = inventory_of(gate), entity
    held = policies_of(inventory, kind, name)
    if kind is Grantee.USER:
        for member_of in inventory.groups_of(name) or ():
            held += policies_of(inventory, Grantee.GROUP, member_of)
    return held


def role_suffices(group: RoleGroup, role: Role | None, held: tuple[AttachedPolicy, ...]) -> bool:
    """Whether Data Integration may assume an adopted role, and the role may do what all its data sources need."""
    if not group.role.adopt or role is None or not held:
        return False
    try:
        trust = parse_policy(role.trust_policy, PolicyKind.TRUST)
    except PolicySyntaxError:
        return False
    account = account_of(role)
    documents = Documents(account, roles=(RolePolicies(role.name, trust, held),))
    needed = [_of_account(one, account) for spec in group.specs for one in spec.required_permissions()]
    rows = access_to(documents, role.name, needed, service=SERVICE_PRINCIPAL)
    return all(row.explanation.allowed for row in rows)


def grant_suffices(group: RoleGroup, account_id: str, held: tuple[AttachedPolicy, ...]) -> bool:
    """Whether somebody with these policies may pass an adopted role to Data Integration already.

    Which spelling of the role's Arn is compared is not documented: one that is allowed counts.
    """
    if not group.role.adopt or not held:
        return False
    documents = Documents(account_id, users=(UserPolicies("holder", held),))
    arns = role_arns(account_id, group.role_name)
    return any(can_pass(documents, "holder", arn, SERVICE_PRINCIPAL).allowed for arn in arns)


def account_of(role: Role) -> str:
    """The account in the role's Arn, ``acs:ram::<account>:role/<name>``."""
    return role.arn.split(":")[_ACCOUNT_PART]


def _of_account(permission: Permission, account: str) -> Permission:
    """The same on the account's own resources only: documents may name it where the generated ones say ``*``."""

    def own(resource: str) -> str:
        parts = resource.split(":")
        if len(parts) > _ACCOUNT_PART and parts[_ACCOUNT_PART] == "*":
            parts[_ACCOUNT_PART] = account
        return ":".join(parts)

    return replace(permission, resources=tuple(own(resource) for resource in permission.resources))
