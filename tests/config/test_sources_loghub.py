"""LogHub: rules of the specification, permissions, Content, steps, refusals."""

from __future__ import annotations

from typing import Any

import pytest

from config.load import parse_spec
from config.personas import Persona
from config.run_failures import classify
from config.sources import get_source_type
from config.sources.base import Access, Environment
from config.sources.loghub import LoghubLocation
from tests.config.source_specs import actions, example_of, found, spec_of, writing_of
from tests.config.specs import MISSING

LOGHUB = get_source_type("loghub")
PROJECT = "acs:log:*:*:project/shop-logs"
STORES = {f"{PROJECT}/logstore/access-log", f"{PROJECT}/logstore/error_log"}
BELOW = STORES | {f"{store}/*" for store in STORES}
TWO = LoghubLocation(project="shop-logs", logstores=("access-log", "error_log"))
WRITER = {"logstore": "access-log", "column": ["host", "path", "status"]}
INLINE = "credentials and addresses belong to the data source: in role mode a step names only its data source"


@pytest.mark.parametrize(
    ("changes", "path", "rule"),
    [
        (
            {"location__project": "ab"},
            "location.project",
            "an SLS project name has 3 to 63 characters, this one has 2",
        ),
        (
            {"location__project": "Shop"},
            "location.project",
            "an SLS project name may hold only lower-case letters, digits and '-', with no '-' at either end",
        ),
        ({"location__project": MISSING}, "location.project", "is required"),
        (
            {"location__logstores": []},
            "location.logstores",
            "Tuple should have at least 1 item after validation, not 0",
        ),
        ({"location__logstores": ["a1", "a1"]}, "location.logstores", "'a1' is named twice"),
        (
            {"location__logstores": ["access-log", "a"]},
            "location.logstores[1]",
            "a Logstore name has 2 to 63 characters, this one has 1",
        ),
        (
            {"location__logstores": ["access-log", "_x"]},
            "location.logstores[1]",
            "a Logstore name may hold only lower-case letters, digits, '-' and '_', "
            "and a letter or digit at both ends",
        ),
        (
            {"location__endpoint": "http://shop-logs.cn-hangzhou.log.aliyuncs.com"},
            "location.endpoint",
            "the project must not stand before the region in the endpoint: it is given apart",
        ),
        (
            {"location__endpoint": "cn-hangzhou.log.aliyuncs.com"},
            "location.endpoint",
            "an SLS endpoint looks like http://cn-hangzhou-intranet.log.aliyuncs.com",
        ),
        (
            {"location__endpoint": "https://cn-beijing-intranet.log.aliyuncs.com"},
            "location.endpoint",
            "the endpoint belongs to another region than the specification's, cn-hangzhou",
        ),
        ({"location__bucket": "x"}, "location.bucket", "is not a known key"),
        (
            {"sync_task__reader__logstore": "other"},
            "sync_task.reader.logstore",
            "is none of the location's logstores: access-log",
        ),
        ({"sync_task__reader__logstore": MISSING}, "sync_task.reader.logstore", "is required"),
        ({"sync_task__reader__column": MISSING}, "sync_task.reader.column", "is required"),
        (
            {"sync_task__reader__column": ["host"]},
            "sync_task.writer.column",
            "columns are matched by position: 3 here, 1 on the other side",
        ),
        (
            {"sync_task__reader__beginDateTime": "2026-01-01"},
            "sync_task.reader.beginDateTime",
            "a moment is written yyyyMMddHHmmss, with ${name} for scheduling parameters",
        ),
        (
            {"sync_task__reader__endDateTime": MISSING},
            "sync_task.reader.endDateTime",
            "give exactly one of endDateTime and endTimestampMillis",
        ),
        (
            {"sync_task__reader__beginTimestampMillis": -1},
            "sync_task.reader.beginDateTime",
            "give exactly one of beginDateTime and beginTimestampMillis",
        ),
        (
            {
                "sync_task__reader__beginDateTime": "20260102000000",
                "sync_task__reader__endDateTime": "20260102000000",
            },
            "sync_task.reader.endDateTime",
            "the end must be after the beginning",
        ),
        (
            {"sync_task__reader__batchSize": 1001},
            "sync_task.reader.batchSize",
            "Input should be less than or equal to 1000",
        ),
        (
            {"sync_task__schedule": None},
            "sync_task.reader",
            "${today} is not among the scheduling parameters (bizdate)",
        ),
        ({"sync_task__reader__project": "shop-logs"}, "sync_task.reader.project", INLINE),
        ({"sync_task__reader__accessId": "LTAI5t"}, "sync_task.reader.accessId", INLINE),
        ({"sync_task__reader__topic": "x"}, "sync_task.reader.topic", "is not a known key"),
        (
            {"access": "write"},
            "sync_task.reader",
            "the task reads from the data source, which access: write does not cover",
        ),
    ],
)
def test_broken_rule_is_named_with_its_path(changes: dict[str, Any], path: str, rule: str) -> None:
    assert found(example_of("loghub", **changes)) == [(path, rule)]


