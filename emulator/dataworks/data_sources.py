"""CreateDataSource, UpdateDataSource, DeleteDataSource, ListDataSources.

A data source is one environment (0 development, 1 production) of a name; a standard workspace has two of each.
There is no client token: a second creation of the same name and environment is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from config.limits import DATA_SOURCE_NAME_CHARACTERS
from emulator.authorization import require_pass_role
from emulator.clock import console_date
from emulator.dataworks.access import (
    PROJECT_ID,
    Right,
    dataworks_action,
    require_right,
    workspace,
)
from emulator.dataworks.content import SERVICE, TYPES, check_content, masked, parse_content, trust_decision
from emulator.dataworks.envelope import data_source, one_of, page, tenant
from emulator.errors import ApiError
from emulator.registry import DATAWORKS, Answer, Call, Param
from emulator.sealed import sealed_content
from emulator.state import DataSource, Workspace

DEVELOPMENT, PRODUCTION = 0, 1
"""EnvType. Source: CreateDataSource."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_SUB_TYPES = frozenset({"mysql", "sqlserver", "postgresql"})
_BASE = 30_000


def find_data_source(call: Call, space: Workspace, name: str, environment: int) -> DataSource | None:
    """The data source of this exact name in one environment of a workspace."""
    return same_source(call.cloud.state.dataworks.data_sources, space.id, name, environment)


def same_source(
    sources: Iterable[DataSource], workspace: int, name: str, environment: int
) -> DataSource | None:
    """The source with this name; names are compared first, because an account may have thousands."""
    for source in sources:
        if source.name == name and source.environment == environment and source.workspace == workspace:
            return source
    return None


def _environment(call: Call, space: Workspace) -> int:
    environment = call.number("EnvType")
    if environment not in (DEVELOPMENT, PRODUCTION) or (space.mode == "basic" and environment == DEVELOPMENT):
        raise DATAWORKS.invalid("EnvType")
    return environment


def _authorise(call: Call, source_type: str, content: dict[str, Any], environment: int) -> None:
    """The checks of role mode when a data source is saved: the role exists, and its creator may pass it."""
    settings = call.cloud.settings
    role = check_content(call.cloud, source_type, content, development=environment == DEVELOPMENT)
    if role is None:
        return
    if settings.trust_checked_at_creation:
        decision = trust_decision(call.cloud, role)
        if not decision.allowed:
            text = f"Failed to check the RAM role. {role.name} does not trust {SERVICE}: {decision.reason}."
            raise ApiError("DataSource.CheckRamRoleFailure", text, status=400)
    if settings.pass_role_checked_at_creation:
        require_pass_role(call.cloud, call.caller, role, SERVICE)


@dataworks_action(
    "CreateDataSource",
    PROJECT_ID,
    Param("Name", required=True),
    Param("DataSourceType", required=True),
    Param("SubType"),
    Param("EnvType", int, required=True),
    Param("Content", required=True),
    Param("Description"),
    write=True,
)
def create_data_source(call: Call) -> Answer:
    """Create one environment of a data source; ``Data`` is its id."""
    space = workspace(call, Right.MANAGE_DATA_SOURCES)
    environment = _environment(call, space)
    name, source_type, sub_type = call.text("Name"), call.text("DataSourceType"), call.text("SubType")
    if not _NAME.fullmatch(name) or len(name) > DATA_SOURCE_NAME_CHARACTERS:
        raise DATAWORKS.invalid("Name")
    if source_type not in TYPES and call.cloud.settings.unknown_data_source_types_refused:
        raise DATAWORKS.invalid("DataSourceType")
    if sub_type and (source_type != "rds" or sub_type not in _SUB_TYPES):
        raise DATAWORKS.invalid("SubType")
    content = parse_content(call.text("Content"))
    if find_data_source(call, space, name, environment) is not None:
        shown = "DEV" if environment == DEVELOPMENT else "PROD"
        code = call.cloud.settings.duplicate_data_source_code
        raise ApiError(code, f"Data source {shown} {name} already exists", status=400)
    _authorise(call, source_type, content, environment)
    now = call.cloud.clock.now()
    source = DataSource(
        id=call.cloud.state.identifiers.number(_BASE),
        workspace=space.id,
        name=name,
        type=source_type,
        sub_type=sub_type,
        environment=environment,
        content=sealed_content(call.text("Content")),
        description=call.text("Description"),
        operator=call.caller.id,
        created=now,
        updated=now,
    )
    call.cloud.state.dataworks.data_sources.append(source)
    return data_source(source.id)


