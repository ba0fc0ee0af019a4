"""Data sources and their connectivity. Source: Create/Update/ListDataSources, TestNetworkConnection (2020-05-18).

``Content`` travels in the URL's query; in role mode it holds no secret, and neither the journal nor an error shows it.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from cloud.dataworks.paging import pages
from cloud.ensure import write_once
from cloud.errors import NotFound, Refused
from cloud.gate import Gate
from cloud.shared import UNKNOWN
from config.limits import DATAWORKS, DATAWORKS_PAGE_ITEMS
from config.personas import Persona
from config.sources.base import Environment

_AS = Persona.CREATOR
_CONNECTED = 1  # ListDataSources.Data.DataSources[].ConnectStatus; 2 is not connected
_SECRET_KEYS = frozenset({"accessKey", "password", "accessKeySecret", "securityToken"})
_MASKED_KEYS = _SECRET_KEYS | {"accessId"}  # shown otherwise than they were given
_MODE_KEYS = ("authType", "authIdentity")
_KEYLESS_MODES = frozenset({"RamRole", "Executor", "PrimaryAccount", "SubAccount"})
_ADB_2 = "ads"


@dataclass(frozen=True)
class DataSource:
    """One environment of a data source. ``content`` is without secrets."""

    id: int
    name: str
    type: str
    environment: Environment
    content: Mapping[str, str]
    description: str
    connected: bool = False
    """Whether its last connectivity test has passed, from whichever resource group (ConnectStatus)."""
    shared: bool = False
    """Whether it is shared with other workspaces or users (Shared); with whom no action tells."""

    @property
    def role_id(self) -> str | None:
        """The numeric id of the role it is opened with, or None in another mode."""
        return self.content.get("authIdentity") if self.content.get("authType") == "RamRole" else None

    @property
    def executor_mode(self) -> bool:
        """Opened with the account of whoever runs the task, not with a role or a key."""
        return self.content.get("authType") == "Executor"


@dataclass(frozen=True)
class InspectedSource:
    """A data source with what an audit asks beside it.

    ``operator`` is the id of whoever changed it last. ``engine``: it belongs to a compute engine and cannot be edited.
    ``access_key``: it is opened with an AccessKey; ``key_end`` are the last four characters of that key's id, "" when
    they are masked. The key itself is not kept.
    """

    source: DataSource
    operator: str
    engine: bool
    access_key: bool
    key_end: str
    values: Mapping[str, Any] = field(default_factory=dict)
    """Content as it was given, numbers and flags included, without secrets."""


@dataclass(frozen=True)
class Connectivity:
    """The answer of one connectivity test."""

    connected: bool
    message: str


def source_key(workspace: int, name: str, environment: Environment) -> Hashable:
    """Under which :class:`cloud.shared.Shared` keeps a data source."""
    return "data source", workspace, name, environment


def find_data_source(
    gate: Gate, workspace: int, name: str, environment: Environment, persona: Persona = _AS
) -> DataSource | None:
    """ListDataSources, compared exactly: whether the Name filter is exact is not documented.

    Where onboardings share their reads, what was listed is used, and look-ups of one moment share a listing.
    """
    if gate.shared is None:
        return _named(gate, workspace, name, environment, persona)
    known = gate.shared.known(source_key(workspace, name, environment))
    if known is None or isinstance(known, DataSource):
        return known
    assert known is UNKNOWN
    together = gate.shared.together(
        ("data sources", workspace, persona), lambda: _Together(gate, workspace, persona)
    )
    return together.get((name, environment))


def list_data_sources(gate: Gate, workspace: int, persona: Persona = _AS) -> list[DataSource]:
    """ListDataSources, all pages and environments."""
    return list(_listed(gate, {"ProjectId": workspace}, persona, f"data sources of workspace {workspace}"))


def inspect_data_sources(gate: Gate, workspace: int, persona: Persona = _AS) -> list[InspectedSource]:
    """ListDataSources, all pages and environments, with mode, operator and whether an engine owns it."""
    found = []
    subject = f"data sources of workspace {workspace}"
    for item in _items(gate, {"ProjectId": workspace}, persona, subject):
        source = _source(item)
        if source is not None:
            access_key, key_end = _access_key(source.type, str(item.get("Content") or "{}"))
            found.append(
                InspectedSource(
                    source,
                    str(item.get("Operator") or ""),
                    bool(item.get("DefaultEngine")),
                    access_key,
                    key_end,
                    {
                        key: value
                        for key, value in _object(str(item.get("Content") or "{}")).items()
                        if key not in _SECRET_KEYS
                    },
                )
            )
    return found


def _access_key(kind: str, text: str) -> tuple[bool, str]:
    """Whether ``Content`` has an AccessKey, and the end of its id.

    ``authType`` Ak is documented for 2024-05-18 only; a key is known by its keys. The user and password of
    AnalyticDB for MySQL 2.0 are an AccessKey; those of databases are not.
    """
    content = _object(text)
    if content.get("authType") in _KEYLESS_MODES:
        return False, ""
    keys = ("username",) if kind == _ADB_2 else ("accessId", "accessKeyId")
    identifier = next((str(content[key]) for key in keys if content.get(key)), "")
    has_key = bool(identifier) or any(content.get(key) for key in ("accessKey", "accessKeySecret"))
    return has_key, "" if "*" in identifier else identifier[-4:]


def _named(
    gate: Gate, workspace: int, name: str, environment: Environment, persona: Persona
) -> DataSource | None:
    parameters = {"ProjectId": workspace, "Name": name, "EnvType": environment.wire}
    for source in _listed(gate, parameters, persona, f"data source {name}"):
        if source.name == name and source.environment is environment:
            return source
    return None


class _Together:
    """Look-ups by name: one call each while that is cheaper than all pages of the workspace."""

    def __init__(self, gate: Gate, workspace: int, persona: Persona) -> None:
        self._ask = partial(_named, gate, workspace, persona=persona)
        self._list = partial(list_data_sources, gate, workspace, persona)
        self._pages = 1

    def __call__(
        self, keys: frozenset[tuple[str, Environment]]
    ) -> Mapping[tuple[str, Environment], DataSource]:
        if len(keys) <= self._pages:
            asked = {(name, environment): self._ask(name, environment) for name, environment in keys}
            return {key: source for key, source in asked.items() if source is not None}
        sources = self._list()
        self._pages = 1 + len(sources) // DATAWORKS_PAGE_ITEMS
        return {(source.name, source.environment): source for source in sources}


def _listed(
    gate: Gate, parameters: Mapping[str, Any], persona: Persona, subject: str
) -> Iterator[DataSource]:
    for item in _items(gate, parameters, persona, subject):
        source = _source(item)
        if source is not None:
            yield source


def _items(
    gate: Gate, parameters: Mapping[str, Any], persona: Persona, subject: str
) -> Iterator[Mapping[str, Any]]:
    yield from pages(
        gate, "ListDataSources", parameters, persona=persona, subject=subject,
        container="Data", items="DataSources",
    )  # fmt: skip


def _source(item: Mapping[str, Any]) -> DataSource | None:
    """None for an environment that is not documented."""
    environment = int(item.get("EnvType", -1))
    if environment not in set(Environment):
        return None
    return DataSource(
        id=int(item["Id"]),
        name=str(item.get("Name") or ""),
        type=str(item["DataSourceType"]),
        environment=Environment(environment),
        content=_content(str(item.get("Content") or "{}")),
        description=str(item.get("Description") or ""),
        connected=int(item.get("ConnectStatus") or 0) == _CONNECTED,
        shared=bool(item.get("Shared")),
    )


def _content(text: str) -> dict[str, str]:
    return {str(key): str(value) for key, value in _object(text).items() if key not in _SECRET_KEYS}


def _object(text: str) -> dict[Any, Any]:
    try:
        parsed = json.loads(text)
    except ValueError:
        return {}  # masked by the service: nothing to compare with, so it counts as different
    return parsed if isinstance(parsed, dict) else {}


def create_data_source(
    gate: Gate, workspace: int, name: str, kind: str, environment: Environment, content: Mapping[str, str],
    description: str,
) -> DataSource:  # fmt: skip
    """CreateDataSource. It takes no client token and a duplicate's code is not documented."""
    parameters = {
        "ProjectId": workspace,
        "Name": name,
        "DataSourceType": kind,
        "EnvType": environment.wire,
        "Content": json.dumps(dict(content), separators=(",", ":")),
    }
    if description:
        parameters["Description"] = description
    subject = f"data source {name} ({environment.name})"
    _forget(gate, workspace, name, environment)

    def created() -> DataSource | None:
        found = find_data_source(gate, workspace, name, environment)
        # One that somebody else made meanwhile is not what was asked for.
        return found if found is not None and found.type == kind and _shows(found, content) else None

    tries: list[bool] = []

    def act() -> object:
        tries.append(True)
        try:
            return gate.write(DATAWORKS, "CreateDataSource", parameters, persona=_AS, subject=subject)
        except Refused:
            # Refused at the first try although no list had shown it: was it made by another run meanwhile?
            if gate.shared is None or len(tries) > 1 or created() is None:
                raise
            gate.shared.take(source_key(workspace, name, environment))
            return None

    return write_once(gate, act, created, subject=subject)


