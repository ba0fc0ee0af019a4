"""Every DataWorks action answers with the keys and types of the SDK's response model, and every one is exercised."""

from __future__ import annotations

import json
import typing
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from alibabacloud_dataworks_public20200518 import models

from emulator import wire
from emulator.account import load_account
from emulator.cloud import LocalCloud
from emulator.registry import ACTIONS, DATAWORKS
from emulator.server import RunningCloud, serve_in_thread
from emulator.wire import HttpResponse
from tests.emulator.shop import FOLDER, GROUP, Shop, day, role_content, task

DATAWORKS_ACTIONS = sorted(name for version, name in ACTIONS if version == DATAWORKS.version)

# Declared by the SDK, never sent: parts of DataWorks that the local cloud has not, and deprecated keys.
NOT_SENT: dict[str, set[str]] = {
    "GetProject": {
        f"Data.{key}"
        for key in (
            "Appkey", "BaseProject", "Destination", "DevStorageQuota", "DevelopmentType", "MaxFlowNode",
            "ProdStorageQuota", "Tags[].Key", "Tags[].Value",
        )
    },
    "ListProjects": {"PageResult.ProjectList[].Tags[].Key", "PageResult.ProjectList[].Tags[].Value"},
    "ListResourceGroups": {"Data[].Tags[].Key", "Data[].Tags[].Value"},
    "GetFile": {
        "Data.File.AdvancedSettings", "Data.File.ConnectionName", "Data.ResourceDownloadLink",
        "Data.ResourceDownloadLink.downloadLink", "Data.NodeConfiguration.ApplyScheduleImmediately",
        "Data.NodeConfiguration.IgnoreParentSkipRunningProperty", "Data.NodeConfiguration.ImageId",
        "Data.NodeConfiguration.Timeout", "Data.NodeConfiguration.InputParameters[].ParameterName",
        "Data.NodeConfiguration.InputParameters[].ValueSource",
        "Data.NodeConfiguration.OutputParameters[].Description",
        "Data.NodeConfiguration.OutputParameters[].ParameterName",
        "Data.NodeConfiguration.OutputParameters[].Type", "Data.NodeConfiguration.OutputParameters[].Value",
    },
    "ListFiles": {"Data.Files[].ConnectionName"},
    "ListNodes": {f"Data.Nodes[].{key}" for key in ("Connection", "Description", "DqcDescription")},
    "GetNode": {f"Data.{key}" for key in ("Connection", "Description", "DqcDescription")},
    "GetInstance": {f"Data.{key}" for key in ("Connection", "DqcDescription")},
    "ListInstances": {f"Data.Instances[].{key}" for key in ("Connection", "DqcDescription", "ErrorMessage")},
}  # fmt: skip
# GetDISyncTask: what real-time tasks and solutions have.
_OTHER_TASKS = ("Data.SolutionDetail", "Data.AlarmList[]")


@dataclass
class Exchange:
    """What was sent for a call, and what the SDK's model made of it."""

    sent: dict[str, Any]
    received: dict[str, Any]


class RecordingShop(Shop):
    """A shop that keeps what the local cloud rendered for each call."""

    def __init__(self, local: RunningCloud, rendered: list[HttpResponse]) -> None:
        super().__init__(local)
        self.exchanges: dict[str, list[Exchange]] = defaultdict(list)
        self.rendered = rendered

    def call(self, action: str, user: str = "alice", /, **parameters: Any) -> Any:
        body = super().call(action, user, **parameters)
        self.exchanges[action].append(Exchange(json.loads(self.rendered[-1].body), body.to_map()))
        return body


