"""Step 2 (administrator): ``ram:PassRole`` on exactly this role for the grantees. Vendor's page, "Template 2".

Without it the creator cannot save the data source, and each run of each sync task fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prefect import task

from cloud import ram
from cloud.gate import Gate
from cloud.ram import Attached, Grantee
from config.names import SERVICE_PRINCIPAL
from config.spec import DataSourceSpec
from policy import pass_role_policy
from tasks.connection import gate_for
from tasks.options import completed, options
from tasks.outcome import Change, Outcome, StepReport
from tasks.role import RoleReady, check_size, refuse_full, refuse_unless_ours, tag, tags_for, write_policy

TITLE = "PassRole"


@dataclass(frozen=True)
class Granted:
    """The grant as it stands after step 2. ``changed_at`` (seconds since the epoch): last change that must spread."""

    policy: str
    changed_at: float
    report: StepReport


def grantees_of(spec: DataSourceSpec) -> Iterator[tuple[Grantee, str]]:
    """Groups before users: a group takes one of its own ten places, whatever the number of its members."""
    yield from ((Grantee.GROUP, name) for name in spec.grantees.groups)
    yield from ((Grantee.USER, name) for name in spec.grantees.users)


def ensure_grant(gate: Gate, spec: DataSourceSpec, role: RoleReady) -> Granted:
    """Make the PassRole policy and its attachments what the specification says."""
    changes: list[Change] = []
    name = spec.pass_role_policy_name
    policy = ram.get_policy(gate, name)
    tags = ram.tags_of(gate, "policy", name) if policy is not None else tags_for(spec)
    if policy is not None:
        refuse_unless_ours(spec, f"custom policy {name}", tags)
    document = pass_role_policy(role_arns(role), spec.source_type.pass_role_services(SERVICE_PRINCIPAL))
    check_size(name, document)
    # All quotas are looked at before the first write.
    present: dict[tuple[Grantee, str], dict[str, Attached]] = {}
    for grantee in grantees_of(spec):
        present[grantee] = ram.attached_policies(gate, *grantee) or {}
        if name not in present[grantee]:
            refuse_full(f"{grantee[0].value.lower()} {grantee[1]}", present[grantee])
    policy = write_policy(
        gate, name, policy, document, f"Pass role {role.name} to DataWorks", tags_for(spec), changes
    )
    tag("policy", gate, name, tags, tags_for(spec), changes)
    latest = policy.updated
    for (kind, grantee_name), attached in present.items():
        place = attached.get(name)
        if place is None:
            place = ram.attach_policy(gate, kind, grantee_name, name)
            changes.append(
                Change(f"custom policy {name}", f"attached to {kind.value.lower()} {grantee_name}")
            )
        latest = max(latest, place.attached)
    people = ", ".join(f"{kind.value.lower()} {grantee_name}" for kind, grantee_name in present)
    return Granted(
        policy=name,
        changed_at=max(latest, role.changed_at),
        report=StepReport(
            number=2,
            title=TITLE,
            subject=f"custom policy {name}",
            outcome=Outcome.of(changes),
            reason=f"granted to {people}",
            changes=tuple(changes),
            facts={"pass_role_policy": name, "grantees": people},
        ),
    )


def role_arns(role: RoleReady) -> tuple[str, ...]:
    """The Arn as RAM gives it, and in the spelling of the role's name.

    RAM lower-cases the name inside an Arn, the vendor's own template does not; which of the two a PassRole check
    compares is not documented, so both are listed.
    """
    spelled = f"{role.arn.rpartition('/')[0]}/{role.name}"
    return tuple(dict.fromkeys((role.arn, spelled)))


@task(**options("2 PassRole", "2 PassRole for {spec.name}", ("step-2", "administrator"), timeout=900))
def grant_pass_role(spec: DataSourceSpec, role: RoleReady) -> Granted:
    """Prefect task of :func:`ensure_grant`."""
    granted = ensure_grant(gate_for(spec.region), spec, role)
    return completed(granted.report, granted)
