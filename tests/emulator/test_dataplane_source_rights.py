"""For every source type: the minimal permissions suffice, and each of them is asked for; refusals are recognised."""

from __future__ import annotations

import json
from typing import Any

import pytest

from config.run_failures import classify
from config.sources.base import Environment
from emulator.server import RunningCloud
from emulator.state import Instance
from tests.emulator.shop import PT, ROWS
from tests.emulator.sources import TYPES, Pipeline, arrived, example, policy_of, to_write, warehouse, writing

READ: dict[str, list[list[str | None]]] = {
    "oss": [[*row] for row in ROWS],
    "loghub": [
        ["web-1", "/", "200"],
        ["web-1", "/pay", "500"],
        ["web-2", "/cart", "200"],
        ["web-2", "/orders", "404"],
    ],
    "tablestore": [["1", "ada", "10.5"], ["2", "grace", "20.0"], ["10", "edsger", "7.25"]],
    "hologres": [["1", "lamp"], ["2", "table"], ["3", "chair"]],
    "adb_mysql": [["1", "10.5"], ["2", "20.0"]],
    "adb_mysql_3": [["1", "10.5"], ["2", "20.0"]],
}
"""What the example's task reads from the sample account."""

TO_WRITE: dict[str, list[list[str | None]]] = {
    "oss": [["7", "barbara", "1.5"], ["8", "alan", "2"]],
    "loghub": [["web-3", "/", "200"], ["web-3", "/x", "404"]],
    # The last key is longer than Tablestore allows: the batch is refused, and its rows are sent one by one.
    "tablestore": [["7", "barbara", "1.5"], ["8", "alan", "2"], ["9", "x" * 1025, "3"]],
    "hologres": [["7", "sofa"], ["8", "desk"]],
    "adb_mysql": [["7", "1.5"], ["8", "2"]],
    "adb_mysql_3": [["7", "1.5"], ["8", "2"]],
}

# Asked for only when rows stop coming in the middle: its own test below.
_ABORT = "oss:AbortMultipartUpload"


def reading_cases() -> list[tuple[str, str]]:
    return [(name, one.action) for name in TYPES for one in example(name).minimal_permissions()]


def writing_cases() -> list[tuple[str, str]]:
    return [
        (name, one.action)
        for name in TYPES
        for one in writing(name).minimal_permissions()
        if one.action != _ABORT
    ]


def writer_for(local: RunningCloud, name: str, **more: Any) -> Pipeline:
    """A pipeline that writes, with rows to write and, in OSS, an object that is in the way."""
    to_write(local, name, *TO_WRITE[name])
    local.cloud.state.data.buckets["shop-orders"].objects["orders/export/part-old"] = "stale"
    mode = {"writeMode": "UpdateRow"} if more.get("without") == "ots:UpdateRow" else {}
    return Pipeline(local, writing(name, **mode), limit="1", **more)


def refused(instance: Instance, pipeline: Pipeline, action: str) -> None:
    """The run failed for want of the action, and the source type's table knows it."""
    assert instance.status == "FAILURE"
    assert f"is not allowed to {action} on acs:{action.partition(':')[0]}:" in instance.log
    refusals = pipeline.spec.source_type.refusals
    found = classify(instance.log, refusals)
    assert found in refusals
    assert found.spreads


@pytest.mark.parametrize("name", TYPES)
def test_the_minimal_permissions_suffice_to_read(local: RunningCloud, name: str) -> None:
    pipeline = Pipeline(local, example(name))
    local.cloud.settings.connectivity_checks_role = True
    for environment in Environment:
        assert pipeline.connected(environment).connect_status is True
    for shown, project in (("DEV", "retail_dev"), ("PROD", "retail")):
        instance = pipeline.run(shown)
        assert instance.status == "SUCCESS", instance.log
        assert arrived(local, name, project) == READ[name]
        count = len(READ[name])
        assert (instance.records_read, instance.records_written) == (count, count)
        assert f"Total records written   : {count}" in instance.log


@pytest.mark.parametrize("name", TYPES)
def test_the_minimal_permissions_suffice_to_write(local: RunningCloud, name: str) -> None:
    instance = writer_for(local, name).run()
    assert instance.status == "SUCCESS", instance.log
    assert (instance.records_read, instance.records_written) == (len(TO_WRITE[name]), 2)


@pytest.mark.parametrize(("name", "action"), reading_cases())
def test_each_minimal_action_is_needed_to_read(local: RunningCloud, name: str, action: str) -> None:
    pipeline = Pipeline(local, example(name), without=action)
    refused(pipeline.run(), pipeline, action)
    assert arrived(local, name) == []
    pipeline.allow(action)
    assert pipeline.run().status == "SUCCESS"


