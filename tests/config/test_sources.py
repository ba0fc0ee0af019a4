"""OSS: permissions, Content, steps and refusals."""

from __future__ import annotations

import pytest

from config.load import parse_spec
from config.names import SERVICE_PRINCIPAL
from config.personas import Persona
from config.run_failures import classify
from config.settings import Settings
from config.sources import get_source_type
from config.sources.base import Access, Environment, PermissionLevel, content_override
from config.sources.oss import OssLocation
from tests.config.specs import example, writing

BUCKET = "acs:oss:*:*:shop-orders"
OSS = get_source_type("oss")


def actions(
    access: Access, level: PermissionLevel, *, prefix: str = "", deletes: bool = False
) -> dict[str, set[str]]:
    location = OssLocation(bucket="shop-orders", prefix=prefix)
    wanted = OSS.permissions(location, access, level, deletes=deletes)
    assert len({permission.action for permission in wanted}) == len(wanted)
    assert all(permission.why and permission.source for permission in wanted)
    return {permission.action: set(permission.resources) for permission in wanted}


BUCKET_READS = {
    "oss:ListObjects": {BUCKET},
    "oss:GetBucketAcl": {BUCKET},
    "oss:GetBucketInfo": {BUCKET},
}


def test_minimal_read_is_what_the_reader_calls() -> None:
    assert actions(Access.READ, "minimal") == {"oss:GetObject": {f"{BUCKET}/*"}, **BUCKET_READS}


def test_minimal_write_has_no_deletion_unless_the_writer_truncates() -> None:
    objects = {f"{BUCKET}/out/*"}
    write = {"oss:PutObject": objects, "oss:AbortMultipartUpload": objects, **BUCKET_READS}
    assert actions(Access.WRITE, "minimal", prefix="out/") == write
    deleting = {**write, "oss:DeleteObject": objects}
    assert actions(Access.WRITE, "minimal", prefix="out/", deletes=True) == deleting


def test_minimal_read_write_is_the_union() -> None:
    both = actions(Access.READ_WRITE, "minimal")
    assert both == actions(Access.READ, "minimal") | actions(Access.WRITE, "minimal")


def test_listing_is_bound_to_the_prefix() -> None:
    location = OssLocation(bucket="shop-orders", prefix="orders/")
    conditions = {each.action: each.conditions for each in OSS.permissions(location, Access.READ, "minimal")}
    assert conditions.pop("oss:ListObjects") == (("StringLike", "oss:Prefix", ("orders/*",)),)
    assert set(conditions.values()) == {()}


def test_vendor_list_is_the_printed_one_on_the_whole_bucket() -> None:
    read = {
        "oss:GetObject",
        "oss:ListObjects",
        "oss:GetObjectMetadata",
        "oss:GetObjectMeta",
        "oss:GetBucketAcl",
        "oss:GetBucketInfo",
    }
    write = {"oss:PutObject", "oss:DeleteObject", "oss:PutBucket"}
    everything = {BUCKET, f"{BUCKET}/*"}
    assert actions(Access.READ, "vendor", prefix="orders/") == dict.fromkeys(read, everything)
    assert actions(Access.READ_WRITE, "vendor") == dict.fromkeys(read | write, everything)


@pytest.mark.parametrize(("mode", "deletes"), [("truncate", True), ("append", False), ("nonConflict", False)])
def test_specification_asks_for_deletion_only_for_a_truncating_writer(mode: str, deletes: bool) -> None:
    spec = parse_spec(writing(sync_task__writer__writeMode=mode))
    assert ("oss:DeleteObject" in {each.action for each in spec.required_permissions()}) == deletes


def test_content_is_the_role_mode_of_the_vendor() -> None:
    assert parse_spec(example()).content("301234567890123456", Environment.DEV) == {
        "endpoint": "http://oss-cn-hangzhou-internal.aliyuncs.com",
        "bucket": "shop-orders",
        "regionId": "cn-hangzhou",
        "authType": "RamRole",
        "authIdentity": "301234567890123456",
        "tag": "public",
    }


def test_content_profile_replaces_the_built_in_one() -> None:
    profile = {"where": "{bucket}/{prefix}", "envType": "{environment}", "role": "{role_id}", "fixed": "1"}
    assert parse_spec(example()).content("7", Environment.PROD, profile) == {
        "where": "shop-orders/orders/",
        "envType": "Prod",
        "role": "7",
        "fixed": "1",
    }


def test_content_profile_with_an_unknown_placeholder_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"content profile oss.a: unknown placeholder \{acount\}; known are bucket"
    ):
        parse_spec(example()).content("7", Environment.PROD, {"a": "{acount}"})


def test_pass_role_names_the_sources_service_and_data_integration() -> None:
    assert OSS.pass_role_services(SERVICE_PRINCIPAL) == ("oss.aliyuncs.com", "di.dataworks.aliyuncs.com")


def test_task_content_is_the_vendors_frame() -> None:
    content = parse_spec(example(sync_task__dirty_records=3)).task_content(Environment.DEV)
    assert content == {
        "type": "job",
        "version": "2.0",
        "steps": [
            {
                "stepType": "oss",
                "name": "Reader",
                "category": "reader",
                "parameter": {
                    "datasource": "oss_orders",
                    "envType": 0,
                    "object": ["orders/dt=${bizdate}/*.csv"],
                    "column": [
                        {"index": 0, "type": "long"},
                        {"index": 1, "type": "string"},
                        {"index": 2, "type": "double"},
                    ],
                    "fileFormat": "csv",
                    "fieldDelimiter": ",",
                    "encoding": "UTF-8",
                    "nullFormat": "",
                    "skipHeader": "true",
                    "compress": "",
                },
            },
            {
                "stepType": "odps",
                "name": "Writer",
                "category": "writer",
                "parameter": {
                    "datasource": "odps_first",
                    "envType": 0,
                    "table": "ods_orders",
                    "partition": "pt=${bizdate}",
                    "truncate": True,
                    "column": ["id", "customer", "amount"],
                    "emptyAsNull": False,
                },
            },
        ],
        "setting": {
            "executeMode": None,
            "errorLimit": {"record": "3"},
            "speed": {"concurrent": 2, "throttle": False},
        },
        "order": {"hops": [{"from": "Reader", "to": "Writer"}]},
    }