def _scenario(shop: RecordingShop) -> None:
    """Calls every action at least once, in states that fill as many keys as there are."""
    page = {"PageNumber": 1, "PageSize": 10}
    shop.call("ListProjects", **page)
    shop.here("GetProject")
    shop.here("ListProjectMembers")
    shop.call("ListResourceGroups", ResourceGroupType=4)
    sources = shop.data_source(role_content(shop.role()))
    shop.call("UpdateDataSource", DataSourceId=sources[0], Description="orders of the shop")
    shop.here("ListDataSources")
    shop.here("TestNetworkConnection", DatasourceName="oss_src", EnvType="1", ResourceGroup=GROUP)
    business = shop.business()
    shop.here("ListBusiness", **page)
    folder = shop.here("CreateFolder", FolderPath=f"{FOLDER}/daily").data
    shop.here("GetFolder", FolderId=folder)
    shop.here("ListFolders", ParentFolderPath=FOLDER, **page)
    shop.here("SetDataSourceShare", DatasourceName="oss_src", EnvType="1")
    file_id = shop.create_task().file_id
    shop.here("UpdateDISyncTask", FileId=file_id, TaskType="DI_OFFLINE", TaskContent=task(limit="1"))
    shop.here("GetDISyncTask", FileId=file_id, TaskType="DI_OFFLINE")
    shop.schedule(file_id, FileDescription="orders")
    shop.submit(file_id)
    shop.local.cloud.settings.deployment_error = "the target refuses"
    shop.deploy(file_id)
    shop.local.cloud.settings.deployment_error = ""
    shop.deploy(file_id)
    shop.here("ListDeployments")
    shop.here("ListRefDISyncTasks", DatasourceName="oss_src", RefType="from", TaskType="DI_OFFLINE")
    shop.here("GetFile", FileId=file_id)
    shop.here("ListFiles", NeedContent=True, NeedAbsoluteFolderPath=True)
    node = shop.node_of(file_id)
    shop.here("ListNodes", ProjectEnv="PROD")
    shop.call("GetNode", NodeId=node, ProjectEnv="PROD")
    instance = shop.smoke(node, "PROD")
    shop.call("GetDag", DagId=instance.dag, ProjectEnv="PROD")
    shop.here("ListInstances", ProjectEnv="PROD", DagId=instance.dag)
    shop.call("GetInstanceLog", InstanceId=instance.id, ProjectEnv="PROD")
    shop.call("RestartInstance", InstanceId=instance.id, ProjectEnv="PROD")
    for _ in range(2):
        shop.call("GetInstance", InstanceId=instance.id, ProjectEnv="PROD")
    shop.call("StopInstance", InstanceId=instance.id, ProjectEnv="PROD")
    shop.call(
        "RunCycleDagNodes", RootNodeId=node, IncludeNodeIds=str(node), StartBizDate=day(), EndBizDate=day(),
        Name="backfill", ProjectEnv="PROD", Parallelism=True,
    )  # fmt: skip
    shop.call("GetNodeCode", NodeId=node, ProjectEnv="PROD")
    shop.here("OfflineNode", NodeId=node)
    shop.here("DeleteFile", FileId=file_id)
    shop.call("DeleteDataSource", DataSourceId=sources[0])
    shop.here("DeleteFolder", FolderId=folder)
    shop.here("DeleteBusiness", BusinessId=business)


@pytest.fixture(scope="module")
def exchanges() -> Iterator[dict[str, list[Exchange]]]:
    """The scenario's calls by action; what the gateway really rendered is kept on its way out."""
    rendered: list[HttpResponse] = []
    real = wire.render

    def recording(*arguments: Any, **named: Any) -> HttpResponse:
        response = real(*arguments, **named)
        rendered.append(response)
        return response

    with pytest.MonkeyPatch.context() as patch, serve_in_thread(LocalCloud(load_account())) as running:
        patch.setattr("emulator.gateway.render", recording)
        running.cloud.settings.enforce_rates = False
        shop = RecordingShop(running, rendered)
        _scenario(shop)
        yield shop.exchanges


def _fields(model: type[Any]) -> Iterator[tuple[str, Any]]:
    """Arguments of a model of the SDK with their types; Python 3.10 makes a type with default None optional."""
    for name, annotation in typing.get_type_hints(model.__init__).items():
        if name != "return":
            inner = [one for one in typing.get_args(annotation) if one is not type(None)]
            optional = typing.get_origin(annotation) is typing.Union
            yield name, inner[0] if optional else annotation


