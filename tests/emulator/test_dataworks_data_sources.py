"""Data sources: role mode and AccessKey mode, environments, PassRole at creation, lists and masks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from emulator.account import load_account
from emulator.sealed import SECRETS, seal
from emulator.server import RunningCloud
from tests.emulator.clients import refused
from tests.emulator.shop import ENDPOINT, RETAIL, SANDBOX, Shop, role_content

ROLE = {"authType": "RamRole"}
TYPES: list[tuple[str, dict[str, str], dict[str, str]]] = [
    ("oss", {"endpoint": ENDPOINT, "bucket": "shop-orders"}, {"accessId": "a", "accessKey": "b"}),
    ("holo", {"instanceId": "hgpost-cn-x", "database": "d"}, {"accessId": "a", "accessKey": "b"}),
    ("loghub", {"endpoint": "cn-hangzhou.log.aliyuncs.com", "project": "p"}, {"accessId": "a", "accessKey": "b"}),
    ("ots", {"endpoint": "http://i.cn-hangzhou.ots.aliyuncs.com", "instanceName": "i"}, {"accessId": "a", "accessKey": "b"}),
    ("ads", {"url": "ads-x.cn-hangzhou-1.ads.aliyuncs.com:3029", "schema": "s"}, {"username": "a", "password": "b"}),
    ("analyticdb_for_mysql", {"instanceId": "am-x", "database": "d"}, {"username": "a", "password": "b"}),
    ("odps", {"project": "retail"}, {"accessId": "a", "accessKey": "b"}),
    ("mysql", {"jdbcUrl": "jdbc:mysql://db.internal:3306/shop"}, {"username": "a", "password": "b"}),
]  # fmt: skip
CODES = [name for name, _, _ in TYPES]


def create(shop: Shop, kind: str, content: dict[str, Any] | str, **changes: Any) -> Any:
    text = content if isinstance(content, str) else json.dumps(content)
    wanted = {"Name": "src", "DataSourceType": kind, "EnvType": 1, "Content": text, **changes}
    return shop.here("CreateDataSource", **wanted)


@pytest.mark.parametrize(("kind", "location", "credentials"), TYPES, ids=CODES)
def test_credentials_are_kept_sealed_and_secrets_are_never_shown(
    local: RunningCloud, kind: str, location: dict[str, str], credentials: dict[str, str]
) -> None:
    shop = Shop(local)
    source_id = create(shop, kind, {**location, **credentials}).data
    (listed,) = shop.here("ListDataSources", Name="src").data.data_sources
    shown = json.loads(listed.content)
    assert listed.id == source_id
    assert {key: shown[key] for key in location} == location
    assert {key: shown[key] for key in credentials} == {
        key: "***" if key in SECRETS else value for key, value in credentials.items()
    }
    stored = next(one for one in local.cloud.state.dataworks.data_sources if one.id == source_id)
    kept = {key: seal(value) if key in SECRETS else value for key, value in credentials.items()}
    assert json.loads(stored.content) == {**location, **kept}


def test_ids_of_access_keys_are_masked_where_a_setting_says_so(local: RunningCloud) -> None:
    shop = Shop(local)
    kind, location, credentials = TYPES[0]
    create(shop, kind, {**location, **credentials})
    local.cloud.settings.access_key_ids_masked = True
    (listed,) = shop.here("ListDataSources", Name="src").data.data_sources
    assert json.loads(listed.content)["accessId"] == "***"


@pytest.mark.parametrize(("kind", "location", "credentials"), TYPES[:-1], ids=CODES[:-1])
def test_role_mode_is_accepted_with_the_roles_id(
    local: RunningCloud, kind: str, location: dict[str, str], credentials: dict[str, str]
) -> None:
    shop = Shop(local)
    role_id = shop.role()
    assert create(shop, kind, {**location, **ROLE, "authIdentity": role_id}).success is True


def test_a_database_login_has_no_role_mode(local: RunningCloud) -> None:
    with refused("InvalidContent", 400) as caught:
        create(Shop(local), "mysql", {"jdbcUrl": "jdbc:mysql://db/shop", **ROLE, "authIdentity": "1"})
    assert "has no role mode" in caught.value.message


@pytest.mark.parametrize(("kind", "location", "credentials"), TYPES[:-1], ids=CODES[:-1])
def test_role_and_credentials_exclude_each_other(
    local: RunningCloud, kind: str, location: dict[str, str], credentials: dict[str, str]
) -> None:
    shop = Shop(local)
    with refused("InvalidContent", 400) as caught:
        create(shop, kind, {**location, **credentials, **ROLE, "authIdentity": shop.role()})
    assert "exclude each other" in caught.value.message


@pytest.mark.parametrize(("kind", "location", "credentials"), TYPES, ids=CODES)
def test_every_location_key_is_needed(
    local: RunningCloud, kind: str, location: dict[str, str], credentials: dict[str, str]
) -> None:
    for key in location:
        rest = {name: value for name, value in location.items() if name != key}
        with refused("InvalidContent", 400) as caught:
            create(Shop(local), kind, {**rest, **credentials})
        assert key in caught.value.message


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "it is no JSON"),
        ("[]", "it must be a JSON object"),
        (json.dumps({"endpoint": ENDPOINT, "bucket": "b"}), "accessId, accessKey or authType RamRole"),
        (
            json.dumps({"endpoint": ENDPOINT, "bucket": "b", **ROLE, "authIdentity": "acs:ram::1:role/x"}),
            "numeric id",
        ),
        (json.dumps({"endpoint": ENDPOINT, "bucket": "b", **ROLE}), "numeric id"),
        (
            json.dumps({"endpoint": ENDPOINT, "bucket": "b", "authIdentity": "3"}),
            "authIdentity needs authType",
        ),
    ],
)
def test_malformed_content_is_refused_with_its_reason(local: RunningCloud, content: str, reason: str) -> None:
    with refused("InvalidContent", 400) as caught:
        create(Shop(local), "oss", content)
    assert reason in caught.value.message


def test_a_role_that_does_not_exist_is_refused(local: RunningCloud) -> None:
    with refused("DataSource.CheckRamRoleFailure", 400):
        create(Shop(local), "oss", role_content("300000000000009999"))


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("Name", "1st"), ("Name", "_a"), ("Name", "a-b"), ("Name", "a" * 256), ("EnvType", 2),
        ("DataSourceType", "floppy"), ("SubType", "mysql"),
    ],
)  # fmt: skip
def test_parameters_outside_their_rules_are_refused(
    local: RunningCloud, parameter: str, value: object
) -> None:
    with refused(f"Invalid{parameter}", 400):
        create(Shop(local), "oss", "{}", **{parameter: value})


def test_an_unknown_type_may_be_admitted(local: RunningCloud) -> None:
    local.cloud.settings.unknown_data_source_types_refused = False
    assert create(Shop(local), "floppy", "{}").success is True


def test_a_basic_workspace_has_no_development_environment(local: RunningCloud) -> None:
    shop = Shop(local, SANDBOX)
    with refused("InvalidEnvType", 400):
        create(shop, "oss", role_content(shop.role()), EnvType=0)


def test_a_name_is_taken_once_an_environment(local: RunningCloud) -> None:
    shop = Shop(local)
    content = role_content(shop.role())
    first, second = shop.data_source(content)
    assert first != second
    with refused("ConnectionAlreadyExist", 400, "Data source DEV oss_src already exists"):
        shop.data_source(content)


def test_the_creator_must_be_allowed_to_pass_the_role(local: RunningCloud) -> None:
    shop = Shop(local)
    content = role_content(shop.role())
    with refused("NoPermission", 403) as caught:
        shop.data_source(content, user="carol")
    assert caught.value.access_denied_detail["AuthAction"] == "ram:PassRole"
    assert local.cloud.state.dataworks.workspaces[RETAIL]
    assert shop.here("ListDataSources", Name="oss_src").data.total_count == 0
    shop.grant_pass_role("carol")
    assert len(shop.data_source(content, user="carol")) == 2


def test_pass_role_for_another_service_does_not_count(local: RunningCloud) -> None:
    shop = Shop(local)
    content = role_content(shop.role())
    statement = {
        "Effect": "Allow",
        "Action": "ram:PassRole",
        "Resource": "*",
        "Condition": {"StringEquals": {"acs:Service": "dataworks.aliyuncs.com"}},
    }
    shop.attach("Wrong", json.dumps({"Version": "1", "Statement": [statement]}), user="carol")
    with refused("NoPermission", 403):
        shop.data_source(content, user="carol")


def test_pass_role_at_creation_may_be_switched_off_and_its_code_changed(local: RunningCloud) -> None:
    shop = Shop(local)
    content = role_content(shop.role())
    local.cloud.settings.pass_role_denied_code = "Forbidden.DI.NoPrivilege"
    with refused("Forbidden.DI.NoPrivilege", 403):
        shop.data_source(content, user="carol")
    local.cloud.settings.pass_role_checked_at_creation = False
    assert len(shop.data_source(content, user="carol")) == 2


def test_trust_is_checked_at_creation_only_where_a_setting_says_so(local: RunningCloud) -> None:
    shop = Shop(local)
    trust = json.dumps(
        {
            "Version": "1",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": "sts:AssumeRole",
                    "Principal": {"Service": ["dataworks.aliyuncs.com"]},
                }
            ],
        }
    )
    content = role_content(shop.role(trust=trust))
    local.cloud.settings.trust_checked_at_creation = True
    with refused("DataSource.CheckRamRoleFailure", 400):
        shop.data_source(content)
    local.cloud.settings.trust_checked_at_creation = False
    assert len(shop.data_source(content)) == 2


@pytest.mark.parametrize(("replaces", "kept"), [(True, False), (False, True)])
def test_an_update_replaces_or_merges_content(local: RunningCloud, replaces: bool, kept: bool) -> None:
    shop = Shop(local)
    local.cloud.settings.update_replaces_content = replaces
    content = role_content(shop.role())
    source_id, _ = shop.data_source(content)
    changed = role_content(shop.role_id, regionId=None, endpoint="http://oss-cn-hangzhou.aliyuncs.com")
    assert shop.call("UpdateDataSource", DataSourceId=source_id, Content=changed).data is True
    listed = shop.here("ListDataSources", Name="oss_src", EnvType=0).data.data_sources[0]
    shown = json.loads(listed.content)
    assert shown["endpoint"] == "http://oss-cn-hangzhou.aliyuncs.com"
    assert ("regionId" in shown) is kept


def test_an_update_asks_for_pass_role_too(local: RunningCloud) -> None:
    shop = Shop(local)
    content = role_content(shop.role())
    source_id, _ = shop.data_source(content)
    with refused("NoPermission", 403):
        shop.call("UpdateDataSource", "carol", DataSourceId=source_id, Content=content)
    assert (
        shop.call("UpdateDataSource", "carol", DataSourceId=source_id, Description="text only").data is True
    )


def test_an_update_does_not_move_a_data_source(local: RunningCloud) -> None:
    shop = Shop(local)
    source_id, _ = shop.data_source(role_content(shop.role()))
    with refused("InvalidEnvType", 400):
        shop.call("UpdateDataSource", DataSourceId=source_id, EnvType=1)


def test_a_deleted_data_source_is_gone(local: RunningCloud) -> None:
    shop = Shop(local)
    source_id, _ = shop.data_source(role_content(shop.role()))
    assert shop.call("DeleteDataSource", DataSourceId=source_id).data is True
    with refused("Invalid.Tenant.ConnectionNotExists", 400, "The connection does not exist."):
        shop.call("DeleteDataSource", DataSourceId=source_id)
    assert shop.here("ListDataSources", Name="oss_src").data.total_count == 1


@pytest.mark.parametrize("action", ["UpdateDataSource", "DeleteDataSource"])
def test_a_compute_engines_data_source_cannot_be_changed(local: RunningCloud, action: str) -> None:
    shop = Shop(local)
    engine = shop.here("ListDataSources", Name="odps_first").data.data_sources[0]
    with refused("ResourceNotAuthorized.Api", 403):
        shop.call(action, DataSourceId=engine.id)


@pytest.mark.parametrize(("fuzzy", "names"), [(True, ["oss_src", "oss_src_two"]), (False, ["oss_src"])])
def test_the_name_filter_is_fuzzy_or_exact(local: RunningCloud, fuzzy: bool, names: list[str]) -> None:
    shop = Shop(local)
    local.cloud.settings.name_filter_is_fuzzy = fuzzy
    content = role_content(shop.role())
    shop.data_source(content)
    shop.data_source(content, name="oss_src_two")
    listed = shop.here("ListDataSources", Name="oss_src", EnvType=1).data.data_sources
    assert [one.name for one in listed] == names


def test_lists_are_filtered_and_paged(local: RunningCloud) -> None:
    shop = Shop(local)
    shop.data_source(role_content(shop.role()))
    assert shop.here("ListDataSources", DataSourceType="oss").data.total_count == 2
    assert shop.here("ListDataSources", EnvType=0).data.total_count == 2
    assert shop.here("ListDataSources", Status="DISABLED").data.total_count == 0
    page = shop.here("ListDataSources", PageSize=3, PageNumber=2).data
    assert (page.total_count, len(page.data_sources)) == (4, 1)
    with refused("InvalidStatus", 400):
        shop.here("ListDataSources", Status="ASLEEP")


def test_ids_repeat_after_a_reset(local: RunningCloud) -> None:
    shop = Shop(local)
    first = shop.data_source(role_content(shop.role()))
    local.cloud.reset()
    local.cloud.settings.enforce_rates = False
    assert shop.data_source(role_content(shop.role())) == first
    assert load_account().state.dataworks.data_sources[0].name == "odps_first"
