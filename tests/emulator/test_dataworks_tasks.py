"""Folders and sync tasks: paths in two languages, TaskContent, and the channel of their refusals."""

from __future__ import annotations

import json
from typing import Any

import pytest

from emulator.server import RunningCloud
from tests.emulator.clients import refused
from tests.emulator.shop import (
    FOLDER,
    GROUP,
    SANDBOX,
    SCHEDULING_GROUP,
    Shop,
    odps_writer,
    oss_reader,
    task,
)

PAGE = {"PageNumber": 1, "PageSize": 100}
CHINESE = "业务流程/onboarding/数据集成"


@pytest.fixture
def shop(local: RunningCloud) -> Shop:
    """A shop with a workflow and a data source."""
    made = Shop(local)
    made.opened()
    made.business()
    return made


# -- folders -------------------------------------------------------------------------------------------


def test_a_workflow_brings_the_folder_of_its_layer(shop: Shop) -> None:
    listed = shop.here("ListFolders", ParentFolderPath="Business Flow/onboarding", **PAGE).data
    assert [one.folder_path for one in listed.folders] == [FOLDER]
    assert shop.here("ListBusiness", Keyword="board", **PAGE).data.business[0].business_name == "onboarding"
    assert shop.here("ListBusiness", Keyword="other", **PAGE).data.total_count == 0


def test_both_languages_name_one_folder(shop: Shop) -> None:
    english = shop.here("GetFolder", FolderPath=FOLDER).data
    assert shop.here("GetFolder", FolderPath=CHINESE).data.folder_id == english.folder_id


def test_a_language_the_account_does_not_speak_is_refused(shop: Shop) -> None:
    shop.local.cloud.settings.folder_roots = ("业务流程",)
    with refused("Invalid.Wkbench.FolderNotExists", 400):
        shop.here("GetFolder", FolderPath=FOLDER)


def test_folders_are_made_with_those_above_them(shop: Shop) -> None:
    created = shop.here("CreateFolder", FolderPath=f"{FOLDER}/daily/orders").data
    assert shop.here("GetFolder", FolderPath=f"{FOLDER}/daily/orders").data.folder_id == created
    listed = shop.here("ListFolders", ParentFolderPath=FOLDER, **PAGE).data
    assert [one.folder_path for one in listed.folders] == [f"{FOLDER}/daily"]
    with refused("Invalid.Wkbench.FolderExists", 400):
        shop.here("CreateFolder", FolderPath=f"{FOLDER}/daily")


@pytest.mark.parametrize(
    "path",
    ["Business Flow/onboarding", "Business Flow/onboarding/orders", "Elsewhere/onboarding/Data Integration/x",
     "Business Flow/unknown/Data Integration/x", "Business Flow//Data Integration"],
)  # fmt: skip
def test_paths_outside_the_pattern_are_refused(shop: Shop, path: str) -> None:
    with refused("Invalid.Wkbench.IllegalFolderPath", 400) as caught:
        shop.here("CreateFolder", FolderPath=path)
    assert "不合法的目录路径" in caught.value.message


def test_a_workflows_name_is_taken_once(shop: Shop) -> None:
    with refused("Invalid.Wkbench.BusinessNameExists", 400):
        shop.business()
    with refused("InvalidBusinessName", 400):
        shop.here("CreateBusiness", BusinessName="a/b")
    with refused("InvalidUseType", 400):
        shop.here("CreateBusiness", BusinessName="ab", UseType="OTHER")


def test_pages_of_folders_and_workflows_are_mandatory(shop: Shop) -> None:
    with refused("MissingPageNumber", 400, "PageNumber is mandatory for this action."):
        shop.here("ListBusiness")
    with refused("MissingPageSize", 400):
        shop.here("ListFolders", ParentFolderPath="Business Flow", PageNumber=1)
    with refused("MissingFolderPath", 400):
        shop.here("GetFolder")


def test_ide_refusals_may_come_as_success_false(shop: Shop) -> None:
    shop.local.cloud.settings.ide_refusals_are_http_errors = False
    body = shop.here("GetFolder", FolderPath=f"{FOLDER}/none")
    assert (body.success, body.error_code) == (False, "Invalid.Wkbench.FolderNotExists")
    assert "does not exist" in body.error_message