def test_writing_task_reads_the_counterpart_and_writes_the_source() -> None:
    reader, writer = parse_spec(writing()).task_content()["steps"]
    assert (reader["stepType"], reader["parameter"]["datasource"]) == ("odps", "odps_first")
    assert (writer["stepType"], writer["parameter"]["datasource"]) == ("oss", "oss_orders")
    assert writer["parameter"]["writeSingleObject"] == "false"
    assert writer["parameter"]["envType"] == 1


def test_constant_column_and_all_columns_are_kept() -> None:
    constant = {"value": "web", "type": "string"}
    columns = [{"index": 0, "type": "long"}, {"index": 1, "type": "string"}, constant]
    step = parse_spec(example(sync_task__reader__column=columns)).task_content()["steps"][0]
    assert step["parameter"]["column"][2] == constant
    step = parse_spec(example(sync_task__reader__column=["*"])).task_content()["steps"][0]
    assert step["parameter"]["column"] == ["*"]


def test_parquet_is_read_by_path_without_delimiter() -> None:
    reader = {"path": "orders/part", "fileFormat": "parquet", "column": ["*"]}
    parameter = parse_spec(example(sync_task__reader=reader)).task_content()["steps"][0]["parameter"]
    assert parameter["path"] == "orders/part"
    assert "fieldDelimiter" not in parameter
    assert "object" not in parameter


def test_task_content_of_a_specification_without_task_is_an_error() -> None:
    with pytest.raises(ValueError, match="the specification of oss_orders has no sync_task"):
        parse_spec(example(sync_task=None)).task_content()


@pytest.mark.parametrize(
    ("profiles", "dev", "prod"),
    [
        ({}, None, None),
        ({"oss": {"a": "1"}}, {"a": "1"}, {"a": "1"}),
        ({"oss.DEV": {"a": "2"}}, {"a": "2"}, None),
        ({"oss": {"a": "1"}, "oss.PROD": {"a": "3"}}, {"a": "1"}, {"a": "3"}),
        ({"hologres": {"a": "1"}, "hologres.DEV": {"a": "2"}}, None, None),
    ],
)
def test_content_profile_of_the_settings_is_by_type_or_by_type_and_environment(
    profiles: dict[str, dict[str, str]], dev: dict[str, str] | None, prod: dict[str, str] | None
) -> None:
    given = Settings(content_profiles=profiles).content_profiles
    found = {environment: content_override(given, "oss", environment) for environment in Environment}
    assert found == {Environment.DEV: dev, Environment.PROD: prod}


@pytest.mark.parametrize(
    ("endpoint", "codes"),
    [
        ("", []),
        ("https://oss-cn-hangzhou.aliyuncs.com", ["OSS001"]),
        ("http://oss.aliyuncs.com", ["OSS001", "OSS002"]),
        ("https://oss-accelerate.aliyuncs.com", ["OSS001"]),
    ],
)
def test_public_endpoint_of_a_bucket_is_reported(endpoint: str, codes: list[str]) -> None:
    findings = parse_spec(example(location__endpoint=endpoint)).location_findings()
    assert [finding.code for finding in findings] == codes
    assert all(finding.message.startswith(endpoint) and finding.fix for finding in findings)
    assert set(codes) <= set(OSS.finding_codes)


@pytest.mark.parametrize(
    ("log", "words", "persona"),
    [
        (
            "com.aliyun.oss.OSSException: You have no right to access this object because of bucket acl. "
            "[ErrorCode]: AccessDenied [RequestId]: 5C3D9175B6FC201293AD****",
            "OSS refused role",
            Persona.ADMINISTRATOR,
        ),
        (
            "OSSException: The bucket you are attempting to access must be addressed using the specified endpoint. "
            "[ErrorCode]: AccessDenied",
            "in another region",
            Persona.CREATOR,
        ),
        ("[ErrorCode]: NoSuchBucket", "does not exist", Persona.CREATOR),
        (
            "java.net.UnknownHostException: shop-orders.shop-orders.oss-cn-hangzhou.aliyuncs.com",
            "a bucket in the endpoint passes the connectivity test",
            Persona.CREATOR,
        ),
        ("[ErrorCode]: NoSuchKey, The specified key does not exist.", "no object", Persona.DEVELOPER),
    ],
)
def test_refusals_of_oss_are_recognised(log: str, words: str, persona: Persona) -> None:
    reason = classify(f"2026-01-01 00:00:00 [job-0] INFO starts\n{log}\n", OSS.refusals)
    assert words in reason.what
    assert reason.persona is persona


def test_the_vendors_oss_list_holds_names_of_no_action_and_one_that_is_not_needed() -> None:
    location = OssLocation(bucket="shop-orders")
    printed = {each.action for each in OSS.permissions(location, Access.READ_WRITE, "vendor")}
    assert printed - OSS.known_actions == {"oss:GetObjectMetadata", "oss:GetObjectMeta"}
    assert printed & OSS.destructive_actions == {"oss:PutBucket"}
