"""What steps 1 and 2 need of the data sources of one role: a role is planned and written once for all of them.

One data source is a group of one; the functions of steps 1 and 2 take either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from cloud.ram import Grantee
from config.grantees import Grantees
from config.limits import TAGS_PER_RESOURCE
from config.names import (
    MANAGED_TAG,
    MANY_SOURCES_TAG,
    SERVICE_PRINCIPAL,
    SOURCE_TAG_START,
    role_arns,
    source_tag,
)
from config.sources.base import Permission
from config.spec import DataSourceSpec, RoleSpec
from policy import (
    Condition,
    Grant,
    PolicyDocument,
    Statement,
    broad_pass_role_policy,
    ordered,
    pass_role_policy,
    policy_for,
)
from policy.documents import VERSION, canonical_statement

Entity = tuple[Grantee, str]
"""A user, group or role that policies are attached to."""

# One place is kept for the tag that says "more than are named".
_NAMED_AT_MOST = TAGS_PER_RESOURCE - 1


@dataclass(frozen=True)
class RoleGroup:
    """One or several data sources of one role, which agree on the role, its policies and its grantees.

    Raises ``ValueError`` for no data source, one that is there twice, and any disagreement.
    """

    specs: tuple[DataSourceSpec, ...]

    def __post_init__(self) -> None:
        """Check that the data sources can share a role."""
        if not self.specs:
            raise ValueError("a role group has at least one data source")
        shared = _shared(self.specs[0])
        seen: set[tuple[int, str]] = set()
        for spec in self.specs:
            differing = [what for what, value in _shared(spec).items() if value != shared[what]]
            if differing:
                raise ValueError(
                    f"data sources {self.specs[0].name} and {spec.name} cannot share a role: they differ in {', '.join(differing)}"
                )
            if (spec.workspace, spec.name) in seen:
                raise ValueError(f"data source {spec.name} of workspace {spec.workspace} is there twice")
            seen.add((spec.workspace, spec.name))

    @classmethod
    def of(cls, spec: DataSourceSpec) -> RoleGroup:
        """The group of a single data source."""
        return cls((spec,))

    # -- names ----------------------------------------------------------------------------------------

    @property
    def role_name(self) -> str:
        """The role's name."""
        return self.specs[0].role_name

    @property
    def policy_name(self) -> str:
        """Custom policy with the role's permissions."""
        return self.specs[0].policy_name

    @property
    def pass_role_policy_name(self) -> str:
        """PassRole policy of this role alone; a grantee with few places left holds the grant in a folded one."""
        return self.specs[0].pass_role_policy_name

    @property
    def role(self) -> RoleSpec:
        """What the specifications say of the role."""
        return self.specs[0].role

    @property
    def region(self) -> str:
        """Region of all data sources."""
        return self.specs[0].region

    @property
    def grantees(self) -> Grantees:
        """Who may pass the role."""
        return self.specs[0].grantees

    @property
    def entities(self) -> tuple[Entity, ...]:
        """The grantees, groups before users: a group takes one of its own ten places, whatever the number of members."""
        return (
            *((Grantee.GROUP, name) for name in self.grantees.groups),
            *((Grantee.USER, name) for name in self.grantees.users),
            *((Grantee.ROLE, name) for name in self.grantees.roles),
        )

    def until(self, entity: Entity) -> date | None:
        """The last day of a grantee's grant; None for one that does not end."""
        return self.grantees.until_of(entity[0].value.lower(), entity[1])

    def entities_on(self, today: date) -> tuple[Entity, ...]:
        """The grantees whose grant has not ended before ``today``, a day in the scheduler's zone."""
        return tuple(entity for entity in self.entities if (self.until(entity) or today) >= today)

    @property
    def title(self) -> str:
        """The data sources for people: ``data source x in workspace y``, or ``12 data sources``."""
        if len(self.specs) == 1:
            return f"data source {self.specs[0].name} in workspace {self.specs[0].workspace}"
        return f"{len(self.specs)} data sources"

    # -- documents ------------------------------------------------------------------------------------

    @cached_property
    def access_document(self) -> PolicyDocument:
        """The least-privilege documents of all data sources, united."""
        return concise(_united(access_of(spec) for spec in self.specs))

    @cached_property
    def services(self) -> tuple[str, ...]:
        """Values of ``acs:Service`` with which the role is passed, each once."""
        found = (service for spec in self.specs for service in _services(spec))
        return tuple(dict.fromkeys((*found, SERVICE_PRINCIPAL)))

    def grant_document(self, account_id: str) -> PolicyDocument:
        """The vendor's Template 2 for the role; Template 1, every role, only when it is asked for.

        Each set of services keeps a statement of its own, so that one data source applied alone finds its own.
        """
        if self.role.pass_role == "broad":
            return broad_pass_role_policy((SERVICE_PRINCIPAL,))
        arns = role_arns(account_id, self.role_name)
        return _united(pass_role_policy(arns, each) for each in dict.fromkeys(map(_services, self.specs)))

    def prerequisites(self, role_id: str) -> Iterator[str]:
        """What must be so outside RAM, each once; ``role_id`` is the numeric Role.RoleId."""
        notes = (
            f"outside RAM, {needed.what}. The {needed.persona.value}: {needed.how}"
            for spec in self.specs
            for needed in spec.prerequisites(role_id)
        )
        yield from dict.fromkeys(notes)

    # -- tags -----------------------------------------------------------------------------------------

    def tags(self, present: Mapping[str, str]) -> dict[str, str]:
        """The tags that a role or policy of the group must have beside those ``present``: whose it is, and whom it serves.

        Each data source is named as long as one of the 20 places stays free. Otherwise, or once others are not named
        either, :data:`MANY_SOURCES_TAG` stands for all. Where every place is taken already (somebody tags too),
        nothing is added: full tags mean the same. Tags are never removed.
        """
        managed = dict([MANAGED_TAG])
        named = dict(source_tag(spec.workspace, spec.name) for spec in self.specs)
        if not _unnamed(present) and len({*present, *managed, *named}) <= _NAMED_AT_MOST:
            return managed | named
        if named.items() <= present.items() or len({*present, *managed}) >= TAGS_PER_RESOURCE:
            return managed
        return managed | dict([MANY_SOURCES_TAG])

    def alone(self, tags: Mapping[str, str]) -> bool:
        """Whether a role or policy with these tags serves nobody but the group; then what it does not need can go."""
        own = {source_tag(spec.workspace, spec.name)[0] for spec in self.specs}
        return not _unnamed(tags) and all(key in own for key in tags if key.startswith(SOURCE_TAG_START))


