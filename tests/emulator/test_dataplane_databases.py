"""Hologres and AnalyticDB for MySQL: grants and logins beside RAM, write modes, partitions, dirty records."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from config.run_failures import classify
from emulator.server import RunningCloud
from emulator.state import Instance
from emulator.state_data import HologresDatabase, Privilege, SqlTable
from tests.emulator.clients import document, refused
from tests.emulator.shop import Shop
from tests.emulator.sources import Pipeline, arrived, example, to_write, writing

HOLO_LOCATION = {"instanceId": "hgpostcn-cn-shop01", "database": "shop", "regionId": "cn-hangzhou"}


def database(local: RunningCloud) -> HologresDatabase:
    return local.cloud.state.data.hologres["hgpostcn-cn-shop01"].databases["shop"]


def holo_orders(local: RunningCloud) -> SqlTable:
    return database(local).tables["public.orders"]


def adb_orders(local: RunningCloud) -> SqlTable:
    return local.cloud.state.data.analyticdb["am-shop01"].databases["shop"].tables["orders"]


def failed(pipeline: Pipeline, instance: Instance, words: str, *, known: bool = True) -> None:
    """The run failed with these words; ``known`` where the source type has a row for it."""
    assert instance.status == "FAILURE"
    assert words in instance.log
    refusals = pipeline.spec.source_type.refusals
    assert (classify(instance.log, refusals) in refusals) is known


# -- grants inside Hologres ----------------------------------------------------------------------------


def test_reading_needs_a_grant_where_the_setting_says_so(local: RunningCloud) -> None:
    pipeline = Pipeline(local, example("hologres"))
    local.cloud.settings.hologres_grants_to_any_role = False
    user = f"v4_{pipeline.shop.role_id}"
    failed(pipeline, pipeline.run(), f'permission denied for table orders: "{user}" is not known')
    database(local).users[user] = {"public.orders": ["INSERT"]}
    failed(pipeline, pipeline.run(), f'permission denied for table orders: "{user}" has no SELECT')
    database(local).users[user] = {"public.*": ["SELECT"]}
    assert pipeline.run().status == "SUCCESS"


@pytest.mark.parametrize(
    ("writer", "privileges"),
    [
        ({"conflictMode": "ignore", "truncate": False}, ["INSERT"]),
        ({"conflictMode": "update", "truncate": False}, ["INSERT", "UPDATE"]),
        ({"conflictMode": "replace", "truncate": True}, ["INSERT", "UPDATE", "TRUNCATE"]),
    ],
)
def test_writing_needs_the_privileges_of_its_mode(
    local: RunningCloud, writer: dict[str, Any], privileges: list[Privilege]
) -> None:
    to_write(local, "hologres", ["1", "sofa"])
    pipeline = Pipeline(local, writing("hologres", **writer))
    local.cloud.settings.hologres_grants_to_any_role = False
    grants = database(local).users.setdefault(f"v4_{pipeline.shop.role_id}", {})
    for missing in privileges:
        grants["public.orders"] = [one for one in privileges if one != missing]
        failed(pipeline, pipeline.run(), f"has no {missing}")
    assert [row[1] for row in holo_orders(local).rows] == ["lamp", "table", "chair"]
    grants["public.orders"] = privileges
    assert pipeline.run().status == "SUCCESS"


def test_development_uses_the_executors_own_account(local: RunningCloud) -> None:
    pipeline = Pipeline(local, example("hologres"))
    cloud = local.cloud
    assert pipeline.run("DEV", "erin").status == "SUCCESS"  # no PassRole is asked for
    cloud.settings.hologres_grants_to_any_role = False
    user = f"p4_{cloud.state.ram.users['erin'].id}"
    failed(pipeline, pipeline.run("DEV", "erin"), f'permission denied for table orders: "{user}"')
    database(local).users[user] = {"public.orders": ["SELECT"]}
    assert pipeline.run("DEV", "erin").status == "SUCCESS"
    cloud.settings.hologres_accounts_need_ram = True
    failed(pipeline, pipeline.run("DEV", "erin"), "user erin is not allowed to hologram:GetInstance")
    pipeline.shop.attach("ErinSees", document("hologram:GetInstance", "hologram:ListWarehouses"), user="erin")
    assert pipeline.run("DEV", "erin").status == "SUCCESS"


@pytest.mark.parametrize(
    ("changes", "holder"),
    [({"authType": "PrimaryAccount"}, "account root"), ({"authType": "SubAccount"}, "user mallory")],
)
def test_production_may_use_an_account(local: RunningCloud, changes: dict[str, str], holder: str) -> None:
    pipeline = Pipeline(local, example("hologres"))
    cloud = local.cloud
    mallory = cloud.state.ram.users["mallory"].id
    content = {**HOLO_LOCATION, **changes, "authIdentity": mallory}
    (source,) = [
        one for one in cloud.state.dataworks.data_sources if (one.type, one.environment) == ("holo", 1)
    ]
    pipeline.shop.call("UpdateDataSource", DataSourceId=source.id, Content=json.dumps(content))
    cloud.settings.hologres_grants_to_any_role = False
    database(local).users[f"p4_{mallory}"] = {"public.orders": ["SELECT"]}
    instance = pipeline.run(user="erin")
    assert instance.status == "SUCCESS"
    assert f"with {holder}" in instance.log


@pytest.mark.parametrize(("environment", "mode"), [(1, "Executor"), (0, "RamRole"), (0, "PrimaryAccount")])
def test_modes_belong_to_environments(local: RunningCloud, environment: int, mode: str) -> None:
    shop = Shop(local)
    content = json.dumps({**HOLO_LOCATION, "authType": mode, "authIdentity": shop.role()})
    wanted = {"Name": "h", "DataSourceType": "holo", "EnvType": environment, "Content": content}
    with refused("InvalidContent", 400) as caught:
        shop.here("CreateDataSource", **wanted)
    assert "environment has authType" in caught.value.message
    local.cloud.settings.hologres_modes_by_environment = False
    assert shop.here("CreateDataSource", **wanted).success is True


# -- Hologres tables -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("writer", "rows"),
    [
        ({"conflictMode": "ignore"}, [["1", "lamp", "a"], ["2", "table", "b"], ["9", "sofa", None]]),
        ({"conflictMode": "replace"}, [["1", "new", None], ["2", "table", "b"], ["9", "sofa", None]]),
        ({"conflictMode": "update"}, [["1", "new", "a"], ["2", "table", "b"], ["9", "sofa", None]]),
        ({"conflictMode": "ignore", "truncate": True}, [["1", "new", None], ["9", "sofa", None]]),
    ],
)
def test_conflict_modes_and_truncate(
    local: RunningCloud, writer: dict[str, Any], rows: list[list[str | None]]
) -> None:
    table = holo_orders(local)
    table.columns, table.rows = {**table.columns, "note": "TEXT"}, [["1", "lamp", "a"], ["2", "table", "b"]]
    to_write(local, "hologres", ["1", "new"], ["9", "sofa"])
    instance = Pipeline(local, writing("hologres", **{"truncate": False, **writer})).run()
    assert (instance.status, instance.records_written) == ("SUCCESS", 2)
    assert holo_orders(local).rows == rows


def partitioned(local: RunningCloud) -> SqlTable:
    """The orders as a table with one partition a day."""
    table = holo_orders(local)
    table.columns, table.partition_column = {**table.columns, "ds": "TEXT"}, "ds"
    table.primary_key = ["id", "ds"]
    table.rows = [["1", "lamp", "1"], ["2", "table", "2"]]
    return table


def test_a_partition_is_read_apart(local: RunningCloud) -> None:
    partitioned(local)
    assert Pipeline(local, example("hologres"), partition="ds='2'").run().status == "SUCCESS"
    assert arrived(local, "hologres") == [["2", "table"]]


def test_a_partition_is_replaced_apart(local: RunningCloud) -> None:
    table = partitioned(local)
    to_write(local, "hologres", ["1", "new"])
    assert Pipeline(local, writing("hologres", partition="ds=2")).run().status == "SUCCESS"
    assert table.rows == [["1", "lamp", "1"], ["1", "new", "2"]]


def test_a_partitioned_table_needs_a_partition(local: RunningCloud) -> None:
    partitioned(local)
    pipeline = Pipeline(local, example("hologres"))
    failed(pipeline, pipeline.run(), "has the partition column ds", known=False)


@pytest.mark.parametrize(
    ("changes", "words", "known"),
    [
        ({"where": "id > 1"}, "does not implement the where clause", False),
        ({"table": "nothing"}, 'relation "public.nothing" does not exist', True),
        ({"table": "other.orders"}, 'relation "other.orders" does not exist', True),
        ({"selectedDatabase": "other"}, 'relation "other.orders" does not exist', True),
        ({"column": ["id", "price"]}, 'column "price" of relation "public.orders" does not exist', True),
        ({"partition": "ds=1"}, "the task names partition 'ds=1', table public.orders has none", False),
    ],
)
def test_what_a_hologres_reader_cannot_do_is_said(
    local: RunningCloud, changes: dict[str, Any], words: str, known: bool
) -> None:
    pipeline = Pipeline(local, example("hologres"), **changes)
    failed(pipeline, pipeline.run(), words, known=known)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"conflictMode": "merge"}, "unknown conflictMode 'merge'"),
        ({"writeMode": "copy"}, "unknown writeMode 'copy'"),
        ({"column": ["title", "title"]}, "column must hold the primary key; id is missing"),
    ],
)
def test_what_a_hologres_writer_cannot_do_is_said(
    local: RunningCloud, changes: dict[str, Any], words: str
) -> None:
    pipeline = Pipeline(local, writing("hologres"), **changes)
    to_write(local, "hologres", ["1", "new"])
    failed(pipeline, pipeline.run(), words, known=False)


def test_an_instance_or_database_that_is_not_there_is_named(local: RunningCloud) -> None:
    pipeline = Pipeline(local, example("hologres"))
    instance = local.cloud.state.data.hologres["hgpostcn-cn-shop01"]
    instance.databases["other"] = instance.databases.pop("shop")
    failed(pipeline, pipeline.run(), 'database "shop" does not exist')
    instance.region = "cn-shanghai"
    failed(pipeline, pipeline.run(), "Instance does not exist: hgpostcn-cn-shop01")


# -- AnalyticDB for MySQL ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "setting"), [("adb_mysql", "adb2_accepts_role"), ("adb_mysql_3", "adb3_accepts_role")]
)
def test_whether_a_role_is_a_login_is_a_setting(local: RunningCloud, name: str, setting: str) -> None:
    assert local.cloud.settings.adb3_accepts_role is False
    pipeline = Pipeline(local, example(name))
    assert pipeline.run().status == "SUCCESS"
    setattr(local.cloud.settings, setting, False)
    failed(
        pipeline,
        pipeline.run(),
        "Access denied for user 'OnboardRole' (using password: NO): a database account",
    )


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("ads", {"url": "am-shop01.cn-hangzhou-1.ads.aliyuncs.com:3029", "schema": "shop"}),
        ("analyticdb_for_mysql", {"instanceId": "am-shop01", "database": "shop"}),
        ("analyticdb_for_mysql", {"connectionString": "adb.shop.internal:3306", "database": "shop"}),
    ],
)
@pytest.mark.parametrize(
    ("account", "password", "accepted"),
    [
        ("shop_reader", "local-secret-shop-reader", True),
        ("shop_reader", "wrong-secret-text", False),
        ("nobody", "local-secret-shop-reader", False),
    ],
)
def test_a_database_account_logs_in_with_its_password(
    local: RunningCloud, kind: str, place: dict[str, str], account: str, password: str, accepted: bool
) -> None:
    pipeline = Pipeline(local, example("adb_mysql" if kind == "ads" else "adb_mysql_3"))
    local.cloud.state.data.analyticdb["am-shop01"].addresses = ["adb.shop.internal"]
    for source in local.cloud.state.dataworks.data_sources:
        if source.type == kind:
            content = json.dumps({**place, "username": account, "password": password})
            pipeline.shop.call("UpdateDataSource", DataSourceId=source.id, Content=content)
    instance = pipeline.run(user="erin")
    assert (instance.status == "SUCCESS") is accepted
    assert password not in instance.log
    if not accepted:
        failed(pipeline, instance, f"Access denied for user '{account}' (using password: YES)")


@pytest.mark.parametrize(
    ("name", "writer", "rows"),
    [
        ("adb_mysql", {"writeMode": "insert"}, [["1", "5", None], ["2", "20", "b"], ["9", "9", None]]),
        ("adb_mysql", {"writeMode": "load", "overWrite": "false"}, [["1", "5", None], ["2", "20", "b"], ["9", "9", None]]),
        ("adb_mysql", {"writeMode": "load", "overWrite": "true"}, [["1", "5", None], ["9", "9", None]]),
        ("adb_mysql_3", {"writeMode": "insert"}, [["1", "10", "a"], ["2", "20", "b"], ["9", "9", None]]),
        ("adb_mysql_3", {"writeMode": "replace"}, [["1", "5", None], ["2", "20", "b"], ["9", "9", None]]),
        ("adb_mysql_3", {"writeMode": "update"}, [["1", "5", "a"], ["2", "20", "b"], ["9", "9", None]]),
    ],
)  # fmt: skip
def test_write_modes_of_both_versions(
    local: RunningCloud, name: str, writer: dict[str, Any], rows: list[list[str | None]]
) -> None:
    table = adb_orders(local)
    table.columns, table.rows = {**table.columns, "note": "VARCHAR(10)"}, [["1", "10", "a"], ["2", "20", "b"]]
    to_write(local, name, ["1", "5"], ["9", "9"])
    instance = Pipeline(local, writing(name, **writer)).run()
    assert (instance.status, instance.records_written) == ("SUCCESS", 2)
    assert adb_orders(local).rows == rows


def test_values_that_do_not_fit_are_dirty(local: RunningCloud) -> None:
    adb_orders(local).columns["amount"] = "DECIMAL(10, 2)"
    to_write(local, "adb_mysql", ["7", "much"], ["x", "1"], [None, "1"], ["8", None])
    instance = Pipeline(local, writing("adb_mysql"), limit="3").run()
    assert (instance.status, instance.records_read, instance.records_written) == ("SUCCESS", 4, 1)
    assert "Read/write failures     : 3" in instance.log
    assert adb_orders(local).rows[-1] == ["8", None]


def test_a_table_without_a_key_takes_every_row(local: RunningCloud) -> None:
    adb_orders(local).primary_key = []
    adb_orders(local).columns["amount"] = "BOOLEAN"
    to_write(local, "adb_mysql", ["1", "TRUE"], ["1", "false"], ["1", "maybe"])
    instance = Pipeline(local, writing("adb_mysql"), limit="1").run()
    assert instance.records_written == 2
    assert adb_orders(local).rows[2:] == [["1", "true"], ["1", "false"]]


def test_a_limit_and_a_star(local: RunningCloud) -> None:
    spec = example("adb_mysql", sync_task__reader={"table": "shop.orders", "column": ["*"], "limit": 1})
    instance = Pipeline(local, spec).run()
    assert (instance.records_read, arrived(local, "adb_mysql")) == (1, [["1", "10.5"]])


@pytest.mark.parametrize(
    ("name", "changes", "words", "known"),
    [
        ("adb_mysql", {"where": "id > 1"}, "does not implement the where clause", False),
        ("adb_mysql", {"mode": "ODPS"}, "does not implement mode ODPS", False),
        ("adb_mysql", {"table": "nothing"}, "Table 'shop.nothing' doesn't exist", True),
        ("adb_mysql_3", {"table": "other.orders"}, "Unknown database 'other'", True),
        ("adb_mysql_3", {"column": ["id", "price"]}, "Unknown column 'price' in 'shop.orders'", True),
        ("adb_mysql_3", {"splitPk": "price"}, "Unknown column 'price' in 'shop.orders'", True),
    ],
)
def test_what_an_analyticdb_reader_cannot_do_is_said(
    local: RunningCloud, name: str, changes: dict[str, Any], words: str, known: bool
) -> None:
    pipeline = Pipeline(local, example(name), **changes)
    failed(pipeline, pipeline.run(), words, known=known)


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("adb_mysql", {"writeMode": "merge"}, "unknown writeMode 'merge'"),
        ("adb_mysql", {"batchSize": "none"}, "the parameter batchSize must be a whole number"),
        ("adb_mysql_3", {"writeMode": "merge"}, "unknown writeMode 'merge'"),
        ("adb_mysql_3", {"preSql": ["TRUNCATE TABLE orders"]}, "does not implement preSql"),
        ("adb_mysql_3", {"postSql": ["ANALYZE TABLE orders"]}, "does not implement postSql"),
    ],
)
def test_what_an_analyticdb_writer_cannot_do_is_said(
    local: RunningCloud, name: str, changes: dict[str, Any], words: str
) -> None:
    to_write(local, name, ["1", "5"])
    pipeline = Pipeline(local, writing(name), **changes)
    failed(pipeline, pipeline.run(), words, known=False)
    assert adb_orders(local).rows == [["1", "10.5"], ["2", "20.0"]]


def test_a_cluster_that_is_not_there_is_named(local: RunningCloud) -> None:
    pipeline = Pipeline(local, example("adb_mysql"))
    local.cloud.state.data.analyticdb.clear()
    failed(pipeline, pipeline.run(), "404 InvalidDBCluster.NotFound: am-shop01", known=False)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"columns": {"a": "INT"}, "primary_key": ["b"]}, "key or partition column 'b' is no column"),
        ({"columns": {"a": "INT"}, "partition_column": "ds"}, "column 'ds' is no column"),
        ({"columns": {"a": "INT"}, "rows": [["1", "2"]]}, "a row must have 1 values"),
        ({"columns": {}}, "at least 1 item"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(value: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SqlTable.model_validate(value)
