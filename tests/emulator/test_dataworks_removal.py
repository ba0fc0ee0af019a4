"""Taking things away: nodes out of production, their code, empty folders and workflows, shares, real-time tasks."""

from __future__ import annotations

import json

import pytest

from emulator.server import RunningCloud
from emulator.state import File
from tests.emulator.clients import refused
from tests.emulator.shop import FOLDER, RETAIL, SANDBOX, Shop, task


@pytest.fixture
def shop(local: RunningCloud) -> Shop:
    """A shop with a data source and a workflow."""
    made = Shop(local)
    made.opened()
    made.business()
    return made


def nodes(shop: Shop, environment: str) -> list[int]:
    return [one.node_id for one in shop.here("ListNodes", ProjectEnv=environment).data.nodes]


# -- nodes ---------------------------------------------------------------------------------------------


def test_an_offline_node_leaves_production_and_stays_in_development(shop: Shop) -> None:
    node = shop.published()
    assert shop.here("OfflineNode", NodeId=node).success == "true"
    assert nodes(shop, "PROD") == []
    assert nodes(shop, "DEV") == [node]
    with refused("Invalid.Wkbench.NodeNotExists", 400):
        shop.here("OfflineNode", NodeId=node)


def test_a_node_that_another_waits_for_is_not_taken_offline(shop: Shop) -> None:
    node = shop.published()
    first = shop.here("GetFile", NodeId=node).data.file.file_id
    second = shop.create_task(name="later").file_id
    shop.schedule(second, InputList=f"retail.{first}_out")
    shop.submit(second)
    shop.deploy(second)
    with refused("Invalid.Wkbench.NodeHasChildren", 400, "The node orders has downstream nodes: later."):
        shop.here("OfflineNode", NodeId=node)
    assert shop.here("OfflineNode", NodeId=shop.node_of(second)).success == "true"
    assert shop.here("OfflineNode", NodeId=node).success == "true"


def test_a_node_of_another_workspace_is_not_taken_offline(shop: Shop) -> None:
    node = shop.published()
    with refused("Invalid.Wkbench.NodeNotExists", 400):
        shop.call("OfflineNode", ProjectId=SANDBOX, NodeId=node)
    assert nodes(shop, "PROD") == [node]


def test_a_nodes_code_is_what_was_deployed(shop: Shop) -> None:
    node = shop.published()
    file_id = shop.here("GetFile", NodeId=node).data.file.file_id
    shop.here("UpdateDISyncTask", FileId=file_id, TaskType="DI_OFFLINE", TaskContent=task(limit="7"))
    shop.submit(file_id)
    assert shop.call("GetNodeCode", NodeId=node, ProjectEnv="PROD").data == task()
    assert shop.call("GetNodeCode", NodeId=node, ProjectEnv="DEV").data == task(limit="7")
    with refused("Invalid.Wkbench.NodeNotExists", 400):
        shop.call("GetNodeCode", NodeId=1, ProjectEnv="PROD")


# -- folders and workflows -----------------------------------------------------------------------------


def test_an_empty_folder_goes_and_a_full_one_stays(shop: Shop) -> None:
    outer = shop.here("CreateFolder", FolderPath=f"{FOLDER}/outer").data
    inner = shop.here("CreateFolder", FolderPath=f"{FOLDER}/outer/inner").data
    with refused("Invalid.Wkbench.FolderNotEmpty", 400):
        shop.here("DeleteFolder", FolderId=outer)
    file_id = shop.create_task(FileFolderPath=f"{FOLDER}/outer/inner").file_id
    with refused("Invalid.Wkbench.FolderNotEmpty", 400):
        shop.here("DeleteFolder", FolderId=inner)
    shop.here("DeleteFile", FileId=file_id)
    shop.here("DeleteFolder", FolderId=inner)
    shop.here("DeleteFolder", FolderId=outer)
    with refused("Invalid.Wkbench.FolderNotExists", 400):
        shop.here("DeleteFolder", FolderId=outer)


def test_a_workflows_own_folders_are_not_deleted_by_themselves(shop: Shop) -> None:
    layer = shop.here("GetFolder", FolderPath=FOLDER).data.folder_id
    with refused("Invalid.Wkbench.FolderOfWorkflow", 400):
        shop.here("DeleteFolder", FolderId=layer)