@pytest.mark.parametrize(("name", "action"), writing_cases())
def test_each_minimal_action_is_needed_to_write(local: RunningCloud, name: str, action: str) -> None:
    pipeline = writer_for(local, name, without=action)
    before = local.cloud.state.data.model_copy(deep=True)
    refused(pipeline.run(), pipeline, action)
    if action != "oss:PutObject":  # the older object is removed before the new one is written
        assert local.cloud.state.data == before
    pipeline.allow(action)
    assert pipeline.run().status == "SUCCESS"


@pytest.mark.parametrize(("without", "told"), [("", False), (_ABORT, True)])
def test_giving_an_upload_up_is_asked_for_when_rows_stop(
    local: RunningCloud, without: str, told: bool
) -> None:
    to_write(local, "oss", ["1", "ada", "2"])
    objects = local.cloud.state.data.buckets["shop-orders"].objects
    objects[f"orders/dt={PT.removeprefix('pt=')}/part-9.csv"] = "id,customer,amount\nx,y,z\n"
    pipeline = Pipeline(local, example("oss", access="read_write"), without=without)
    reader = pipeline.spec.task_content()["steps"][0]
    writer = writing("oss", writeMode="append").task_content()["steps"][1]
    content = {**pipeline.spec.task_content(), "steps": [reader, writer]}
    (file_id,) = local.cloud.state.dataworks.files
    pipeline.shop.here(
        "UpdateDISyncTask", FileId=file_id, TaskType="DI_OFFLINE", TaskContent=json.dumps(content)
    )
    pipeline.shop.submit(file_id)
    pipeline.shop.deploy(file_id)
    instance = pipeline.run()
    assert instance.status == "FAILURE"
    assert "dirty records are more than the limit" in instance.log
    assert (_ABORT in instance.log) is told


@pytest.mark.parametrize("name", TYPES)
def test_a_connectivity_test_may_try_the_role(local: RunningCloud, name: str) -> None:
    pipeline = Pipeline(local, example(name))
    pipeline.shop.local.cloud.state.ram.roles["OnboardRole"].attachments.clear()
    assert pipeline.connected().connect_status is True
    local.cloud.settings.connectivity_checks_role = True
    tested = pipeline.connected()
    assert tested.connect_status is False
    assert f"is not allowed to {pipeline.spec.source_type.ram_code}:" in tested.connect_message


@pytest.mark.parametrize("name", TYPES)
def test_a_permission_on_another_place_is_none(local: RunningCloud, name: str) -> None:
    pipeline = Pipeline(local, example(name))
    role = local.cloud.state.ram.roles["OnboardRole"]
    role.attachments.clear()
    elsewhere = policy_of(pipeline.spec.minimal_permissions()).replace("shop", "work")
    pipeline.shop.attach("Elsewhere", elsewhere, role="OnboardRole")
    instance = pipeline.run()
    assert instance.status == "FAILURE"
    assert "is not allowed to" in instance.log


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("loghub", "cn-hangzhou-intranet.log.aliyuncs.com"),
        ("tablestore", "shop-ots.cn-hangzhou.vpc.tablestore.aliyuncs.com"),
        ("hologres", "hgpostcn-cn-shop01"),
        ("adb_mysql", "am-shop01.cn-hangzhou-1.ads.aliyuncs.com"),
        ("adb_mysql_3", "am-shop01"),
    ],
)
def test_the_resource_group_must_reach_the_host(local: RunningCloud, name: str, host: str) -> None:
    pipeline = Pipeline(local, example(name))
    local.cloud.state.dataworks.resource_groups[0].reaches = ["*.maxcompute.aliyun.com"]
    for text in (pipeline.connected().connect_message, pipeline.run().log):
        assert f"connect to {host} timed out from resource group S_res_group_1001_1" in text
    local.cloud.state.dataworks.resource_groups[0].reaches = ["*.maxcompute.aliyun.com", host]
    assert pipeline.connected().connect_status is True
    assert pipeline.run().status == "SUCCESS"


def test_data_of_every_type_survives_saving(local: RunningCloud) -> None:
    for name in ("loghub", "tablestore", "hologres", "adb_mysql"):
        to_write(local, name, *TO_WRITE[name])
    saved = local.cloud.save()
    data = local.cloud.state.data.model_copy(deep=True)
    warehouse(local, "loghub").partitions.clear()
    local.cloud.state.data.log_projects.clear()
    local.cloud.load(saved)
    assert local.cloud.state.data == data
    assert warehouse(local, "loghub").partitions[PT] == TO_WRITE["loghub"]
