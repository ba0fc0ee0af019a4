"""HTTP 200 that means no, and HTTP 200 that only looks like it."""

from __future__ import annotations

from typing import Any

import pytest

from cloud import errors
from cloud.dataworks import data_sources, runs, workspaces
from cloud.dataworks.sync_tasks import create_sync_task
from cloud.errors import CallError
from cloud.gate import Gate
from config.limits import DATAWORKS
from config.personas import Persona
from config.sources.base import Environment
from emulator.server import RunningCloud
from tests.cloud.gates import answer, calls_of, gate_of
from tests.cloud.shop import FOLDER, GROUP, RETAIL, SOURCE, TASK, Shop, task_content


def smoke_test(gate: Gate) -> dict[str, Any]:
    """A write whose answer the tests below replace."""
    parameters = {"NodeId": 7, "Bizdate": "2026-01-01 00:00:00", "Name": "n", "ProjectEnv": "DEV"}
    return gate.write(DATAWORKS, "RunSmokeTest", parameters, persona=Persona.EXECUTOR, subject="node 7")


def refused(local: RunningCloud, body: dict[str, Any]) -> CallError:
    """The error of an answer."""
    answer(local, "RunSmokeTest", {"RequestId": "REQ-3", **body})
    with pytest.raises(CallError) as caught:
        smoke_test(gate_of(local))
    assert caught.value.request_id == "REQ-3"
    return caught.value


def test_success_false_is_a_refusal_with_its_code_and_message(local: RunningCloud) -> None:
    body = {
        "Success": False,
        "HttpStatusCode": 200,
        "ErrorCode": "2011020001",
        "ErrorMessage": "no such node",
    }
    error = refused(local, body)
    assert type(error) is errors.TaskRefused
    assert (error.code, error.persona) == ("2011020001", Persona.EXECUTOR)
    assert str(error).startswith("node 7: dataworks:RunSmokeTest was refused: no such node.")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("Forbidden.Access", errors.Refused),
        ("Throttling.User", errors.Throttled),
        ("InternalError.System", errors.TemporaryFailure),
    ],
)
def test_success_false_with_a_known_code_is_that_code_s_error(
    local: RunningCloud, code: str, kind: type[CallError]
) -> None:
    error = refused(local, {"Success": False, "ErrorCode": code, "ErrorMessage": "no"})
    assert isinstance(error, kind)
    assert not isinstance(error, errors.TaskRefused)
    assert error.code == code


@pytest.mark.parametrize(("given", "status"), [("500", 500), (500, 500), ("n/a", 200), (None, 200)])
def test_the_status_in_a_body_may_be_number_text_or_nonsense(
    local: RunningCloud, given: object, status: int
) -> None:
    assert refused(local, {"Success": False, "HttpStatusCode": given, "ErrorCode": "X"}).status == status


def test_success_false_without_a_reason_still_is_a_refusal(local: RunningCloud) -> None:
    assert "Success: false without a reason" in str(refused(local, {"Success": False}))


def test_a_throttled_read_in_a_body_is_repeated(local: RunningCloud) -> None:
    body = {"RequestId": "R", "Success": False, "ErrorCode": "Throttling.User"}
    answer(local, "GetDag", body, times=1)
    with pytest.raises(errors.Refused):
        gate_of(local).read(DATAWORKS, "GetDag", {"DagId": 7, "ProjectEnv": "DEV"}, persona=Persona.EXECUTOR)
    assert calls_of(local, "GetDag") == 2


@pytest.mark.parametrize("status", ["fail", False])
def test_data_status_fail_or_false_is_a_refusal_with_its_message(local: RunningCloud, status: object) -> None:
    data = {"Status": status, "Message": "ResourceGroup:[x] is invalid."}
    answer(local, "CreateDISyncTask", {"RequestId": "REQ-3", "Success": True, "Data": data})
    parameters = {"ProjectId": RETAIL, "TaskType": "DI_OFFLINE", "TaskName": "t", "TaskContent": "{}"}
    with pytest.raises(errors.TaskRefused, match=r"ResourceGroup:\[x\] is invalid") as caught:
        gate_of(local).write(DATAWORKS, "CreateDISyncTask", parameters, persona=Persona.DEVELOPER)
    assert (caught.value.status, caught.value.request_id) == (200, "REQ-3")


def test_a_task_in_a_folder_that_is_not_there_is_refused_by_the_service_itself(local: RunningCloud) -> None:
    shop = Shop(local)
    assert shop.sources
    with pytest.raises(errors.TaskRefused, match=r"sync task orders: .*Invalid path") as caught:
        create_sync_task(shop.gate, RETAIL, FOLDER, TASK, task_content(), GROUP)
    assert caught.value.persona is Persona.DEVELOPER
    assert calls_of(local, "CreateDISyncTask") == 1


def test_a_workspace_s_status_0_is_available_and_no_refusal(local: RunningCloud) -> None:
    found = workspaces.get_workspace(gate_of(local), RETAIL)
    assert found is not None
    assert local.cloud.state.dataworks.workspaces[RETAIL].status == 0
    assert found.available


def test_a_failed_instance_is_a_result_and_no_refusal(local: RunningCloud) -> None:
    data = {"InstanceId": 5, "Status": "FAILURE", "DagId": 1, "NodeId": 2, "Bizdate": 3}
    answer(local, "GetInstance", {"RequestId": "R", "Success": True, "Data": data})
    found = runs.get_instance(gate_of(local), 5, "PROD")
    assert (found.finished, found.succeeded) == (True, False)


def test_a_dry_run_s_success_proves_nothing(local: RunningCloud) -> None:
    data = {"InstanceId": 5, "Status": "SUCCESS", "TaskType": "SKIP"}
    answer(local, "GetInstance", {"RequestId": "R", "Success": True, "Data": data})
    found = runs.get_instance(gate_of(local), 5, "PROD")
    assert (found.finished, found.succeeded, found.dry_run) == (True, False, True)


def test_connect_status_false_is_a_result_and_no_refusal(local: RunningCloud) -> None:
    body = {
        "RequestId": "R",
        "Success": True,
        "TaskList": {"ConnectStatus": False, "ConnectMessage": "no route"},
    }
    answer(local, "TestNetworkConnection", body)
    result = data_sources.check_connection(gate_of(local), RETAIL, SOURCE, Environment.PROD, GROUP)
    assert (result.connected, result.message) == (False, "no route")
