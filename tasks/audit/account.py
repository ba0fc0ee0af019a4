"""What an audit has read: one account at one moment. The rules are functions of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from cloud.dataworks.data_sources import InspectedSource
from cloud.dataworks.runs import Instance
from cloud.dataworks.sync_tasks import ListedNode
from cloud.inventory import ListedPolicy
from cloud.ram import CUSTOM, Grantee
from config.limits import TAGS_PER_RESOURCE
from config.names import MANAGED_TAG, MANY_SOURCES_TAG, SOURCE_TAG_START, source_tag
from config.sources.base import Environment
from policy import PolicyDocument
from tasks.audit.code import Use
from tasks.role_group import Entity

PolicyKey = tuple[str, str]
"""Type and name of a policy."""


def is_managed(tags: Mapping[str, str]) -> bool:
    """Whether a role or policy with these tags was made or adopted here."""
    key, value = MANAGED_TAG
    return tags.get(key) == value


@dataclass(frozen=True)
class AuditedSource:
    """One environment of a data source."""

    workspace: int
    inspected: InspectedSource

    @property
    def name(self) -> str:
        """Its name."""
        return self.inspected.source.name

    @property
    def environment(self) -> Environment:
        """Its environment."""
        return self.inspected.source.environment

    @property
    def key(self) -> tuple[int, str, Environment]:
        """What tells it from all others."""
        return self.workspace, self.name, self.environment

    @property
    def role_id(self) -> str | None:
        """The id of its role, None in another mode."""
        return self.inspected.source.role_id

    @property
    def tag(self) -> str:
        """The tag key by which a role or policy names it."""
        return source_tag(self.workspace, self.name)[0]

    def __str__(self) -> str:
        return f"data source {self.name} ({self.environment.name}) of workspace {self.workspace}"


@dataclass(frozen=True)
class AuditedTask:
    """A file with what its code says; `sync_task` for one of Data Integration. `owner` is an id."""

    workspace: int
    file: int
    name: str
    folder: str
    owner: str
    node: int
    sync_task: bool
    uses: tuple[Use, ...]
    keys: tuple[str, ...]

    def __str__(self) -> str:
        kind = "sync task" if self.sync_task else "task"
        return f"{kind} {self.folder}/{self.name} of workspace {self.workspace}"


@dataclass(frozen=True)
class AuditedWorkspace:
    """One workspace. `members` maps ids to workspace roles; what could not be read is None.

    `nodes` are those of sync tasks, by environments that could be read; `runs` the finished real runs in production of each node, the
    newest first; `unknown_runs` are nodes whose runs are not known.
    """

    id: int
    standard: bool
    members: Mapping[str, frozenset[str]] | None
    sources: tuple[AuditedSource, ...] | None
    tasks: tuple[AuditedTask, ...] | None
    nodes: Mapping[Environment, Mapping[int, ListedNode]]
    runs: Mapping[int, tuple[Instance, ...]]
    unknown_runs: frozenset[int] = frozenset()


@dataclass(frozen=True)
class AuditedRole:
    """A role; `trust` is its trust policy as text, None where it was not read."""

    name: str
    role_id: str
    tags: Mapping[str, str]
    trust: str | None = None

    @property
    def managed(self) -> bool:
        """Whether it was made or adopted here."""
        return is_managed(self.tags)

    def serves(self, source: AuditedSource) -> bool:
        """Whether its tags name the data source, or say that they do not name all of them."""
        return source.tag in self.tags or serves_unnamed(self.tags)


def serves_unnamed(tags: Mapping[str, str]) -> bool:
    """Whether what has these tags may serve data sources that they do not name."""
    return MANY_SOURCES_TAG[0] in tags or len(tags) >= TAGS_PER_RESOURCE


@dataclass(frozen=True)
class AuditedPolicy:
    """A policy that is attached, or managed. `document` is None where it was not read; `versions` where not counted."""

    listed: ListedPolicy
    document: PolicyDocument | None
    holders: tuple[Entity, ...]
    versions: int | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return self.listed.name

    @property
    def custom(self) -> bool:
        """Whether it is no system policy."""
        return self.listed.kind == CUSTOM

    @property
    def managed(self) -> bool:
        """Whether it was made or adopted here."""
        return is_managed(self.listed.tags)

    def __str__(self) -> str:
        return f"{self.listed.kind.lower()} policy {self.name}"


@dataclass(frozen=True)
class Account:
    """Everything that was read. `users` maps ids to names; None for lists that could not be read."""

    account_id: str
    region: str
    everywhere: bool
    """Whether all workspaces of the account and region were asked for."""
    workspaces: Mapping[int, AuditedWorkspace]
    users: Mapping[str, str] | None
    groups: frozenset[str] | None
    roles: Mapping[str, AuditedRole] | None
    """By id."""
    policies: Mapping[PolicyKey, AuditedPolicy]
    policy_count: int | None
    """Custom policies of the account."""
    members: Mapping[str, tuple[str, ...]]
    """Users of each group that holds a policy."""
    knows_holders: bool = True
    """Whether every policy's holders, and every group's members, could be read: if not, whoever seems to hold nothing
    may hold something."""
    profiles: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """`Settings.content_profiles`."""

    # -- data sources and tasks ------------------------------------------------------------------------

    @cached_property
    def sources(self) -> tuple[AuditedSource, ...]:
        """Every environment of every data source that belongs to no engine."""
        listed = (source for space in self.workspaces.values() for source in space.sources or ())
        return tuple(source for source in listed if not source.inspected.engine)

    @cached_property
    def tasks(self) -> tuple[AuditedTask, ...]:
        """Every task."""
        return tuple(task for space in self.workspaces.values() for task in space.tasks or ())

    @cached_property
    def tasks_by_source(self) -> Mapping[tuple[int, str], tuple[tuple[AuditedTask, Use], ...]]:
        """Sync tasks with their side, by workspace and data source."""
        found: dict[tuple[int, str], list[tuple[AuditedTask, Use]]] = {}
        for task in self.tasks:
            for use in task.uses:
                found.setdefault((task.workspace, use.data_source), []).append((task, use))
        return {key: tuple(uses) for key, uses in found.items()}

    def uses_of(self, source: AuditedSource) -> tuple[tuple[AuditedTask, Use], ...]:
        """The sync tasks that use a data source."""
        return self.tasks_by_source.get((source.workspace, source.name), ())

    # -- roles -----------------------------------------------------------------------------------------

    def role_of(self, source: AuditedSource) -> AuditedRole | None:
        """The role a data source is opened with; None in another mode, and when there is none of this id."""
        return (self.roles or {}).get(source.role_id or "")

    @cached_property
    def sources_by_role(self) -> Mapping[str, tuple[AuditedSource, ...]]:
        """Data sources by the id of the role they are opened with."""
        found: dict[str, list[AuditedSource]] = {}
        for source in self.sources:
            if source.role_id:
                found.setdefault(source.role_id, []).append(source)
        return {key: tuple(sources) for key, sources in found.items()}

    @cached_property
    def sources_by_tag(self) -> Mapping[str, tuple[AuditedSource, ...]]:
        """Data sources by the tag key that names them."""
        found: dict[str, list[AuditedSource]] = {}
        for source in self.sources:
            found.setdefault(source.tag, []).append(source)
        return {key: tuple(sources) for key, sources in found.items()}

    @cached_property
    def managed_tags(self) -> frozenset[str]:
        """Tag keys of all data sources that managed roles name."""
        roles = (self.roles or {}).values()
        return frozenset(key for role in roles if role.managed for key in role.tags)

    def concerned_roles(self) -> Iterator[AuditedRole]:
        """Roles that are managed, or that a data source is opened with."""
        for role in (self.roles or {}).values():
            if role.managed or role.role_id in self.sources_by_role:
                yield role

    def knows_all_of(self, tags: Mapping[str, str]) -> bool:
        """Whether every data source that something with these tags may serve lies in a workspace that was read."""
        complete = {space.id for space in self.workspaces.values() if space.sources is not None}
        if self.everywhere and complete == set(self.workspaces):
            return True
        if serves_unnamed(tags):
            return False
        named = [key.split(":")[1] for key in tags if key.startswith(SOURCE_TAG_START)]
        return bool(named) and all(number.isdigit() and int(number) in complete for number in named)

    # -- policies --------------------------------------------------------------------------------------

    @cached_property
    def policies_by_holder(self) -> Mapping[Entity, tuple[AuditedPolicy, ...]]:
        """Attached policies by user, group and role; names of roles in lower case."""
        found: dict[Entity, list[AuditedPolicy]] = {}
        for policy in self.policies.values():
            for kind, name in policy.holders:
                key = name.lower() if kind is Grantee.ROLE else name
                found.setdefault((kind, key), []).append(policy)
        return {entity: tuple(policies) for entity, policies in found.items()}

    def policies_of(self, role: AuditedRole) -> tuple[AuditedPolicy, ...]:
        """Policies that are attached to a role."""
        return self.policies_by_holder.get((Grantee.ROLE, role.name.lower()), ())

    # -- people ----------------------------------------------------------------------------------------

    @cached_property
    def role_names(self) -> Mapping[str, AuditedRole]:
        """Roles by name in lower case."""
        return {role.name.lower(): role for role in (self.roles or {}).values()}

    @cached_property
    def user_ids(self) -> Mapping[str, str]:
        """Ids by user name."""
        return {name: identifier for identifier, name in (self.users or {}).items()}

    def entity_of(self, identifier: str) -> Entity | None:
        """The user or role with an id, such as an owner's; None for the account itself and for nobody."""
        identifier = identifier.partition(":")[0]
        if identifier in (self.users or {}):
            return Grantee.USER, (self.users or {})[identifier]
        role = (self.roles or {}).get(identifier)
        return (Grantee.ROLE, role.name) if role is not None else None

    def id_of(self, entity: Entity) -> str | None:
        """The id by which workspaces know a user or role."""
        kind, name = entity
        if kind is Grantee.USER:
            return self.user_ids.get(name)
        role = self.role_names.get(name.lower())
        return role.role_id if role is not None else None
