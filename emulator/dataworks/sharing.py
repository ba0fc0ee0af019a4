"""SetDataSourceShare: letting other workspaces or users use a data source. No action lists what is shared with whom."""

from __future__ import annotations

import json
from typing import Any

from emulator.dataworks.access import PROJECT_ID, Right, dataworks_action, workspace
from emulator.dataworks.data_sources import PRODUCTION, find_data_source
from emulator.dataworks.envelope import integration
from emulator.errors import TaskFailure
from emulator.registry import DATAWORKS, Answer, Call, Param

_RIGHTS = ("READ", "WRITE")


@dataworks_action(
    "SetDataSourceShare",
    PROJECT_ID,
    Param("DatasourceName", required=True),
    Param("EnvType"),
    Param("ProjectPermissions"),
    Param("UserPermissions"),
    write=True,
)
def set_data_source_share(call: Call) -> Answer:
    """Share with exactly the workspaces and users that are given; with nobody when none are. Environment: production."""
    space = workspace(call, Right.MANAGE_DATA_SOURCES)
    if call.text("EnvType", str(PRODUCTION)) not in ("0", "1"):
        raise DATAWORKS.invalid("EnvType")
    name = call.text("DatasourceName")
    source = find_data_source(call, space, name, int(call.text("EnvType", str(PRODUCTION))))
    if source is None:
        raise TaskFailure(f"Data source {name} does not exist.")
    source.shares = [f"workspace {item['projectId']}" for item in _items(call, "ProjectPermissions")] + [
        f"user {user['userId']} in workspace {item['projectId']}"
        for item in _items(call, "UserPermissions")
        for user in item.get("users") or []
    ]
    return integration(Status="success", Message="")


def _items(call: Call, name: str) -> list[dict[str, Any]]:
    """A JSON array of permissions. Raises ``Invalid<name>``."""
    if not call.given(name):
        return []
    try:
        items = json.loads(call.text(name))
        rights = [part["permission"] for item in items for part in item.get("users") or [item]]
        if not all(isinstance(item["projectId"], int) for item in items) or not set(rights) <= {*_RIGHTS}:
            raise DATAWORKS.invalid(name)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DATAWORKS.invalid(name) from error
    return list(items)
