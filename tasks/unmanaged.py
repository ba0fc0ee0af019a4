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
from config.names import MANAGED_TAG
from config.spec import DataSourceSpec
from tasks.pass_role import GrantState, grantees_of
from tasks.role import RoleState


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
    if grant.policy is not None:
        yield from _holders(gate, spec, spec.pass_role_policy_name, set(grantees_of(spec)), "PRE032")


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
            yield Unmanaged(
                code, f"custom policy {policy}", what, f"detach it from {holder}, or name it in grantees"
            )
