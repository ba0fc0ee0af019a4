"""AnalyticDB for MySQL 2.0 and 3.0: rules of the specification, permissions, Content, steps, warnings."""

from __future__ import annotations

from typing import Any

import pytest

from config.load import parse_spec
from config.personas import Persona
from config.run_failures import classify
from config.sources import get_source_type
from config.sources.adb_mysql import ADB_2, ADB_3
from config.sources.base import Access, Environment
from tests.config.source_specs import actions, example_of, found, spec_of, writing_of
from tests.config.specs import MISSING

ADB = get_source_type("adb_mysql")
HOST = "am-shop01.cn-hangzhou-1.ads.aliyuncs.com:3029"
CLUSTER = {"acs:adb:*:*:dbcluster/am-shop01"}
V3: dict[str, Any] = {"location__version": "3.0", "location__endpoint": MISSING}
WRITER_2 = {"table": "orders", "column": ["id", "amount", "day"], "writeMode": "insert"}
WRITER_3 = {"table": "orders", "column": ["id", "amount", "day"]}
INLINE = "credentials and addresses belong to the data source: in role mode a step names only its data source"


@pytest.mark.parametrize(
    ("changes", "path", "rule"),
    [
        (
            {"location__instance_id": "AM-shop"},
            "location.instance_id",
            "an instance id looks like am-shop01: lower-case letters, digits and '-'",
        ),
        (
            {"location__database": "1shop"},
            "location.database",
            "a database name has 1 to 64 letters, digits and '_', and no digit first",
        ),
        ({"location__version": "4.0"}, "location.version", "Input should be '2.0' or '3.0'"),
        (
            {"location__endpoint": MISSING},
            "location.endpoint",
            "version 2.0 needs the endpoint, which the console shows",
        ),
        (
            {"location__version": "3.0"},
            "location.endpoint",
            "version 3.0 is found by its cluster and takes no endpoint",
        ),
        (
            {"location__endpoint": f"jdbc:mysql://{HOST}/shop"},
            "location.endpoint",
            f"an endpoint is host:port, such as {HOST}, without jdbc:mysql:// and database",
        ),
        (
            {"location__endpoint": "am-shop01.cn-beijing-1.ads.aliyuncs.com:3029"},
            "location.endpoint",
            "the endpoint belongs to another region than the specification's, cn-hangzhou",
        ),
        (
            {"location__endpoint": "am-other.ads.aliyuncs.com:3029"},
            "location.endpoint",
            "the endpoint belongs to another cluster than the location's, am-shop01",
        ),
        (
            {"sync_task__reader__table": "stock.orders"},
            "sync_task.reader.table",
            "is in another database than the location's, shop",
        ),
        (
            {"sync_task__reader__mode": "ODPS"},
            "sync_task.reader.mode",
            "mode ODPS needs an AccessKey in the step, which role mode does not have",
        ),
        (
            {"sync_task__reader__limit": 0},
            "sync_task.reader.limit",
            "Input should be greater than or equal to 1",
        ),
        # Version 2.0 has no splitPk, 3.0 has no limit.
        ({"sync_task__reader__splitPk": "id"}, "sync_task.reader.splitPk", "is not a known key"),
        ({**V3, "sync_task__reader__limit": 5}, "sync_task.reader.limit", "is not a known key"),
        (
            {**V3, "sync_task__reader__where": "id > 0 LIMIT 5"},
            "sync_task.reader.where",
            "a filter has no LIMIT",
        ),
        (
            {"sync_task__reader__column": ["*", "id"]},
            "sync_task.reader.column",
            "'*' stands for all columns and must stand alone",
        ),
        ({"sync_task__reader__username": "root"}, "sync_task.reader.username", INLINE),
        ({"sync_task__reader__url": HOST}, "sync_task.reader.url", INLINE),
    ],
)
def test_broken_rule_is_named_with_its_path(changes: dict[str, Any], path: str, rule: str) -> None:
    assert found(example_of("adb_mysql", **changes)) == [(path, rule)]


