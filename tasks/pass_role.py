"""Step 2 (administrator): ``ram:PassRole`` on exactly this role for the grantees. Vendor's page, "Template 2".

Without it the creator cannot save the data source, and each run of each sync task fails. Which policy carries the
grant, the role's own or one that is folded from many roles' grants, is decided by :mod:`tasks.folding`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from prefect import task

from cloud import ram
from cloud.errors import Conflict
from cloud.gate import Gate
from cloud.ram import Attached
from config.limits import CUSTOM_POLICIES_PER_ENTITY, POLICY_DOCUMENT_CHARACTERS
from config.names import folded_policy_name, folded_policy_number
from config.personas import Persona
from config.spec import DataSourceSpec
from policy import minified, size
from tasks.adopting.suffices import read_held
from tasks.connection import step_gate
from tasks.custom_policy import (
    Listed,
    Policies,
    list_names,
    once_more_when_made,
    read_each,
    read_policies,
    read_policy,
    write_attachments,
    write_policy,
    write_tags,
)
from tasks.expiring import detach_ended, remove_folded, today_of
from tasks.folding import Folded, read_folded
from tasks.grant_plan import FOLDED_TAGS, GrantPlan, GrantState, detached_from, plan_grants, wanted_grant
from tasks.options import completed, options
from tasks.outcome import Outcome, StepReport
from tasks.planning import PlannedChange
from tasks.role import RoleReady
from tasks.role_group import Entity, RoleGroup, Sources, group_of
from tasks.workspace import Facts

TITLE = "PassRole"
Members = Callable[[str], Iterable[str]]
"""The users of a group."""


@dataclass(frozen=True)
class Granted:
    """The grant as it stands after step 2. ``changed_at`` (seconds since the epoch): last change that must spread.

    ``policy`` names the custom policies that carry it.
    """

    policy: str
    changed_at: float
    report: StepReport
    holders: frozenset[str] = frozenset()
    """Users that hold the grant, by themselves or by a group."""


# -- read ----------------------------------------------------------------------------------------------


def read_grant(gate: Gate, sources: Sources) -> GrantState:
    """What there is of the role's PassRole policy, its attachments, and the folded policies of grantees without it."""
    group = group_of(sources)
    policy, tags = read_policy(gate, group.pass_role_policy_name)
    attached = {entity: ram.attached_policies(gate, *entity) or {} for entity in group.entities}
    asking = [entity for entity in group.entities if _may_fold(group, entity, attached[entity])]
    names = {entity: _folded_names(entity, attached[entity]) for entity in asking}
    read = _read_folded(gate, (name for each in names.values() for name in each))
    folded = {entity: [read[name] for name in each if name in read] for entity, each in names.items()}
    for entity in asking:
        if len(attached[entity]) >= CUSTOM_POLICIES_PER_ENTITY - 1:
            folded[entity] += _unattached(gate, group, entity, folded[entity])
    return GrantState(
        policy,
        tags,
        attached,
        {entity: tuple(each) for entity, each in folded.items()},
        {entity: read_held(gate, group, entity) for entity in group.entities},
        today_of(gate),
    )


def read_grants(
    gate: Gate, groups: Sequence[RoleGroup], listed: Listed | None = None, policies: Policies | None = None
) -> dict[str, GrantState]:
    """The same for many roles, by role name: a grantee and a folded policy are read once for all of them.

    What is not listed needs no call of its own; see :func:`tasks.role.read_roles`.
    """
    listed = listed or list_names(gate)
    policies = policies or read_policies(gate, (group.pass_role_policy_name for group in groups), listed)
    entities = dict.fromkeys(entity for group in groups for entity in group.entities)
    attached = read_each(lambda entity: ram.attached_policies(gate, *entity) or {}, entities)
    asking = {e for group in groups for e in group.entities if _may_fold(group, e, attached[e])}
    names = {entity: _folded_names(entity, (*attached[entity], *listed.policies)) for entity in asking}
    read = _read_folded(gate, (name for each in names.values() for name in each))
    folded = {e: tuple(read[name] for name in each if name in read) for e, each in names.items()}
    return {
        group.role_name: GrantState(
            *policies[group.pass_role_policy_name],
            {entity: attached[entity] for entity in group.entities},
            {e: folded[e] for e in group.entities if _may_fold(group, e, attached[e])},
            {entity: read_held(gate, group, entity) for entity in group.entities},
            today_of(gate),
        )
        for group in groups
    }


def _may_fold(group: RoleGroup, entity: Entity, attached: Mapping[str, Attached]) -> bool:
    """Whether a grantee's folded policies matter for the grant: it does not hold the role's own, or not for good."""
    lacks = group.pass_role_policy_name not in attached or group.until(entity) is not None
    return lacks and group.role.pass_role == "role"


