"""Answers about the account's current documents: who can pass a role, what a role can reach, and why.

The questions are :mod:`policy.explain`'s; here its inventory is read. What cannot be read is UNKNOWN, never ALLOW.
"""

from __future__ import annotations

from collections.abc import Iterable

from cloud.errors import CallError, Refused, RetryableError
from cloud.gate import Gate
from cloud.inventory import AttachedDocument, Inventory
from cloud.ram import Grantee, get_role, group_members
from cloud.sts import caller_identity
from config.personas import Persona
from policy import PolicyDocument, PolicyKind, PolicySyntaxError, parse_policy
from policy.explain import AttachedPolicy, GroupPolicies, RolePolicies, UserPolicies
from policy.explain import Inventory as Documents


def _parsed(text: str | None, kind: PolicyKind) -> PolicyDocument | None:
    if text is None:
        return None
    try:
        return parse_policy(text, kind)
    except PolicySyntaxError:
        return None


def _policies(attached: Iterable[AttachedDocument] | None) -> tuple[AttachedPolicy, ...]:
    """Attached policies; a list that may not be read stands as one policy that cannot be read."""
    if attached is None:
        return (AttachedPolicy("(list of policies)", "unreadable list", None),)
    return tuple(
        AttachedPolicy(one.policy, f"{one.kind} policy", _parsed(one.document, PolicyKind.IDENTITY))
        for one in attached
    )


def policies_of(inventory: Inventory, kind: Grantee, name: str) -> tuple[AttachedPolicy, ...]:
    """Everything attached to a user, group or role; what may not be read stands as policies without document."""
    return _policies(inventory.attached(kind, name))


def read_people(
    gate: Gate, user: str | None = None
) -> tuple[tuple[UserPolicies, ...], tuple[GroupPolicies, ...]]:
    """Users with their policies and groups with members and policies: all of them, or those that concern one user."""
    inventory = Inventory(gate)
    if user is None:
        users, groups = inventory.users(), inventory.groups()
    else:
        users = (user,)
        found = inventory.groups_of(user)
        if found is None:
            # Membership is unknown, so nothing about this user's groups is: an unreadable policy says so.
            unknown = (AttachedPolicy("(groups)", "unreadable list", None),)
            return (UserPolicies(user, (*_policies(inventory.attached(Grantee.USER, user)), *unknown)),), ()
        groups = found
    held: list[GroupPolicies] = []
    unknown_members: list[AttachedPolicy] = []
    for name in groups:
        policies = _policies(inventory.attached(Grantee.GROUP, name))
        try:
            members = frozenset({user} if user is not None else group_members(gate, name))
        except Refused:
            # Whoever is a member has the group's policies: for everybody that is one policy more that is not known.
            unknown_members.append(AttachedPolicy(f"(members of group {name})", "unreadable list", None))
            members = frozenset()
        held.append(GroupPolicies(name, members, policies))
    return (
        tuple(
            UserPolicies(name, (*_policies(inventory.attached(Grantee.USER, name)), *unknown_members))
            for name in users
        ),
        tuple(held),
    )


def read_documents(
    gate: Gate, *, role: str | None = None, people: bool = False, user: str | None = None
) -> Documents:
    """The inventory for a question. Raises a call's error when nothing can be read at all."""
    account = caller_identity(gate, Persona.ADMINISTRATOR).account_id
    users, groups = read_people(gate, user) if people or user is not None else ((), ())
    roles: tuple[RolePolicies, ...] = ()
    if role is not None:
        try:
            found = get_role(gate, role)
        except RetryableError:
            raise
        except CallError:
            found = None
        if found is not None:
            attached = Inventory(gate).attached(Grantee.ROLE, found.name)
            roles = (RolePolicies(role, _parsed(found.trust_policy, PolicyKind.TRUST), _policies(attached)),)
    return Documents(account, users, groups, roles)
