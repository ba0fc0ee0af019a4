"""Whether an account has room for everything that a file of specifications needs: asked before the first write.

The published quotas count (:mod:`config.limits`); an account's may be higher, which its administrator knows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from cloud.errors import LimitExceeded
from config.limits import POLICIES_PER_ACCOUNT, POLICY_DOCUMENT_CHARACTERS, ROLES_PER_ACCOUNT
from config.personas import Persona
from policy import size
from tasks.folding import Allocation
from tasks.role_group import RoleGroup


def full_quotas(
    existing_roles: Collection[str],
    existing_policies: Collection[str],
    groups: Sequence[RoleGroup],
    allocation: Allocation,
) -> list[LimitExceeded]:
    """The quotas of the account itself that the groups would pass together: they stop all of them, not one role."""
    roles = {name.lower() for name in existing_roles}
    wanted_roles = {group.role_name.lower() for group in groups}
    policies = {group.policy_name for group in groups} | {*allocation.carriers.values()}
    return [
        *_full("roles", roles, wanted_roles, ROLES_PER_ACCOUNT),
        *_full("custom policies", {*existing_policies}, policies, POLICIES_PER_ACCOUNT),
    ]


def _full(title: str, present: set[str], wanted: set[str], limit: int) -> Iterator[LimitExceeded]:
    more = len(wanted - present)
    if more and len(present) + more > limit:
        yield LimitExceeded(
            f"{len(present)} of {limit} are used, {more} more are needed, {len(present) + more - limit} do not fit",
            subject=f"quota of {title}",
            persona=Persona.ADMINISTRATOR,
            remedy="delete what is not used, let data sources share roles, or ask for a higher quota",
        )


def require_fitting(group: RoleGroup) -> None:
    """Raise :class:`LimitExceeded` when one custom policy cannot hold what all data sources of a role need."""
    characters = size(group.access_document)
    if characters <= POLICY_DOCUMENT_CHARACTERS:
        return
    raise LimitExceeded(
        f"the policy of its {len(group.specs)} data sources would have {characters} characters, the limit is "
        f"{POLICY_DOCUMENT_CHARACTERS}: the first {rows_that_fit(group)} of them fit",
        subject=f"role {group.role_name}",
        persona=Persona.ADMINISTRATOR,
        remedy="give the others one or more roles of their own (role.name)",
    )


def rows_that_fit(group: RoleGroup) -> int:
    """How many of a group's data sources, from the first on, fit in one policy document (6,144 characters)."""
    low, high = 0, len(group.specs)
    while low < high:
        middle = (low + high + 1) // 2
        fits = size(RoleGroup(group.specs[:middle]).access_document) <= POLICY_DOCUMENT_CHARACTERS
        low, high = (middle, high) if fits else (low, middle - 1)
    return low