def _folded_names(entity: Entity, names: Iterable[str]) -> list[str]:
    """Names of a grantee's folded policies among other names, in the order of their numbers."""
    kind, grantee = entity[0].value.lower(), entity[1]
    numbers = {name: folded_policy_number(kind, grantee, name) for name in names}
    return sorted((name for name, number in numbers.items() if number), key=lambda name: numbers[name] or 0)


def _read_folded(gate: Gate, names: Iterable[str]) -> dict[str, Folded]:
    found = read_policies(gate, names)
    return {name: read_folded(policy, tags) for name, (policy, tags) in found.items() if policy is not None}


def _unattached(gate: Gate, group: RoleGroup, entity: Entity, present: Sequence[Folded]) -> list[Folded]:
    """Folded policies that exist and are not attached, where one may be needed: an earlier run was interrupted."""
    end = f":role/{group.role_name.lower()}"
    if any(arn.lower().endswith(end) for one in present for arn in one.passes):
        return []
    kind, grantee = entity[0].value.lower(), entity[1]
    names = {one.name for one in present}
    found: list[Folded] = []
    for number in range(1, CUSTOM_POLICIES_PER_ENTITY + 1):
        name = folded_policy_name(kind, grantee, number)
        if name in names:
            continue
        policy, tags = read_policy(gate, name)
        if policy is None:
            break
        found.append(read_folded(policy, tags))
    return found


# -- compare -------------------------------------------------------------------------------------------


def grant_changes(sources: Sources, account_id: str, state: GrantState) -> tuple[PlannedChange, ...]:
    """The changes of step 2. Raises :class:`NotOurs` or :class:`LimitExceeded`: nothing would be half done."""
    group = group_of(sources)
    return plan_grants((group,), account_id, {group.role_name: state}).changes_of(group)


# -- change --------------------------------------------------------------------------------------------


def ensure_grant(
    gate: Gate, sources: Sources, account_id: str, role: RoleReady, before: Sequence[PlannedChange] = ()
) -> Granted:
    """Make the policies that carry the grant, and their attachments, what the specifications say.

    ``before`` are changes that were made for it by :func:`ensure_folded`; the report shows them too.
    """
    group = group_of(sources)
    members = _members(gate)
    return once_more_when_made(lambda: _ensure(gate, group, account_id, role, before, members))


def ensure_grants(
    gate: Gate, groups: Sequence[RoleGroup], plan: GrantPlan, roles: Mapping[str, RoleReady]
) -> dict[str, Granted]:
    """Carry out the plan of many roles one after the other; ``roles`` by role name. Refused roles are left out."""
    written = {entity: ensure_folded(gate, plan, entity) for entity in plan.folded}
    members = _members(gate)
    return {
        group.role_name: ensure_planned(gate, group, plan, roles[group.role_name], written, members)
        for group in groups
        if group.role_name not in plan.refused
    }


def ensure_folded(gate: Gate, plan: GrantPlan, entity: Entity) -> float:
    """Write and attach what is planned of one grantee's folded policies: one version each, whatever the number of roles.

    Each is read again first, and what others have written since stays. Returns when the latest change was made (seconds
    since the epoch). Raises :class:`Conflict` when it has no room any more, or a call's error.
    """
    changes = plan.folded.get(entity, ())
    before = {one.name: one for state in plan.states.values() for one in state.folded.get(entity, ())}
    carrying = {name for (holder, _), name in plan.allocation.carriers.items() if holder == entity}
    latest = 0.0
    attached: Mapping[str, Attached] | None = None
    for wanted in plan.allocation.folded.get(entity, ()):
        latest = max(latest, _write_folded(gate, entity, wanted, before.get(wanted.name), changes))
        if wanted.name not in carrying:
            continue
        attached = attached if attached is not None else ram.attached_policies(gate, *entity) or {}
        latest = max(latest, write_attachments(gate, wanted.name, {entity: attached}))
    for name in before:
        write_tags(gate, "policy", name, changes)
    return latest


def _write_folded(
    gate: Gate, entity: Entity, wanted: Folded, before: Folded | None, changes: Sequence[PlannedChange]
) -> float:
    name, (kind, grantee) = wanted.name, entity
    policy, tags = read_policy(gate, name)
    if policy is None and wanted.empty:
        return 0.0
    if policy is None:
        description = f"Pass roles to DataWorks, for {kind.value.lower()} {grantee}"
        return write_policy(gate, name, None, wanted.document(), description, changes).updated
    if before is None and not FOLDED_TAGS.items() <= tags.items():
        raise Conflict(
            "it was made by somebody else since the plan was computed",
            subject=f"custom policy {name}",
            persona=Persona.ADMINISTRATOR,
            remedy="apply again",
        )
    now = read_folded(policy, tags)
    after = now.changed_as(before, wanted)
    if after.empty:
        remove_folded(gate, name, (entity,))
        return 0.0
    if not now.readable or size(after.document()) > POLICY_DOCUMENT_CHARACTERS:
        raise Conflict(
            "it has been changed since the plan was computed, and the planned roles have no room in it any more",
            subject=f"custom policy {name}",
            persona=Persona.ADMINISTRATOR,
            remedy="apply again: the plan is then computed anew",
        )
    if (after.passes, after.ending) == (now.passes, now.ending):
        return policy.updated
    return ram.update_policy(gate, name, minified(after.document())).updated


