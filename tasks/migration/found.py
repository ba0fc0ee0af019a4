"""Inventory: data sources that hold an AccessKey, what a migration has made beside them, and the tasks that use them.

Three listings a workspace, whatever the number of data sources. Nothing is written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from cloud.dataworks.data_sources import DataSource, InspectedSource, inspect_data_sources
from cloud.dataworks.sync_tasks import ListedCode, list_code
from cloud.gate import Gate
from config.sources.base import Environment, SourceType
from tasks.adopting.location import source_type_of
from tasks.migration.naming import canary_name, temporary_name

_OFFLINE = 23  # ListFiles.FileType
CANARIES = ("reads", "writes")
"""What a canary tries."""


class Stage(str, Enum):
    """The stages, in order."""

    INVENTORY = "inventory"
    PROPOSE = "propose"
    PREPARE = "prepare"
    TRIAL = "trial"
    SWITCH = "switch"
    WATCH = "watch"
    CLEAN = "clean"

    @property
    def number(self) -> int:
        """Its place, from 0."""
        return list(Stage).index(self)


@dataclass(frozen=True)
class Usage:
    """One sync task that uses a data source: on which sides, with which parameters. ``owner`` is a user's id."""

    file: int
    name: str
    folder: str
    owner: str
    node: int
    realtime: bool
    readers: tuple[Mapping[str, Any], ...]
    writers: tuple[Mapping[str, Any], ...]
    content: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def steps(self) -> tuple[Mapping[str, Any], ...]:
        """Parameters of the data source's own sides."""
        return (*self.readers, *self.writers)


@dataclass(frozen=True)
class Found:
    """One data source by its name, in each environment it is in, with its temporary twin and the tasks that use it."""

    workspace: int
    name: str
    sources: Mapping[Environment, InspectedSource]
    temporary: Mapping[Environment, DataSource]
    usages: tuple[Usage, ...]

    @property
    def type(self) -> str:
        """DataSourceType."""
        return next(iter(self.sources.values())).source.type

    @property
    def kind(self) -> SourceType | None:
        """What the project knows about the type."""
        return source_type_of(self.type)

    @property
    def keyed(self) -> tuple[Environment, ...]:
        """Environments in which it is opened with an AccessKey, or with a database's user and password."""
        kind = self.kind
        keys = kind.credential_keys if kind is not None else ("accessId", "accessKey")
        return tuple(
            environment
            for environment, one in self.sources.items()
            if one.source.role_id is None
            and not one.source.executor_mode
            and (one.access_key or one.source.content.get(keys[0]))
        )

    @property
    def engine(self) -> bool:
        """Whether a compute engine owns it."""
        return any(one.engine for one in self.sources.values())

    def key_id(self, environment: Environment) -> str:
        """The id of its AccessKey (or its user) in an environment, as it is shown; "" in another mode."""
        kind = self.kind
        if kind is None or environment not in self.keyed:
            return ""
        return str(self.sources[environment].source.content.get(kind.credential_keys[0]) or "")


@dataclass(frozen=True)
class Inventory:
    """A workspace: every data source by name, and the roles by which any of them is opened."""

    workspace: int
    found: Mapping[str, Found]
    role_ids: frozenset[str]

    @property
    def migrating(self) -> tuple[str, ...]:
        """Data sources to migrate: they hold a key, or have a temporary twin of an earlier run."""
        return tuple(
            one.name for one in self.found.values() if (one.keyed and not one.engine) or one.temporary
        )

    def users_of_key(self, key_id: str) -> tuple[str, ...]:
        """Data sources that are opened with an AccessKey of this id, engines' own included."""
        return tuple(
            one.name
            for one in self.found.values()
            if any(key_id in (each.source.content.get("accessId"), each.source.content.get("username")) for each in one.sources.values())
        )  # fmt: skip


def take_inventory(gate: Gate, workspace: int) -> Inventory:
    """ListDataSources, and ListFiles with what is in them. Raises a call's error."""
    listed = inspect_data_sources(gate, workspace)
    usages: dict[str, list[Usage]] = {}
    for code in list_code(gate, workspace):
        for name, usage in _usages(code):
            usages.setdefault(name, []).append(usage)
    by_name: dict[str, dict[Environment, InspectedSource]] = {}
    for one in listed:
        by_name.setdefault(one.source.name, {})[one.source.environment] = one
    twins = {temporary_name(workspace, name): name for name in by_name}
    canaries = {canary_name(workspace, name, what) for name in by_name for what in CANARIES}
    found = {
        name: Found(
            workspace=workspace,
            name=name,
            sources=dict(sorted(sources.items())),
            temporary={
                environment: one.source
                for environment, one in sorted(by_name.get(temporary_name(workspace, name), {}).items())
            },
            usages=tuple(one for one in usages.get(name, ()) if one.name not in canaries),
        )
        for name, sources in by_name.items()
        if name not in twins
    }
    roles = frozenset(one.source.role_id for one in listed if one.source.role_id)
    return Inventory(workspace, found, roles)


def _usages(code: ListedCode) -> Iterator[tuple[str, Usage]]:
    """The data sources a sync task names, each with its sides. Code that cannot be read names none."""
    if not code.sync_task:
        return
    try:
        content = json.loads(code.code)
        steps = [step for step in content.get("steps") or () if isinstance(step, dict)]
    except (ValueError, AttributeError):
        return
    sides: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for step in steps:
        parameter = step.get("parameter")
        if not isinstance(parameter, dict):
            continue
        for name in _named(parameter):
            sides.setdefault(name, {}).setdefault(str(step.get("category")), []).append(parameter)
    for name, by_side in sides.items():
        yield (
            name,
            Usage(
                file=code.file,
                name=code.name,
                folder=code.folder,
                owner=code.owner,
                node=code.node,
                realtime=code.type != _OFFLINE,
                readers=tuple(by_side.get("reader", ())),
                writers=tuple(by_side.get("writer", ())),
                content=content,
            ),
        )


def _named(parameter: Mapping[str, Any]) -> Iterator[str]:
    """A step names its data source itself, or in its connections, as readers of many tables do."""
    connections = parameter.get("connection")
    places = [parameter, *(connections if isinstance(connections, list) else ())]
    for place in places:
        name = place.get("datasource") if isinstance(place, dict) else None
        if isinstance(name, str) and name:
            yield name
