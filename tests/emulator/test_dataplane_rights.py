"""What a run needs: PassRole of its executor, the role's trust, each action on data, and the network."""

from __future__ import annotations

import json

import pytest

from emulator.server import RunningCloud
from emulator.settings import Executor
from emulator.state import Instance
from tests.emulator.clients import document
from tests.emulator.shop import (
    LOOK_ACTIONS,
    PT,
    READ_ACTIONS,
    ROWS,
    WRITE_ACTIONS,
    Shop,
    odps_reader,
    oss_writer,
    role_content,
    task,
)


def failed(instance: Instance, *words: str) -> None:
    """The instance failed, and its log says why."""
    assert instance.status == "FAILURE"
    for word in words:
        assert word in instance.log


# -- PassRole ------------------------------------------------------------------------------------------


def test_the_caller_of_a_run_needs_pass_role(local: RunningCloud) -> None:
    shop = Shop(local)
    shop.opened()
    node = shop.published()
    failed(shop.smoke(node, user="erin"), "ram:PassRole", "erin is not authorized to pass role")
    shop.grant_pass_role("erin")
    assert shop.smoke(node, user="erin").status == "SUCCESS"
    shop.detach_pass_role("erin")
    failed(shop.smoke(node, user="erin"), "ram:PassRole")


def test_the_owner_may_be_the_executor(local: RunningCloud) -> None:
    shop = Shop(local)
    local.cloud.settings.executor = Executor.OWNER
    shop.opened()
    dave = local.cloud.state.ram.users["dave"].id
    node = shop.published(Owner=dave)
    failed(shop.smoke(node, user="alice"), "dave is not authorized to pass role")
    shop.grant_pass_role("dave")
    assert shop.smoke(node, user="erin").status == "SUCCESS"


def test_a_grant_to_a_group_counts(local: RunningCloud) -> None:
    shop = Shop(local)
    shop.opened()
    shop.grant_pass_role("carol")
    policy = local.cloud.state.ram.users["carol"].attachments.pop()
    local.cloud.state.ram.groups["data-platform"].attachments.append(policy)
    node = shop.published()
    assert shop.smoke(node, user="erin").status == "SUCCESS"
    failed(shop.smoke(node, user="carol"), "ram:PassRole")


def test_pass_role_at_the_run_may_be_switched_off(local: RunningCloud) -> None:
    shop = Shop(local)
    local.cloud.settings.pass_role_checked_at_run = False
    shop.opened()
    assert shop.smoke(shop.published(), user="erin").status == "SUCCESS"


def test_an_executor_who_is_gone_cannot_pass_a_role(local: RunningCloud) -> None:
    shop = Shop(local)
    local.cloud.settings.executor = Executor.OWNER
    shop.opened()
    dave = local.cloud.state.ram.users["dave"].id
    node = shop.published(Owner=dave)
    del local.cloud.state.ram.users["dave"]
    failed(shop.smoke(node), f"the executor {dave} does not exist any more")


# -- the role ------------------------------------------------------------------------------------------


def trust(principal: dict[str, list[str]], effect: str = "Allow") -> str:
    statement = {"Effect": effect, "Action": "sts:AssumeRole", "Principal": principal}
    return json.dumps({"Version": "1", "Statement": [statement]})


@pytest.mark.parametrize(
    "principal",
    [
        {"Service": ["dataworks.aliyuncs.com"]},
        {"Service": ["oss.aliyuncs.com"]},
        {"Service": ["9999@di.dataworks.aliyuncs.com"]},
        {"RAM": ["acs:ram::1234567890123456:root"]},
    ],
)
def test_a_role_that_does_not_trust_data_integration_fails_the_run(
    local: RunningCloud, principal: dict[str, list[str]]
) -> None:
    shop = Shop(local)
    shop.data_source(role_content(shop.role(trust=trust(principal))))
    instance = shop.smoke(shop.published())
    failed(
        instance,
        "sts:AssumeRole on acs:ram::1234567890123456:role/onboardrole refused",
        "di.dataworks.aliyuncs.com",
    )
    assert shop.rows() == []


def test_a_role_made_anew_has_another_id(local: RunningCloud) -> None:
    shop = Shop(local)
    shop.opened()
    node = shop.published()
    old = local.cloud.state.ram.roles.pop("OnboardRole")
    local.cloud.state.ram.policies.pop("OnboardRoleData")
    shop.role()
    failed(shop.smoke(node), f"role id {old.id}, which no role of the account has")