def ensure_planned(
    gate: Gate,
    group: RoleGroup,
    plan: GrantPlan,
    role: RoleReady,
    written: Mapping[Entity, float],
    members: Members,
) -> Granted:
    """Carry out one role's part of a plan of many, after :func:`ensure_folded` of its grantees.

    What is to be written is read again first; what is not needs no call beyond ``members``. ``written`` is what
    :func:`ensure_folded` returned, by grantee. Raises what the role is refused for, or a call's error.
    """
    changes = plan.changes_of(group)
    share = plan.share(group)
    if len(changes) > len(share):
        return ensure_grant(gate, group, plan.account_id, role, share)
    changed_at = max(
        [role.changed_at, _stands_since(plan, group), *(written.get(e, 0.0) for e in group.entities)]
    )
    return _granted(group, plan, changes, changed_at, members)


def _members(gate: Gate) -> Members:
    """ListUsersForGroup, once a group."""
    known: dict[str, tuple[str, ...]] = {}

    def members(name: str) -> tuple[str, ...]:
        if name not in known:
            known[name] = ram.group_members(gate, name)
        return known[name]

    return members


def _ensure(
    gate: Gate,
    group: RoleGroup,
    account_id: str,
    role: RoleReady,
    before: Sequence[PlannedChange],
    members: Members,
) -> Granted:
    name = group.pass_role_policy_name
    state = read_grant(gate, group)
    plan = plan_grants((group,), account_id, {group.role_name: state})
    changes = plan.changes_of(group)
    changed_at = max(role.changed_at, _stands_since(plan, group))
    for entity in plan.folded:
        changed_at = max(changed_at, ensure_folded(gate, plan, entity))
    holders = [entity for entity, carrier in plan.carriers(group).items() if carrier == name]
    if holders:
        document = wanted_grant(group, account_id, state)
        policy = write_policy(
            gate, name, state.policy, document, f"Pass role {role.name} to DataWorks", changes
        )
        attached = write_attachments(gate, name, {entity: state.attached[entity] for entity in holders})
        changed_at = max(changed_at, policy.updated, attached)
    detach_ended(gate, name, detached_from(group, state), state.attached)
    return _granted(group, plan, (*before, *changes), changed_at, members)


def _stands_since(plan: GrantPlan, group: RoleGroup) -> float:
    """When the latest of what carries the grant already was made: it may still have to spread."""
    state = plan.states[group.role_name]
    times = [0.0]
    for entity, name in plan.carriers(group).items():
        own = [state.policy] if name == group.pass_role_policy_name else []
        folded = [one.policy for one in state.folded.get(entity, ()) if one.name == name]
        times += [policy.updated for policy in (*own, *folded) if policy is not None]
        times += [one.attached for one in (state.attached.get(entity, {}).get(name),) if one is not None]
    return max(times)


def _granted(
    group: RoleGroup,
    plan: GrantPlan,
    changes: tuple[PlannedChange, ...],
    changed_at: float,
    members: Members,
) -> Granted:
    carriers = plan.carriers(group)
    names = tuple(dict.fromkeys(carriers.values()))
    today = plan.states[group.role_name].today
    people = ", ".join(_named(group, entity) for entity in group.entities_on(today)) or "nobody any more"
    by = people
    if not names and group.entities_on(today):
        by = f"{people}, by what they hold already"
    elif names and names != (group.pass_role_policy_name,):
        by = ", ".join(f"{_named(group, entity)} by {policy}" for entity, policy in carriers.items())
    lasting = group.grantees.on(today)
    users = (*lasting.users, *(user for name in lasting.groups for user in members(name)))
    return Granted(
        policy=", ".join(names),
        changed_at=changed_at,
        holders=frozenset(users),
        report=StepReport(
            number=2,
            title=TITLE,
            subject=f"custom policy {', '.join(names)}",
            outcome=Outcome.of(changes),
            reason=f"granted to {by}",
            changes=changes,
            facts={"pass_role_policy": ", ".join(names), "grantees": people},
        ),
    )


def _named(group: RoleGroup, entity: Entity) -> str:
    """A grantee for people, with the last day of a grant that ends."""
    until = group.until(entity)
    return f"{entity[0].value.lower()} {entity[1]}" + (f" until {until}" if until is not None else "")


@task(**options("2 PassRole", "2 PassRole for {spec.name}", timeout=900))
def grant_pass_role(spec: DataSourceSpec, facts: Facts, role: RoleReady) -> Granted:
    """Prefect task of :func:`ensure_grant`."""
    with step_gate(spec, 2) as gate:
        granted = ensure_grant(gate, spec, facts.account_id, role)
    return completed(granted.report, granted)
