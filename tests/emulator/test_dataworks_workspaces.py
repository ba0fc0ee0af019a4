"""Workspaces, members, resource groups: lookups, and who may do what."""

from __future__ import annotations

from typing import Any

import pytest

from config.limits import Edition
from emulator.server import RunningCloud
from tests.emulator.clients import document, refused
from tests.emulator.shop import RETAIL, SANDBOX, Shop, role_content


@pytest.mark.parametrize(
    ("workspace", "mode", "environments"), [(RETAIL, 3, ["DEV", "PROD"]), (SANDBOX, 2, ["PROD"])]
)
def test_project_mode_decides_the_environments(
    local: RunningCloud, workspace: int, mode: int, environments: list[str]
) -> None:
    data = Shop(local, workspace).here("GetProject").data
    assert (data.project_mode, data.env_types) == (mode, environments)


def test_a_workspace_is_found_by_its_identifier(local: RunningCloud) -> None:
    assert Shop(local).call("GetProject", ProjectIdentifier="sandbox").data.project_id == SANDBOX


def test_a_call_that_names_no_workspace_gets_the_numeric_code(local: RunningCloud) -> None:
    with refused("1201111279", 400):
        Shop(local).call("GetProject")


@pytest.mark.parametrize("by", [{"ProjectId": 99}, {"ProjectIdentifier": "nowhere"}])
def test_an_unknown_workspace_is_refused(local: RunningCloud, by: dict[str, Any]) -> None:
    with refused("Invalid.Tenant.ProjectNotExists", 400, "The project does not exist."):
        Shop(local).call("GetProject", **by)


def test_projects_come_in_pages(local: RunningCloud) -> None:
    shop = Shop(local)
    first = shop.call("ListProjects", PageNumber=1, PageSize=1).page_result
    second = shop.call("ListProjects", PageNumber=2, PageSize=1).page_result
    assert [first.total_count, second.total_count] == [2, 2]
    assert [one.project_identifier for one in (*first.project_list, *second.project_list)] == [
        "retail",
        "sandbox",
    ]
    assert first.project_list[0].project_status_code == "AVAILABLE"


@pytest.mark.parametrize(
    ("name", "value"), [("PageSize", 101), ("PageSize", 0), ("PageNumber", 0), ("PageNumber", 101)]
)
def test_pages_outside_the_limits_are_refused(local: RunningCloud, name: str, value: int) -> None:
    with refused(f"Invalid{name}", 400):
        Shop(local).call("ListProjects", **{name: value})


def test_members_have_their_roles_and_ids(local: RunningCloud) -> None:
    members = Shop(local).here("ListProjectMembers").data.project_member_list
    found = {
        one.project_member_name: [role.project_role_code for role in one.project_role_list] for one in members
    }
    assert found["carol"] == ["role_project_pe"]
    assert found["alice"] == ["role_project_owner", "role_project_admin"]
    ids = {one.project_member_name: one.project_member_id for one in members}
    assert ids["dave"] == local.cloud.state.ram.users["dave"].id


def test_members_have_a_page_number_limit_of_their_own(local: RunningCloud) -> None:
    with refused("InvalidPageNumber", 400):
        Shop(local).here("ListProjectMembers", PageNumber=31)


def test_resource_groups_are_of_the_asked_type(local: RunningCloud) -> None:
    shop = Shop(local)
    integration = shop.call("ListResourceGroups", ResourceGroupType=4).data
    assert [one.identifier for one in integration] == [f"S_res_group_1001_{number}" for number in (1, 2, 3)]
    assert {one.resource_group_type for one in integration} == {"4"}
    assert [one.identifier for one in shop.call("ListResourceGroups", ResourceGroupType=7).data] == [
        "S_res_group_1001_9"
    ]
    assert shop.call("ListResourceGroups").data == []
    assert len(shop.call("ListResourceGroups", ResourceGroupType=4, Keyword="_2").data) == 1
    assert shop.call("ListResourceGroups", ResourceGroupType=4, BizExtKey="default").data == []
    with refused("InvalidResourceGroupType", 400):
        shop.call("ListResourceGroups", ResourceGroupType=5)


def test_a_caller_without_ram_permission_is_refused_with_detail(local: RunningCloud) -> None:
    with refused("ResourceNotAuthorized.Api", 403) as caught:
        Shop(local).here("GetProject", "mallory")
    assert caught.value.access_denied_detail["AuthAction"] == "dataworks:GetProject"


