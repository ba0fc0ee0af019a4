"""Grants with an end date: what they are in the cloud, and the removal of those whose day has passed.

The end stands in the statement that grants (``DateLessThan acs:CurrentTime``, see :mod:`tasks.folding`), so that the
cloud ends the grant by itself, at the minute, and anybody who reads the policy sees until when. What is left to do is
to take the dead statements away: applying a specification does so for its own grantees, and :func:`remove_ended` for
everything that is ours, without any specification.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from cloud import ram
from cloud.errors import Conflict
from cloud.gate import Gate
from cloud.inventory import Inventory
from cloud.ram import Attached, CustomPolicy
from cloud.ram_removal import delete_policy, detach_policy
from cloud.sessions import session_scope
from config.names import MANAGED_TAG, SOURCE_TAG_START, folded_policy_pattern, is_folded_policy
from config.personas import Persona
from config.scheduler import end_of_day, scheduler_time
from policy import Grant, PolicyDocument, minified, policy_for, to_dict
from tasks.custom_policy import read_policies, read_policy, readable
from tasks.folding import Folded, moment, read_folded
from tasks.planning import Kind, PlannedChange
from tasks.role_group import Entity

_STEP = 2


def end_text(until: date | None) -> str:
    """The end of a grant as policies write it, such as ``2027-02-01T00:00:00+08:00``; "" for one that does not end."""
    return end_of_day(until).isoformat() if until is not None else ""


def last_day(end: str) -> date:
    """The last day of a grant in the scheduler's zone, by its end: that of its last moment."""
    return (scheduler_time(moment(end).timestamp()) - timedelta(microseconds=1)).date()


def today_of(gate: Gate) -> date:
    """The day of now in the scheduler's zone, by the gate's clock."""
    return scheduler_time(gate.clock.now()).date()


# -- changes of one policy -----------------------------------------------------------------------------


def detachment(policy: str, entity: Entity) -> PlannedChange:
    """One custom policy is taken from one grantee."""
    kind, name = entity
    return PlannedChange(
        _STEP, Kind.DETACH, f"custom policy {policy}", Persona.ADMINISTRATOR,
        (f"ram:DetachPolicyFrom{kind.value}",), {"entity": f"{kind.value.lower()} {name}"}, {"entity": None},
    )  # fmt: skip


def deletion(policy: CustomPolicy) -> PlannedChange:
    """A folded policy that gives nothing any more is deleted."""
    return PlannedChange(
        _STEP, Kind.DELETE, f"custom policy {policy.name}", Persona.ADMINISTRATOR, ("ram:DeletePolicy",),
        {"document": readable(policy.document)}, {"document": None},
    )  # fmt: skip


def shrinking(before: CustomPolicy, after: Folded) -> PlannedChange:
    """A folded policy gets a new default version."""
    return PlannedChange(
        _STEP, Kind.UPDATE, f"custom policy {after.name}", Persona.ADMINISTRATOR, ("ram:CreatePolicyVersion",),
        {"document": readable(before.document)}, {"document": to_dict(after.document())},
    )  # fmt: skip


def detach_ended(
    gate: Gate, policy: str, ended: Sequence[Entity], attached: Mapping[Entity, Mapping[str, Attached]]
) -> None:
    """Take a role's own PassRole policy from grantees whose grant ends or has ended. Others keep it."""
    for entity in ended:
        if policy in attached.get(entity, {}):
            detach_policy(gate, *entity, policy)


def remove_folded(gate: Gate, name: str, holders: Sequence[Entity]) -> None:
    """Detach a folded policy that gives nothing any more, then delete it."""
    for entity in holders:
        detach_policy(gate, *entity, name)
    delete_policy(gate, name)


# -- what it may call --------------------------------------------------------------------------------


def expiry_policy() -> PolicyDocument:
    """What removing ended grants calls, and on which objects: everything is read, folded policies alone are written."""
    folded = f"acs:ram:*:*:policy/{folded_policy_pattern()}"
    holders = tuple(f"acs:ram:*:*:{kind}/*" for kind in ("user", "group", "role"))
    detaching = tuple(f"ram:DetachPolicyFrom{kind.value}" for kind in ram.Grantee)
    listing = tuple(f"ram:ListPoliciesFor{kind.value}" for kind in ram.Grantee)
    return policy_for(
        [
            Grant(("ram:ListPolicies", "ram:ListTagResources"), ("*",)),
            Grant(("ram:GetPolicy", "ram:ListEntitiesForPolicy"), (folded,)),
            Grant(("ram:CreatePolicyVersion", "ram:DeletePolicy"), (folded,)),
            Grant((*detaching, *listing), (folded, *holders)),
        ]
    )


@contextmanager
def expiry_limits() -> Iterator[None]:
    """Limit the administrator's session to :func:`expiry_policy`."""
    with session_scope({Persona.ADMINISTRATOR: minified(expiry_policy())}):
        yield


