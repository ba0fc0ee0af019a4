"""Rights beside the specification: further policies on its role, and holders of its policies who are not named in it.

They are reported, not taken away: somebody gave them by hand, or another specification or an earlier form of this one
did, and only a person can tell which.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cloud import ram
from cloud.errors import Refused
from cloud.gate import Gate
from cloud.inventory import Inventory
from cloud.ram import Grantee
from config.names import MANAGED_TAG, folded_policy_number, is_folded_policy
from config.spec import DataSourceSpec
from tasks.folding import read_folded
from tasks.grant_plan import GrantState
from tasks.role import RoleState
from tasks.role_group import RoleGroup


class Unmanaged(NamedTuple):
    """One right beside the specification."""

    code: str
    subject: str
    what: str
    remedy: str


def unmanaged_rights(
    gate: Gate, spec: DataSourceSpec, role: RoleState, grant: GrantState
) -> Iterator[Unmanaged]:
    """Everything found. Raises a call's error when the administrator may not look."""
    if role.role is not None:
        yield from _further_policies(gate, spec, role.role.name)
    if role.policy is not None:
        yield from _holders(gate, spec, spec.policy_name, {(Grantee.ROLE, spec.role_name)}, "PRE031")
    named = set(RoleGroup.of(spec).entities)
    if grant.policy is not None:
        yield from _holders(gate, spec, spec.pass_role_policy_name, named, "PRE032")
    for policy in _folded_policies(gate, spec):
        yield from _holders(gate, spec, policy, named, "PRE032")


def _folded_policies(gate: Gate, spec: DataSourceSpec) -> Iterator[str]:
    """Folded policies of any grantee that give PassRole on the role: one of a grantee who was taken out still does."""
    end = f":role/{spec.role_name.lower()}"
    for name in filter(is_folded_policy, Inventory(gate).custom_policies()):
        policy = ram.get_policy(gate, name)
        if policy is not None and any(arn.lower().endswith(end) for arn in read_folded(policy, {}).arns):
            yield name


def _further_policies(gate: Gate, spec: DataSourceSpec, role: str) -> Iterator[Unmanaged]:
    """Policies on the role that no specification of ours made."""
    key, value = MANAGED_TAG
    for attached in Inventory(gate).names(Grantee.ROLE, role):
        if attached.policy == spec.policy_name and attached.kind == ram.CUSTOM:
            continue
        if attached.kind == ram.CUSTOM and _tags(gate, attached.policy).get(key) == value:
            continue  # of another data source that shares the role
        what = (
            f"the {attached.kind.lower()} policy {attached.policy} is attached to it beside the specification"
        )
        yield Unmanaged("PRE030", f"role {role}", what, f"detach {attached.policy} if nobody needs it there")


def _tags(gate: Gate, policy: str) -> dict[str, str]:
    """A policy whose tags may not be read counts as somebody else's."""
    try:
        return ram.tags_of(gate, "policy", policy)
    except Refused:
        return {}


def _holders(
    gate: Gate, spec: DataSourceSpec, policy: str, named: set[tuple[Grantee, str]], code: str
) -> Iterator[Unmanaged]:
    """Users, groups and roles that hold a policy and are not named in the specification."""
    wanted = {(kind, name.lower()) for kind, name in named}
    for kind, name in ram.policy_holders(gate, policy):
        if (kind, name.lower()) not in wanted:
            holder = f"{kind.value.lower()} {name}"
            what = f"{holder} holds it and is not named in the specification of {spec.name}"
            remedy = f"detach it from {holder}, or name it in grantees"
            if is_folded_policy(policy):
                what += f"; it gives PassRole on role {spec.role_name}, among others"
                if folded_policy_number(kind.value.lower(), name, policy) is not None:  # made for this holder
                    remedy = f"take role {spec.role_name} out of its document, or name {holder} in grantees"
            yield Unmanaged(code, f"custom policy {policy}", what, remedy)