def _declared(model: type[Any], prefix: str = "") -> set[str]:
    """The wire paths of a model of the SDK; a list's items are marked with []."""
    paths: set[str] = set()
    for name, annotation in _fields(model):
        inner = typing.get_args(annotation)
        listed = typing.get_origin(annotation) is list
        nested = inner[0] if listed else annotation
        is_model = isinstance(nested, type) and hasattr(nested, "from_map")
        value: Any = nested() if is_model else "x"
        filled = model(**{name: [value] if listed else value}).to_map()
        key = next(key for key, content in filled.items() if content != [])
        paths.add(prefix + key)
        if is_model:
            paths |= _declared(nested, f"{prefix}{key}{'[]' if listed else ''}.")
    return paths


def _sent(value: Any, declared: set[str], prefix: str = "") -> set[str]:
    """The wire paths of a JSON answer; what the model takes as free text or map is not looked into."""
    paths: set[str] = set()
    for key, content in value.items():
        path = prefix + key
        paths.add(path)
        if isinstance(content, dict) and any(one.startswith(f"{path}.") for one in declared):
            paths |= _sent(content, declared, f"{path}.")
        for item in content if isinstance(content, list) else ():
            if isinstance(item, dict):
                paths |= _sent(item, declared, f"{path}[].")
    return paths


def test_the_scenario_exercises_every_action(exchanges: dict[str, list[Exchange]]) -> None:
    assert sorted(exchanges) == DATAWORKS_ACTIONS


@pytest.mark.parametrize("action", DATAWORKS_ACTIONS)
def test_the_sdk_reads_back_exactly_what_was_sent(action: str, exchanges: dict[str, list[Exchange]]) -> None:
    for exchange in exchanges[action]:
        assert exchange.received == exchange.sent


@pytest.mark.parametrize("action", DATAWORKS_ACTIONS)
def test_the_keys_are_those_of_the_sdks_model(action: str, exchanges: dict[str, list[Exchange]]) -> None:
    declared = _declared(getattr(models, f"{action}ResponseBody"))
    sent: set[str] = set()
    for exchange in exchanges[action]:
        sent |= _sent(exchange.sent, declared)
    assert sent <= declared
    missing = declared - sent
    if action == "GetDISyncTask":
        missing = {path for path in missing if not path.startswith(_OTHER_TASKS)}
    assert missing == NOT_SENT.get(action, set())


def _types(model: type[Any], value: Any, where: str) -> None:
    """Each value has the type that the model declares."""
    for name, annotation in _fields(model):
        content = getattr(value, name)
        if content is None:
            continue
        inner = typing.get_args(annotation)
        if typing.get_origin(annotation) is list:
            items, nested = content, inner[0]
        elif typing.get_origin(annotation) is dict:
            assert isinstance(content, dict), f"{where}.{name}"
            continue
        else:
            items, nested = [content], annotation
        for item in items:
            assert type(item) is nested, f"{where}.{name}: {item!r} is no {nested.__name__}"
            if hasattr(nested, "from_map"):
                _types(nested, item, f"{where}.{name}")


@pytest.mark.parametrize("action", DATAWORKS_ACTIONS)
def test_values_have_the_declared_types(action: str, exchanges: dict[str, list[Exchange]]) -> None:
    model = getattr(models, f"{action}ResponseBody")
    for exchange in exchanges[action]:
        _types(model, model().from_map(exchange.sent), action)


@pytest.mark.parametrize(
    ("action", "status"),
    [
        ("CreateDataSource", "200"),
        ("UpdateDataSource", "200"),
        ("DeleteDataSource", "200"),
        ("ListDataSources", 200),
        ("GetProject", 200),
        ("GetInstance", 200),
    ],
)
def test_http_status_code_is_text_for_data_source_writes_only(
    action: str, status: object, exchanges: dict[str, list[Exchange]]
) -> None:
    assert exchanges[action][0].sent["HttpStatusCode"] == status