# -- the whole account ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class TimedGrant:
    """A grant that ends, as the cloud has it: a holder of the policy may pass the role until the end of ``until``."""

    policy: str
    holder: str
    role: str
    until: date
    ended: bool


@dataclass(frozen=True)
class Timed:
    """A managed folded policy with grants that end, and who holds it."""

    folded: Folded
    holders: tuple[Entity, ...]


@dataclass(frozen=True)
class Expiry:
    """What :func:`remove_ended` would do, or has done: the grants that have ended, and the changes."""

    grants: tuple[TimedGrant, ...]
    changes: tuple[PlannedChange, ...]
    lasting: tuple[TimedGrant, ...] = ()
    """Grants whose end is still to come."""


def read_timed(gate: Gate, workspace: int | None = None) -> tuple[Timed, ...]:
    """Every managed folded policy that has a grant with an end; of ``workspace``, those on roles of its data sources.

    One listing, and GetPolicy, tags and holders of folded policies only. Raises a call's error.
    """
    names = [name for name in Inventory(gate).custom_policies() if is_folded_policy(name)]
    key, value = MANAGED_TAG
    found = [
        read_folded(policy, tags)
        for policy, tags in read_policies(gate, names).values()
        if policy is not None and tags.get(key) == value
    ]
    timed = [one for one in found if one.ending]
    if workspace is not None:
        timed = _of_workspace(gate, timed, workspace)
    return tuple(Timed(one, ram.policy_holders(gate, one.name)) for one in timed)


def _of_workspace(gate: Gate, found: Sequence[Folded], workspace: int) -> list[Folded]:
    """Only grants on roles whose tags name a data source of the workspace; a role that is gone has no tags."""
    roles = sorted({role_of(arn) for one in found for arn, _ in one.ending})
    tags = ram.tags_of_many(gate, "role", roles)
    start = f"{SOURCE_TAG_START}{workspace}:"
    serving = {role.lower() for role in roles if any(key.startswith(start) for key in tags[role])}
    kept = []
    for one in found:
        others = {key: each for key, each in one.ending.items() if role_of(key[0]).lower() not in serving}
        if len(others) < len(one.ending):
            kept.append(one)
    return kept


def role_of(arn: str) -> str:
    """The role's name in its Arn."""
    return arn.rpartition("/")[2]


def timed_grants(timed: Sequence[Timed], now: datetime) -> tuple[TimedGrant, ...]:
    """Each grant that ends, one line for each holder and role, those that end first before the others."""
    return tuple(
        sorted(dict.fromkeys(_grants(timed, now)), key=lambda one: (one.until, one.holder, one.role))
    )


def _grants(timed: Sequence[Timed], now: datetime) -> Iterator[TimedGrant]:
    for one in timed:
        holders = [f"{kind.value.lower()} {name}" for kind, name in one.holders] or ["nobody"]
        # Each role is named twice, as it is spelled and as RAM spells it inside an Arn.
        spelled = {role_of(arn).lower(): role_of(arn) for arn, _ in sorted(one.folded.ending, reverse=True)}
        for arn, end in one.folded.ending:
            for holder in holders:
                role = spelled[role_of(arn).lower()]
                yield TimedGrant(one.folded.name, holder, role, last_day(end), moment(end) <= now)


def plan_expiry(timed: Sequence[Timed], now: datetime) -> Expiry:
    """What is to be removed at ``now``, which has a zone: a pure function of what was read."""
    grants = timed_grants(timed, now)
    changes: list[PlannedChange] = []
    for one in timed:
        left = one.folded.ended(now)
        if left == one.folded or one.folded.policy is None:
            continue
        if left.empty:
            changes += [detachment(left.name, entity) for entity in one.holders]
            changes.append(deletion(one.folded.policy))
        else:
            changes.append(shrinking(one.folded.policy, left))
    ended = tuple(grant for grant in grants if grant.ended)
    return Expiry(ended, tuple(changes), tuple(grant for grant in grants if not grant.ended))


def remove_ended(gate: Gate, timed: Sequence[Timed]) -> None:
    """Carry out :func:`plan_expiry`. Each policy is read again first: what others have written since stays.

    Raises :class:`Conflict` for a policy that lost its tag since, or a call's error; started again it goes on.
    """
    now = scheduler_time(gate.clock.now())
    key, value = MANAGED_TAG
    for one in timed:
        if one.folded.ended(now) == one.folded:
            continue
        policy, tags = read_policy(gate, one.folded.name)
        if policy is None:
            continue
        if tags.get(key) != value:
            raise Conflict(
                f"it does not carry the tag {key}={value} any more",
                subject=f"custom policy {policy.name}",
                persona=Persona.ADMINISTRATOR,
                remedy="see who has taken it over; it is left as it is when the removal is started again",
            )
        present = read_folded(policy, tags)
        left = present.ended(now)
        if left.empty:
            remove_folded(gate, policy.name, ram.policy_holders(gate, policy.name))
        elif left != present:
            ram.update_policy(gate, policy.name, minified(left.document()))
