"""Before step 1: what the steps need to know, read before anything is written.

Everything that is missing is reported at once, each with the person who can provide it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from cloud.dataworks.data_sources import find_data_source
from cloud.dataworks.workspaces import Workspace, data_integration_groups, get_workspace, scheduling_groups
from cloud.errors import MissingObject, StepError
from cloud.gate import Gate
from cloud.ram import get_role, group_exists, user_exists
from cloud.sts import caller_identity
from config.personas import Persona
from config.sources.base import Environment
from config.spec import DataSourceSpec
from tasks.expiring import today_of


@dataclass(frozen=True)
class Facts:
    """What was read: the account, the workspace, the environments to use, and who makes each persona's calls."""

    account_id: str
    workspace: Workspace
    environments: tuple[Environment, ...]
    callers: dict[str, str]
    caller_ids: dict[str, str]


def read_facts(gate: Gate, spec: DataSourceSpec) -> Facts:
    """Read and check. Raises :class:`MissingObject` naming everything that is missing, or a call's error."""
    facts = read_place(gate, spec)
    problems = missing_objects(gate, spec, facts)
    if problems:
        raise all_of(problems)
    return facts


@dataclass(frozen=True)
class Callers:
    """Who makes the calls: the account, and by persona the name and id of the identity."""

    account_id: str
    names: dict[str, str]
    ids: dict[str, str]


def read_callers(gate: Gate) -> Callers:
    """GetCallerIdentity of every persona. Raises :class:`StepError` or a call's error."""
    identities = {persona: caller_identity(gate, persona) for persona in Persona}
    accounts = {identity.account_id for identity in identities.values()}
    if len(accounts) > 1:
        raise StepError(
            f"the personas' credentials belong to several accounts: {', '.join(sorted(accounts))}",
            subject="credentials",
            persona=Persona.ADMINISTRATOR,
            remedy="use credentials of one account for all personas",
        )
    return Callers(
        accounts.pop(),
        {persona.value: identity.name for persona, identity in identities.items()},
        {persona.value: identity.id for persona, identity in identities.items()},
    )


def read_place(gate: Gate, spec: DataSourceSpec) -> Facts:
    """Who calls, and the workspace with its environments. Raises :class:`StepError` or a call's error."""
    callers = read_callers(gate)
    return place_of(spec, callers, get_workspace(gate, spec.workspace))


def place_of(spec: DataSourceSpec, callers: Callers, workspace: Workspace | None) -> Facts:
    """The facts of one specification in a workspace that was read. Raises :class:`MissingObject`."""
    if workspace is None or not workspace.available:
        what = "does not exist in this account and region" if workspace is None else "is not available"
        raise MissingObject(
            f"the workspace {what}",
            subject=f"workspace {spec.workspace}",
            persona=Persona.CREATOR,
            remedy=f"check workspace ({spec.workspace}) and region ({spec.region}) of the specification",
        )
    try:
        environments = spec.environments_of(workspace.environments)
    except ValueError as error:
        raise MissingObject(
            str(error),
            subject=f"workspace {spec.workspace}",
            persona=Persona.CREATOR,
            remedy="leave environments out: they follow the workspace's mode",
        ) from error
    return Facts(callers.account_id, workspace, environments, callers.names, callers.ids)


def missing_objects(gate: Gate, spec: DataSourceSpec, facts: Facts) -> list[MissingObject]:
    """Everything the specification names and the cloud does not have."""
    return [problem for question in MISSING_OBJECTS for problem in question(gate, spec, facts)]


def _missing(subject: str, persona: Persona, remedy: str) -> MissingObject:
    return MissingObject("it does not exist", subject=subject, persona=persona, remedy=remedy)


def all_of(problems: list[MissingObject]) -> MissingObject:
    """One error for all problems; a single one is raised as it is."""
    if len(problems) == 1:
        return problems[0]
    return MissingObject(
        "; ".join(f"{problem.subject}: {problem.what}" for problem in problems),
        subject=f"{len(problems)} objects of the specification",
        persona=problems[0].persona,
        remedy="; ".join(dict.fromkeys(problem.remedy for problem in problems)),
    )


def _missing_grantees(gate: Gate, spec: DataSourceSpec, facts: Facts) -> Iterator[MissingObject]:
    del facts
    grantees = spec.grantees.on(today_of(gate))
    exists: tuple[tuple[str, tuple[str, ...], Callable[[str], bool]], ...] = (
        ("user", grantees.users, lambda name: user_exists(gate, name)),
        ("group", grantees.groups, lambda name: group_exists(gate, name)),
        ("role", grantees.roles, lambda name: get_role(gate, name) is not None),
    )
    remedy = "create it in RAM or correct grantees"
    for kind, names, is_there in exists:
        for name in names:
            if not is_there(name):
                yield _missing(f"RAM {kind} {name}", Persona.ADMINISTRATOR, remedy)


def _missing_groups(gate: Gate, spec: DataSourceSpec, facts: Facts) -> Iterator[MissingObject]:
    del facts
    yield from unknown_groups(spec, data_integration_groups(gate))


def unknown_groups(spec: DataSourceSpec, known: Collection[str]) -> Iterator[MissingObject]:
    """Data Integration resource groups that the specification names and the account does not have."""
    remedy = f"name a Data Integration resource group: {', '.join(sorted(known)) or 'there is none in this account'}"
    for name in spec.resource_groups:
        if name not in known:
            yield _missing(f"Data Integration resource group {name}", Persona.CREATOR, remedy)


def _missing_for_sync_task(gate: Gate, spec: DataSourceSpec, facts: Facts) -> Iterator[MissingObject]:
    """CreateDISyncTask looks for its data sources in production and, in a standard workspace, in development too."""
    if spec.sync_task is None:
        return
    known = scheduling_groups(gate) if spec.sync_task.scheduling_resource_group is not None else {}
    yield from missing_for_sync_task(
        spec,
        facts,
        known,
        lambda name, where: (
            find_data_source(gate, spec.workspace, name, where, Persona.DEVELOPER) is not None
        ),
    )


def missing_for_sync_task(
    spec: DataSourceSpec,
    facts: Facts,
    scheduling: Collection[str],
    exists: Callable[[str, Environment], bool],
) -> Iterator[MissingObject]:
    """What the sync task needs and the cloud does not have; ``exists`` tells whether a data source is there."""
    assert spec.sync_task is not None
    absent = [one.name for one in facts.workspace.environments if one not in facts.environments]
    if absent:
        yield MissingObject(
            f"a sync task needs its data sources in every environment of the workspace, {' and '.join(absent)} too",
            subject=f"sync task {spec.sync_task.name}",
            persona=Persona.DEVELOPER,
            remedy="leave environments out, or leave sync_task out",
        )
    group = spec.sync_task.scheduling_resource_group
    if group is not None and group not in scheduling:
        remedy = (
            f"name one for scheduling: {', '.join(sorted(scheduling)) or 'there is none in this account'}"
        )
        yield _missing(f"scheduling resource group {group}", Persona.DEVELOPER, remedy)
    name = spec.sync_task.counterpart
    for environment in facts.environments:
        if not exists(name, environment):
            yield _missing(
                f"counterpart data source {name} ({environment.name})",
                Persona.CREATOR,
                "create it in the workspace or correct the sync task's datasource",
            )


MISSING_OBJECTS = (_missing_grantees, _missing_groups, _missing_for_sync_task)
"""Questions for what the specification names and the cloud does not have; each may raise a call's error."""