def test_ram_permission_may_be_switched_off(local: RunningCloud) -> None:
    local.cloud.settings.ram_policy_required = False
    assert Shop(local).call("ListProjects", "mallory").page_result.total_count == 2


def test_a_caller_who_is_no_member_is_refused(local: RunningCloud) -> None:
    shop = Shop(local)
    shop.attach("MalloryWorks", document("dataworks:*"), user="mallory")
    with refused("Invalid.Tenant.UserNotInProject", 400, "The user is not in the project."):
        shop.here("GetProject", "mallory")


def test_the_account_itself_owns_every_workspace(local: RunningCloud) -> None:
    assert Shop(local).here("CreateBusiness", "root", BusinessName="mine").success is True


@pytest.mark.parametrize(
    ("user", "allowed"), [("alice", True), ("carol", True), ("erin", True), ("dave", False)]
)
def test_data_sources_are_managed_by_administrators_and_operators(
    local: RunningCloud, user: str, allowed: bool
) -> None:
    shop = Shop(local)
    role_id = shop.role()
    if user != "alice":
        shop.grant_pass_role(user)
    if allowed:
        assert len(shop.data_source(role_content(role_id), user=user)) == 2
        return
    with refused("ResourceNotAuthorized.Api", 403) as caught:
        shop.data_source(role_content(role_id), user=user)
    assert "dave has role_project_dev in workspace retail" in caught.value.message


def test_full_access_may_stand_for_the_workspace_role(local: RunningCloud) -> None:
    shop = Shop(local)
    local.cloud.settings.full_access_manages_data_sources = True
    role_id = shop.role()
    shop.grant_pass_role("dave")
    assert len(shop.data_source(role_content(role_id), user="dave")) == 2


@pytest.mark.parametrize(
    ("action", "parameters"),
    [
        ("CreateBusiness", {"BusinessName": "x"}),
        ("CreateFolder", {"FolderPath": "Business Flow/x/Data Integration/y"}),
        ("SubmitFile", {"FileId": 1}),
        ("DeployFile", {"FileId": 1}),
        ("DeleteFile", {"FileId": 1}),
        ("UpdateFile", {"FileId": 1}),
        ("CreateDISyncTask", {"TaskType": "DI_OFFLINE", "TaskContent": "{}"}),
        ("UpdateDISyncTask", {"TaskType": "DI_OFFLINE", "FileId": 1}),
    ],
)
def test_a_guest_changes_nothing(local: RunningCloud, action: str, parameters: dict[str, Any]) -> None:
    local.cloud.state.dataworks.workspaces[RETAIL].members[2].roles = ["role_project_guest"]
    with refused("ResourceNotAuthorized.Api", 403) as caught:
        Shop(local).here(action, "dave", **parameters)
    assert "role_project_guest" in caught.value.message


@pytest.mark.parametrize(
    ("action", "parameters"),
    [
        ("ListFiles", {}),
        ("ListFolders", {"ParentFolderPath": "Business Flow", "PageNumber": 1, "PageSize": 10}),
        ("CreateBusiness", {"BusinessName": "x"}),
        ("ListDeployments", {}),
        ("CreateDISyncTask", {"TaskType": "DI_OFFLINE", "TaskContent": "{}"}),
    ],
)
def test_the_new_data_studio_does_not_answer_ide_actions(
    local: RunningCloud, action: str, parameters: dict[str, Any]
) -> None:
    local.cloud.state.dataworks.workspaces[RETAIL].new_data_studio = True
    shop = Shop(local)
    with refused("Invalid.Wkbench.NewDataStudio", 500):
        shop.here(action, **parameters)
    assert shop.here("GetProject").success is True
    assert shop.here("ListDataSources").success is True


@pytest.mark.parametrize("action", ["SubmitFile", "DeployFile"])
def test_lower_editions_may_lack_submission_and_deployment(local: RunningCloud, action: str) -> None:
    settings = local.cloud.settings
    settings.backfill_needs_edition, settings.edition = True, Edition.STANDARD
    with refused(
        "Forbidden.Access", 403, "Please first activate DataWorks Enterprise Edition or Flagship Edition."
    ):
        Shop(local).here(action, FileId=1)
