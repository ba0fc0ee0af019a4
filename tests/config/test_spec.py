"""The specification: its rules, each broken once, and what it derives."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import date, timedelta
from typing import Any

import pytest

from config.load import Problem, SpecInvalid, parse_spec
from config.sources.base import Access, Environment
from tests.config.specs import MISSING, example, writing

TOMORROW = date.today() + timedelta(days=2)
INLINE = "credentials and addresses belong to the data source: in role mode a step names only its data source"
ONE_COUNTERPART = (
    "exactly one of reader and writer is the counterpart and names its type and datasource; here "
)


def problems(spec: dict[str, Any]) -> tuple[Problem, ...]:
    with pytest.raises(SpecInvalid) as caught:
        parse_spec(spec)
    return caught.value.problems


@pytest.mark.parametrize(
    ("changes", "path", "rule"),
    [
        (
            {"name": "1orders"},
            "name",
            "a data source name may hold only letters, digits and '_', and start with a letter",
        ),
        ({"name": MISSING}, "name", "is required"),
        ({"description": "x" * 81}, "description", "String should have at most 80 characters"),
        ({"workspace": 0}, "workspace", "Input should be greater than or equal to 1"),
        ({"workspace": 10_000_000_001}, "workspace", "Input should be less than or equal to 10000000000"),
        ({"region": "Hangzhou"}, "region", "a region id looks like cn-hangzhou or ap-southeast-1: .*"),
        (
            {"type": "ftp"},
            "type",
            "unknown source type 'ftp'; known are: adb_mysql, hologres, loghub, oss, tablestore",
        ),
        (
            {"type": 7},
            "type",
            "unknown source type '7'; known are: adb_mysql, hologres, loghub, oss, tablestore",
        ),
        ({"environments": []}, "environments", "Tuple should have at least 1 item .*"),
        ({"environments": ["TEST"]}, "environments[0]", "an environment is DEV or PROD"),
        ({"environments": [1]}, "environments[0]", "an environment is DEV or PROD"),
        ({"environments": ["DEV", "dev"]}, "environments", "'DEV' is named twice"),
        ({"location": MISSING}, "location", "is required"),
        ({"location__bucket": "Shop"}, "location.bucket", "a bucket name may hold only lower-case letters.*"),
        (
            {"location__bucket": "ab"},
            "location.bucket",
            "a bucket name has 3 to 63 characters, this one has 2",
        ),
        ({"location__prefix": "/orders"}, "location.prefix", "a prefix does not start with '/': .*"),
        (
            {"location__prefix": "orders/*"},
            "location.prefix",
            re.escape("a prefix is literal text and must not hold '*'"),
        ),
        (
            {"location__prefix": "a?"},
            "location.prefix",
            re.escape("a prefix is literal text and must not hold '?'"),
        ),
        (
            {"location__prefix": "a/../"},
            "location.prefix",
            re.escape("a prefix is literal text and must not hold '..'"),
        ),
        ({"location__prefix": "x" * 1024}, "location.prefix", "a prefix has at most 1023 bytes.*"),
        (
            {"location__endpoint": "http://shop-orders.oss-cn-hangzhou.aliyuncs.com"},
            "location.endpoint",
            ".*such an endpoint may pass the connectivity test and still fail the sync task",
        ),
        (
            {"location__endpoint": "http://xxx.oss.aliyuncs.com"},
            "location.endpoint",
            "the bucket must not stand before.*",
        ),
        (
            {"location__endpoint": "oss-cn-hangzhou.aliyuncs.com"},
            "location.endpoint",
            "an OSS endpoint looks like .*",
        ),
        (
            {"location__endpoint": "http://ossXaliyuncs.com"},
            "location.endpoint",
            "an OSS endpoint looks like .*",
        ),
        (
            {"location__endpoint": "http://oss-cn-beijing.aliyuncs.com"},
            "location.endpoint",
            ".*another region.*cn-hangzhou",
        ),
        ({"location__key": "x"}, "location.key", "is not a known key"),
        ({"access": "all"}, "access", "Input should be 'read', 'write' or 'read_write'"),
        ({"permissions": "all"}, "permissions", "Input should be 'minimal' or 'vendor'"),
        ({"role__name": "big_data"}, "role.name", "a role name may hold only .*"),
        ({"role__policy": "a.b"}, "role.policy", "a policy name may hold only .*"),
        ({"role__pass_role_policy": "a_b"}, "role.pass_role_policy", "a policy name may hold only .*"),
        ({"role__adopt": "perhaps"}, "role.adopt", "Input should be a valid boolean.*"),
        ({"grantees": {}}, "grantees", "name at least one user or group.*"),
        ({"grantees__users": ["a b"]}, "grantees.users[0]", "a user name may hold only .*"),
        ({"grantees__groups": ["a/b"]}, "grantees.groups[0]", "a group name may hold only .*"),
        ({"grantees__users": ["carol", "carol"]}, "grantees.users", "'carol' is named twice"),
        ({"resource_groups": []}, "resource_groups", "Tuple should have at least 1 item .*"),
        ({"resource_groups": ["a", "a"]}, "resource_groups", "'a' is named twice"),
        ({"resource_groups": ["a b"]}, "resource_groups[0]", "a resource group identifier looks like .*"),
        ({"unknown": 1}, "unknown", "is not a known key"),
        ({"sync_task__name": "a/b"}, "sync_task.name", "a sync task name may hold only .*"),
        ({"sync_task__folder": "Business Flow/x"}, "sync_task.folder", "a folder looks like .*"),
        ({"sync_task__owner": ""}, "sync_task.owner", "String should have at least 1 character"),
        ({"sync_task__resource_group": "other"}, "sync_task.resource_group", "is not one of .*"),
        (
            {"sync_task__scheduling_resource_group": "a b"},
            "sync_task.scheduling_resource_group",
            ".*looks like.*",
        ),
        (
            {"sync_task__schedule__cron": "00 04 00 * * ?"},
            "sync_task.schedule.cron",
            "a daily run starts at 00:05 .*",
        ),
        (
            {"sync_task__schedule__parameters": {"a": "b c"}},
            "sync_task.schedule.parameters",
            "the value of parameter .*",
        ),
        (
            {"sync_task__schedule__rerun_mode": "ALWAYS"},
            "sync_task.schedule.rerun_mode",
            "Input should be .*",
        ),
        (
            {"sync_task__schedule__auto_rerun_times": 11},
            "sync_task.schedule.auto_rerun_times",
            ".* equal to 10",
        ),
        (
            {"sync_task__schedule__auto_rerun_interval": 1801},
            "sync_task.schedule.auto_rerun_interval",
            ".* equal to 1800",
        ),
        (
            {"sync_task__business_date": str(TOMORROW)},
            "sync_task.business_date",
            "a business date must not be in the future",
        ),
        ({"sync_task__concurrency": 0}, "sync_task.concurrency", ".* equal to 1"),
        ({"sync_task__concurrency": 33}, "sync_task.concurrency", ".* equal to 32"),
        ({"sync_task__dirty_records": -1}, "sync_task.dirty_records", ".* equal to 0"),
        (
            {"access": "write"},
            "sync_task.reader",
            "the task reads from the data source, which access: write .*",
        ),
        (
            {"sync_task__schedule__parameters": {"day": "$bizdate"}},
            "sync_task.reader",
            r"\$\{bizdate\} is not among .*",
        ),
        # The reader, which is the data source itself.
        (
            {"sync_task__reader__object": ["other/*.csv"]},
            "sync_task.reader.object[0]",
            "outside the location's prefix.*",
        ),
        ({"sync_task__reader__object": ["/orders/a"]}, "sync_task.reader.object[0]", "an object name .*"),
        ({"sync_task__reader__object": []}, "sync_task.reader.object", "Tuple should have at least 1 item.*"),
        (
            {"sync_task__reader__object": MISSING},
            "sync_task.reader.object",
            "csv is read by object, not by path",
        ),
        ({"sync_task__reader__fileFormat": "xml"}, "sync_task.reader.fileFormat", "Input should be .*"),
        ({"sync_task__reader__column": MISSING}, "sync_task.reader.column", "is required"),
        (
            {"sync_task__reader__column": [{"type": "long"}] * 3},
            "sync_task.reader.column[0]",
            "a column has either .*",
        ),
        (
            {"sync_task__reader__column": [{"index": 0, "type": "number"}]},
            "sync_task.reader.column[0].type",
            "Input should be .*",
        ),
        (
            {"sync_task__reader__column": [{"index": 0, "type": "long", "format": "x"}]},
            "sync_task.reader.column[0].format",
            "only a date has a format",
        ),
        (
            {"sync_task__reader__column": ["*", "*"]},
            "sync_task.reader.column",
            "'\\*' stands for all columns .*",
        ),
        (
            {"sync_task__reader__compress": "gzip"},
            "sync_task.reader.skipHeader",
            "the header of a compressed object .*",
        ),
        ({"sync_task__reader__surprise": 1}, "sync_task.reader.surprise", "is not a known key"),
        ({"sync_task__reader__accessKey": "s3cret"}, "sync_task.reader.accessKey", INLINE),
        ({"sync_task__reader__endpoint": "http://oss.aliyuncs.com"}, "sync_task.reader.endpoint", INLINE),
        # The writer, which is the counterpart.
        (
            {"sync_task__writer__type": "mysql"},
            "sync_task.writer.type",
            "the type of a counterpart is one of: odps",
        ),
        ({"sync_task__writer__datasource": MISSING}, "sync_task.writer.datasource", "is required"),
        ({"sync_task__writer__table": MISSING}, "sync_task.writer.table", "is required"),
        (
            {"sync_task__writer__partition": "pt=*"},
            "sync_task.writer.partition",
            "a writer's partition has no wildcards",
        ),
        (
            {"sync_task__writer__column": ["id"]},
            "sync_task.writer.column",
            "columns are matched by position: 1 here, 3 .*",
        ),
        (
            {"sync_task__writer__column": ["*", "a"]},
            "sync_task.writer.column",
            "'\\*' stands for all columns .*",
        ),
        ({"sync_task__writer__odpsKey": 1}, "sync_task.writer.odpsKey", "is not a known key"),
        ({"sync_task__writer__accessId": "LTAI5tSecret"}, "sync_task.writer.accessId", INLINE),
    ],
)
def test_broken_rule_is_named_with_its_path(changes: dict[str, Any], path: str, rule: str) -> None:
    found = [problem for problem in problems(example(**changes)) if problem.path == path]
    assert len(found) == 1
    assert re.fullmatch(rule, found[0].rule)


@pytest.mark.parametrize(
    ("changes", "path", "rule"),
    [
        ({"access": "read"}, "sync_task.writer", "the task writes to the data source, which access: read .*"),
        ({"sync_task__writer__writeMode": "replace"}, "sync_task.writer.writeMode", "Input should be .*"),
        (
            {"sync_task__writer__object": "elsewhere/part"},
            "sync_task.writer.object",
            "outside the location's prefix.*",
        ),
        (
            {"sync_task__writer__compress": "gzip"},
            "sync_task.writer.compress",
            "only parquet and orc may be compressed",
        ),
        (
            {"sync_task__writer__path": "orders/"},
            "sync_task.writer.object",
            "csv is written by object, not by path",
        ),
        (
            {"sync_task__writer__fileFormat": "orc"},
            "sync_task.writer.path",
            "orc is written by path, not by object",
        ),
        ({"sync_task__writer__column": ["id"]}, "sync_task.writer.column", "is not a known key"),
        ({"sync_task__reader__where": "a > 1"}, "sync_task.reader.where", "where has no effect unless .*"),
    ],
)
def test_broken_rule_of_a_writing_task_is_named_with_its_path(
    changes: dict[str, Any], path: str, rule: str
) -> None:
    found = problems(writing(**changes))
    assert [problem.path for problem in found] == [path]
    assert re.fullmatch(rule, found[0].rule)


def test_both_sides_naming_a_counterpart_is_refused() -> None:
    found = problems(example(sync_task__reader__type="odps"))
    assert {(each.path, each.rule) for each in found} == {
        (f"sync_task.{side}", f"{ONE_COUNTERPART}both do") for side in ("reader", "writer")
    }


def test_neither_side_naming_a_counterpart_is_refused() -> None:
    found = problems(example(sync_task__writer={"table": "ods_orders"}))
    assert (found[0].path, found[0].rule) == ("sync_task.reader", f"{ONE_COUNTERPART}neither does")


def test_all_problems_are_named_at_once_even_those_between_fields() -> None:
    spec = example(
        name="1",
        location__endpoint="http://oss-cn-beijing.aliyuncs.com",
        access="write",
        grantees={},
        sync_task__resource_group="other",
        sync_task__reader__accessKeySecret="s",
        sync_task__writer__surprise=1,
    )
    assert {problem.path for problem in problems(spec)} == {
        "name",
        "location.endpoint",
        "grantees",
        "sync_task.resource_group",
        "sync_task.reader",
        "sync_task.reader.accessKeySecret",
        "sync_task.writer.surprise",
    }


def test_an_invalid_type_is_one_problem_and_hides_no_other() -> None:
    assert [problem.path for problem in problems(example(type="ftp", name="1"))] == ["name", "type"]


def test_names_are_derived_from_workspace_and_name() -> None:
    spec = parse_spec(example())
    assert spec.role_name == "DataWorks-10001-oss-orders"
    assert spec.policy_name == "DataWorks-10001-oss-orders-Access"
    assert spec.pass_role_policy_name == "DataWorks-10001-oss-ordersAllowUse"


def test_given_names_win_and_the_policies_follow_the_given_role() -> None:
    spec = parse_spec(example(role={"name": "BigDataOssRole", "policy": "Mine"}))
    assert (spec.role_name, spec.policy_name) == ("BigDataOssRole", "Mine")
    assert spec.pass_role_policy_name == "BigDataOssRoleAllowUse"


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://oss.aliyuncs.com",
        "https://oss-cn-hangzhou.aliyuncs.com",
        "http://oss-cn-hangzhou-internal.aliyuncs.com/",
        "http://oss-accelerate.aliyuncs.com",
    ],
)
def test_endpoint_of_the_region_or_of_all_regions_is_kept(endpoint: str) -> None:
    assert parse_spec(example(location__endpoint=endpoint)).location.model_dump()["endpoint"] == endpoint


def test_environments_default_to_all_of_the_workspace() -> None:
    both = (Environment.DEV, Environment.PROD)
    assert parse_spec(example()).environments_of(both) == both
    assert parse_spec(example(environments=["prod"])).environments_of(both) == (Environment.PROD,)
    with pytest.raises(ValueError, match="workspace 10001 has no environment DEV"):
        parse_spec(example(environments=["DEV"])).environments_of((Environment.PROD,))


def test_specification_survives_its_own_json_and_has_a_stable_text() -> None:
    spec = parse_spec(example(environments=["DEV"]))
    assert parse_spec(spec.model_dump(mode="json")) == spec
    reordered = dict(reversed(example(environments=["DEV"]).items()))
    assert parse_spec(reordered).text() == spec.text()
    assert parse_spec(reordered).task_content_text() == spec.task_content_text()


def test_business_date_is_yesterday_unless_given() -> None:
    given = parse_spec(example(sync_task__business_date="2026-01-31")).sync_task
    default = parse_spec(example()).sync_task
    assert given is not None
    assert default is not None
    assert given.business_date_on(date(2026, 3, 1)) == date(2026, 1, 31)
    assert default.business_date_on(date(2026, 3, 1)) == date(2026, 2, 28)


def test_task_without_schedule_has_the_business_date_as_parameter() -> None:
    task = parse_spec(example(sync_task__schedule=None)).sync_task
    assert task is not None
    assert task.parameter_text == "bizdate=$bizdate"


def test_access_covers_what_its_name_says() -> None:
    assert [(access.reads, access.writes) for access in (Access.READ, Access.WRITE, Access.READ_WRITE)] == [
        (True, False),
        (False, True),
        (True, True),
    ]


def test_importing_the_specification_loads_no_sdk_and_no_settings() -> None:
    code = "import sys, config.spec; print(*(name.split('.')[0] for name in sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    loaded = set(result.stdout.split())
    assert "pydantic" in loaded
    assert loaded.isdisjoint({"pydantic_settings", "prefect", "requests", "aiohttp", "darabonba", "Tea"})
    assert not [name for name in loaded if name.startswith("alibabacloud")]
