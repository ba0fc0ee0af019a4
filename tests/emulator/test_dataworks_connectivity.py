"""TestNetworkConnection: its order of decisions, its channels, and what it does not see."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from emulator.server import RunningCloud
from tests.emulator.clients import document, refused
from tests.emulator.shop import DEAF_GROUP, GROUP, RETAIL, SANDBOX, SCHEDULING_GROUP, Shop, role_content


def connection(shop: Shop, user: str = "alice", **changes: Any) -> Any:
    wanted = {"DatasourceName": "oss_src", "EnvType": "1", "ResourceGroup": GROUP, **changes}
    return shop.here("TestNetworkConnection", user, **wanted).task_list


def connect_status(shop: Shop) -> list[int]:
    return [one.connect_status for one in shop.here("ListDataSources", Name="oss_src").data.data_sources]


def test_a_reachable_data_source_is_shown_as_connected(local: RunningCloud) -> None:
    shop = Shop(local)
    shop.opened()
    assert connect_status(shop) == [2, 2]
    tested = connection(shop)
    assert (tested.connect_status, tested.connect_message) == (True, "")
    assert connect_status(shop) == [2, 1]


def test_a_changed_data_source_is_untested_again(local: RunningCloud) -> None:
    shop = Shop(local)
    source_id = shop.data_source(role_content(shop.role()))[1]
    connection(shop)
    shop.call("UpdateDataSource", DataSourceId=source_id, Content=role_content(shop.role_id))
    assert connect_status(shop) == [2, 2]


@pytest.mark.parametrize("group", ["S_res_group_9_9", SCHEDULING_GROUP])
def test_a_group_that_does_not_integrate_is_invalid(local: RunningCloud, group: str) -> None:
    shop = Shop(local)
    tested = connection(shop, ResourceGroup=group)
    assert (tested.connect_status, tested.connect_message) == (False, f"ResourceGroup:[{group}] is invalid")
    local.cloud.settings.invalid_resource_group_is_http_error = True
    with refused("Invalid.DI.Parameter", 400):
        connection(shop, ResourceGroup=group)


def test_a_group_of_another_workspace_is_invalid(local: RunningCloud) -> None:
    shop = Shop(local)
    shop.opened()
    local.cloud.state.dataworks.resource_groups[0].workspaces = [SANDBOX]
    assert connection(shop).connect_status is False
    local.cloud.state.dataworks.resource_groups[0].workspaces = [RETAIL]
    assert connection(shop).connect_status is True


def test_a_missing_data_source_is_an_http_error(local: RunningCloud) -> None:
    with refused("Invalid.DI.Parameter", 400):
        connection(Shop(local))


def test_a_caller_without_a_workspace_role_is_refused(local: RunningCloud) -> None:
    shop = Shop(local)
    shop.opened()
    shop.attach("MalloryWorks", document("dataworks:*"), user="mallory")
    with refused("Forbidden.DI.NoPrivilege", 403):
        connection(shop, "mallory")


@pytest.mark.parametrize("environment", ["2", "PROD"])
def test_the_environment_is_the_text_0_or_1(local: RunningCloud, environment: str) -> None:
    with refused("InvalidEnvType", 400):
        connection(Shop(local), EnvType=environment)


def test_a_group_without_network_says_why(local: RunningCloud) -> None:
    shop = Shop(local)
    shop.opened()
    tested = connection(shop, ResourceGroup=DEAF_GROUP)
    assert tested.connect_status is False
    assert f"timed out from resource group {DEAF_GROUP}" in tested.connect_message
    assert connect_status(shop) == [2, 2]


@pytest.mark.parametrize(
    ("endpoint", "reached"),
    [
        ("http://oss-cn-hangzhou.aliyuncs.com", True),
        ("http://oss-cn-hangzhou-internal.aliyuncs.com", True),
        ("http://oss.aliyuncs.com", True),
        ("https://oss-accelerate.aliyuncs.com", True),
        ("http://oss-cn-shanghai.aliyuncs.com", True),
        ("http://oss-cn-shanghai-internal.aliyuncs.com", False),
        # The trap: a bucket in the endpoint passes.
        ("http://shop-orders.oss-cn-hangzhou-internal.aliyuncs.com", True),
        ("http://oss-cn-hangzhou.example.com", False),
    ],
)
def test_endpoints_are_reached_by_region_and_name(local: RunningCloud, endpoint: str, reached: bool) -> None:
    shop = Shop(local)
    shop.opened(endpoint=endpoint)
    assert connection(shop).connect_status is reached


def test_a_group_reaches_the_hosts_of_its_patterns(local: RunningCloud) -> None:
    shop = Shop(local)
    content = {"jdbcUrl": "jdbc:mysql://db.shop.internal:3306/x", "username": "a", "password": "b"}
    shop.data_source(json.dumps(content), name="db", kind="mysql")
    group = local.cloud.state.dataworks.resource_groups[0]
    group.reaches = ["*.shop.internal"]
    assert connection(shop, DatasourceName="db").connect_status is True
    group.reaches = ["*.aliyuncs.com"]
    assert connection(shop, DatasourceName="db").connect_status is False


def test_the_role_is_tried_only_where_a_setting_says_so(local: RunningCloud) -> None:
    shop = Shop(local)
    shop.opened(actions=())
    assert connection(shop).connect_status is True
    local.cloud.settings.connectivity_checks_role = True
    tested = connection(shop)
    assert tested.connect_status is False
    assert "oss:GetBucketAcl" in tested.connect_message
    shop.attach("Acl", document("oss:GetBucketAcl"), role="OnboardRole")
    assert "oss:GetBucketInfo" in connection(shop).connect_message
    shop.attach("Info", document("oss:GetBucketInfo"), role="OnboardRole")
    assert connection(shop).connect_status is True


def test_a_test_takes_the_time_the_setting_says(local: RunningCloud) -> None:
    shop = Shop(local)
    shop.opened()
    local.cloud.settings.connectivity_seconds = 0.05
    started = time.monotonic()
    connection(shop)
    assert time.monotonic() - started >= 0.05


def test_the_message_of_success_is_a_setting_and_the_test_no_write(local: RunningCloud) -> None:
    shop = Shop(local)
    shop.opened()
    local.cloud.settings.connectivity_success_message = "Connectable"
    writes = len(local.cloud.journal.writes)
    assert connection(shop).connect_message == "Connectable"
    assert len(local.cloud.journal.writes) == writes
