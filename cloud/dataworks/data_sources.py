"""Data sources and their connectivity. Source: Create/Update/ListDataSources, TestNetworkConnection (2020-05-18).

``Content`` travels in the URL's query; in role mode it holds no secret, and neither the journal nor an error shows it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from cloud.dataworks.paging import pages
from cloud.ensure import write_once
from cloud.gate import Gate
from config.limits import DATAWORKS
from config.personas import Persona
from config.sources.base import Environment

_AS = Persona.CREATOR
_SECRET_KEYS = frozenset({"accessKey", "password", "accessKeySecret", "securityToken"})


@dataclass(frozen=True)
class DataSource:
    """One environment of a data source. ``content`` is without secrets."""

    id: int
    name: str
    type: str
    environment: Environment
    content: Mapping[str, str]
    description: str

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


def find_data_source(
    gate: Gate, workspace: int, name: str, environment: Environment, persona: Persona = _AS
) -> DataSource | None:
    """ListDataSources, compared exactly: whether the Name filter is exact is not documented."""
    parameters = {"ProjectId": workspace, "Name": name, "EnvType": environment.wire}
    for item in pages(
        gate, "ListDataSources", parameters, persona=persona, subject=f"data source {name}",
        container="Data", items="DataSources",
    ):  # fmt: skip
        if item.get("Name") == name and int(item.get("EnvType", -1)) == environment.wire:
            return DataSource(
                id=int(item["Id"]),
                name=name,
                type=str(item["DataSourceType"]),
                environment=environment,
                content=_content(str(item.get("Content") or "{}")),
                description=str(item.get("Description") or ""),
            )
    return None


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
    return write_once(
        gate,
        lambda: gate.write(DATAWORKS, "CreateDataSource", parameters, persona=_AS, subject=subject),
        lambda: find_data_source(gate, workspace, name, environment),
        subject=subject,
    )


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

    def changed() -> DataSource | None:
        found = find_data_source(gate, workspace, source.name, source.environment)
        if found is None or (description and found.description != description):
            return None
        return found if all(found.content.get(key) == value for key, value in content.items()) else None

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
