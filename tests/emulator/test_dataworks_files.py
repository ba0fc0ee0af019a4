"""Files and deployments: scheduling, versions, submission, publication, deletion, in both workspace modes."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.server import RunningCloud
from emulator.settings import AdvanceBy
from tests.emulator.clients import refused
from tests.emulator.shop import FOLDER, RETAIL, SANDBOX, SCHEDULING_GROUP, Shop, task


@pytest.fixture
def shop(local: RunningCloud) -> Shop:
    """A shop with a workflow and a data source."""
    made = Shop(local)
    made.opened()
    made.business()
    return made


@pytest.fixture
def basic(local: RunningCloud) -> Shop:
    """As ``shop``, in the basic workspace."""
    made = Shop(local, SANDBOX)
    made.opened()
    made.business()
    return made


def prod_nodes(shop: Shop) -> list[int]:
    return [one.node_id for one in shop.here("ListNodes", ProjectEnv="PROD").data.nodes]


# -- files ---------------------------------------------------------------------------------------------


def test_scheduling_is_kept_where_it_is_not_changed(shop: Shop) -> None:
    file_id = shop.create_task().file_id
    shop.schedule(file_id, AutoRerunTimes=3, AutoRerunIntervalMillis=60000, RerunMode="FAILURE_ALLOWED")
    shop.here("UpdateFile", FileId=file_id, CronExpress="00 15 06 * * ?")
    found = shop.here("GetFile", FileId=file_id).data.node_configuration
    assert (found.cron_express, found.auto_rerun_times, found.rerun_mode) == (
        "00 15 06 * * ?",
        3,
        "FAILURE_ALLOWED",
    )
    assert [(one.input, one.parse_type) for one in found.input_list] == [("retail_root", "MANUAL")]
    assert [one.output for one in found.output_list] == [f"retail.{file_id}_out"]
    assert (found.para_value, found.resource_group_id) == ("bizdate=$bizdate", 50009)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AutoRerunTimes", 11), ("AutoRerunIntervalMillis", 1_800_001), ("CycleType", "YEAR"),
        ("RerunMode", "SOMETIMES"), ("SchedulerType", "LATER"), ("DependentType", "ALL"),
        ("CronExpress", "5 4 * * *"), ("CronExpress", "00 30 05 * * *"), ("Owner", "nobody"),
    ],
)  # fmt: skip
def test_scheduling_outside_its_limits_is_refused(shop: Shop, name: str, value: object) -> None:
    file_id = shop.create_task().file_id
    with refused(f"Invalid{name}", 400):
        shop.here("UpdateFile", FileId=file_id, **{name: value})


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("ResourceGroupIdentifier", "S_res_group_1001_1", "InvalidResourceGroup"),
        ("FileFolderPath", "Nowhere/x/y", "IllegalFolderPath"),
        ("Content", "{", "InvalidContent"),
    ],
)
def test_values_that_do_not_exist_are_refused(shop: Shop, name: str, value: str, code: str) -> None:
    file_id = shop.create_task().file_id
    with refused(f"Invalid.Wkbench.{code}", 400):
        shop.here("UpdateFile", FileId=file_id, **{name: value})


def test_an_unchanged_update_may_fail(shop: Shop) -> None:
    file_id = shop.create_task().file_id
    shop.schedule(file_id)
    shop.schedule(file_id)
    shop.local.cloud.settings.unchanged_update_file_fails = True
    with refused("Invalid.Wkbench.InvalidData", 400, "invalid data"):
        shop.schedule(file_id)
    shop.schedule(file_id, AutoRerunTimes=1)


def test_a_file_is_renamed_moved_described_and_given_away(shop: Shop) -> None:
    file_id = shop.create_task().file_id
    shop.here("CreateFolder", FolderPath=f"{FOLDER}/daily")
    dave = shop.local.cloud.state.ram.users["dave"].id
    shop.here(
        "UpdateFile", FileId=file_id, FileName="renamed", FileFolderPath=f"{FOLDER}/daily", Owner=dave,
        FileDescription="orders", Content=task(limit="5"),
    )  # fmt: skip
    found = shop.here("GetFile", FileId=file_id).data.file
    assert (found.file_name, found.owner, found.file_description) == ("renamed", dave, "orders")
    assert found.content == task(limit="5")
    listed = shop.here("ListFiles", FileFolderPath=f"{FOLDER}/daily", NeedAbsoluteFolderPath=True).data.files
    assert [one.absolute_folder_path for one in listed] == [f"{FOLDER}/daily"]


def test_files_are_found_by_what_they_are(shop: Shop) -> None:
    file_id = shop.create_task().file_id
    other = shop.create_task(name="orders_two").file_id

    def ids(**filters: Any) -> list[int]:
        return [one.file_id for one in shop.here("ListFiles", **filters).data.files]

    assert ids(ExactFileName="orders") == [file_id]
    assert ids(Keyword="orders") == [file_id, other]
    assert ids(FileTypes="23", UseType="NORMAL") == [file_id, other]
    assert ids(FileTypes="10,900") == []
    assert ids(FileIdIn=f"{other}") == [other]
    assert ids(FileFolderPath="Business Flow/none/Data Integration") == []
    assert ids(LastEditUser="0") == []
    shown = shop.here("ListFiles", ExactFileName="orders").data.files[0]
    assert (shown.content, shown.absolute_folder_path) == (None, None)
    for filters in ({"FileIdIn": ",".join(str(number) for number in range(51))}, {"FileIdIn": "x"}):
        with refused("InvalidFileIdIn", 400):
            ids(**filters)


@pytest.mark.parametrize("action", ["GetFile", "UpdateFile", "SubmitFile", "DeployFile", "DeleteFile"])
def test_an_unknown_file_is_refused(shop: Shop, action: str) -> None:
    with refused("Invalid.Wkbench.FileNotExists", 400):
        shop.here(action, FileId=1)


@pytest.mark.parametrize("action", ["GetFile", "DeployFile"])
def test_a_file_must_be_named(shop: Shop, action: str) -> None:
    with refused("MissingFileId", 400):
        shop.here(action)


# -- submission ----------------------------------------------------------------------------------------


def test_a_task_without_inputs_cannot_be_submitted(shop: Shop) -> None:
    file_id = shop.create_task().file_id
    with refused("Invalid.Wkbench.EmptyInputOutput", 400, "输入输出不能为空"):
        shop.here("SubmitFile", FileId=file_id)


def test_a_parent_that_does_not_exist_is_named(shop: Shop) -> None:
    file_id = shop.create_task().file_id
    shop.schedule(file_id, InputList="nobody_root")
    with refused("Invalid.Wkbench.ParentNotExists", 400, "父节点输出名:nobody_root 不存在，不能提交本节点"):
        shop.here("SubmitFile", FileId=file_id)


def test_a_submitted_tasks_output_may_be_a_parent(shop: Shop) -> None:
    first, second = shop.create_task().file_id, shop.create_task(name="later").file_id
    shop.schedule(first)
    shop.submit(first)
    shop.schedule(second, InputList=f"retail.{first}_out")
    assert shop.submit(second).status == 1


def test_a_package_is_checked_then_ready_then_done(shop: Shop) -> None:
    file_id = shop.create_task().file_id
    shop.schedule(file_id)
    package = shop.here("SubmitFile", FileId=file_id).data
    seen = []
    for _ in range(4):
        found = shop.here("GetDeployment", DeploymentId=package).data.deployment
        seen.append((found.status, found.checking_status))
    assert seen == [(0, 8), (0, None), (1, None), (1, None)]


def test_extensions_are_skipped_on_demand(shop: Shop) -> None:
    file_id = shop.create_task().file_id
    shop.schedule(file_id)
    package = shop.here("SubmitFile", FileId=file_id, SkipAllDeployFileExtensions=True).data
    assert shop.here("GetDeployment", DeploymentId=package).data.deployment.checking_status is None


def test_a_package_moves_by_the_clock(shop: Shop) -> None:
    cloud = shop.local.cloud
    cloud.settings.advance_by, cloud.settings.deployment_steps = AdvanceBy.CLOCK, 3600
    file_id = shop.create_task().file_id
    shop.schedule(file_id)
    package = shop.here("SubmitFile", FileId=file_id).data
    seen = []
    for seconds in (0, 1900, 1900):
        cloud.clock.advance(seconds)
        for _ in range(2):
            found = shop.here("GetDeployment", DeploymentId=package).data.deployment
        seen.append((found.status, found.checking_status))
    assert seen == [(0, 8), (0, None), (1, None)]


def test_a_failed_check_and_a_failed_package_are_settings(shop: Shop) -> None:
    settings = shop.local.cloud.settings
    file_id = shop.create_task().file_id
    shop.schedule(file_id)
    settings.deployment_check_fails = True
    checked = shop.submit(file_id)
    assert (checked.status, checked.checking_status) == (0, 7)
    settings.deployment_check_fails, settings.deployment_error = False, "no room"
    failed = shop.submit(file_id)
    assert (failed.status, failed.error_message) == (2, "no room")
    with refused("Invalid.Wkbench.NotSubmitted", 400):
        shop.here("DeployFile", FileId=file_id)


def test_versions_count_submissions(shop: Shop) -> None:
    file_id = shop.create_task().file_id

    def state() -> tuple[int, int]:
        found = shop.here("GetFile", FileId=file_id).data.file
        return found.current_version, found.commit_status

    shop.schedule(file_id)
    assert state() == (1, 0)
    shop.submit(file_id)
    assert state() == (1, 1)
    shop.submit(file_id)
    assert state() == (2, 1)
    shop.here("UpdateDISyncTask", FileId=file_id, TaskType="DI_OFFLINE", TaskContent=task(limit="2"))
    assert state() == (3, 0)


def test_production_carries_what_was_submitted_not_what_was_edited_since(shop: Shop) -> None:
    node = shop.published()
    file_id = shop.here("GetFile", NodeId=node).data.file.file_id
    shop.here("UpdateDISyncTask", FileId=file_id, TaskType="DI_OFFLINE", TaskContent=task(limit="2"))
    shop.deploy(file_id)
    (found,) = [one for one in shop.local.cloud.state.dataworks.nodes if one.environment == "PROD"]
    assert (found.content, found.file_version) == (task(), 1)
    shop.submit(file_id)
    shop.deploy(file_id)
    (found,) = [one for one in shop.local.cloud.state.dataworks.nodes if one.environment == "PROD"]
    assert (found.content, found.file_version) == (task(limit="2"), 2)


def test_deployment_needs_a_submission_that_ended(shop: Shop) -> None:
    file_id = shop.create_task().file_id
    shop.schedule(file_id)
    for _ in range(2):
        with refused("Invalid.Wkbench.NotSubmitted", 400):
            shop.here("DeployFile", FileId=file_id)
        package = shop.here("SubmitFile", FileId=file_id).data
    shop.wait_deployment(package)
    assert shop.deploy(file_id).status == 1


def test_a_task_whose_production_source_is_gone_is_not_deployed(shop: Shop) -> None:
    file_id = shop.create_task().file_id
    shop.schedule(file_id)
    shop.submit(file_id)
    source = next(
        one for one in shop.here("ListDataSources", Name="oss_src").data.data_sources if one.env_type == 1
    )
    shop.call("DeleteDataSource", DataSourceId=source.id)
    failed = shop.deploy(file_id)
    assert (failed.status, failed.error_message) == (2, "Data source PROD oss_src does not exist.")
    assert prod_nodes(shop) == []


def test_deployments_are_listed_newest_first(shop: Shop) -> None:
    shop.published()
    listed = shop.here("ListDeployments").data
    ids = [one.id for one in listed.deployments]
    assert ids == sorted(ids, reverse=True)
    assert shop.here("ListDeployments", Status=2).data.total_count == 0
    assert shop.here("ListDeployments", Creator="0").data.total_count == 0
    with refused("InvalidStatus", 400):
        shop.here("ListDeployments", Status=9)
    with refused("Invalid.Wkbench.DeploymentNotExists", 400):
        shop.here("GetDeployment", DeploymentId=1)


# -- basic mode ----------------------------------------------------------------------------------------


def test_submission_publishes_in_a_basic_workspace(basic: Shop) -> None:
    file_id = basic.create_task().file_id
    basic.schedule(file_id)
    submitted = basic.submit(file_id)
    assert (submitted.status, submitted.from_environment, submitted.to_environment) == (1, 0, 2)
    assert prod_nodes(basic) == [basic.node_of(file_id)]


def test_submission_may_need_a_deployment_in_a_basic_workspace(basic: Shop) -> None:
    basic.local.cloud.settings.basic_mode_submit_publishes = False
    file_id = basic.create_task().file_id
    basic.schedule(file_id)
    assert basic.submit(file_id).status == 1
    assert prod_nodes(basic) == []
    assert basic.deploy(file_id).to_environment == 2
    assert prod_nodes(basic) == [basic.node_of(file_id)]


def test_deployment_alone_is_enough_in_a_basic_workspace(basic: Shop) -> None:
    file_id = basic.create_task().file_id
    with refused("Invalid.Wkbench.EmptyInputOutput", 400):
        basic.here("DeployFile", FileId=file_id)
    basic.schedule(file_id)
    assert basic.deploy(file_id).status == 1
    assert prod_nodes(basic) == [basic.node_of(file_id)]


# -- nodes and deletion --------------------------------------------------------------------------------


def test_nodes_have_one_number_in_both_environments(shop: Shop) -> None:
    node = shop.published(SchedulerType="PAUSE")
    for environment in ("DEV", "PROD"):
        found = shop.call("GetNode", NodeId=node, ProjectEnv=environment).data
        assert (found.node_id, found.node_name, found.program_type) == (node, "orders", "DI")
        assert found.res_group_identifier == SCHEDULING_GROUP
    assert shop.here("ListNodes", ProjectEnv="PROD", NodeName="ord").data.total_count == 1
    assert (
        shop.here("ListNodes", ProjectEnv="PROD", BizName="onboarding", ProgramType="DI").data.total_count
        == 1
    )
    assert shop.here("ListNodes", ProjectEnv="PROD", ProgramType="SQL").data.total_count == 0
    assert shop.here("ListNodes", ProjectEnv="PROD", SchedulerType="NORMAL").data.total_count == 0
    with refused("InvalidProjectEnv", 400):
        shop.here("ListNodes", ProjectEnv="TEST")
    with refused("Invalid.Wkbench.NodeNotExists", 400):
        shop.call("GetNode", NodeId=1, ProjectEnv="PROD")


def test_an_uncommitted_file_is_gone_at_once(shop: Shop) -> None:
    file_id = shop.create_task().file_id
    assert shop.here("DeleteFile", FileId=file_id).deployment_id is None
    assert shop.here("ListFiles").data.total_count == 0


def test_a_committed_file_goes_to_the_recycle_bin_and_production_stays_until_deployed(shop: Shop) -> None:
    node = shop.published()
    file_id = shop.here("GetFile", NodeId=node).data.file.file_id
    package = shop.here("DeleteFile", FileId=file_id).deployment_id
    assert shop.wait_deployment(package).status == 1
    assert shop.here("GetFile", FileId=file_id).data.file.deleted_status == "RECYCLE_BIN"
    assert shop.here("ListFiles").data.total_count == 0
    assert shop.here("ListNodes", ProjectEnv="DEV").data.total_count == 0
    assert prod_nodes(shop) == [node]
    assert shop.deploy(file_id).status == 1
    assert prod_nodes(shop) == []
    for action in ("UpdateFile", "SubmitFile", "DeleteFile"):
        with refused("Invalid.Wkbench.FileNotExists", 400):
            shop.here(action, FileId=file_id)


def test_a_deleted_name_is_free_again(shop: Shop) -> None:
    node = shop.published()
    file_id = shop.here("GetFile", NodeId=node).data.file.file_id
    shop.here("DeleteFile", FileId=file_id)
    assert shop.create_task().status == "success"


def test_a_deletion_reaches_production_of_a_basic_workspace(basic: Shop) -> None:
    node = basic.published()
    file_id = basic.here("GetFile", NodeId=node).data.file.file_id
    assert basic.wait_deployment(basic.here("DeleteFile", FileId=file_id).deployment_id).to_environment == 2
    assert prod_nodes(basic) == []
    assert basic.workspace != RETAIL


def test_a_file_edited_after_its_submission_goes_to_the_recycle_bin_too(shop: Shop) -> None:
    node = shop.published()
    file_id = shop.here("GetFile", NodeId=node).data.file.file_id
    shop.here("UpdateDISyncTask", FileId=file_id, TaskType="DI_OFFLINE", TaskContent=task(limit="2"))
    assert shop.here("DeleteFile", FileId=file_id).deployment_id is not None
    assert shop.here("GetFile", FileId=file_id).data.file.deleted_status == "RECYCLE_BIN"