@pytest.mark.parametrize("missing", READ_ACTIONS)
def test_a_missing_reading_action_is_named(local: RunningCloud, missing: str) -> None:
    shop = Shop(local)
    shop.opened(actions=[action for action in READ_ACTIONS if action != missing])
    instance = shop.smoke(shop.published())
    failed(
        instance,
        "OSS answered 403 AccessDenied",
        f"not allowed to {missing} on acs:oss:*:1234567890123456:shop-orders",
    )
    assert shop.rows() == []


def test_the_first_look_may_be_switched_off(local: RunningCloud) -> None:
    shop = Shop(local)
    local.cloud.settings.runs_look_first = False
    shop.opened(actions=[action for action in READ_ACTIONS if action not in LOOK_ACTIONS])
    assert shop.smoke(shop.published()).status == "SUCCESS"


@pytest.mark.parametrize("missing", WRITE_ACTIONS)
def test_a_missing_writing_action_is_named(local: RunningCloud, missing: str) -> None:
    shop = Shop(local)
    shop.opened(actions=[action for action in WRITE_ACTIONS if action != missing])
    objects = local.cloud.state.data.buckets["shop-orders"].objects
    local.cloud.state.data.maxcompute["retail"].tables["ods_orders"].partitions[PT] = [[*row] for row in ROWS]
    content = task(odps_reader(), oss_writer(object="export/part"))
    objects["export/part-old"] = "stale"
    instance = shop.smoke(shop.published(content))
    failed(instance, f"not allowed to {missing} on acs:oss:*:1234567890123456:shop-orders")
    shop.attach("Rest", document(missing), role="OnboardRole")
    assert shop.smoke(instance.node).status == "SUCCESS"


@pytest.mark.parametrize(("prefix", "status"), [("orders/*", "SUCCESS"), ("other/*", "FAILURE")])
def test_a_policy_may_be_limited_to_a_prefix(local: RunningCloud, prefix: str, status: str) -> None:
    shop = Shop(local)
    role_id = shop.role(actions=())
    statements = [
        {
            "Effect": "Allow",
            "Action": "oss:ListObjects",
            "Resource": "acs:oss:*:*:shop-orders",
            "Condition": {"StringLike": {"oss:Prefix": prefix}},
        },
        {"Effect": "Allow", "Action": "oss:GetObject", "Resource": f"acs:oss:*:*:shop-orders/{prefix}"},
        {"Effect": "Allow", "Action": list(LOOK_ACTIONS), "Resource": "acs:oss:*:*:shop-orders"},
    ]
    shop.attach("Prefix", json.dumps({"Version": "1", "Statement": statements}), role="OnboardRole")
    shop.data_source(role_content(role_id))
    instance = shop.smoke(shop.published())
    assert instance.status == status
    assert ("oss:Prefix" in instance.log) is (status == "FAILURE")


def test_a_deny_beats_an_allow(local: RunningCloud) -> None:
    shop = Shop(local)
    shop.opened(actions=["oss:*"])
    shop.attach("No", document("oss:GetObject", effect="Deny"), role="OnboardRole")
    failed(shop.smoke(shop.published()), "explicit deny", "oss:GetObject")


def test_a_change_counts_when_it_has_propagated(local: RunningCloud) -> None:
    shop = Shop(local)
    shop.opened(actions=())
    node = shop.published()
    local.cloud.settings.authorization_lag_seconds = 60
    shop.attach("Late", document(*READ_ACTIONS), role="OnboardRole")
    failed(shop.smoke(node), "oss:GetBucketAcl")
    local.cloud.clock.advance(61)
    assert shop.smoke(node).status == "SUCCESS"


# -- AccessKeys ----------------------------------------------------------------------------------------


def key_content(key: str, secret: str) -> str:
    return role_content("", authType=None, authIdentity=None, accessId=key, accessKey=secret)


def test_an_access_key_has_its_owners_rights(local: RunningCloud) -> None:
    shop = Shop(local)
    shop.data_source(key_content("LTAIlocalMallory", "local-secret-mallory"))
    node = shop.published()
    failed(shop.smoke(node, user="erin"), "user mallory is not allowed to oss:GetBucketAcl")
    shop.attach("MalloryReads", document(*READ_ACTIONS), user="mallory")
    assert shop.smoke(node, user="erin").status == "SUCCESS"


