"""TestNetworkConnection: one data source, one resource group, one answer.

Order: resource group → data source → membership and workspace role → network → role (a setting). A green answer is
no proof of the sync: it does not see a bucket that stands in the endpoint, nor, by default, what the role may do.
"""

from __future__ import annotations

import json
from typing import Any

from emulator.dataplane.errors import RunFailure
from emulator.dataplane.network import integration_group, unreachable
from emulator.dataplane.session import open_session
from emulator.dataplane.steps import look_of
from emulator.dataworks.access import PROJECT_ID, Right, dataworks_action, find_workspace, roles_in
from emulator.dataworks.data_sources import find_data_source
from emulator.errors import ApiError
from emulator.registry import DATAWORKS, Answer, Call, Param
from emulator.state import DataSource


# Not a write for the journal: nothing that a person made is changed, only the state shown beside it.
@dataworks_action(
    "TestNetworkConnection",
    PROJECT_ID,
    Param("DatasourceName", required=True),
    Param("EnvType", required=True),
    Param("ResourceGroup", required=True),
)
def test_network_connection(call: Call) -> Answer:
    """Whether a Data Integration resource group reaches a data source; takes a setting's seconds."""
    settings = call.cloud.settings
    call.delay = settings.connectivity_seconds
    space = find_workspace(call)
    if call.text("EnvType") not in ("0", "1"):
        raise DATAWORKS.invalid("EnvType")
    identifier = call.text("ResourceGroup")
    group = integration_group(call.cloud, identifier, space.id)
    if group is None:
        text = f"ResourceGroup:[{identifier}] is invalid"
        if settings.invalid_resource_group_is_http_error:
            raise ApiError("Invalid.DI.Parameter", text, status=400)
        return _result(False, text)
    name = call.text("DatasourceName")
    source = find_data_source(call, space, name, int(call.text("EnvType")))
    if source is None:
        text = f"Data source {name} does not exist in environment {call.text('EnvType')} of the workspace."
        raise ApiError("Invalid.DI.Parameter", text, status=400)
    roles = roles_in(call.cloud, call.caller, space)
    if roles is None or not roles & Right.EDIT.value:
        text = f"{call.caller.display} may not test data sources of workspace {space.identifier}."
        raise ApiError("Forbidden.DI.NoPrivilege", text, status=403)
    reason = unreachable(call.cloud, group, source)
    if reason is None and settings.connectivity_checks_role:
        reason = _role_problem(call, source)
    source.connected = reason is None
    return _result(reason is None, reason or settings.connectivity_success_message)


def _role_problem(call: Call, source: DataSource) -> str | None:
    """Why the credentials of a data source do not serve, as its type's own look at itself shows."""
    try:
        session = open_session(call.cloud, source, call.caller.id, pass_role=False)
        look = look_of(source.type)
        if look is not None:
            look(session, json.loads(source.content))
    except RunFailure as failure:
        return str(failure)
    return None


def _result(status: bool, message: str) -> dict[str, Any]:
    return {"Success": True, "TaskList": {"ConnectStatus": status, "ConnectMessage": message}}
