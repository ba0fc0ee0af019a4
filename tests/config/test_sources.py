"""Source types: OSS permissions, Content and steps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from config.load import parse_spec
from config.names import SERVICE_PRINCIPAL
from config.sources import get_source_type, source_types
from config.sources.base import Access, Environment, PermissionLevel
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


def test_every_source_type_is_complete() -> None:
    assert "oss" in source_types()
    for name, source_type in source_types().items():
        assert name == source_type.name
        assert source_type.title
        assert source_type.data_source_type
        assert source_type.service.endswith(".aliyuncs.com")
        assert source_type.content_profile.confidence
        assert source_type.content_profile.source


def test_unknown_source_type_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown source type 'ftp'; known are: oss"):
        get_source_type("ftp")


NEW_TYPE = """
from config.sources.oss import Oss

class Hdfs(Oss):
    name = "hdfs"
    data_source_type = "oss_hdfs"

SOURCE_TYPE = Hdfs()
"""

USE_OF_IT = """
import sys
import config.sources
config.sources.__path__.append(sys.argv[1])
from config.load import json_schema, parse_spec
from tests.config.specs import example
spec = parse_spec(example(type="hdfs"))
print(spec.task_content()["steps"][0]["stepType"], "hdfs" in str(json_schema()["properties"]["type"]))
"""


def test_a_new_source_type_is_one_new_file(tmp_path: Path) -> None:
    (tmp_path / "hdfs.py").write_text(NEW_TYPE, encoding="utf-8")
    command = [sys.executable, "-c", USE_OF_IT, str(tmp_path)]
    root = Path(__file__).parents[2]
    result = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True, timeout=60)
    assert result.stdout.split() == ["oss_hdfs", "True"]
