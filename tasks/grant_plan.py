"""The grants of one or many roles, compared and planned together: pure functions of specifications and readings.

Folded policies belong to a grantee, not to a role: each is planned as one change with all its roles, so that it is
written once and takes one of the five versions that RAM keeps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cloud.errors import LimitExceeded, OnboardingError, Refused, StepError
from cloud.ram import Attached, CustomPolicy
from config.names import MANAGED_TAG, role_arns
from config.personas import Persona
from policy import PolicyDocument, to_dict
from tasks.custom_policy import (
    attachment_changes,
    policy_changes,
    readable,
    refuse_unless_ours,
    tag_changes,
    with_others,
)
from tasks.folding import Allocation, Folded, Holding, Wish, allocate
from tasks.planning import Kind, PlannedChange
from tasks.role_group import Entity, RoleGroup, Sources, group_of

FOLDED_TAGS = dict([MANAGED_TAG])
"""Tags of a folded policy. It names no data sources: what it holds, it says itself."""


@dataclass(frozen=True)
class GrantState:
    """What step 2 found: the role's own PassRole policy with its tags, what is attached to each grantee, and those of
    the grantee's folded policies that matter."""

    policy: CustomPolicy | None
    tags: Mapping[str, str]
    attached: Mapping[Entity, Mapping[str, Attached]]
    folded: Mapping[Entity, tuple[Folded, ...]] = field(default_factory=dict)

    def holding(self, entity: Entity) -> Holding:
        """What one grantee holds."""
        return Holding(frozenset(self.attached.get(entity, {})), self.folded.get(entity, ()))


def wish_of(group: RoleGroup, account_id: str) -> Wish:
    """The grant that each grantee of a group needs."""
    arns = role_arns(account_id, group.role_name)
    return Wish(
        role=group.role_name,
        policy=group.pass_role_policy_name,
        passes=dict.fromkeys(arns, frozenset(group.services)),
        folds=group.role.pass_role == "role",
    )


def grant_document(sources: Sources, account_id: str) -> PolicyDocument:
    """The grant of one or several data sources by itself; see :meth:`RoleGroup.grant_document`."""
    return group_of(sources).grant_document(account_id)


def wanted_grant(sources: Sources, account_id: str, state: GrantState) -> PolicyDocument:
    """The role's own PassRole policy: these data sources' grant, plus what it holds for others, such as the services
    of other source types."""
    group = group_of(sources)
    return with_others(group, state.policy, state.tags, group.grant_document(account_id))


@dataclass(frozen=True)
class GrantPlan:
    """Step 2 of one or many roles.

    ``own``: by role, the changes of its own policy. ``folded``: by grantee, those of its folded policies, to be
    applied as one. ``refused``: by role, why it cannot be granted; nothing of its own is planned then.
    """

    account_id: str
    states: Mapping[str, GrantState]
    allocation: Allocation
    own: Mapping[str, tuple[PlannedChange, ...]]
    folded: Mapping[Entity, tuple[PlannedChange, ...]]
    refused: Mapping[str, OnboardingError]

    @property
    def changes(self) -> tuple[PlannedChange, ...]:
        """Everything, each change once."""
        parts = (*self.own.values(), *self.folded.values())
        return tuple(change for part in parts for change in part)

    @property
    def problems(self) -> tuple[OnboardingError, ...]:
        """What roles are refused for, each error once: a grantee without places may have many roles."""
        return tuple({id(error): error for error in self.refused.values()}.values())

    def carriers(self, group: RoleGroup) -> dict[Entity, str]:
        """The policy by which each grantee of a group holds the grant. A refused grantee has none."""
        found = self.allocation.carriers
        return {e: found[e, group.role_name] for e in group.entities if (e, group.role_name) in found}

    def share(self, group: RoleGroup) -> tuple[PlannedChange, ...]:
        """The changes of folded policies that give the group what it does not have yet."""
        return tuple(
            change
            for entity, name in self.carriers(group).items()
            if self._new(group, entity, name)
            for change in self.folded.get(entity, ())
            if change.subject == f"custom policy {name}"
        )

    def _new(self, group: RoleGroup, entity: Entity, name: str) -> bool:
        state = self.states[group.role_name]
        if name not in state.attached.get(entity, {}):
            return True
        passes = wish_of(group, self.account_id).passes
        return not any(one.name == name and one.covers(passes) for one in state.folded.get(entity, ()))

    def changes_of(self, group: RoleGroup) -> tuple[PlannedChange, ...]:
        """Everything that a group's grant takes. Raises what it is refused for."""
        if group.role_name in self.refused:
            raise self.refused[group.role_name]
        return (*self.own.get(group.role_name, ()), *self.share(group))

    def documents(self, group: RoleGroup) -> dict[str, PolicyDocument]:
        """The policies that carry a group's grant, as applying leaves them behind."""
        state = self.states[group.role_name]
        found: dict[str, PolicyDocument] = {}
        for entity, name in self.carriers(group).items():
            planned = (*self.allocation.folded.get(entity, ()), *state.folded.get(entity, ()))
            folded = next((one for one in planned if one.name == name), None)
            if folded is not None:
                found[name] = folded.document()
            else:
                found[name] = wanted_grant(group, self.account_id, state)
        return found


