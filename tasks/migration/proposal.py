"""The proposal: a specification for a data source that holds an AccessKey, and what a person should know about it.

What is not written down anywhere is inferred: the access from the sides on which sync tasks use the data source, the
grantees from who owns these tasks and who will make the calls, the resource groups from what reaches it today.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloud.dataworks.data_sources import check_connection
from cloud.dataworks.workspaces import Workspace
from cloud.errors import Mismatch, MissingObject, OutcomeUnknown, Refused, StepError
from cloud.gate import Gate
from config.load import SpecInvalid, parse_spec
from config.personas import Persona
from config.sources.base import Access, Environment, SourceType, content_override
from config.spec import DataSourceSpec
from tasks.adopting.location import location_of, source_type_of
from tasks.callers import ROOT, role_of
from tasks.migration.canary import Canary, canaries_of
from tasks.migration.found import Found
from tasks.workspace import Callers

_BY_HAND = "migrate it by hand: onboard it with a specification that has role.adopt: true"


@dataclass(frozen=True)
class Surroundings:
    """What all proposals of a workspace need: who calls, names of users by id, the resource groups there are."""

    workspace: Workspace
    region: str
    callers: Callers
    users: Mapping[str, str]
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Proposal:
    """A specification, the runs that try it, and remarks for whoever approves it."""

    spec: DataSourceSpec
    canaries: tuple[Canary, ...]
    remarks: tuple[str, ...]


def strict(spec: DataSourceSpec) -> DataSourceSpec:
    """The same without adoption: what the role and its policies are checked with, which a migration makes itself."""
    return spec.model_copy(update={"role": spec.role.model_copy(update={"adopt": False})})


def propose(gate: Gate, found: Found, around: Surroundings) -> Proposal:
    """Infer a specification. Raises :class:`StepError` for a data source that cannot be migrated, or a call's error."""
    kind = _migratable(found)
    remarks: list[str] = []
    mapping: dict[str, Any] = {
        "name": found.name,
        "workspace": found.workspace,
        "region": around.region,
        "type": kind.name,
        "location": _location(gate, found, around),
        "access": inferred_access(found).value,
        "role": {"adopt": True},
        "grantees": _grantees(found, around, remarks),
        "resource_groups": list(_reaching(gate, found, around)),
    }
    if tuple(found.sources) != around.workspace.environments:
        mapping["environments"] = [environment.name for environment in found.sources]
    spec = _parsed(found, mapping)
    level, told = _level(spec, found)
    if level != spec.permissions:
        spec = spec.model_copy(update={"permissions": level})
    canaries, untried = canaries_of(gate, found)
    if not found.usages:
        remarks.append("no sync task uses it: read access is assumed")
    return Proposal(spec, canaries, (*remarks, *told, *untried))


def accept(gate: Gate, found: Found, spec: DataSourceSpec) -> Proposal:
    """A specification that a person has written, checked against what uses the data source. Raises as :func:`propose`."""
    kind = _migratable(found)
    subject = f"data source {found.name}"
    if spec.source_type.data_source_type != kind.data_source_type:
        raise _not_fitting(subject, f"it is of type {found.type}, the specification's is {spec.type}")
    if spec.sync_task is not None:
        raise _not_fitting(subject, "a migration makes no sync task, and the specification has one")
    needed = inferred_access(found)
    if (needed.reads and not spec.access.reads) or (needed.writes and not spec.access.writes):
        users = ", ".join(sorted(one.name for one in found.usages))
        raise _not_fitting(
            subject, f"access is {spec.access.value}, but its tasks need {needed.value} ({users})"
        )
    wanted = spec.environments or tuple(found.sources)
    absent = [one.name for one in found.keyed if one not in wanted]
    if absent:
        raise _not_fitting(
            subject, f"it holds a key in {', '.join(absent)} too, which environments leaves out"
        )
    canaries, untried = canaries_of(gate, found)
    return Proposal(spec, canaries, untried)


def _not_fitting(subject: str, what: str) -> Mismatch:
    return Mismatch(
        what, subject=subject, persona=Persona.CREATOR, remedy="correct its row, or leave it to be proposed"
    )


def _migratable(found: Found) -> SourceType:
    subject = f"data source {found.name}"
    kind = source_type_of(found.type)
    if kind is None:
        raise Mismatch(
            f"type {found.type} is none of the types this project opens with a role",
            subject=subject,
            persona=Persona.CREATOR,
            remedy="leave it as it is, or look in the vendor's documentation whether the type has a role mode",
        )
    if found.engine:
        raise Mismatch(
            "it belongs to a compute engine and cannot be edited", subject=subject, persona=Persona.CREATOR,
            remedy="change the engine's own access identity in the workspace's settings",
        )  # fmt: skip
    realtime = sorted(one.name for one in found.usages if one.realtime)
    if realtime:
        raise Mismatch(
            f"real-time tasks use it, which no trial run can stand for: {', '.join(realtime)}",
            subject=subject,
            persona=Persona.DEVELOPER,
            remedy=f"stop them, {_BY_HAND}, and start them again",
        )
    return kind