@pytest.mark.parametrize(
    ("key", "secret", "code"),
    [
        ("LTAInobody", "x", "InvalidAccessKeyId.NotFound"),
        ("LTAIlocalMallory", "wrong-secret-text", "SignatureDoesNotMatch"),
    ],
)
def test_a_wrong_access_key_fails_without_its_secret_in_the_log(
    local: RunningCloud, key: str, secret: str, code: str
) -> None:
    shop = Shop(local)
    shop.data_source(key_content(key, secret))
    instance = shop.smoke(shop.published())
    failed(instance, code)
    assert "wrong-secret-text" not in instance.log


# -- network and endpoint ------------------------------------------------------------------------------


def test_the_tasks_group_must_reach_the_source(local: RunningCloud) -> None:
    shop = Shop(local)
    shop.opened()
    node = shop.published()
    local.cloud.state.dataworks.resource_groups[0].reaches = ["*.maxcompute.aliyun.com"]
    failed(shop.smoke(node), "ConnectTimeout", "oss-cn-hangzhou-internal.aliyuncs.com")
    local.cloud.state.dataworks.resource_groups[0].type = 7
    failed(shop.smoke(node), "ResourceGroup:[S_res_group_1001_1] is invalid.")


def test_a_bucket_in_the_endpoint_passes_the_test_and_fails_the_run(local: RunningCloud) -> None:
    shop = Shop(local)
    shop.opened(endpoint="http://shop-orders.oss-cn-hangzhou-internal.aliyuncs.com")
    tested = shop.here(
        "TestNetworkConnection", DatasourceName="oss_src", EnvType="1", ResourceGroup="S_res_group_1001_1"
    )
    assert tested.task_list.connect_status is True
    failed(
        shop.smoke(shop.published()),
        "UnknownHostException",
        "shop-orders.shop-orders.oss-cn-hangzhou-internal.aliyuncs.com",
    )


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        (
            "http://oss-cn-shanghai-internal.aliyuncs.com",
            "an internal endpoint is reached from cn-shanghai only",
        ),
        ("http://oss-cn-shanghai.aliyuncs.com", "must be addressed using the specified endpoint"),
        ("http://oss-cn-hangzhou.example.com", "UnknownHostException"),
    ],
)
def test_an_endpoint_elsewhere_fails_the_run(local: RunningCloud, endpoint: str, words: str) -> None:
    shop = Shop(local)
    shop.opened(endpoint=endpoint)
    failed(shop.smoke(shop.published()), words)


@pytest.mark.parametrize("endpoint", ["http://oss.aliyuncs.com", "http://oss-accelerate.aliyuncs.com/"])
def test_endpoints_that_serve_the_region_work(local: RunningCloud, endpoint: str) -> None:
    shop = Shop(local)
    shop.opened(endpoint=endpoint)
    assert shop.smoke(shop.published()).status == "SUCCESS"


def test_a_bucket_that_is_not_there_is_named(local: RunningCloud) -> None:
    shop = Shop(local)
    shop.opened(bucket="nobodys-bucket")
    failed(shop.smoke(shop.published()), "404 NoSuchBucket", "nobodys-bucket")


# -- environments --------------------------------------------------------------------------------------


def test_each_environment_uses_its_own_data_source(local: RunningCloud) -> None:
    shop = Shop(local)
    role_id = shop.role()
    for environment, bucket in ((0, "nobodys-bucket"), (1, "shop-orders")):
        content = role_content(role_id, bucket=bucket)
        shop.here(
            "CreateDataSource", Name="oss_src", DataSourceType="oss", EnvType=environment, Content=content
        )
    node = shop.published()
    failed(shop.smoke(node, "DEV"), "NoSuchBucket")
    assert shop.smoke(node, "PROD").status == "SUCCESS"
    assert (shop.rows("retail_dev"), shop.rows("retail")) == ([], ROWS)


def test_a_deleted_production_source_fails_production_runs_only(local: RunningCloud) -> None:
    shop = Shop(local)
    _, production = shop.data_source(role_content(shop.role()))
    node = shop.published()
    shop.call("DeleteDataSource", DataSourceId=production)
    failed(shop.smoke(node, "PROD"), "data source oss_src does not exist in environment PROD")
    assert shop.smoke(node, "DEV").status == "SUCCESS"