def test_an_empty_workflow_goes_with_its_layers(shop: Shop) -> None:
    works = shop.local.cloud.state.dataworks
    (business,) = works.businesses
    folder = shop.here("CreateFolder", FolderPath=f"{FOLDER}/daily").data
    with refused("Invalid.Wkbench.BusinessNotEmpty", 400):
        shop.here("DeleteBusiness", BusinessId=business)
    shop.here("DeleteFolder", FolderId=folder)
    file_id = shop.create_task().file_id
    with refused("Invalid.Wkbench.BusinessNotEmpty", 400, "The workflow onboarding is not empty: orders."):
        shop.here("DeleteBusiness", BusinessId=business)
    shop.here("DeleteFile", FileId=file_id)
    shop.here("DeleteBusiness", BusinessId=business)
    assert (works.businesses, works.folders) == ({}, {})
    with refused("Invalid.Wkbench.BusinessNotExists", 400):
        shop.here("DeleteBusiness", BusinessId=business)


@pytest.mark.parametrize(
    ("action", "parameters"),
    [
        ("DeleteFolder", {"FolderId": "1"}),
        ("DeleteBusiness", {"BusinessId": 1}),
        ("OfflineNode", {"NodeId": 1}),
    ],
)
def test_a_guest_takes_nothing_away(shop: Shop, action: str, parameters: dict[str, object]) -> None:
    shop.local.cloud.state.dataworks.workspaces[RETAIL].members[2].roles = ["role_project_guest"]
    with refused("ResourceNotAuthorized.Api", 403):
        shop.here(action, "dave", **parameters)


# -- shares and real-time tasks ------------------------------------------------------------------------


def shown(shop: Shop) -> list[tuple[int, bool]]:
    listed = shop.here("ListDataSources", Name="oss_src").data.data_sources
    return sorted((one.env_type, one.shared) for one in listed)


def test_a_share_is_seen_in_its_environment_until_it_is_ended(shop: Shop) -> None:
    projects = json.dumps([{"projectId": SANDBOX, "permission": "READ", "sharedName": "retail.oss_src"}])
    users = json.dumps([{"projectId": SANDBOX, "users": [{"userId": "1", "permission": "WRITE"}]}])
    shop.here(
        "SetDataSourceShare", DatasourceName="oss_src", EnvType="1", ProjectPermissions=projects, UserPermissions=users
    )  # fmt: skip
    assert shown(shop) == [(0, False), (1, True)]
    (source,) = [one for one in shop.local.cloud.state.dataworks.data_sources if one.shares]
    assert source.shares == [f"workspace {SANDBOX}", f"user 1 in workspace {SANDBOX}"]
    shop.here("SetDataSourceShare", DatasourceName="oss_src", EnvType="1")
    assert shown(shop) == [(0, False), (1, False)]


@pytest.mark.parametrize(
    "permissions", ["{", '[{"permission": "READ"}]', '[{"projectId": 1, "permission": "ALL"}]']
)
def test_permissions_that_cannot_be_read_are_refused(shop: Shop, permissions: str) -> None:
    with refused("InvalidProjectPermissions", 400):
        shop.here("SetDataSourceShare", DatasourceName="oss_src", ProjectPermissions=permissions)


def test_an_unknown_data_source_is_not_shared(shop: Shop) -> None:
    data = shop.here("SetDataSourceShare", DatasourceName="nobody").data
    assert (data.status, data.message) == ("fail", "Data source nobody does not exist.")


def test_real_time_tasks_of_an_account_file_are_found_by_what_they_read_and_write(shop: Shop) -> None:
    owner = shop.local.cloud.state.ram.users["dave"].id
    shop.local.cloud.state.dataworks.files[7] = File(
        id=7, workspace=RETAIL, name="stream", type=900, folder=FOLDER, owner=owner, content=task()
    )

    def referring(kind: str, direction: str) -> list[tuple[str, str]]:
        data = shop.here(
            "ListRefDISyncTasks", DatasourceName="oss_src", RefType=direction, TaskType=kind
        ).data
        return [(one.node_name, one.task_type) for one in data.disync_tasks]

    assert referring("DI_REALTIME", "from") == [("stream", "DI_REALTIME")]
    assert referring("DI_REALTIME", "to") == referring("DI_OFFLINE", "from") == []
