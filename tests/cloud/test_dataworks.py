"""DataWorks through the cloud layer: what it makes is what it then reads."""

from __future__ import annotations

import json

import pytest

from cloud.dataworks import data_sources, deployments, runs, sync_tasks, workspaces
from cloud.errors import OutcomeUnknown
from config.limits import DATAWORKS
from config.personas import Persona
from config.sources.base import Environment
from emulator.server import RunningCloud
from tests.cloud.gates import answer, gate_of
from tests.cloud.shop import (
    DEAF_GROUP,
    FOLDER,
    GROUP,
    OTHER_GROUP,
    RETAIL,
    RUN,
    SOURCE,
    TASK,
    WORKFLOW,
    Shop,
    task_content,
)


def test_a_workspace_tells_its_environments(local: RunningCloud) -> None:
    gate = gate_of(local)
    retail, sandbox = (workspaces.get_workspace(gate, number) for number in (10001, 10002))
    assert retail is not None
    assert sandbox is not None
    assert (retail.identifier, retail.standard, retail.available) == ("retail", True, True)
    assert retail.environments == (Environment.DEV, Environment.PROD)
    assert (sandbox.standard, sandbox.environments) == (False, (Environment.PROD,))
    assert workspaces.get_workspace(gate, 99) is None


def test_a_workspace_that_is_not_available_says_so(local: RunningCloud) -> None:
    local.cloud.state.dataworks.workspaces[10001].status = 4
    found = workspaces.get_workspace(gate_of(local), 10001)
    assert found is not None
    assert not found.available


def test_only_data_integration_groups_are_listed(local: RunningCloud) -> None:
    assert set(workspaces.data_integration_groups(gate_of(local))) == {GROUP, OTHER_GROUP, DEAF_GROUP}


def test_a_data_source_is_found_by_its_exact_name_and_environment(shop: Shop) -> None:
    assert data_sources.find_data_source(shop.gate, RETAIL, SOURCE, Environment.DEV) is None
    development, production = shop.sources
    assert development.id != production.id
    assert (development.environment, production.environment) == (Environment.DEV, Environment.PROD)
    assert production.role_id == shop.role.role_id
    assert production.content == shop.content
    # The service's own filter matches by containing.
    assert data_sources.find_data_source(shop.gate, RETAIL, "oss", Environment.DEV) is None


def test_secrets_of_a_foreign_data_source_are_not_read(shop: Shop) -> None:
    content = {"accessId": "AK", "accessKey": "SK", "password": "PW", "bucket": "b"}
    item = {
        "Id": 1, "Name": SOURCE, "DataSourceType": "oss", "EnvType": 1, "Content": json.dumps(content),
    }  # fmt: skip
    data = {"TotalCount": 1, "DataSources": [item]}
    answer(shop.local, "ListDataSources", {"RequestId": "X", "Success": True, "Data": data})
    found = data_sources.find_data_source(shop.gate, RETAIL, SOURCE, Environment.PROD)
    assert found is not None
    assert found.content == {"accessId": "AK", "bucket": "b"}
    assert found.role_id is None


@pytest.mark.parametrize("text", ["******", "[1]", ""])
def test_a_content_that_cannot_be_read_counts_as_different(shop: Shop, text: str) -> None:
    item = {"Id": 1, "Name": SOURCE, "DataSourceType": "oss", "EnvType": 1, "Content": text}
    data = {"TotalCount": 1, "DataSources": [item]}
    answer(shop.local, "ListDataSources", {"RequestId": "X", "Success": True, "Data": data})
    found = data_sources.find_data_source(shop.gate, RETAIL, SOURCE, Environment.PROD)
    assert found is not None
    assert found.content == {}


def test_a_data_source_is_changed(shop: Shop) -> None:
    production = shop.sources[1]
    content = {**shop.content, "endpoint": "http://oss-cn-hangzhou.aliyuncs.com"}
    changed = data_sources.update_data_source(shop.gate, RETAIL, production, content, "another description")
    assert (changed.id, changed.content, changed.description) == (
        production.id,
        content,
        "another description",
    )


def test_a_change_of_the_description_alone_is_seen(shop: Shop) -> None:
    changed = data_sources.update_data_source(shop.gate, RETAIL, shop.sources[1], shop.content, "new")
    assert changed.description == "new"


def test_connectivity_is_a_result_for_each_resource_group(shop: Shop) -> None:
    assert shop.sources
    good = data_sources.check_connection(shop.gate, RETAIL, SOURCE, Environment.PROD, GROUP)
    bad = data_sources.check_connection(shop.gate, RETAIL, SOURCE, Environment.PROD, DEAF_GROUP)
    assert (good.connected, bad.connected) == (True, False)
    assert bad.message


def test_a_list_is_read_to_its_last_page(shop: Shop) -> None:
    held = shop.local.cloud.state.dataworks.data_sources
    model = held[0]
    for number in range(205):
        held.append(
            model.model_copy(update={"id": 900_000 + number, "name": f"oss_src_{number}", "environment": 1})
        )
    held.append(model.model_copy(update={"id": 999_999, "name": "oss_src", "environment": 1}))
    found = data_sources.find_data_source(shop.gate, RETAIL, "oss_src", Environment.PROD)
    assert found is not None
    assert found.id == 999_999
    pages = [entry for entry in shop.local.cloud.journal.entries if entry.action == "ListDataSources"]
    assert len(pages) == 3


