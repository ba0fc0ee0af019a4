"""What there is of a role, its policies and its grants, and who holds them: read once for steps 3 and 4."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cloud import ram
from cloud.gate import Gate
from cloud.inventory import AttachedDocument, Inventory
from cloud.ram import CustomPolicy, Grantee
from config.names import SERVICE_PRINCIPAL, is_folded_policy
from config.personas import Persona
from policy import PolicyKind, PolicySyntaxError, parse_policy
from tasks.custom_policy import read_policies, read_policy
from tasks.folding import Folded, read_folded
from tasks.offboarding.choices import Use
from tasks.role import RoleState, read_role
from tasks.role_group import Entity, RoleGroup


@dataclass(frozen=True)
class RoleReading:
    """Role and access policy (``state``), the role's own PassRole policy, and the folded policies that name the role.

    ``holders``: to whom each policy is attached. ``attached``: everything on the role, system policies too.
    """

    state: RoleState
    grant: CustomPolicy | None
    grant_tags: Mapping[str, str]
    folded: tuple[Folded, ...] = ()
    holders: Mapping[str, tuple[Entity, ...]] = field(default_factory=dict)
    attached: tuple[AttachedDocument, ...] = ()

    @property
    def role_id(self) -> str | None:
        """The role's id; None when there is no role."""
        return self.state.role.role_id if self.state.role is not None else None

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the role and its two policies together."""
        return {**self.state.policy_tags, **self.grant_tags, **self.state.role_tags}

    @property
    def nothing(self) -> bool:
        """Whether there is nothing of it."""
        return (
            self.state.role is None and self.state.policy is None and self.grant is None and not self.folded
        )


def read_role_use(gate: Gate, group: RoleGroup) -> RoleReading:
    """Read everything of one role. Raises a call's error: what cannot be read cannot be taken away safely."""
    state = read_role(gate, group)
    grant, grant_tags = read_policy(gate, group.pass_role_policy_name)
    folded = tuple(_folded(gate, group))
    names = [policy.name for policy in (state.policy, grant) if policy is not None]
    holders = _holders(gate, group, (*names, *(one.name for one in folded)))
    attached = Inventory(gate).names(Grantee.ROLE, state.role.name) if state.role is not None else ()
    return RoleReading(state, grant, grant_tags, folded, holders, attached)


def _holders(gate: Gate, group: RoleGroup, policies: Sequence[str]) -> dict[str, tuple[Entity, ...]]:
    """Who holds each policy: the list of a policy's holders may be some seconds old, a holder's own list is not."""
    held: dict[Entity, Mapping[str, object]] = {}

    def holds(entity: Entity, policy: str) -> bool:
        if entity not in held:
            held[entity] = ram.attached_policies(gate, *entity) or {}
        return policy in held[entity]

    found = {}
    for policy in policies:
        asked = dict.fromkeys((*group.entities, *ram.policy_holders(gate, policy)))
        found[policy] = tuple(entity for entity in asked if holds(entity, policy))
    return found


def _folded(gate: Gate, group: RoleGroup) -> Iterator[Folded]:
    """Folded policies of any grantee that name the role: one of somebody who was taken out of grantees still does."""
    names = [name for name in Inventory(gate).custom_policies() if is_folded_policy(name)]
    for policy, tags in read_policies(gate, names).values():
        found = read_folded(policy, tags) if policy is not None else None
        if found is not None and arns_of(group, found):
            yield found


def arns_of(group: RoleGroup, folded: Folded) -> tuple[str, ...]:
    """How a folded policy spells the role: the name's case does not matter."""
    end = f":role/{group.role_name.lower()}"
    return tuple(arn for arn in sorted(folded.arns) if arn.lower().endswith(end))


def role_uses(group: RoleGroup, reading: RoleReading) -> tuple[Use, ...]:
    """What beside data sources uses the role or its access policy, so that they cannot go unasked."""
    uses = []
    who, remedy = Persona.ADMINISTRATOR, "detach it, if nobody needs it there"
    own = (Grantee.ROLE, group.role_name.lower())
    for kind, name in reading.holders.get(group.policy_name, ()):
        if (kind, name.lower()) != own:
            subject = f"{kind.value.lower()} {name}"
            uses.append(Use(subject, f"holds custom policy {group.policy_name}", who, remedy))
    for one in reading.attached:
        if (one.policy, one.kind) != (group.policy_name, ram.CUSTOM):
            subject = f"{one.kind.lower()} policy {one.policy}"
            uses.append(Use(subject, f"is attached to role {group.role_name}", who, remedy))
    trusted = _trusted(reading)
    if trusted:
        what = f"may assume role {group.role_name}"
        remedy = "take it out of the trust policy, if nobody needs it there (onboard apply does)"
        uses += [Use(name, what, who, remedy) for name in trusted]
    return tuple(uses)


def _trusted(reading: RoleReading) -> tuple[str, ...]:
    """Whom the trust policy names beside Data Integration."""
    if reading.state.role is None:
        return ()
    try:
        document = parse_policy(reading.state.role.trust_policy, PolicyKind.TRUST)
    except PolicySyntaxError:
        return ("an unreadable trust policy",)
    found = {
        f"{one.kind} {one.value}"
        for statement in document.statements
        for one in statement.principals
        if (one.kind, one.value) != ("Service", SERVICE_PRINCIPAL)
    }
    return tuple(sorted(found))