def _forget(gate: Gate, workspace: int, name: str, environment: Environment) -> None:
    if gate.shared is not None:
        gate.shared.forget(source_key(workspace, name, environment))


def _shows(found: DataSource, content: Mapping[str, Any]) -> bool:
    # With a role and with an AccessKey it may say the same of where the data is.
    same_mode = all(found.content.get(key) == content.get(key) for key in _MODE_KEYS)
    told = (key for key in content if key not in _MASKED_KEYS)
    return same_mode and all(found.content.get(key) == str(content[key]) for key in told)


def delete_data_source(gate: Gate, workspace: int, source: DataSource) -> None:
    """DeleteDataSource of one environment. Whether something uses it is not asked by the service."""
    subject = f"data source {source.name} ({source.environment.name})"
    _forget(gate, workspace, source.name, source.environment)

    def act() -> None:
        try:
            gate.write(
                DATAWORKS, "DeleteDataSource", {"DataSourceId": source.id}, persona=_AS, subject=subject
            )
        except NotFound:
            return  # the look tells whether it is so

    def gone() -> bool | None:
        return _named(gate, workspace, source.name, source.environment, _AS) is None or None

    write_once(gate, act, gone, subject=subject)


def update_data_source(
    gate: Gate, workspace: int, source: DataSource, content: Mapping[str, Any], description: str
) -> DataSource:
    """UpdateDataSource with the whole Content: whether it is merged or replaced is not documented.

    An empty description leaves the present one: the API takes an empty value for none.
    """
    parameters = {
        "DataSourceId": source.id,
        "EnvType": source.environment.wire,
        "Content": json.dumps(dict(content), separators=(",", ":")),
        "Description": description or None,
    }
    subject = f"data source {source.name} ({source.environment.name})"
    _forget(gate, workspace, source.name, source.environment)

    def changed() -> DataSource | None:
        found = find_data_source(gate, workspace, source.name, source.environment)
        if found is None or (description and found.description != description):
            return None
        return found if _shows(found, content) else None

    def act() -> object:
        return gate.write(DATAWORKS, "UpdateDataSource", parameters, persona=_AS, subject=subject)

    return write_once(gate, act, changed, subject=subject)


def check_connection(
    gate: Gate, workspace: int, name: str, environment: Environment, resource_group: str
) -> Connectivity:
    """TestNetworkConnection: synchronous, one resource group a call, EnvType as text."""
    body = gate.read(
        DATAWORKS,
        "TestNetworkConnection",
        {
            "ProjectId": workspace,
            "DatasourceName": name,
            "EnvType": str(environment.wire),
            "ResourceGroup": resource_group,
        },
        persona=_AS,
        subject=f"data source {name} ({environment.name}) from {resource_group}",
        read_timeout=gate.settings.connectivity_timeout,
    )
    result = body.get("TaskList") or {}
    return Connectivity(bool(result.get("ConnectStatus")), str(result.get("ConnectMessage") or ""))
