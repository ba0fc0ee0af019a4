"""Step 1 (administrator): the custom policy, the role that trusts Data Integration, the attachment, the tags.

A role is never replaced: data sources point at its numeric id. What differs is updated in place; documents are
compared by meaning. Vendor's page, steps 1.1 to 1.3.
"""

from __future__ import annotations

from dataclasses import dataclass

from prefect import task

from cloud import ram
from cloud.errors import LimitExceeded, NotOurs
from cloud.gate import Gate
from cloud.ram import CustomPolicy, Grantee, Role
from config.limits import CUSTOM_POLICIES_PER_ENTITY, POLICY_DOCUMENT_CHARACTERS
from config.names import MANAGED_TAG, SERVICE_PRINCIPAL, SOURCE_TAG_START, source_tag
from config.personas import Persona
from config.sources.base import Access, Permission
from config.spec import DataSourceSpec
from policy import (
    Condition,
    Grant,
    PolicyDocument,
    PolicyKind,
    PolicySyntaxError,
    equivalent,
    minified,
    parse_policy,
    policy_for,
    size,
    trust_policy,
    union,
)
from tasks.connection import gate_for
from tasks.options import completed, options
from tasks.outcome import Change, Outcome, StepReport
from tasks.workspace import Facts

TITLE = "RAM role"


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


def ensure_role(gate: Gate, spec: DataSourceSpec) -> RoleReady:
    """Make role, policy and attachment what the specification says. Raises :class:`NotOurs` or a call's error."""
    changes: list[Change] = []
    # Both are looked at before either is written: a refusal must leave nothing half done.
    policy, policy_tags = _owned_policy(gate, spec, spec.policy_name)
    role, role_tags = _owned_role(gate, spec)
    document = _wanted_document(spec, policy, policy_tags)
    check_size(spec.policy_name, document)
    policy = write_policy(
        gate, spec.policy_name, policy, document, f"Access of data source {spec.name} in workspace {spec.workspace}",
        tags_for(spec), changes,
    )  # fmt: skip
    tag("policy", gate, spec.policy_name, policy_tags, tags_for(spec), changes)
    role = _write_role(gate, spec, role, changes)
    tag("role", gate, role.name, role_tags, tags_for(spec), changes)
    attached = _attach(gate, role, spec.policy_name, changes)
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
            reason=", ".join(f"{change.subject} {change.what}" for change in changes) or "role, policy and trust are as specified",
            changes=tuple(changes),
            facts={"role": role.name, "role_id": role.role_id, "role_arn": role.arn, "policy": spec.policy_name},
        ),
    )  # fmt: skip


def tags_for(spec: DataSourceSpec) -> dict[str, str]:
    """Whose it is, and which data source it serves: a policy of several sources keeps the others' share."""
    return dict([MANAGED_TAG, source_tag(spec.workspace, spec.name)])


# -- ownership -----------------------------------------------------------------------------------------


def _owned_policy(gate: Gate, spec: DataSourceSpec, name: str) -> tuple[CustomPolicy | None, dict[str, str]]:
    policy = ram.get_policy(gate, name)
    if policy is None:
        return None, tags_for(spec)
    tags = ram.tags_of(gate, "policy", name)
    refuse_unless_ours(spec, f"custom policy {name}", tags)
    return policy, tags


def _owned_role(gate: Gate, spec: DataSourceSpec) -> tuple[Role | None, dict[str, str]]:
    role = ram.get_role(gate, spec.role_name)
    if role is None:
        return None, tags_for(spec)
    tags = ram.tags_of(gate, "role", role.name)
    refuse_unless_ours(spec, f"role {role.name}", tags)
    return role, tags


def refuse_unless_ours(spec: DataSourceSpec, subject: str, tags: dict[str, str]) -> None:
    """Raise :class:`NotOurs` for an object without the tag, unless the specification adopts it."""
    key, value = MANAGED_TAG
    if tags.get(key) != value and not spec.role.adopt:
        raise NotOurs(
            f"it exists and does not carry the tag {key}={value}",
            subject=subject,
            persona=Persona.ADMINISTRATOR,
            remedy="choose another name under role, or set role.adopt to true to take it over as it is",
        )


# -- the custom policy ---------------------------------------------------------------------------------


def _wanted_document(
    spec: DataSourceSpec, policy: CustomPolicy | None, tags: dict[str, str]
) -> PolicyDocument:
    """Exactly this source's share, plus what the policy holds for others (other sources' tags, or adopted)."""
    own = access_document(spec)
    if policy is None:
        return own
    own_tag, _ = source_tag(spec.workspace, spec.name)
    serves_others = any(key.startswith(SOURCE_TAG_START) and key != own_tag for key in tags)
    adopted = tags.get(MANAGED_TAG[0]) != MANAGED_TAG[1]
    if not serves_others and not adopted:
        return own
    current = parse_policy(policy.document, PolicyKind.IDENTITY)
    every_level = [
        resource
        for level in ("minimal", "vendor")
        for permission in spec.source_type.permissions(spec.location, Access.READ_WRITE, level, deletes=True)
        for resource in permission.resources
    ]
    kept = tuple(s for s in current.statements if not set(s.resources) <= set(every_level))
    return union(PolicyDocument(current.version, kept), own) if kept else own