def inferred_access(found: Found) -> Access:
    """What its sync tasks do with it; read where none uses it."""
    reads = any(one.readers for one in found.usages)
    writes = any(one.writers for one in found.usages)
    if writes:
        return Access.READ_WRITE if reads else Access.WRITE
    return Access.READ


def _location(gate: Gate, found: Found, around: Surroundings) -> Mapping[str, Any]:
    """One location for all environments. Raises :class:`Mismatch` where they lead to different places."""
    steps = [step for one in found.usages for step in one.steps]
    locations = {
        environment: location_of(
            found.type,
            one.source.content,
            around.region,
            steps=steps,
            profile=content_override(gate.settings.content_profiles, found.kind.name if found.kind else "", environment),
            subject=f"data source {found.name} ({environment.name})",
        )
        for environment, one in found.sources.items()
    }  # fmt: skip
    first, *others = locations.values()
    if any(other != first for other in others):
        raise Mismatch(
            "its environments lead to different places, and a specification has one location",
            subject=f"data source {found.name}",
            persona=Persona.CREATOR,
            remedy="write a row for each environment (column environments), each with a role of its own",
        )
    return first


def _grantees(found: Found, around: Surroundings, remarks: list[str]) -> dict[str, list[str]]:
    """Who saves the data source and who runs its tasks: the personas' callers and the tasks' owners."""
    callers = [around.callers.names[one.value] for one in (Persona.CREATOR, Persona.EXECUTOR)]
    roles = {role for role in map(role_of, callers) if role is not None}
    users = {name for name in callers if role_of(name) is None and name != ROOT}
    for usage in found.usages:
        name = around.users.get(usage.owner)
        if name is not None:
            users.add(name)
        elif usage.owner:
            remarks.append(
                f"sync task {usage.name} belongs to {usage.owner}, which is no RAM user: it gets no grant"
            )
    if not users and not roles:
        raise MissingObject(
            "nobody is left to grant the role to: the account itself calls, and owns its tasks",
            subject=f"data source {found.name}",
            persona=Persona.ADMINISTRATOR,
            remedy="give a file (--csv) with grantees, or credentials of RAM users for the personas",
        )
    return {key: sorted(names) for key, names in (("users", users), ("roles", roles)) if names}


def _reaching(gate: Gate, found: Found, around: Surroundings) -> tuple[str, ...]:
    """The resource groups that reach it today, in each of its environments. Raises :class:`MissingObject` for none."""
    reaching = []
    for group in around.groups:
        if all(_reaches(gate, found, environment, group) for environment in found.sources):
            reaching.append(group)
    if not reaching:
        raise MissingObject(
            "no resource group reaches it today, so that no trial can show that one still does",
            subject=f"data source {found.name}",
            persona=Persona.CREATOR,
            remedy="repair its connection first, or delete it if nobody needs it",
        )
    last = around.groups[-1]
    if last not in reaching:  # the console shows the latest test: leave a good one behind
        for environment in found.sources:
            _reaches(gate, found, environment, reaching[0])
    return tuple(reaching)


def _reaches(gate: Gate, found: Found, environment: Environment, group: str) -> bool:
    """A timeout or a refusal of the test is a no."""
    try:
        return check_connection(gate, found.workspace, found.name, environment, group).connected
    except (OutcomeUnknown, Refused):
        return False


def _parsed(found: Found, mapping: Mapping[str, Any]) -> DataSourceSpec:
    problems = ""
    try:
        return parse_spec(mapping, source=f"proposal for {found.name}")
    except SpecInvalid as error:
        problems = "; ".join(str(problem) for problem in error.problems)
    raise StepError(
        f"no valid specification follows from it: {problems}",
        subject=f"data source {found.name}",
        persona=Persona.CREATOR,
        remedy="give a file (--csv) with a row for it",
    )


def _level(spec: DataSourceSpec, found: Found) -> tuple[str, tuple[str, ...]]:
    """``minimal``, unless a task removes what it finds, which only the vendor's list allows without a sync task of ours."""
    kind = spec.source_type
    if not any(kind.deletes(writer) for one in found.usages for writer in one.writers):
        return spec.permissions, ()
    needed = {one.action for one in kind.permissions(spec.location, spec.access, "minimal", deletes=True)}
    minimal = {one.action for one in spec.minimal_permissions()}
    if needed <= minimal:
        return spec.permissions, ()
    vendor = {one.action for one in kind.permissions(spec.location, spec.access, "vendor")}
    lacking = sorted(needed - vendor)
    told = [
        f"permissions: vendor, because its tasks remove what they find ({', '.join(sorted(needed - minimal))})"
    ]
    if lacking:
        told.append(
            f"the vendor's list lacks {', '.join(lacking)}, which is called after a failed write only"
        )
    return "vendor", tuple(told)