# -- sync tasks ----------------------------------------------------------------------------------------


def changed(**changes: Any) -> str:
    """A task with changed parts of its frame."""
    return json.dumps({**json.loads(task()), **changes})


BAD_CONTENTS = [
    ("{", "TaskContent is no JSON"),
    ("[]", "must be a JSON object"),
    (changed(type="flow"), 'type must be "job"'),
    (changed(version="1.0"), 'version must be "2.0"'),
    (changed(steps={}), "steps must be a list"),
    (changed(steps=[oss_reader()]), "exactly one writer is needed, found 0"),
    (changed(steps=[oss_reader(), oss_reader(), odps_writer()]), "exactly one reader is needed, found 2"),
    (changed(steps=[{**oss_reader(), "stepType": None}, odps_writer()]), "the reader needs stepType"),
    (
        changed(steps=[{**oss_reader(), "parameter": {}}, odps_writer()]),
        "the reader needs parameter.datasource",
    ),
    (changed(order={}), "order.hops must be a list"),
    (changed(order={"hops": [{"from": "Reader", "to": "Nobody"}]}), "'Nobody', which does not exist"),
    (changed(order={"hops": [{"from": "Writer", "to": "Reader"}]}), "do not lead from 'Reader' to 'Writer'"),
    (changed(setting={"errorLimit": {"record": "many"}}), "must be a number"),
    (task(oss_reader(datasource="missing")), "Data source PROD missing does not exist."),
    (task({**oss_reader(), "stepType": "holo"}), "Step Reader is of type holo"),
]


@pytest.mark.parametrize(("content", "reason"), BAD_CONTENTS, ids=[reason for _, reason in BAD_CONTENTS])
def test_a_faulty_task_fails_on_http_200(shop: Shop, content: str, reason: str) -> None:
    data = shop.create_task(content)
    assert data.status == "fail"
    assert data.file_id is None
    assert reason in data.message


def test_a_source_that_development_lacks_fails_in_a_standard_workspace(shop: Shop) -> None:
    development = next(
        one for one in shop.here("ListDataSources", Name="oss_src").data.data_sources if one.env_type == 0
    )
    shop.call("DeleteDataSource", DataSourceId=development.id)
    assert shop.create_task().message == "Data source DEV oss_src does not exist."


def test_unknown_steps_and_keys_are_let_through(shop: Shop) -> None:
    content = json.loads(task())
    content["steps"].append(
        {"stepType": "map", "name": "Processor", "category": "processor", "parameter": {}}
    )
    content["order"]["hops"] = [{"from": "Reader", "to": "Processor"}, {"from": "Processor", "to": "Writer"}]
    content["extend"] = {"mode": "wizard"}
    assert shop.create_task(json.dumps(content)).status == "success"


@pytest.mark.parametrize("group", ["nobody", SCHEDULING_GROUP, ""])
def test_a_group_that_does_not_integrate_fails(shop: Shop, group: str) -> None:
    assert shop.create_task(ResourceGroup=group).message == f"ResourceGroup:[{group}] is invalid."


@pytest.mark.parametrize(
    "path",
    ["", "Business Flow/onboarding", "Business Flow/nobody/Data Integration", f"{FOLDER}/none", "x/y/z"],
)
def test_a_path_that_is_not_there_fails(shop: Shop, path: str) -> None:
    assert shop.create_task(FileFolderPath=path).message == f"Invalid path: {path}"


@pytest.mark.parametrize("units", [0.3, -1, "much"])
def test_compute_units_are_multiples_of_one_half(shop: Shop, units: object) -> None:
    data = shop.create_task(Cu=units)
    assert data.status == "fail"
    assert f"Cu:[{units}] is invalid" in data.message
    assert shop.create_task(Cu=1.5).status == "success"


def test_a_name_is_taken_once_a_folder(shop: Shop) -> None:
    assert shop.create_task().status == "success"
    assert "already exists" in shop.create_task().message


def test_the_same_client_token_gives_the_same_file(shop: Shop) -> None:
    wanted = {
        "TaskType": "DI_OFFLINE",
        "TaskName": "orders",
        "TaskContent": task(),
        "TaskParam": json.dumps({"FileFolderPath": FOLDER, "ResourceGroup": GROUP}),
        "ClientToken": "once",
    }
    first = shop.here("CreateDISyncTask", **wanted).data
    second = shop.here("CreateDISyncTask", **wanted).data
    assert (first.status, second.status) == ("success", "success")
    assert first.file_id == second.file_id
    assert shop.here("ListFiles").data.total_count == 1