def _named(call: Call) -> DataSource:
    """The data source of ``DataSourceId``, when the caller may change it."""
    wanted = call.number("DataSourceId")
    dataworks = call.cloud.state.dataworks
    source = next((one for one in dataworks.data_sources if one.id == wanted), None)
    if source is None:
        raise ApiError("Invalid.Tenant.ConnectionNotExists", status=400)
    require_right(call, dataworks.workspaces[source.workspace], Right.MANAGE_DATA_SOURCES)
    if source.engine:
        text = f"Data source {source.name} belongs to a compute engine and cannot be edited or deleted."
        raise ApiError("ResourceNotAuthorized.Api", text, status=403)
    return source


@dataworks_action(
    "UpdateDataSource",
    Param("DataSourceId", int, required=True),
    Param("Content"),
    Param("Description"),
    Param("EnvType", int),
    Param("Status"),
    write=True,
)
def update_data_source(call: Call) -> Answer:
    """Change content or description; name, type and environment stay."""
    source = _named(call)
    if call.given("EnvType") and call.number("EnvType") != source.environment:
        raise DATAWORKS.invalid("EnvType")
    if call.given("Content"):
        content = parse_content(call.text("Content"))
        if not call.cloud.settings.update_replaces_content:
            content = {**json.loads(source.content), **content}
        _authorise(call, source.type, content, source.environment)
        source.content = sealed_content(json.dumps(content, ensure_ascii=False))
        source.connected = None  # what was tested is no longer what is there
    if call.given("Description"):
        source.description = call.text("Description")
    source.operator = call.caller.id
    source.updated = call.cloud.clock.now()
    return data_source(True)


@dataworks_action("DeleteDataSource", Param("DataSourceId", int, required=True), write=True)
def delete_data_source(call: Call) -> Answer:
    """Delete one environment of a data source; tasks that use it are not asked."""
    source = _named(call)
    call.cloud.state.dataworks.data_sources.remove(source)
    return data_source(True)


@dataworks_action(
    "ListDataSources",
    PROJECT_ID,
    Param("DataSourceType"),
    Param("SubType"),
    Param("EnvType", int),
    Param("Name"),
    Param("Status"),
    Param("PageNumber", int),
    Param("PageSize", int),
)
def list_data_sources(call: Call) -> Answer:
    """The data sources of a workspace, secrets masked."""
    space = workspace(call)
    one_of(call, "Status", ("ENABLED", "DISABLED"))
    if call.given("EnvType") and call.number("EnvType") not in (DEVELOPMENT, PRODUCTION):
        raise DATAWORKS.invalid("EnvType")
    # What is asked is read once, not once for each of the account's thousands.
    fuzzy = call.cloud.settings.name_filter_is_fuzzy
    name, kind, sub_type = call.text("Name"), call.text("DataSourceType"), call.text("SubType")
    environments = (call.number("EnvType"),) if call.given("EnvType") else (DEVELOPMENT, PRODUCTION)
    disabled = call.text("Status") == "DISABLED"
    found = [
        source
        for source in call.cloud.state.dataworks.data_sources
        if source.workspace == space.id
        and (name in source.name if fuzzy else name in ("", source.name))
        and kind in ("", source.type)
        and sub_type in ("", source.sub_type)
        and source.environment in environments
        and not disabled
    ]
    counts, shown = page(call, sorted(found, key=lambda source: source.id))
    return tenant({**counts, "DataSources": [_shown(call, source) for source in shown]})


def _shown(call: Call, source: DataSource) -> dict[str, Any]:
    """One item. ConnectStatus: 1 connected, 2 not (or never tested); Status: 1 enabled."""
    return {
        "Id": source.id,
        "ProjectId": source.workspace,
        "TenantId": call.cloud.state.dataworks.tenant_id,
        "Name": source.name,
        "DataSourceType": source.type,
        "SubType": source.sub_type,
        "EnvType": source.environment,
        "Content": masked(source.content, key_ids=call.cloud.settings.access_key_ids_masked),
        "Description": source.description,
        "ConnectStatus": 1 if source.connected else 2,
        "Status": 1,
        "Shared": bool(source.shares),
        "DefaultEngine": source.engine,
        "BindingCalcEngineId": source.id if source.engine else 0,
        "Operator": source.operator,
        "Sequence": source.id,
        "GmtCreate": console_date(source.created),
        "GmtModified": console_date(source.updated),
    }