def check_size(name: str, document: PolicyDocument) -> None:
    """Raise :class:`LimitExceeded` before the write that the service would refuse."""
    if size(document) > POLICY_DOCUMENT_CHARACTERS:
        raise LimitExceeded(
            f"its document would have {size(document)} characters, the limit is {POLICY_DOCUMENT_CHARACTERS}",
            subject=f"custom policy {name}",
            persona=Persona.ADMINISTRATOR,
            remedy="give the data source a role and policy of its own",
        )


def write_policy(
    gate: Gate, name: str, policy: CustomPolicy | None, document: PolicyDocument, description: str,
    tags: dict[str, str], changes: list[Change],
) -> CustomPolicy:  # fmt: skip
    """Create the policy, or give it a new default version when its meaning differs."""
    subject = f"custom policy {name}"
    if policy is None:
        changes.append(Change(subject, "created", created=True))
        return ram.create_policy(gate, name, minified(document), description, tags)
    if _means(policy.document, document, PolicyKind.IDENTITY):
        return policy
    changes.append(Change(subject, "updated"))
    return ram.update_policy(gate, name, minified(document))


def _means(text: str, document: PolicyDocument, kind: PolicyKind) -> bool:
    """A document that cannot be read means something else."""
    try:
        return equivalent(parse_policy(text, kind), document)
    except PolicySyntaxError:
        return False


def tag(
    kind: str, gate: Gate, name: str, present: dict[str, str], wanted: dict[str, str], changes: list[Change]
) -> None:
    """Add the tags that are missing. Creation has tagged already."""
    missing = {key: value for key, value in wanted.items() if present.get(key) != value}
    if missing:
        ram.add_tags(gate, kind, name, missing)
        changes.append(Change(f"{'role' if kind == 'role' else 'custom policy'} {name}", "tagged"))


# -- the role ------------------------------------------------------------------------------------------


def _write_role(gate: Gate, spec: DataSourceSpec, role: Role | None, changes: list[Change]) -> Role:
    wanted = trust_policy(SERVICE_PRINCIPAL)
    subject = f"role {spec.role_name}"
    if role is None:
        changes.append(Change(subject, "created", created=True))
        description = f"Data Integration opens data source {spec.name} of workspace {spec.workspace} with it"
        return ram.create_role(gate, spec.role_name, minified(wanted), description, tags_for(spec))
    if spec.role.adopt:
        # What an adopted role already trusts stays: whoever uses it today must not be locked out unasked.
        wanted = _with_present_trust(role, wanted)
    if _means(role.trust_policy, wanted, PolicyKind.TRUST):
        return role
    changes.append(Change(subject, "trust policy updated"))
    return ram.update_trust_policy(gate, role.name, minified(wanted))


def _with_present_trust(role: Role, wanted: PolicyDocument) -> PolicyDocument:
    try:
        return union(parse_policy(role.trust_policy, PolicyKind.TRUST), wanted)
    except PolicySyntaxError:
        return wanted


def _attach(gate: Gate, role: Role, policy: str, changes: list[Change]) -> float:
    attached = ram.attached_policies(gate, Grantee.ROLE, role.name) or {}
    if policy in attached:
        return attached[policy].attached
    refuse_full(f"role {role.name}", attached)
    changes.append(Change(f"custom policy {policy}", "attached"))
    return ram.attach_policy(gate, Grantee.ROLE, role.name, policy).attached


def refuse_full(subject: str, attached: dict[str, ram.Attached]) -> None:
    """Raise :class:`LimitExceeded` when no further custom policy can be attached."""
    if len(attached) >= CUSTOM_POLICIES_PER_ENTITY:
        raise LimitExceeded(
            f"{len(attached)} custom policies are attached to it, the limit is {CUSTOM_POLICIES_PER_ENTITY}",
            subject=subject,
            persona=Persona.ADMINISTRATOR,
            remedy="detach one that is not needed, grant a group instead of a user, or ask for a higher quota",
        )


@task(**options("1 RAM role", "1 role of {spec.name}", ("step-1", "administrator"), timeout=900))
def create_role(spec: DataSourceSpec, facts: Facts) -> RoleReady:
    """Prefect task of :func:`ensure_role`; ``facts`` orders it after the reading."""
    del facts
    ready = ensure_role(gate_for(spec.region), spec)
    return completed(ready.report, ready)