@pytest.mark.parametrize(
    ("version", "changes", "path", "rule"),
    [
        ("2.0", {"writeMode": MISSING}, "writeMode", "is required"),
        ("2.0", {"writeMode": "replace"}, "writeMode", "Input should be 'insert' or 'load'"),
        ("2.0", {"overWrite": True}, "overWrite", "only writeMode load has overWrite"),
        ("2.0", {"options": {"ignoreEmptySource": True}}, "options", "only writeMode load has options"),
        ("2.0", {"partition": "ds=1"}, "partition", "only writeMode load has partition"),
        ("2.0", {"writeMode": "load", "batchSize": 9}, "batchSize", "only writeMode insert has batchSize"),
        ("2.0", {"preSql": []}, "preSql", "is not a known key"),
        ("3.0", {"writeMode": "load"}, "writeMode", "Input should be 'insert', 'replace' or 'update'"),
        ("3.0", {"batchSize": 0}, "batchSize", "Input should be greater than or equal to 1"),
        ("3.0", {"table": "stock.orders"}, "table", "is in another database than the location's, shop"),
    ],
)
def test_broken_rule_of_a_writer_is_named_with_its_path(
    version: str, changes: dict[str, Any], path: str, rule: str
) -> None:
    writer = {**(WRITER_2 if version == "2.0" else WRITER_3), **changes}
    writer = {key: value for key, value in writer.items() if value is not MISSING}
    place = {} if version == "2.0" else V3
    assert found(writing_of("adb_mysql", writer, **place)) == [(f"sync_task.writer.{path}", rule)]


def test_with_an_invalid_location_the_versions_keys_are_not_guessed() -> None:
    changes = {"location__version": "4.0", "sync_task__reader__splitPk": "id"}
    assert found(example_of("adb_mysql", **changes)) == [
        ("location.version", "Input should be '2.0' or '3.0'")
    ]


def test_the_version_decides_what_the_type_is_to_dataworks() -> None:
    two, three = spec_of("adb_mysql"), parse_spec(example_of("adb_mysql", **V3))
    assert (two.source_type, three.source_type) == (ADB_2, ADB_3)
    assert (two.source_type.data_source_type, three.source_type.data_source_type) == (
        "ads",
        "analyticdb_for_mysql",
    )
    assert ADB.variants() == ADB_3.variants() == (ADB_2, ADB_3)
    assert two.location.model_dump()["version"] == "2.0"


@pytest.mark.parametrize(("version", "expected"), [(2.0, ADB_2), (MISSING, ADB_2)])
def test_the_version_may_be_a_number_and_is_2_unless_given(version: Any, expected: object) -> None:
    assert parse_spec(example_of("adb_mysql", location__version=version)).source_type is expected


def test_minimal_permissions_find_the_cluster_whatever_the_access() -> None:
    for access in Access:
        for changes in ({}, V3):
            place = parse_spec(example_of("adb_mysql", **changes)).location
            assert actions(ADB, place, access) == dict.fromkeys(
                ("adb:DescribeDBClusterAttribute", "adb:DescribeDBClusterNetInfo"), CLUSTER
            )


def test_vendor_level_is_the_products_documented_minimum() -> None:
    for access in Access:
        assert actions(ADB, spec_of("adb_mysql").location, access, "vendor") == {
            "adb:DescribeDBClusters": {"acs:adb:*:*:dbcluster/*"},
            "adb:DescribeDBClusterAttribute": CLUSTER,
            "adb:DescribeDBClusterNetInfo": CLUSTER,
            "adb:DescribeClusterNetInfo": CLUSTER,
            "adb:DescribeDBClusterAccessWhiteList": CLUSTER,
        }


@pytest.mark.parametrize("environment", Environment)
def test_content_by_version_is_the_same_in_both_environments(environment: Environment) -> None:
    assert spec_of("adb_mysql").content("77", environment) == {
        "url": HOST,
        "schema": "shop",
        "authType": "RamRole",
        "authIdentity": "77",
        "tag": "public",
    }
    assert parse_spec(example_of("adb_mysql", **V3)).content("77", environment) == {
        "instanceId": "am-shop01",
        "database": "shop",
        "regionId": "cn-hangzhou",
        "authType": "RamRole",
        "authIdentity": "77",
    }
    assert all(version.opened_by_role(environment) for version in ADB.variants())


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({}, []),
        (V3, ["ADB001"]),
        ({"location__endpoint": "am-shop01o.cn-hangzhou.ads.aliyuncs.com:3306"}, ["ADB002"]),
        ({"location__endpoint": "am-shop01.ads.aliyuncs.com:3306"}, []),
    ],
)
def test_doubtful_locations_are_reported(changes: dict[str, Any], codes: list[str]) -> None:
    findings = parse_spec(example_of("adb_mysql", **changes)).location_findings()
    assert [finding.code for finding in findings] == codes
    assert all(finding.message and finding.fix for finding in findings)
    assert set(codes) <= set(ADB.finding_codes)