Sources = DataSourceSpec | RoleGroup
"""What the functions of steps 1 and 2 take."""


def group_of(sources: Sources) -> RoleGroup:
    """The group itself, or that of a single data source."""
    return sources if isinstance(sources, RoleGroup) else RoleGroup.of(sources)


def groups_of(specs: Iterable[DataSourceSpec]) -> tuple[RoleGroup, ...]:
    """The specifications by role, in the order of their first one. Raises ``ValueError`` for a disagreement.

    Role names that differ in case only are one role.
    """
    found: dict[str, list[DataSourceSpec]] = {}
    for spec in specs:
        found.setdefault(spec.role_name.lower(), []).append(spec)
    return tuple(RoleGroup(tuple(each)) for each in found.values())


def access_of(spec: DataSourceSpec) -> PolicyDocument:
    """The least-privilege document of one specification's location and access."""
    return policy_of(spec.required_permissions())


def policy_of(permissions: Iterable[Permission]) -> PolicyDocument:
    """The document that gives exactly these permissions."""
    return policy_for([_grant(permission) for permission in permissions])


def concise(document: PolicyDocument) -> PolicyDocument:
    """The document without Allow statements whose actions another one gives for the same resources and conditions."""
    places: dict[tuple[object, ...], list[frozenset[str]]] = {}
    read = [(one, canonical_statement(one)) for one in document.statements]
    for _, one in read:
        if not one.not_actions:
            places.setdefault(_place(one), []).append(frozenset(one.actions))
    kept = tuple(
        statement
        for statement, one in read
        if one.not_actions or not any(frozenset(one.actions) < other for other in places[_place(one)])
    )
    return PolicyDocument(document.version, kept)


def _united(documents: Iterable[PolicyDocument]) -> PolicyDocument:
    """The union of many documents, sorted once."""
    return ordered(
        PolicyDocument(VERSION, tuple(one for document in documents for one in document.statements))
    )


def _place(statement: Statement) -> tuple[object, ...]:
    """What a statement is about, whatever it says of it."""
    return statement.effect, frozenset(statement.resources), frozenset(statement.conditions)


def _unnamed(tags: Mapping[str, str]) -> bool:
    """Whether what has these tags serves data sources that they do not name, or may do: no tag could be added."""
    return MANY_SOURCES_TAG[0] in tags or len(tags) >= TAGS_PER_RESOURCE


def _services(spec: DataSourceSpec) -> tuple[str, ...]:
    return spec.source_type.pass_role_services(SERVICE_PRINCIPAL)


def _grant(permission: Permission) -> Grant:
    return Grant(
        actions=(permission.action,),
        resources=permission.resources,
        conditions=tuple(Condition(*condition) for condition in permission.conditions),
    )


def _shared(spec: DataSourceSpec) -> dict[str, object]:
    """What data sources of one role must agree on, by its name for people."""
    return {
        "role.name": spec.role_name,
        "role.policy": spec.policy_name,
        "role.pass_role_policy": spec.pass_role_policy_name,
        "role.pass_role": spec.role.pass_role,
        "role.pass_role_reason": spec.role.pass_role_reason,
        "role.adopt": spec.role.adopt,
        "region": spec.region,
        "grantees.users": frozenset(spec.grantees.users),
        "grantees.groups": frozenset(spec.grantees.groups),
        "grantees.roles": frozenset(spec.grantees.roles),
        "grantees.until": frozenset(spec.grantees.until),
    }