@pytest.mark.parametrize(
    ("changes", "path", "rule"),
    [
        (
            {"sync_task__writer__logstore": "other"},
            "sync_task.writer.logstore",
            "is none of the location's logstores: access-log",
        ),
        (
            {"sync_task__writer__batchSize": 0},
            "sync_task.writer.batchSize",
            "Input should be greater than or equal to 1",
        ),
        (
            {"sync_task__writer__column": ["*", "a"]},
            "sync_task.writer.column",
            "'*' stands for all columns and must stand alone",
        ),
        ({"sync_task__writer__endpoint": "x"}, "sync_task.writer.endpoint", INLINE),
    ],
)
def test_broken_rule_of_a_writer_is_named_with_its_path(
    changes: dict[str, Any], path: str, rule: str
) -> None:
    assert found(writing_of("loghub", WRITER, **changes)) == [(path, rule)]


@pytest.mark.parametrize(
    ("endpoint", "codes"),
    [
        ("http://cn-hangzhou-intranet.log.aliyuncs.com", []),
        ("https://cn-hangzhou.log.aliyuncs.com", ["LOG001"]),
        ("http://cn-hangzhou.log.aliyuncs.com/", ["LOG001", "LOG002"]),
        ("https://log-global.aliyuncs.com", ["LOG001"]),
    ],
)
def test_public_endpoint_is_kept_and_reported(endpoint: str, codes: list[str]) -> None:
    spec = parse_spec(example_of("loghub", location__endpoint=endpoint))
    assert spec.location.model_dump()["endpoint"] == endpoint
    assert [finding.code for finding in spec.location_findings()] == codes
    assert set(codes) <= set(LOGHUB.finding_codes)


def test_one_logstore_may_be_written_without_a_list() -> None:
    spec = parse_spec(example_of("loghub", location__logstores="access-log"))
    assert spec.location.model_dump()["logstores"] == ("access-log",)


def test_minimal_permissions_by_access() -> None:
    read = {
        "log:ListShards": STORES,
        "log:GetCursorOrData": STORES,
        "log:GetProject": {PROJECT},
    }
    write = {"log:ListShards": STORES, "log:PostLogStoreLogs": STORES, "log:GetProject": {PROJECT}}
    assert actions(LOGHUB, TWO, Access.READ) == read
    assert actions(LOGHUB, TWO, Access.WRITE) == write
    assert actions(LOGHUB, TWO, Access.READ_WRITE) == read | write
    assert actions(LOGHUB, TWO, Access.WRITE, deletes=True) == write


def test_vendor_level_is_the_products_documented_minimum() -> None:
    consume = {
        "log:ListShards",
        "log:GetCursorOrData",
        "log:GetConsumerGroupCheckPoint",
        "log:UpdateConsumerGroup",
        "log:ConsumerGroupHeartBeat",
        "log:ConsumerGroupUpdateCheckPoint",
        "log:ListConsumerGroup",
        "log:CreateConsumerGroup",
    }
    read = {**dict.fromkeys(consume, BELOW), "log:GetProject": {PROJECT}}
    post = dict.fromkeys(("log:PostLogStoreLogs", "log:BatchPostLogStoreLogs"), STORES)
    assert actions(LOGHUB, TWO, Access.READ, "vendor") == read
    write = {**post, "log:ListShards": STORES, "log:GetProject": {PROJECT}}
    assert actions(LOGHUB, TWO, Access.WRITE, "vendor") == write
    assert actions(LOGHUB, TWO, Access.READ_WRITE, "vendor") == {**read, **post}
    sources = {each.action: each.source for each in LOGHUB.permissions(TWO, Access.READ, "vendor")}
    assert sources["log:ListShards"].startswith(
        "no list on the vendor's page on role mode; documented minimum"
    )