@pytest.mark.parametrize("task_type", ["DI_REALTIME", "DI_SOLUTION"])
def test_other_kinds_of_tasks_are_refused_by_name(shop: Shop, task_type: str) -> None:
    with refused("NotImplemented", 400) as caught:
        shop.here("CreateDISyncTask", TaskType=task_type, TaskContent="{}")
    assert task_type in caught.value.message
    with refused("InvalidTaskType", 400):
        shop.here("CreateDISyncTask", TaskType="DI_OTHER", TaskContent="{}")


def test_malformed_task_param_is_a_parameter_error(shop: Shop) -> None:
    for text in ("{", "[]"):
        with refused("InvalidTaskParam", 400):
            shop.here(
                "CreateDISyncTask", TaskType="DI_OFFLINE", TaskName="x", TaskContent="{}", TaskParam=text
            )
    with refused("MissingTaskName", 400):
        shop.here("CreateDISyncTask", TaskType="DI_OFFLINE", TaskContent="{}")


def test_an_update_changes_content_and_group(shop: Shop) -> None:
    file_id = shop.create_task().file_id
    content = task(limit="7")
    group = json.dumps({"ResourceGroup": "S_res_group_1001_2"})
    updated = shop.here(
        "UpdateDISyncTask", FileId=file_id, TaskType="DI_OFFLINE", TaskContent=content, TaskParam=group
    )
    assert updated.data.status == "success"
    assert shop.here("GetDISyncTask", FileId=file_id, TaskType="DI_OFFLINE").data.code == content
    assert shop.local.cloud.state.dataworks.files[file_id].di_resource_group == "S_res_group_1001_2"


def test_an_update_is_checked_like_a_creation(shop: Shop) -> None:
    file_id = shop.create_task().file_id
    wanted = {"FileId": file_id, "TaskType": "DI_OFFLINE"}
    refused_group = shop.here("UpdateDISyncTask", TaskParam='{"ResourceGroup":"x"}', **wanted).data
    assert refused_group.message == "ResourceGroup:[x] is invalid."
    assert shop.here("UpdateDISyncTask", TaskContent="{", **wanted).data.status == "fail"
    assert shop.here("GetDISyncTask", **wanted).data.code == task()


@pytest.mark.parametrize("action", ["UpdateDISyncTask", "GetDISyncTask"])
def test_an_unknown_file_fails_on_http_200(shop: Shop, action: str) -> None:
    data = shop.here(action, FileId=100, TaskType="DI_OFFLINE").data
    assert (data.status, data.message) == ("fail", "fileId:[100] is invalid.")


def test_reading_an_offline_task_is_a_setting(shop: Shop) -> None:
    file_id = shop.create_task().file_id
    assert shop.here("GetDISyncTask", FileId=file_id, TaskType="DI_REALTIME").data.status == "fail"
    shop.local.cloud.settings.offline_task_is_read = False
    assert shop.here("GetDISyncTask", FileId=file_id, TaskType="DI_OFFLINE").data.status == "fail"


def test_references_are_found_by_direction(shop: Shop) -> None:
    file_id = shop.create_task().file_id

    def referring(name: str, direction: str, kind: str = "DI_OFFLINE") -> list[str]:
        data = shop.here("ListRefDISyncTasks", DatasourceName=name, RefType=direction, TaskType=kind).data
        return [one.node_name for one in data.disync_tasks]

    assert referring("oss_src", "from") == ["orders"]
    assert referring("oss_src", "to") == []
    assert referring("odps_first", "to") == ["orders"]
    assert referring("oss_src", "from", "DI_REALTIME") == []
    shop.here("DeleteFile", FileId=file_id)
    assert referring("oss_src", "from") == []
    with refused("InvalidRefType", 400):
        referring("oss_src", "both")


def test_a_basic_workspace_needs_production_only(local: RunningCloud) -> None:
    shop = Shop(local, SANDBOX)
    shop.opened()
    shop.business()
    assert shop.create_task().status == "success"
