"""Step 2 (administrator): ``ram:PassRole`` on exactly this role for the grantees. Vendor's page, "Template 2".

Without it the creator cannot save the data source, and each run of each sync task fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prefect import task

from cloud import ram
from cloud.gate import Gate
from cloud.ram import Attached, CustomPolicy, Grantee
from config.names import SERVICE_PRINCIPAL, role_arns
from config.spec import DataSourceSpec
from policy import PolicyDocument, broad_pass_role_policy, pass_role_policy
from tasks.connection import step_gate
from tasks.custom_policy import (
    attachment_changes,
    policy_changes,
    read_policy,
    refuse_full,
    refuse_unless_ours,
    with_others,
    write_attachments,
    write_policy,
)
from tasks.options import completed, options
from tasks.outcome import Outcome, StepReport
from tasks.planning import PlannedChange
from tasks.role import RoleReady
from tasks.workspace import Facts

TITLE = "PassRole"


@dataclass(frozen=True)
class GrantState:
    """What step 2 found: the PassRole policy with its tags, and what is attached to each grantee."""

    policy: CustomPolicy | None
    tags: Mapping[str, str]
    attached: Mapping[tuple[Grantee, str], Mapping[str, Attached]]


@dataclass(frozen=True)
class Granted:
    """The grant as it stands after step 2. ``changed_at`` (seconds since the epoch): last change that must spread."""

    policy: str
    changed_at: float
    report: StepReport
    holders: frozenset[str] = frozenset()
    """Users that hold the grant, by themselves or by a group."""


def grantees_of(spec: DataSourceSpec) -> Iterator[tuple[Grantee, str]]:
    """Groups before users: a group takes one of its own ten places, whatever the number of its members."""
    yield from ((Grantee.GROUP, name) for name in spec.grantees.groups)
    yield from ((Grantee.USER, name) for name in spec.grantees.users)
    yield from ((Grantee.ROLE, name) for name in spec.grantees.roles)


def grant_document(spec: DataSourceSpec, account_id: str) -> PolicyDocument:
    """The vendor's Template 2 for the specification's role; Template 1, every role, only when it is asked for."""
    if spec.role.pass_role == "broad":
        return broad_pass_role_policy((SERVICE_PRINCIPAL,))
    services = spec.source_type.pass_role_services(SERVICE_PRINCIPAL)
    return pass_role_policy(role_arns(account_id, spec.role_name), services)


def wanted_grant(spec: DataSourceSpec, account_id: str, state: GrantState) -> PolicyDocument:
    """The specification's grant, plus what the policy holds for others, such as the services of other source types."""
    return with_others(spec, state.policy, state.tags, grant_document(spec, account_id))


def read_grant(gate: Gate, spec: DataSourceSpec) -> GrantState:
    """What there is of the PassRole policy and its attachments."""
    policy, tags = read_policy(gate, spec.pass_role_policy_name)
    attached = {entity: ram.attached_policies(gate, *entity) or {} for entity in grantees_of(spec)}
    return GrantState(policy, tags, attached)


def grant_changes(spec: DataSourceSpec, account_id: str, state: GrantState) -> tuple[PlannedChange, ...]:
    """The changes of step 2. Raises :class:`NotOurs` or :class:`LimitExceeded`: nothing would be half done."""
    name = spec.pass_role_policy_name
    if state.policy is not None:
        refuse_unless_ours(spec, f"custom policy {name}", state.tags)
    for (kind, grantee), attached in state.attached.items():
        if name not in attached:
            refuse_full(f"{kind.value.lower()} {grantee}", attached)
    document = wanted_grant(spec, account_id, state)
    return (
        *policy_changes(2, spec, name, state.policy, state.tags, document),
        *(
            change
            for entity, attached in state.attached.items()
            for change in attachment_changes(2, name, entity, attached)
        ),
    )


def ensure_grant(gate: Gate, spec: DataSourceSpec, account_id: str, role: RoleReady) -> Granted:
    """Make the PassRole policy and its attachments what the specification says."""
    name = spec.pass_role_policy_name
    state = read_grant(gate, spec)
    changes = grant_changes(spec, account_id, state)
    document = wanted_grant(spec, account_id, state)
    description = f"Pass role {role.name} to DataWorks"
    policy = write_policy(gate, spec, name, state.policy, document, description, changes)
    attached = write_attachments(gate, name, state.attached)
    members = (member for group in spec.grantees.groups for member in ram.group_members(gate, group))
    people = ", ".join(f"{kind.value.lower()} {grantee}" for kind, grantee in state.attached)
    return Granted(
        policy=name,
        changed_at=max(policy.updated, attached, role.changed_at),
        holders=frozenset((*spec.grantees.users, *members)),
        report=StepReport(
            number=2,
            title=TITLE,
            subject=f"custom policy {name}",
            outcome=Outcome.of(changes),
            reason=f"granted to {people}",
            changes=changes,
            facts={"pass_role_policy": name, "grantees": people},
        ),
    )


@task(**options("2 PassRole", "2 PassRole for {spec.name}", ("step-2", "administrator"), timeout=900))
def grant_pass_role(spec: DataSourceSpec, facts: Facts, role: RoleReady) -> Granted:
    """Prefect task of :func:`ensure_grant`."""
    with step_gate(spec, 2) as gate:
        granted = ensure_grant(gate, spec, facts.account_id, role)
    return completed(granted.report, granted)
