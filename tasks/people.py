"""Preflight's questions about people: membership of the workspace, PassRole, and what each caller may do."""

from __future__ import annotations

from collections.abc import Iterator

from cloud.dataworks.workspaces import member_roles
from cloud.errors import Refused
from cloud.gate import Gate
from cloud.inventory import inventory_of
from config.personas import Persona
from config.spec import DataSourceSpec
from policy import Outcome
from tasks.callers import ROOT, documents_of, lacking, passing, role_of
from tasks.declared import declared
from tasks.expiring import today_of
from tasks.preflight_findings import PreflightFinding
from tasks.workspace import Facts

WORKSPACE_ROLES = {
    Persona.CREATOR: ("role_project_owner", "role_project_admin", "role_project_pe"),
    Persona.DEVELOPER: ("role_project_owner", "role_project_admin", "role_project_pe", "role_project_dev"),
    Persona.EXECUTOR: ("role_project_owner", "role_project_admin", "role_project_pe", "role_project_dev"),
}
"""Workspace roles that may do a persona's steps. Vendor's page "Manage workspace members"."""


def workspace_roles(gate: Gate, spec: DataSourceSpec, facts: Facts) -> Iterator[PreflightFinding]:
    """Creator, developer and executor are members of the workspace with a role that may do their step."""
    subject = f"members of workspace {spec.workspace}"
    try:
        members = member_roles(gate, spec.workspace)
    except Refused as error:
        yield PreflightFinding(
            "PRE010", subject, f"they cannot be read: {error.what}", error.persona, error.remedy, blocks=False
        )
        return
    for persona, wanted in WORKSPACE_ROLES.items():
        if persona is not Persona.CREATOR and spec.sync_task is None:
            continue
        name = facts.callers[persona.value]
        if name == ROOT:
            continue
        held = members.get(facts.caller_ids[persona.value])
        if held is None:
            what = f"{name} ({persona.value}) is no member"
        elif held.isdisjoint(wanted):
            what = f"{name} ({persona.value}) has only the roles {', '.join(sorted(held)) or 'none'}"
        else:
            continue
        remedy = f"a workspace administrator adds {name} with one of the roles {', '.join(wanted)}"
        yield PreflightFinding(
            "PRE011", f"workspace {spec.workspace}", what, Persona.CREATOR, remedy, blocks=True
        )


def pass_role_holders(gate: Gate, spec: DataSourceSpec, facts: Facts) -> Iterator[PreflightFinding]:
    """Creator and executor will hold PassRole after step 2, or may pass the role already."""
    grantees = spec.grantees.on(today_of(gate))
    members = {member for group in grantees.groups for member in inventory_of(gate).members(group)}
    users = {*grantees.users, *members}
    roles = {name.lower() for name in grantees.roles}  # Arns have them in lower case
    needing = [Persona.CREATOR] + ([Persona.EXECUTOR] if spec.sync_task and spec.sync_task.run else [])
    inventory = inventory_of(gate)
    for persona in needing:
        name = facts.callers[persona.value]
        if name == ROOT:
            continue
        role = role_of(name)
        granted = name in users if role is None else role.lower() in roles
        documents = documents_of(inventory, name)
        if documents is None and granted:
            continue  # PRE013 says that its other policies are unknown
        outcome = Outcome.UNKNOWN
        if documents is not None:
            outcome = passing(spec, facts.account_id, documents, granted=granted)
        if outcome is Outcome.ALLOW:
            continue
        what, who = (
            "will not hold ram:PassRole on the role after step 2",
            f"user {name}" if role is None else f"role {role}",
        )
        remedy = f"add {name}, or a group it is in, to grantees" if role is None else f"add {who} to grantees"
        if outcome is Outcome.EXPLICIT_DENY:
            what, remedy = (
                "is denied ram:PassRole on the role by a policy of its own",
                f"remove the Deny from the policies of {who}",
            )
        elif outcome is Outcome.UNKNOWN:
            what = "is no grantee, and whether it may pass the role already is not known"
        yield PreflightFinding(
            "PRE012", f"{name} ({persona.value})", what, Persona.ADMINISTRATOR, remedy, blocks=outcome is not Outcome.UNKNOWN
        )  # fmt: skip


def permissions(gate: Gate, spec: DataSourceSpec, facts: Facts) -> Iterator[PreflightFinding]:
    """Each caller may do what its steps declare, by its policies as they stand."""
    inventory = inventory_of(gate)
    rows = declared(spec, facts.account_id)
    for persona in Persona:
        name = facts.callers[persona.value]
        if name == ROOT:
            continue
        subject = f"{name} ({persona.value})"
        documents = documents_of(inventory, name)
        if documents is None:
            lists = (
                "ram:ListPoliciesForUser, ram:ListGroupsForUser"
                if role_of(name) is None
                else "ram:ListPoliciesForRole"
            )
            yield PreflightFinding(
                "PRE013", subject, "its policies cannot be read, so its permissions are unknown", Persona.ADMINISTRATOR,
                f"allow the administrator {lists} and ram:GetPolicy to have them checked", blocks=False,
            )  # fmt: skip
            continue
        lacks = lacking(rows, persona, documents)
        if lacks.refused:
            yield PreflightFinding(
                "PRE014", subject, f"is not allowed to call {', '.join(lacks.refused)}", Persona.ADMINISTRATOR,
                "attach what `onboard permissions` prints for this persona", blocks=lacks.certain,
            )  # fmt: skip
        if lacks.unsure:
            what = f"whether it may call {', '.join(lacks.unsure)} depends on conditions that preflight cannot know"
            yield PreflightFinding("PRE015", subject, what, Persona.ADMINISTRATOR, "", blocks=False)