def plan_grants(groups: Sequence[RoleGroup], account_id: str, states: Mapping[str, GrantState]) -> GrantPlan:
    """Plan the grants of many roles together; ``states`` by role name. One role that is refused stops no other.

    A role that is refused to one grantee, or for one policy, is granted to nobody: nothing is left half done.
    """
    refused: dict[str, OnboardingError] = {}
    without_place: dict[tuple[Entity, str], LimitExceeded] = {}
    while True:
        left = [group for group in groups if group.role_name not in refused]
        plan = _plan(left, account_id, states)
        if not plan.refused:
            return replace(plan, refused=refused, allocation=replace(plan.allocation, refused=without_place))
        refused |= plan.refused
        without_place |= plan.allocation.refused


def _plan(groups: Sequence[RoleGroup], account_id: str, states: Mapping[str, GrantState]) -> GrantPlan:
    wishes: dict[Entity, list[Wish]] = {}
    holdings: dict[Entity, Holding] = {}
    for group in groups:
        for entity in group.entities:
            wishes.setdefault(entity, []).append(wish_of(group, account_id))
            holdings[entity] = states[group.role_name].holding(entity)
    allocation = allocate(holdings, wishes)
    refused: dict[str, OnboardingError] = {role: error for (_, role), error in allocation.refused.items()}
    own: dict[str, tuple[PlannedChange, ...]] = {}
    tagged: dict[Entity, dict[str, tuple[PlannedChange, ...]]] = {}
    for group in groups:
        role = group.role_name
        try:
            own[role] = _own_changes(group, account_id, states[role], allocation)
            for entity, folded in _carrying(group, states[role], allocation):
                refuse_unless_ours(group, f"custom policy {folded.name}", folded.tags)
                changes = tag_changes(2, f"custom policy {folded.name}", folded.tags, FOLDED_TAGS)
                tagged.setdefault(entity, {})[folded.name] = changes
        except (StepError, Refused) as error:
            refused.setdefault(role, error)
    units = {
        entity: tuple(_folded_changes(entity, holdings[entity], allocation, tagged.get(entity, {})))
        for entity in {**allocation.folded, **tagged}
    }
    folded_units = {entity: unit for entity, unit in units.items() if unit}
    return GrantPlan(account_id, states, allocation, own, folded_units, refused)


def _own_changes(
    group: RoleGroup, account_id: str, state: GrantState, allocation: Allocation
) -> tuple[PlannedChange, ...]:
    """The role's own policy and its attachments, when a grantee holds the grant by it."""
    name = group.pass_role_policy_name
    holders = [e for e in group.entities if allocation.carriers.get((e, group.role_name)) == name]
    if not holders:
        return ()
    if state.policy is not None:
        refuse_unless_ours(group, f"custom policy {name}", state.tags)
    document = wanted_grant(group, account_id, state)
    attachments = (attachment_changes(2, name, entity, state.attached.get(entity, {})) for entity in holders)
    return (
        *policy_changes(2, group, name, state.policy, state.tags, document),
        *(change for changes in attachments for change in changes),
    )


def _carrying(group: RoleGroup, state: GrantState, allocation: Allocation) -> Iterator[tuple[Entity, Folded]]:
    """The folded policies there are that carry a group's grant."""
    for entity in group.entities:
        name = allocation.carriers.get((entity, group.role_name))
        yield from ((entity, one) for one in state.folded.get(entity, ()) if one.name == name and one.policy)


def _folded_changes(
    entity: Entity,
    holding: Holding,
    allocation: Allocation,
    tagged: Mapping[str, tuple[PlannedChange, ...]],
) -> Iterator[PlannedChange]:
    """Create or update, tag, attach: of each folded policy of a grantee once, whatever the number of its roles."""
    changed = allocation.folded.get(entity, ())
    before = {one.name: one for one in holding.folded}
    for one in changed:
        subject = f"custom policy {one.name}"
        after = {"document": to_dict(one.document())}
        if one.policy is None:
            yield PlannedChange(
                2, Kind.CREATE, subject, Persona.ADMINISTRATOR, ("ram:CreatePolicy",), {},
                {**after, "tags": FOLDED_TAGS},
            )  # fmt: skip
        elif one != before[one.name]:
            yield PlannedChange(
                2, Kind.UPDATE, subject, Persona.ADMINISTRATOR, ("ram:CreatePolicyVersion",),
                {"document": readable(one.policy.document)}, after,
            )  # fmt: skip
        yield from tagged.get(one.name, ())
        if one.name not in holding.attached:
            yield from attachment_changes(2, one.name, entity, {})
    names = {one.name for one in changed}
    yield from (change for name, changes in tagged.items() if name not in names for change in changes)