@pytest.mark.parametrize(
    ("changes", "words"), [({}, "an AccessKey, which the role may replace"), (V3, "a database account")]
)
def test_prerequisites_say_that_role_mode_is_untried(changes: dict[str, Any], words: str) -> None:
    untried, whitelist = parse_spec(example_of("adb_mysql", **changes)).prerequisites("77")
    assert "not documented" in untried.what
    assert words in untried.what
    assert "in a real workspace" in untried.how
    assert (untried.persona, whitelist.persona) == (Persona.CREATOR, Persona.ADMINISTRATOR)


def test_steps_of_version_2_are_the_vendors() -> None:
    reader = spec_of("adb_mysql").task_content()["steps"][0]
    assert reader["stepType"] == "ads"
    assert reader["parameter"] == {
        "datasource": "adb_orders",
        "envType": 1,
        "table": "orders",
        "column": ["id", "amount"],
        "where": "",
        "mode": "Select",
    }
    writer = parse_spec(writing_of("adb_mysql", WRITER_2)).task_content()["steps"][1]
    assert writer["stepType"] == "ads"
    assert writer["parameter"] == {"datasource": "adb_orders", "envType": 1, **WRITER_2, "batchSize": "256"}
    load = {**WRITER_2, "writeMode": "load", "overWrite": True, "partition": "ds=${bizdate}"}
    writer = parse_spec(writing_of("adb_mysql", load)).task_content()["steps"][1]
    assert writer["parameter"] == {"datasource": "adb_orders", "envType": 1, **load, "overWrite": "true"}


def test_steps_of_version_3_are_the_vendors() -> None:
    spec = parse_spec(example_of("adb_mysql", **V3, sync_task__reader__splitPk="id"))
    reader = spec.task_content()["steps"][0]
    assert reader["stepType"] == "analyticdb_for_mysql"
    assert reader["parameter"] == {
        "datasource": "adb_orders",
        "envType": 1,
        "table": "orders",
        "column": ["id", "amount"],
        "where": "",
        "splitPk": "id",
        "encoding": "UTF-8",
    }
    writer = parse_spec(writing_of("adb_mysql", WRITER_3, **V3)).task_content()["steps"][1]
    assert writer["stepType"] == "analyticdb_for_mysql"
    assert writer["parameter"] == {
        "datasource": "adb_orders",
        "envType": 1,
        **WRITER_3,
        "writeMode": "insert",
        "preSql": [],
        "postSql": [],
        "batchSize": 1024,
        "encoding": "UTF-8",
    }


@pytest.mark.parametrize(("writer", "deletes"), [({"overWrite": "true"}, True), ({}, False)])
def test_only_a_loading_writer_of_version_2_removes_what_it_finds(
    writer: dict[str, Any], deletes: bool
) -> None:
    assert ADB_2.deletes(writer) is deletes
    assert ADB_3.deletes(writer) is False


@pytest.mark.parametrize(
    ("log", "words", "persona"),
    [
        (
            "java.sql.SQLException: Access denied for user 'v4_77'@'10.0.0.1' (using password: YES)",
            "did not accept the login",
            Persona.CREATOR,
        ),
        ("STS Token access is not supported", "did not accept the login", Persona.CREATOR),
        ("SELECT command denied to user 'etl'", "does not allow the account", Persona.ADMINISTRATOR),
        ("Unknown database 'shopp'", "does not have", Persona.DEVELOPER),
        ("Table 'shop.order' doesn't exist", "does not have", Persona.DEVELOPER),
        ("Communications link failure. The last packet sent", "is not reached", Persona.CREATOR),
        (
            "ADB answered 403 AccessDenied: role x is not allowed to adb:DescribeDBClusterAttribute on acs:adb:*",
            "see the cluster",
            Persona.ADMINISTRATOR,
        ),
    ],
)
def test_refusals_of_the_product_are_recognised(log: str, words: str, persona: Persona) -> None:
    reason = classify(f"2026-01-01 00:00:00 [job-0] INFO starts\n{log}\n", ADB.refusals)
    assert words in reason.what
    assert reason.persona is persona
