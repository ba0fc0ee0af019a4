"""The grants of one or many roles, compared and planned together: pure functions of specifications and readings.

Folded policies belong to a grantee, not to a role: each is planned as one change with all its roles, so that it is
written once and takes one of the five versions that RAM keeps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from cloud.errors import LimitExceeded, OnboardingError, Refused, StepError
from cloud.ram import Attached, CustomPolicy
from config.names import MANAGED_TAG, role_arns
from config.personas import Persona
from policy import PolicyDocument, to_dict
from policy.explain import AttachedPolicy
from tasks.adopting.suffices import grant_suffices
from tasks.custom_policy import (
    attachment_changes,
    policy_changes,
    readable,
    refuse_unless_ours,
    tag_changes,
    with_others,
)
from tasks.expiring import deletion, detachment, end_text
from tasks.folding import Allocation, Folded, Holding, Wish, allocate
from tasks.planning import Kind, PlannedChange
from tasks.role_group import Entity, RoleGroup, Sources, group_of

FOLDED_TAGS = dict([MANAGED_TAG])
"""Tags of a folded policy. It names no data sources: what it holds, it says itself."""


@dataclass(frozen=True)
class GrantState:
    """What step 2 found: the role's own PassRole policy with its tags, what is attached to each grantee, and those of
    the grantee's folded policies that matter. ``held``: every policy of each grantee of a role that is to be adopted."""

    policy: CustomPolicy | None
    tags: Mapping[str, str]
    attached: Mapping[Entity, Mapping[str, Attached]]
    folded: Mapping[Entity, tuple[Folded, ...]] = field(default_factory=dict)
    held: Mapping[Entity, tuple[AttachedPolicy, ...]] = field(default_factory=dict)
    today: date = date.min
    """The day of the reading in the scheduler's zone: grants whose last day is before it have ended."""

    def holding(self, entity: Entity) -> Holding:
        """What one grantee holds."""
        return Holding(frozenset(self.attached.get(entity, {})), self.folded.get(entity, ()))


def wish_of(group: RoleGroup, account_id: str, entity: Entity | None = None, today: date = date.min) -> Wish:
    """The grant that each grantee of a group needs, or this one does on a day."""
    until = group.until(entity) if entity is not None else None
    arns = role_arns(account_id, group.role_name)
    return Wish(
        role=group.role_name,
        policy=group.pass_role_policy_name,
        passes=dict.fromkeys(arns, frozenset(group.services)),
        folds=group.role.pass_role == "role",
        end=end_text(until),
        ended=until is not None and until < today,
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
        """The policy by which each grantee of a group holds the grant.

        A refused grantee has none, nor has one who may pass an adopted role by what it holds already.
        """
        found = self.allocation.carriers
        return {e: found[e, group.role_name] for e in group.entities if (e, group.role_name) in found}

    def share(self, group: RoleGroup) -> tuple[PlannedChange, ...]:
        """The changes of folded policies that give the group what it does not have yet, or take what has ended."""
        carriers, shrunk = self.carriers(group), self.allocation.shrunk
        names = {entity: shrunk.get((entity, group.role_name), frozenset()) for entity in group.entities}
        for entity, name in carriers.items():
            if self._new(group, entity, name):
                names[entity] |= {name}
        return tuple(
            change
            for entity, changed in names.items()
            for change in self.folded.get(entity, ())
            if change.subject.removeprefix("custom policy ") in changed
        )

    def _new(self, group: RoleGroup, entity: Entity, name: str) -> bool:
        state = self.states[group.role_name]
        if name not in state.attached.get(entity, {}):
            return True
        wish = wish_of(group, self.account_id, entity, state.today)
        return not any(one.name == name and one.holds(wish) for one in state.folded.get(entity, ()))

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
        state = states[group.role_name]
        for entity in group.entities:
            wish = wish_of(group, account_id, entity, state.today)
            if not wish.end and grant_suffices(group, account_id, state.held.get(entity, ())):
                continue
            wishes.setdefault(entity, []).append(wish)
            holding = state.holding(entity)
            # A role whose own policy the grantee holds was read without the grantee's folded ones.
            if entity not in holdings or holding.folded:
                holdings[entity] = holding
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
    """The role's own policy and its attachments, when a grantee holds the grant by it; and what ends of them."""
    name = group.pass_role_policy_name
    detached = tuple(detachment(name, entity) for entity in detached_from(group, state))
    holders = [e for e in group.entities if allocation.carriers.get((e, group.role_name)) == name]
    if not holders:
        return detached
    if state.policy is not None:
        refuse_unless_ours(group, f"custom policy {name}", state.tags)
    document = wanted_grant(group, account_id, state)
    attachments = (attachment_changes(2, name, entity, state.attached.get(entity, {})) for entity in holders)
    return (
        *policy_changes(2, group, name, state.policy, state.tags, document),
        *(change for changes in attachments for change in changes),
        *detached,
    )


def detached_from(group: RoleGroup, state: GrantState) -> tuple[Entity, ...]:
    """The grantees who hold the role's own policy although their grant ends: it would outlast the end.

    Only if the policy is ours; other holders keep it.
    """
    name, (key, value) = group.pass_role_policy_name, MANAGED_TAG
    if state.tags.get(key) != value and not group.role.adopt:
        return ()
    return tuple(
        entity
        for entity in group.entities
        if group.until(entity) is not None and name in state.attached.get(entity, {})
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
    carrying = {name for (holder, _), name in allocation.carriers.items() if holder == entity}
    for one in changed:
        subject = f"custom policy {one.name}"
        if one.empty:
            if one.name in holding.attached:
                yield detachment(one.name, entity)
            if one.policy is not None:
                yield deletion(one.policy)
            continue
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
        if one.name not in holding.attached and one.name in carrying:
            yield from attachment_changes(2, one.name, entity, {})
    names = {one.name for one in changed}
    yield from (change for name, changes in tagged.items() if name not in names for change in changes)
