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
from config.sources.base import Permission
from config.spec import DataSourceSpec
from policy import (
    Condition,
    Grant,
    PolicyDocument,
    PolicyKind,
    PolicySyntaxError,
    minified,
    parse_policy,
    policy_for,
    to_dict,
    trust_policy,
    union,
)
from tasks.connection import step_gate
from tasks.custom_policy import (
    attachment_changes,
    means,
    planned,
    policy_changes,
    read_policy,
    readable,
    refuse_full,
    refuse_unless_ours,
    tag_changes,
    tags_for,
    with_others,
    write_attachments,
    write_policy,
    write_tags,
)
from tasks.options import completed, options
from tasks.outcome import Outcome, StepReport
from tasks.planning import Kind, PlannedChange
from tasks.workspace import Facts

TITLE = "RAM role"


@dataclass(frozen=True)
class RoleState:
    """What step 1 found: policy and role with their tags, and what is attached to the role."""

    policy: CustomPolicy | None
    policy_tags: Mapping[str, str]
    role: Role | None
    role_tags: Mapping[str, str]
    attached: Mapping[str, Attached]


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


def access_document(spec: DataSourceSpec) -> PolicyDocument:
    """The least-privilege document of the specification's location and access."""
    return _document_of(spec.required_permissions())


def _document_of(permissions: tuple[Permission, ...]) -> PolicyDocument:
    return policy_for(
        [
            Grant(
                actions=(permission.action,),
                resources=permission.resources,
                conditions=tuple(Condition(*condition) for condition in permission.conditions),
            )
            for permission in permissions
        ]
    )


# -- read ----------------------------------------------------------------------------------------------


def read_role(gate: Gate, spec: DataSourceSpec) -> RoleState:
    """What there is of the policy, the role and the attachment."""
    policy, policy_tags = read_policy(gate, spec.policy_name)
    role = ram.get_role(gate, spec.role_name)
    return RoleState(
        policy=policy,
        policy_tags=policy_tags,
        role=role,
        role_tags=ram.tags_of(gate, "role", role.name) if role is not None else {},
        attached=(ram.attached_policies(gate, Grantee.ROLE, role.name) or {}) if role is not None else {},
    )


# -- compare -------------------------------------------------------------------------------------------


def role_changes(spec: DataSourceSpec, state: RoleState) -> tuple[PlannedChange, ...]:
    """The changes of step 1. Raises :class:`NotOurs` or :class:`LimitExceeded`: nothing would be half done."""
    if state.policy is not None:
        refuse_unless_ours(spec, f"custom policy {spec.policy_name}", state.policy_tags)
    if state.role is not None:
        refuse_unless_ours(spec, f"role {state.role.name}", state.role_tags)
    if spec.policy_name not in state.attached:
        refuse_full(f"role {spec.role_name}", state.attached)
    return (
        *policy_changes(
            1, spec, spec.policy_name, state.policy, state.policy_tags, wanted_document(spec, state)
        ),
        *_trust_changes(spec, state.role),
        *tag_changes(1, spec, f"role {spec.role_name}", state.role_tags, exists=state.role is not None),
        *attachment_changes(1, spec.policy_name, (Grantee.ROLE, spec.role_name), state.attached),
    )


def wanted_document(spec: DataSourceSpec, state: RoleState) -> PolicyDocument:
    """Exactly this source's share, plus what the policy holds for others."""
    return with_others(spec, state.policy, state.policy_tags, access_document(spec))


def wanted_trust(spec: DataSourceSpec, role: Role | None) -> PolicyDocument:
    """The service, and nobody else; an adopted role keeps what it trusts today, so that nobody is locked out unasked.

    Raises :class:`Mismatch` for an adopted role whose trust policy cannot be read.
    """
    wanted = trust_policy(SERVICE_PRINCIPAL)
    if role is None or not spec.role.adopt:
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


def _trust_changes(spec: DataSourceSpec, role: Role | None) -> tuple[PlannedChange, ...]:
    subject = f"role {spec.role_name}"
    trust = wanted_trust(spec, role)
    if role is None:
        after = {"trust_policy": to_dict(trust), "tags": tags_for(spec)}
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


def ensure_role(gate: Gate, spec: DataSourceSpec) -> RoleReady:
    """Make role, policy and attachment what the specification says. Raises :class:`NotOurs` or a call's error."""
    state = read_role(gate, spec)
    changes = role_changes(spec, state)
    document = wanted_document(spec, state)
    description = f"Access of data source {spec.name} in workspace {spec.workspace}"
    policy = write_policy(gate, spec, spec.policy_name, state.policy, document, description, changes)
    role = _write_role(gate, spec, state.role, changes)
    write_tags(gate, spec, "role", role.name, changes)
    attached = write_attachments(gate, spec.policy_name, {(Grantee.ROLE, role.name): state.attached})
    made = ", ".join(f"{change.subject} {change.what}" for change in changes)
    return RoleReady(
        name=role.name,
        role_id=role.role_id,
        arn=role.arn,
        policy=spec.policy_name,
        document=minified(document),
        changed_at=max(role.updated, policy.updated, attached),
        report=StepReport(
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
                "policy": spec.policy_name,
            },
            notes=tuple(
                f"outside RAM, {needed.what}. The {needed.persona.value}: {needed.how}"
                for needed in spec.prerequisites(role.role_id)
            ),
        ),
    )


def _write_role(
    gate: Gate, spec: DataSourceSpec, role: Role | None, changes: Sequence[PlannedChange]
) -> Role:
    trust = minified(wanted_trust(spec, role))
    if role is None:
        description = f"Data Integration opens data source {spec.name} of workspace {spec.workspace} with it"
        return ram.create_role(gate, spec.role_name, trust, description, tags_for(spec))
    if planned(changes, Kind.UPDATE, f"role {spec.role_name}"):
        return ram.update_trust_policy(gate, role.name, trust)
    return role


@task(**options("1 RAM role", "1 role of {spec.name}", ("step-1", "administrator"), timeout=900))
def create_role(spec: DataSourceSpec, facts: Facts) -> RoleReady:
    """Prefect task of :func:`ensure_role`; ``facts`` orders it after the reading."""
    del facts
    with step_gate(spec, 1) as gate:
        ready = ensure_role(gate, spec)
    return completed(ready.report, ready)
