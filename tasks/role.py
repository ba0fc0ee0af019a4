"""Step 1 (administrator): the custom policy, the role that trusts Data Integration, the attachment, the tags.

A role is never replaced: data sources point at its numeric id. What differs is updated in place; documents are
compared by meaning. Vendor's page, steps 1.1 to 1.3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prefect import task

from cloud import ram
from cloud.errors import Mismatch
from cloud.gate import Gate
from cloud.ram import Attached, CustomPolicy, Grantee, Role
from config.names import SERVICE_PRINCIPAL
from config.personas import Persona
from config.spec import DataSourceSpec
from policy import (
    PolicyDocument,
    PolicyKind,
    PolicySyntaxError,
    minified,
    parse_policy,
    to_dict,
    trust_policy,
    union,
)
from policy.explain import AttachedPolicy
from tasks.adopting.suffices import read_held, role_suffices
from tasks.connection import step_gate
from tasks.custom_policy import (
    Listed,
    Policies,
    attachment_changes,
    list_names,
    means,
    once_more_when_made,
    planned,
    policy_changes,
    read_each,
    read_policies,
    read_policy,
    readable,
    refuse_full,
    refuse_unless_ours,
    tag_changes,
    with_others,
    write_attachments,
    write_policy,
    write_tags,
)
from tasks.options import completed, options
from tasks.outcome import Outcome, StepReport
from tasks.planning import Kind, PlannedChange
from tasks.role_group import RoleGroup, Sources, group_of
from tasks.workspace import Facts

TITLE = "RAM role"


@dataclass(frozen=True)
class RoleState:
    """What step 1 found: policy and role with their tags, and what is attached to the role.

    ``held``: every policy of a role that is to be adopted, with its document.
    """

    policy: CustomPolicy | None
    policy_tags: Mapping[str, str]
    role: Role | None
    role_tags: Mapping[str, str]
    attached: Mapping[str, Attached]
    held: tuple[AttachedPolicy, ...] = ()


@dataclass(frozen=True)
class RoleReady:
    """The role as it stands after step 1. ``changed_at`` (seconds since the epoch): last change that must spread."""

    name: str
    role_id: str
    arn: str
    policy: str
    document: str
    changed_at: float
    report: StepReport


def access_document(sources: Sources) -> PolicyDocument:
    """The least-privilege document of location and access, of several data sources the union."""
    return group_of(sources).access_document


# -- read ----------------------------------------------------------------------------------------------


def read_role(gate: Gate, sources: Sources) -> RoleState:
    """What there is of the policy, the role and the attachment."""
    group = group_of(sources)
    policy, policy_tags = read_policy(gate, group.policy_name)
    role = ram.get_role(gate, group.role_name)
    return RoleState(
        policy=policy,
        policy_tags=policy_tags,
        role=role,
        role_tags=ram.tags_of(gate, "role", role.name) if role is not None else {},
        attached=(ram.attached_policies(gate, Grantee.ROLE, role.name) or {}) if role is not None else {},
        held=read_held(gate, group, (Grantee.ROLE, role.name)) if role is not None else (),
    )


def read_roles(
    gate: Gate, groups: Sequence[RoleGroup], listed: Listed | None = None, policies: Policies | None = None
) -> dict[str, RoleState]:
    """The same for many roles, by role name: what is not listed needs no call of its own, tags are read 50 a call.

    ``policies`` are those of the groups when they have been read. A list may be some seconds old. What it does not show yet is found when it is to be created.
    """
    listed = listed or list_names(gate)
    roles = read_each(
        lambda name: ram.get_role(gate, name),
        (group.role_name for group in groups if listed.has_role(group.role_name)),
    )
    attached = read_each(
        lambda name: ram.attached_policies(gate, Grantee.ROLE, name) or {},
        (name for name, role in roles.items() if role is not None),
    )
    policies = policies or read_policies(gate, (group.policy_name for group in groups), listed)
    tags = ram.tags_of_many(gate, "role", list(attached))
    return {
        group.role_name: RoleState(
            *policies[group.policy_name],
            roles.get(group.role_name),
            tags.get(group.role_name, {}),
            attached.get(group.role_name, {}),
            read_held(gate, group, (Grantee.ROLE, group.role_name)) if group.role_name in attached else (),
        )
        for group in groups
    }


# -- compare -------------------------------------------------------------------------------------------


def role_changes(sources: Sources, state: RoleState) -> tuple[PlannedChange, ...]:
    """The changes of step 1. Raises :class:`NotOurs` or :class:`LimitExceeded`: nothing would be half done."""
    group = group_of(sources)
    subject = f"role {group.role_name}"
    if role_suffices(group, state.role, state.held):
        return ()
    if state.policy is not None:
        refuse_unless_ours(group, f"custom policy {group.policy_name}", state.policy_tags)
    if state.role is not None:
        refuse_unless_ours(group, f"role {state.role.name}", state.role_tags)
    if group.policy_name not in state.attached:
        refuse_full(subject, state.attached)
    document = wanted_document(group, state)
    tags = () if state.role is None else tag_changes(1, subject, state.role_tags, group.tags(state.role_tags))
    return (
        *policy_changes(1, group, group.policy_name, state.policy, state.policy_tags, document),
        *_trust_changes(group, state.role),
        *tags,
        *attachment_changes(1, group.policy_name, (Grantee.ROLE, group.role_name), state.attached),
    )


def wanted_document(sources: Sources, state: RoleState) -> PolicyDocument:
    """Exactly the share of these data sources, plus what the policy holds for others."""
    group = group_of(sources)
    return with_others(group, state.policy, state.policy_tags, group.access_document)


def wanted_trust(sources: Sources, role: Role | None) -> PolicyDocument:
    """The service, and nobody else; an adopted role keeps what it trusts today, so that nobody is locked out unasked.

    Raises :class:`Mismatch` for an adopted role whose trust policy cannot be read.
    """
    wanted = trust_policy(SERVICE_PRINCIPAL)
    if role is None or not group_of(sources).role.adopt:
        return wanted
    try:
        return union(parse_policy(role.trust_policy, PolicyKind.TRUST), wanted)
    except PolicySyntaxError as error:
        raise Mismatch(
            f"its trust policy cannot be read ({error}), so what it holds for others cannot be kept",
            subject=f"role {role.name}",
            persona=Persona.ADMINISTRATOR,
            remedy="correct the trust policy by hand, or choose another role.name",
        ) from error


def _trust_changes(group: RoleGroup, role: Role | None) -> tuple[PlannedChange, ...]:
    subject = f"role {group.role_name}"
    trust = wanted_trust(group, role)
    if role is None:
        after = {"trust_policy": to_dict(trust), "tags": group.tags({})}
        return (
            PlannedChange(1, Kind.CREATE, subject, Persona.ADMINISTRATOR, ("ram:CreateRole",), {}, after),
        )
    if means(role.trust_policy, trust, PolicyKind.TRUST):
        return ()
    return (
        PlannedChange(
            1, Kind.UPDATE, subject, Persona.ADMINISTRATOR, ("ram:UpdateRole",),
            {"trust_policy": readable(role.trust_policy)}, {"trust_policy": to_dict(trust)},
        ),
    )  # fmt: skip


# -- change --------------------------------------------------------------------------------------------


def ensure_role(gate: Gate, sources: Sources) -> RoleReady:
    """Make role, policy and attachment what the specifications say. Raises :class:`NotOurs` or a call's error."""
    group = group_of(sources)
    return once_more_when_made(lambda: _ensure(gate, group))


