"""Data sources and their connectivity. Source: Create/Update/ListDataSources, TestNetworkConnection (2020-05-18).

``Content`` travels in the URL's query; in role mode it holds no secret, and neither the journal nor an error shows it.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from cloud.dataworks.paging import pages
from cloud.ensure import write_once
from cloud.errors import Refused
from cloud.gate import Gate
from cloud.shared import UNKNOWN
from config.limits import DATAWORKS, DATAWORKS_PAGE_ITEMS
from config.personas import Persona
from config.sources.base import Environment

_AS = Persona.CREATOR
_CONNECTED = 1  # ListDataSources.Data.DataSources[].ConnectStatus; 2 is not connected
_SECRET_KEYS = frozenset({"accessKey", "password", "accessKeySecret", "securityToken"})
_MASKED_KEYS = _SECRET_KEYS | {"accessId"}  # shown otherwise than they were given


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

    @property
    def role_id(self) -> str | None:
        """The numeric id of the role it is opened with, or None in another mode."""
        return self.content.get("authIdentity") if self.content.get("authType") == "RamRole" else None

    @property
    def executor_mode(self) -> bool:
        """Opened with the account of whoever runs the task, not with a role or a key."""
        return self.content.get("authType") == "Executor"


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
    for item in pages(
        gate, "ListDataSources", parameters, persona=persona, subject=subject,
        container="Data", items="DataSources",
    ):  # fmt: skip
        environment = int(item.get("EnvType", -1))
        if environment in set(Environment):
            yield DataSource(
                id=int(item["Id"]),
                name=str(item.get("Name") or ""),
                type=str(item["DataSourceType"]),
                environment=Environment(environment),
                content=_content(str(item.get("Content") or "{}")),
                description=str(item.get("Description") or ""),
                connected=int(item.get("ConnectStatus") or 0) == _CONNECTED,
            )


def _content(text: str) -> dict[str, str]:
    try:
        parsed = json.loads(text)
    except ValueError:
        return {}  # masked by the service: nothing to compare with, so it counts as different
    if not isinstance(parsed, dict):
        return {}
    return {str(key): str(value) for key, value in parsed.items() if key not in _SECRET_KEYS}


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


def _shows(found: DataSource, content: Mapping[str, str]) -> bool:
    return all(found.content.get(key) == value for key, value in content.items() if key not in _MASKED_KEYS)


def update_data_source(
    gate: Gate, workspace: int, source: DataSource, content: Mapping[str, str], description: str
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