@pytest.mark.parametrize("environment", Environment)
def test_content_is_the_same_in_both_environments(environment: Environment) -> None:
    assert LOGHUB.opened_by_role(environment)
    assert spec_of("loghub").content("301234567890123456", environment) == {
        "endpoint": "http://cn-hangzhou-intranet.log.aliyuncs.com",
        "project": "shop-logs",
        "regionId": "cn-hangzhou",
        "authType": "RamRole",
        "authIdentity": "301234567890123456",
    }


def test_reader_step_is_the_vendors() -> None:
    reader, writer = spec_of("loghub").task_content()["steps"]
    assert reader == {
        "stepType": "LogHub",
        "name": "Reader",
        "category": "reader",
        "parameter": {
            "datasource": "sls_access_log",
            "envType": 1,
            "logstore": "access-log",
            "beginDateTime": "${bizdate}000000",
            "endDateTime": "${today}000000",
            "column": ["host", "path", "status"],
            "batchSize": "256",
            "fieldDelimiter": ",",
        },
    }
    assert writer["parameter"]["table"] == "ods_access_log"


def test_writer_step_is_the_vendors() -> None:
    writer = parse_spec(writing_of("loghub", WRITER)).task_content()["steps"][1]
    assert writer["stepType"] == "loghub"
    assert writer["parameter"] == {
        "datasource": "sls_access_log",
        "envType": 1,
        "logstore": "access-log",
        "column": ["host", "path", "status"],
        "topic": "",
        "batchSize": 1024,
    }


def test_timestamps_may_stand_in_place_of_moments() -> None:
    reader = {
        "logstore": "access-log",
        "column": ["a", "b", "c"],
        "beginTimestampMillis": -1,
        "endTimestampMillis": 1767225600000,
    }
    step = parse_spec(example_of("loghub", sync_task__reader=reader)).task_content()["steps"][0]
    assert (step["parameter"]["beginTimestampMillis"], step["parameter"]["endTimestampMillis"]) == (
        -1,
        1767225600000,
    )
    assert "beginDateTime" not in step["parameter"]


@pytest.mark.parametrize(
    ("log", "words", "persona"),
    [
        (
            '{"errorCode": "Unauthorized", "errorMessage": "denied by sts or ram, action: log:GetCursorOrData, '
            'resource: acs:log:cn-hangzhou:1234567890123456:project/shop-logs/logstore/access-log"}',
            "SLS refused role",
            Persona.ADMINISTRATOR,
        ),
        (
            "com.aliyun.openservices.log.exception.LogException: The Project does not exist : shop-logs "
            "errorCode: ProjectNotExist",
            "the SLS project",
            Persona.CREATOR,
        ),
        (
            "LogException: logstore access-log does not exist, LogStoreNotExist",
            "a Logstore",
            Persona.DEVELOPER,
        ),
        (
            "java.net.UnknownHostException: shop-logs.cn-nowhere.log.aliyuncs.com",
            "leads nowhere",
            Persona.CREATOR,
        ),
        ("errorCode: WriteQuotaExceed, Project write quota exceed", "quota", Persona.DEVELOPER),
        ("errorCode: InvalidCursor, Invalid cursor", "moments", Persona.DEVELOPER),
    ],
)
def test_refusals_of_the_product_are_recognised(log: str, words: str, persona: Persona) -> None:
    reason = classify(f"2026-01-01 00:00:00 [job-0] INFO starts\n{log}\n", LOGHUB.refusals)
    assert words in reason.what
    assert reason.persona is persona