def _ensure(gate: Gate, group: RoleGroup) -> RoleReady:
    state = read_role(gate, group)
    changes = role_changes(group, state)
    if role_suffices(group, state.role, state.held):
        return role_found(group, state)
    document = wanted_document(group, state)
    description = f"Access of {group.title}"
    policy = write_policy(gate, group.policy_name, state.policy, document, description, changes)
    role = _write_role(gate, group, state.role, changes)
    write_tags(gate, "role", role.name, changes)
    attached = write_attachments(gate, group.policy_name, {(Grantee.ROLE, role.name): state.attached})
    return RoleReady(
        name=role.name,
        role_id=role.role_id,
        arn=role.arn,
        policy=group.policy_name,
        document=minified(document),
        changed_at=max(role.updated, policy.updated, attached),
        report=_report(group, role, changes),
    )


def role_found(sources: Sources, state: RoleState) -> RoleReady:
    """What :func:`ensure_role` returns when there is nothing to do, without a call.

    Raises ``ValueError`` when there is something to do.
    """
    group = group_of(sources)
    if role_changes(group, state) or state.role is None:
        raise ValueError(f"role {group.role_name} is not as specified")
    attached = state.attached.get(group.policy_name)
    times = (
        state.role.updated,
        state.policy.updated if state.policy is not None else 0.0,
        attached.attached if attached is not None else 0.0,
    )
    return RoleReady(
        name=state.role.name,
        role_id=state.role.role_id,
        arn=state.role.arn,
        policy=group.policy_name,
        document=minified(wanted_document(group, state)),
        changed_at=max(times),
        report=_report(group, state.role, ()),
    )


def state_of(ready: RoleReady) -> RoleState:
    """What is known of a role that somebody else has made: the role itself, and nothing of its policies."""
    role = Role(
        name=ready.name,
        role_id=ready.role_id,
        arn=ready.arn,
        trust_policy="",
        description="",
        updated=ready.changed_at,
    )
    return RoleState(None, {}, role, {}, {})


def _report(group: RoleGroup, role: Role, changes: tuple[PlannedChange, ...]) -> StepReport:
    made = ", ".join(f"{change.subject} {change.what}" for change in changes)
    return StepReport(
        number=1,
        title=TITLE,
        subject=f"role {role.name}",
        outcome=Outcome.of(changes),
        reason=made or "role, policy and trust are as specified",
        changes=changes,
        facts={
            "role": role.name,
            "role_id": role.role_id,
            "role_arn": role.arn,
            "policy": group.policy_name,
        },
        notes=tuple(group.prerequisites(role.role_id)),
    )


def _write_role(gate: Gate, group: RoleGroup, role: Role | None, changes: Sequence[PlannedChange]) -> Role:
    trust = minified(wanted_trust(group, role))
    if role is None:
        description = f"Data Integration opens {group.title} with it"
        return ram.create_role(gate, group.role_name, trust, description, group.tags({}))
    if planned(changes, Kind.UPDATE, f"role {group.role_name}"):
        return ram.update_trust_policy(gate, role.name, trust)
    return role


@task(**options("1 RAM role", "1 role of {spec.name}", timeout=900))
def create_role(spec: DataSourceSpec, facts: Facts) -> RoleReady:
    """Prefect task of :func:`ensure_role`; ``facts`` orders it after the reading."""
    del facts
    with step_gate(spec, 1) as gate:
        ready = ensure_role(gate, spec)
    return completed(ready.report, ready)
