"""What there is to adopt: the data sources of a workspace in the form of specifications, sorted by how they are opened.

A specification has one location and one role for all its environments. A data source whose environments differ in
either becomes one specification for each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloud.errors import Mismatch, MissingObject, StepError
from config.personas import Persona
from config.sources.base import Environment, SourceType, content_override
from policy import Effect
from tasks.adopting.location import location_of, source_type_of
from tasks.audit.account import Account, AuditedRole, AuditedSource, AuditedTask
from tasks.audit.code import Use


@dataclass(frozen=True)
class Adoptable:
    """What one specification can say: environments of a data source with one role and one location."""

    name: str
    workspace: int
    kind: SourceType
    location: Mapping[str, Any]
    role: AuditedRole
    sources: Mapping[Environment, AuditedSource]
    alone: bool
    """Whether it is the whole data source: no environment of it is told elsewhere."""
    uses: tuple[tuple[AuditedTask, Use], ...]

    @property
    def title(self) -> str:
        """For people."""
        return self.name if self.alone else f"{self.name} ({', '.join(one.name for one in self.sources)})"


@dataclass(frozen=True)
class Left:
    """Environments of a data source that no specification can describe, why, and what to do instead."""

    name: str
    environments: tuple[str, ...]
    why: str
    remedy: str
    command: str = ""
    by_role: bool = True
    """Whether it is opened with a role: then somebody should write its specification by hand."""


def find(account: Account, workspace: int, names: Sequence[str]) -> tuple[list[Adoptable], list[Left]]:
    """Every data source of the workspace, or those named. Raises :class:`MissingObject` for a name that is not there."""
    by_name: dict[str, list[AuditedSource]] = {}
    for source in account.sources:
        if source.workspace == workspace:
            by_name.setdefault(source.name, []).append(source)
    absent = sorted(set(names) - set(by_name))
    if absent:
        raise MissingObject(
            f"the workspace has no data source {', '.join(absent)} that belongs to no compute engine",
            subject=f"workspace {workspace}",
            persona=Persona.CREATOR,
            remedy="check the names; their case counts",
        )
    found: list[Adoptable] = []
    left: list[Left] = []
    for name in sorted(names or by_name):
        _sort(account, sorted(by_name[name], key=lambda one: one.environment), found, left)
    return found, left


def _sort(
    account: Account, sources: Sequence[AuditedSource], found: list[Adoptable], left: list[Left]
) -> None:
    groups: list[tuple[AuditedRole, Mapping[str, Any], dict[Environment, AuditedSource]]] = []
    executors: list[AuditedSource] = []
    for source in sources:
        try:
            if _by_executor(source):
                executors.append(source)
                continue
            role, location = _role(account, source), _location(account, source)
        except StepError as error:
            left.append(Left(source.name, (source.environment.name,), error.what, error.remedy))
            continue
        except _ByKey as error:
            left.append(error.left)
            continue
        same = next((one for one in groups if one[0] is role and one[1] == location), None)
        if same is None:
            groups.append((role, location, {source.environment: source}))
        else:
            same[2][source.environment] = source
    for source in executors:
        # Opened with the executor's own account, as Hologres is in development: it goes with the one that has a role.
        if groups and _same_place(account, source, groups[0][1]):
            groups[0][2][source.environment] = source
        else:
            why = "it is opened with the account of whoever runs the task, and no environment beside it has a role"
            left.append(
                Left(source.name, (source.environment.name,), why, "leave it as it is", by_role=False)
            )
    for role, location, each in groups:
        ordered = dict(sorted(each.items()))
        first = next(iter(ordered.values()))
        kind = source_type_of(first.inspected.source.type)
        assert kind is not None  # it has a location
        alone = len(ordered) == len(sources)
        uses = account.uses_of(first)
        found.append(Adoptable(first.name, first.workspace, kind, location, role, ordered, alone, uses))


class _ByKey(Exception):
    """A data source that holds a key or a password, or is opened in another way without role."""

    def __init__(self, left: Left) -> None:
        self.left = left


def _by_executor(source: AuditedSource) -> bool:
    kind = source_type_of(source.inspected.source.type)
    return (
        kind is not None
        and not kind.opened_by_role(source.environment)
        and source.inspected.source.executor_mode
    )


def _role(account: Account, source: AuditedSource) -> AuditedRole:
    if source.role_id is None:
        raise _ByKey(_without_role(source))
    if account.roles is None:
        raise Mismatch(
            "the account's roles could not be read",
            subject=str(source),
            persona=Persona.ADMINISTRATOR,
            remedy="allow the administrator ram:ListRoles and adopt again",
        )
    role = account.role_of(source)
    if role is None:
        raise Mismatch(
            f"it is opened with a role whose id is {source.role_id}, and the account has no such role",
            subject=str(source),
            persona=Persona.ADMINISTRATOR,
            remedy="write a specification with role.adopt: true and apply it: it is then opened with the present role",
        )
    return role


def _without_role(source: AuditedSource) -> Left:
    environments = (source.environment.name,)
    if source_type_of(source.inspected.source.type) is None:
        why = f"data sources of type {source.inspected.source.type} are none of the types this project knows"
        return Left(source.name, environments, why, "leave it as it is", by_role=False)
    mode = "an AccessKey" if source.inspected.access_key else "an account or a password"
    return Left(
        source.name,
        environments,
        f"it is opened with {mode}, not with a role",
        "migrate it",
        f"onboard migrate --workspace {source.workspace} --only {source.name}",
        by_role=False,
    )


def _location(account: Account, source: AuditedSource) -> Mapping[str, Any]:
    """The location in the words of a specification. Raises :class:`Mismatch`."""
    found = source.inspected.source
    kind = source_type_of(found.type)
    role = account.role_of(source)
    return location_of(
        found.type,
        found.content,
        account.region,
        resources=tuple(_resources(account, role)) if role is not None else (),
        steps=[dict(use.parameters) for _, use in account.uses_of(source)],
        profile=content_override(account.profiles, kind.name, found.environment) if kind else None,
        subject=str(source),
    )


def _same_place(account: Account, source: AuditedSource, location: Mapping[str, Any]) -> bool:
    """Whether a data source without role leads where another does, as far as its Content tells."""
    found = source.inspected.source
    try:
        fields = location_of(
            found.type,
            found.content,
            account.region,
            steps=[dict(use.parameters) for _, use in account.uses_of(source)],
            subject=str(source),
        )
    except Mismatch:
        return False
    return all(location.get(key) == value for key, value in fields.items())


def _resources(account: Account, role: AuditedRole) -> Iterator[str]:
    """What the role's policies allow something on, custom ones first: they are the more exact."""
    for policy in sorted(account.policies_of(role), key=lambda one: not one.custom):
        for statement in policy.document.statements if policy.document is not None else ():
            if statement.effect is Effect.ALLOW:
                yield from statement.resources