@pytest.mark.parametrize("as_http_errors", [True, False], ids=["HTTP 400", "Success: false"])
def test_what_does_not_exist_in_the_workspace_is_false_or_none(shop: Shop, as_http_errors: bool) -> None:
    shop.local.cloud.settings.ide_refusals_are_http_errors = as_http_errors
    assert not sync_tasks.workflow_exists(shop.gate, RETAIL, WORKFLOW)
    assert not sync_tasks.folder_exists(shop.gate, RETAIL, FOLDER)
    assert shop.folder
    assert sync_tasks.find_sync_task(shop.gate, RETAIL, FOLDER, TASK) is None
    assert sync_tasks.node_version(shop.gate, 7, "PROD") is None
    assert runs.dag_name(shop.gate, 7, "PROD") == ""


def test_a_workflow_is_found_by_its_exact_name(shop: Shop) -> None:
    assert shop.folder
    assert sync_tasks.workflow_exists(shop.gate, RETAIL, WORKFLOW)
    assert not sync_tasks.workflow_exists(shop.gate, RETAIL, WORKFLOW[:4])  # Keyword matches by containing
    assert sync_tasks.folder_exists(shop.gate, RETAIL, FOLDER)


def test_a_sync_task_goes_all_the_way_to_production(shop: Shop) -> None:
    assert (shop.task.node, shop.task.committed) == (0, False)
    assert shop.scheduled.scheduling["CronExpress"] == "00 30 05 * * ?"
    submitted = shop.submitted
    assert submitted.committed
    assert sync_tasks.node_version(shop.gate, submitted.node, "DEV") == submitted.version
    assert sync_tasks.node_version(shop.gate, submitted.node, "PROD") is None
    deployed = shop.deployed
    assert sync_tasks.node_version(shop.gate, deployed.node, "PROD") == deployed.version
    package = deployments.recent_deployment(shop.gate, RETAIL, deployed, to_environment=2)
    assert package is not None
    assert package.succeeded


@pytest.mark.parametrize("setting", ["deployment_error", "deployment_check_fails"])
def test_a_package_that_fails_is_not_running_and_not_succeeded(shop: Shop, setting: str) -> None:
    assert shop.scheduled
    failing = {"deployment_error": "no room", "deployment_check_fails": True}[setting]
    setattr(shop.local.cloud.settings, setting, failing)
    identifier = shop.gate.write(
        DATAWORKS, "SubmitFile", {"ProjectId": RETAIL, "FileId": shop.task.file}, persona=Persona.DEVELOPER
    )["Data"]
    package = shop.wait(identifier)
    assert not package.succeeded
    assert package.check_failed is (setting == "deployment_check_fails")
    assert package.error == ("no room" if setting == "deployment_error" else "")


def test_content_and_resource_group_of_a_sync_task_are_changed(shop: Shop) -> None:
    changed = sync_tasks.update_sync_task(shop.gate, RETAIL, shop.task, task_content("5"), OTHER_GROUP)
    assert sync_tasks.same_json(changed.content, task_content("5"))
    assert shop.local.cloud.state.dataworks.files[shop.task.file].di_resource_group == OTHER_GROUP


@pytest.mark.parametrize("environment", ["DEV", "PROD"])
def test_a_run_is_started_found_again_and_proven_by_its_instance(shop: Shop, environment: str) -> None:
    started = shop.start(environment)
    assert started is not None
    ended = shop.finished(started, environment)
    assert ended.succeeded, runs.instance_log(shop.gate, ended.id, environment)
    assert ended.began_running_ms
    assert "5" in runs.instance_log(shop.gate, ended.id, environment)
    found = runs.find_run(shop.gate, RETAIL, environment, shop.deployed.node, RUN)
    assert found is not None
    assert found.id == ended.id
    assert runs.find_run(shop.gate, RETAIL, environment, shop.deployed.node, f"{RUN}-other") is None
    assert [one.id for one in runs.list_instances(shop.gate, RETAIL, environment, dag=ended.dag)] == [
        ended.id
    ]


def test_an_edition_without_backfill_runs_production_by_a_smoke_test(shop: Shop) -> None:
    assert shop.deployed
    shop.local.cloud.settings.backfill_needs_edition = True
    shop.local.cloud.settings.backfill_editions = ()
    started = shop.start("PROD")
    assert started is not None
    assert (started.dag_type, shop.finished(started, "PROD").succeeded) == ("SMOKE_TEST", True)


def test_a_run_that_no_list_shows_yet_is_started_once(shop: Shop) -> None:
    assert shop.deployed
    shop.local.cloud.settings.instance_list_empty_polls = 50
    assert shop.start("DEV") is None
    assert len(shop.local.cloud.state.dataworks.dags) == 1


def test_a_finished_instance_is_run_again_under_the_same_id(shop: Shop) -> None:
    started = shop.start("PROD")
    assert started is not None
    ended = shop.finished(started, "PROD")
    again = runs.restart_instance(shop.gate, ended, "PROD")
    assert (again.id, again.finished) == (ended.id, False)
    assert shop.local.cloud.state.dataworks.instances[ended.id].reruns == 1


def test_a_change_that_no_read_shows_is_not_called_done(shop: Shop) -> None:
    with pytest.raises(
        OutcomeUnknown, match="sync task orders: the change was accepted but cannot be seen yet"
    ):
        sync_tasks.update_file(shop.gate, RETAIL, shop.task, {"AutoRerunTimes": 3}, lambda _: False)
    assert [one.action for one in shop.local.cloud.journal.writes].count("UpdateFile") == 1
