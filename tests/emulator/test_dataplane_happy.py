"""A role-mode data source from creation to rows in production, as a pipeline would do it."""

from __future__ import annotations

import pytest

from emulator.server import RunningCloud
from tests.emulator.shop import (
    FOLDER,
    GROUP,
    PT,
    READ_ACTIONS,
    RETAIL,
    ROWS,
    SANDBOX,
    Shop,
    day,
    role_content,
)


def test_orders_reach_development_and_production(local: RunningCloud) -> None:
    shop = Shop(local)
    role_id = shop.role(READ_ACTIONS)
    shop.data_source(role_content(role_id))
    for environment in ("0", "1"):
        tested = shop.here(
            "TestNetworkConnection", DatasourceName="oss_src", EnvType=environment, ResourceGroup=GROUP
        )
        assert tested.task_list.connect_status is True
    shop.business()
    assert shop.here("GetFolder", FolderPath=FOLDER).data.folder_path == FOLDER
    created = shop.create_task()
    assert created.status == "success"
    assert shop.here("GetFile", FileId=created.file_id).data.file.node_id is None
    shop.schedule(created.file_id)
    submitted = shop.submit(created.file_id)
    assert (submitted.status, submitted.from_environment, submitted.to_environment) == (1, 0, 1)
    node = shop.node_of(created.file_id)
    development = shop.smoke(node, "DEV")
    assert development.status == "SUCCESS"
    assert shop.rows("retail_dev") == ROWS
    assert shop.rows("retail") == []
    deployed = shop.deploy(created.file_id)
    assert (deployed.status, deployed.from_environment, deployed.to_environment) == (1, 1, 2)
    (dag,) = shop.backfill(node)
    production = shop.finish(dag)
    assert production.status == "SUCCESS"
    assert shop.call("GetDag", DagId=dag, ProjectEnv="PROD").data.status == "SUCCESS"
    assert shop.rows("retail") == ROWS
    log = shop.call("GetInstanceLog", InstanceId=production.id, ProjectEnv="PROD").data
    assert "Total records read      : 5" in log
    assert "Total records written   : 5" in log
    assert "Read/write failures     : 0" in log


def test_orders_reach_production_of_a_basic_workspace(local: RunningCloud) -> None:
    shop = Shop(local, SANDBOX)
    shop.opened()
    instance = shop.smoke(shop.published())
    assert instance.status == "SUCCESS"
    assert shop.rows("sandbox") == ROWS


def test_a_second_run_replaces_the_partition(local: RunningCloud) -> None:
    shop = Shop(local)
    shop.opened()
    node = shop.published()
    shop.smoke(node)
    shop.smoke(node)
    assert shop.rows() == ROWS


def test_a_restarted_instance_runs_again_under_its_id(local: RunningCloud) -> None:
    shop = Shop(local)
    shop.opened(actions=())
    instance = shop.smoke(shop.published())
    assert instance.status == "FAILURE"
    shop.attach(
        "LaterData",
        '{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:*","Resource":"*"}]}',
        role="OnboardRole",
    )
    assert shop.call("RestartInstance", InstanceId=instance.id, ProjectEnv="PROD").data is True
    again = shop.finish(instance.dag)
    assert (again.id, again.status) == (instance.id, "SUCCESS")
    assert shop.rows() == ROWS


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_summary_is_in_the_console_language(local: RunningCloud, language: str) -> None:
    shop = Shop(local)
    local.cloud.settings.log_language = "zh" if language == "zh" else "en"
    shop.opened()
    log = shop.smoke(shop.published()).log
    assert ("读出记录总数" in log) is (language == "zh")
    assert ("Total records read" in log) is (language == "en")


def test_business_dates_and_partitions_agree(local: RunningCloud) -> None:
    shop = Shop(local)
    shop.opened()
    node = shop.published()
    dags = shop.backfill(node, StartBizDate=day(-1))
    assert len(dags) == 2
    before, yesterday = (shop.finish(dag) for dag in dags)
    # No orders lie in the bucket for the day before.
    assert before.status == "FAILURE"
    assert "no object of bucket shop-orders matches" in before.log
    assert yesterday.parameters["bizdate"] == PT.removeprefix("pt=")
    assert shop.rows() == ROWS
    assert shop.workspace == RETAIL
