"""Preflight of a whole file: the questions of a single one, asked once for what rows share.

People and permissions are asked for each role and workspace that changes. A finding that blocks becomes the reason why
the rows that depend on it are not begun; what the account has no room for stops everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from cloud.errors import MissingObject, OnboardingError, Refused
from cloud.gate import Gate
from cloud.ram import Grantee, get_role, group_exists, user_exists
from config.personas import Persona
from config.spec import DataSourceSpec
from tasks.account_room import full_quotas
from tasks.bulk_plan import FilePlan, GroupPlan, settled
from tasks.expiring import today_of
from tasks.grant_plan import GrantPlan
from tasks.people import pass_role_holders, permissions, workspace_roles
from tasks.preflight import (
    PreflightBlocked,
    beside,
    blocked_by,
    new_data_studio,
    reviewed,
    service_linked_role,
)
from tasks.preflight_findings import PreflightFinding
from tasks.review import review
from tasks.role_group import Entity
from tasks.workspace import Facts

Question = Callable[[Gate, DataSourceSpec, Facts], Iterator[PreflightFinding]]


@dataclass(frozen=True)
class FileCheck:
    """The plan with what preflight refuses, all findings, and the quotas of the account that would be passed."""

    plan: FilePlan
    findings: tuple[PreflightFinding, ...]
    no_room: tuple[OnboardingError, ...]


def check_file(gate: Gate, plan: FilePlan) -> FileCheck:
    """Ask every question about what would change. Raises retryable call errors only."""
    active = _active(plan)
    findings: list[PreflightFinding] = []
    no_room = tuple(
        full_quotas(
            plan.names.roles,
            plan.names.policies,
            [plan.groups[name].group for name in active],
            plan.grants.allocation,
        )
    )
    if active:
        spec, facts = next(iter(active.values()))
        findings += _asked(gate, service_linked_role, spec, facts)
    missing = _missing_grantees(gate, plan, active)
    groups = dict(plan.groups)
    for name, (spec, facts) in active.items():
        found = _about_group(gate, plan.groups[name], plan.grants, spec, facts)
        findings += found
        refusal = missing.get(name) or _refusal(f"role {name}", found)
        if refusal is not None and groups[name].refusal is None:
            groups[name] = replace(groups[name], refusal=refusal)
    refused = _workspaces(gate, plan, findings)
    rows = [
        replace(row, refusal=refused[spec.workspace])
        if spec.workspace in refused and row.refusal is None
        else row
        for row, spec in zip(plan.rows, plan.specs, strict=True)
    ]
    checked = settled(replace(plan, groups=groups, rows=tuple(rows)))
    return FileCheck(checked, tuple(dict.fromkeys(findings)), no_room)


def _active(plan: FilePlan) -> dict[str, tuple[DataSourceSpec, Facts]]:
    """Roles with something to do, each with one of its rows, one that changes if there is any."""
    found: dict[str, tuple[DataSourceSpec, Facts]] = {}
    for place in (*plan.changed, *plan.touched):
        spec, facts = plan.specs[place], plan.rows[place].facts
        if facts is not None:
            found.setdefault(spec.role_name, (spec, facts))
    return found


def _asked(gate: Gate, question: Question, spec: DataSourceSpec, facts: Facts) -> list[PreflightFinding]:
    """The findings of one question; a refused one is a finding itself."""
    try:
        return list(question(gate, spec, facts))
    except Refused as error:
        return [
            PreflightFinding("PRE001", error.subject, error.what, error.persona, error.remedy, blocks=True)
        ]


def _workspaces(gate: Gate, plan: FilePlan, findings: list[PreflightFinding]) -> dict[int, PreflightBlocked]:
    """Membership and mode of each workspace in which rows change, once; with why its rows cannot be begun."""
    refused: dict[int, PreflightBlocked] = {}
    chosen: dict[int, tuple[DataSourceSpec, Facts]] = {}
    for place in plan.changed:
        spec, facts = plan.specs[place], plan.rows[place].facts
        # One with a sync task is asked more.
        if facts is not None and (spec.workspace not in chosen or spec.sync_task is not None):
            chosen[spec.workspace] = spec, facts
    for workspace, (spec, facts) in chosen.items():
        found = _asked(gate, workspace_roles, spec, facts) + _asked(gate, new_data_studio, spec, facts)
        findings += found
        refusal = _refusal(f"workspace {workspace}", found)
        if refusal is not None:
            refused[workspace] = refusal
    return refused


def _about_group(
    gate: Gate, group: GroupPlan, grants: GrantPlan, spec: DataSourceSpec, facts: Facts
) -> list[PreflightFinding]:
    """People, documents, and rights beside the specifications, of one role."""
    if group.refusal is not None:
        return []
    grant = grants.states[group.group.role_name]
    kept, _ = review(spec, facts.account_id, group.state, grant)
    findings = [
        *_asked(gate, pass_role_holders, spec, facts),
        *_asked(gate, permissions, spec, facts),
        *(reviewed(one) for one in kept),
    ]
    if group.state.role is not None:
        findings += beside(gate, spec, group.state, grant)
    return findings


def _refusal(subject: str, findings: list[PreflightFinding]) -> PreflightBlocked | None:
    blocking = [finding for finding in findings if finding.blocks]
    return blocked_by(blocking, subject) if blocking else None


def _missing_grantees(
    gate: Gate, plan: FilePlan, active: dict[str, tuple[DataSourceSpec, Facts]]
) -> dict[str, OnboardingError]:
    """Roles that name grantees who do not exist; each grantee is asked for once."""
    exists: dict[Grantee, Callable[[str], bool]] = {
        Grantee.USER: partial(user_exists, gate),
        Grantee.GROUP: partial(group_exists, gate),
        Grantee.ROLE: lambda name: get_role(gate, name) is not None,
    }
    known: dict[Entity, bool] = {}
    refused: dict[str, OnboardingError] = {}
    for name in active:
        absent = []
        for entity in plan.groups[name].group.entities_on(today_of(gate)):
            if entity not in known:
                known[entity] = exists[entity[0]](entity[1])
            if not known[entity]:
                absent.append(entity)
        if absent:
            who = ", ".join(f"RAM {kind.value.lower()} {grantee}" for kind, grantee in absent)
            refused[name] = MissingObject(
                f"{who}, named in grantees, does not exist",
                subject=f"role {name}",
                persona=Persona.ADMINISTRATOR,
                remedy="create it in RAM or correct grantees",
            )
    return refused
