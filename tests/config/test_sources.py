"""Source types: what all have in common; OSS permissions, Content, steps and refusals."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from config.load import json_schema, load_spec, parse_spec
from config.names import SERVICE_PRINCIPAL
from config.personas import Persona
from config.run_failures import RUN_FAILURES, RunFailure, classify
from config.settings import Settings
from config.sources import get_source_type, source_types
from config.sources.base import Access, Environment, PermissionLevel, SourceLocation, content_override
from config.sources.oss import OssLocation
from tests.config.source_specs import EXAMPLES, spec_of
from tests.config.specs import example, writing

NAMES = ["adb_mysql", "hologres", "loghub", "oss", "tablestore"]

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


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("NoPermission: ram:PassRole on role/x for oss.aliyuncs.com: AccessDenied, Unauthorized", "PassRole"),
        ("NoPermission: sts:AssumeRole refused, AccessDenied, Unauthorized", "may not assume role"),
    ],
)
def test_a_role_that_was_never_handed_over_is_no_refusal_of_the_source(
    name: str, log: str, words: str
) -> None:
    assert words in classify(log, get_source_type(name).refusals).what


@pytest.mark.parametrize("name", NAMES)
def test_what_no_source_says_is_judged_by_the_table_of_all(name: str) -> None:
    log = "connect to 10.0.0.1 timed out: connection timed out"
    assert classify(log, get_source_type(name).refusals) is classify(log)
    assert classify("all is well", get_source_type(name).refusals) is classify("all is well")


def test_rows_of_the_source_come_before_the_table() -> None:
    row = RunFailure(re.compile("403"), "ours", Persona.CREATOR, "do it", spreads=False)
    assert classify("Forbidden 403") in RUN_FAILURES
    assert classify("Forbidden 403", (row,)) is row


@pytest.mark.parametrize("name", NAMES)
def test_texts_of_refusals_name_only_what_the_caller_fills_in(name: str) -> None:
    names = {"role": "r", "executor": "e", "data_source": "d"}
    rows = get_source_type(name).refusals
    assert rows
    for row in rows:
        assert row.what.format(**names)
        assert row.remedy.format(**names)


def test_the_source_types_are_these() -> None:
    assert list(source_types()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_source_type_is_complete(name: str) -> None:
    for variant in get_source_type(name).variants():
        assert variant.name == name
        assert variant.title
        assert variant.data_source_type
        assert variant.service.endswith(".aliyuncs.com")
        profiles = [variant.profile(environment) for environment in Environment]
        assert all(profile.confidence and profile.source for profile in profiles)
        for environment, profile in zip(Environment, profiles, strict=True):
            named = "{role_id}" in profile.template.values()
            assert named == variant.opened_by_role(environment)


@pytest.mark.parametrize("name", NAMES)
def test_actions_are_the_products_and_those_that_are_needed_are_known(name: str) -> None:
    kind = get_source_type(name)
    pattern = re.compile(rf"{kind.ram_code}:[A-Za-z0-9_]+")
    assert all(pattern.fullmatch(action) for action in kind.known_actions)
    assert kind.destructive_actions < kind.known_actions
    location = spec_of(name).location
    minimal = {
        each.action
        for access in Access
        for each in kind.permissions(location, access, "minimal", deletes=True)
    }
    assert minimal <= kind.known_actions - kind.destructive_actions


@pytest.mark.parametrize("name", [name for name in NAMES if name != "oss"])
@pytest.mark.parametrize("access", Access)
def test_vendor_level_has_all_that_minimal_has_and_only_known_actions(name: str, access: Access) -> None:
    kind, location = get_source_type(name), spec_of(name).location
    minimal, vendor = (
        {each.action: set(each.resources) for each in kind.permissions(location, access, level)}
        for level in ("minimal", "vendor")
    )
    assert set(minimal) <= set(vendor) <= kind.known_actions - kind.destructive_actions
    assert all(minimal[action] <= vendor[action] for action in minimal)


def test_the_vendors_oss_list_holds_names_of_no_action_and_one_that_is_not_needed() -> None:
    location = OssLocation(bucket="shop-orders")
    printed = {each.action for each in OSS.permissions(location, Access.READ_WRITE, "vendor")}
    assert printed - OSS.known_actions == {"oss:GetObjectMetadata", "oss:GetObjectMeta"}
    assert printed & OSS.destructive_actions == {"oss:PutBucket"}


@pytest.mark.parametrize("name", NAMES)
def test_a_location_of_another_type_is_a_programming_error(name: str) -> None:
    kind, other = get_source_type(name), SourceLocation()
    with pytest.raises(TypeError, match="location is needed, not SourceLocation"):
        kind.permissions(other, Access.READ, "minimal")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_is_valid_for_the_project_and_for_the_json_schema(path: Path) -> None:
    spec = load_spec(path)
    jsonschema.Draft202012Validator(json_schema()).validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    jsonschema.Draft202012Validator(json_schema()).validate(json.loads(spec.text()))
    assert parse_spec(spec.model_dump(mode="json")) == spec
    assert spec.location_findings() == ()


def test_every_source_type_has_an_example() -> None:
    assert {load_spec(path).type for path in EXAMPLES.glob("*.yaml")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_field_of_a_location_and_a_step_is_described_with_an_example(name: str) -> None:
    for kind in get_source_type(name).variants():
        for model in (kind.Location, kind.reader_type, kind.writer_type):
            bare = [key for key, field in model.model_fields.items() if not field.description]
            plain = [key for key, field in model.model_fields.items() if not field.examples]
            assert (bare, plain) == ([], []), model.__name__


def test_unknown_source_type_names_the_known_ones() -> None:
    known = "known are: adb_mysql, hologres, loghub, oss, tablestore"
    with pytest.raises(ValueError, match=f"unknown source type 'ftp'; {known}"):
        get_source_type("ftp")


NEW_TYPE = """
from pydantic import Field

from config.personas import Persona
from config.problems import problem
from config.run_failures import run_failure
from config.sources.base import (
    ContentProfile, Environment, LocationFinding, Permission, Prerequisite, SourceLocation, SourceType, StepParameters,
)


class FtpLocation(SourceLocation):
    server: str = Field(description="Server.", examples=["files"])


class FtpStep(StepParameters):
    file: str = Field(description="File.", examples=["orders.csv"])


class Ftp(SourceType):
    name = "ftp"
    title = "File server"
    data_source_type = "ftp"
    service = "files.aliyuncs.com"
    ram_code = "files"
    known_actions = frozenset({"files:Read", "files:Drop"})
    destructive_actions = frozenset({"files:Drop"})
    content_profile = ContentProfile({"server": "{server}", "authIdentity": "{role_id}"}, "none", "invented")
    refusals = (run_failure("550 denied", "the server refused {role}", Persona.ADMINISTRATOR, "grant it"),)
    finding_codes = {"FTP001": "Old protocol"}
    Location, reader_type, writer_type = FtpLocation, FtpStep, FtpStep

    def resolve_location(self, location, region):
        return location

    def opened_by_role(self, environment):
        return environment is Environment.PROD

    def permissions(self, location, access, level, *, deletes=False):
        return (Permission("files:Read", ("acs:files:*:*:" + location.server,), "reading", "invented"),)

    def prerequisites(self, location, access, role_id, *, deletes=False):
        return (Prerequisite("an account", Persona.ADMINISTRATOR, "add " + role_id),)

    def location_findings(self, location):
        return (LocationFinding("FTP001", "old", "use another"),)

    def deletes(self, writer):
        return False

    def reader_problems(self, parameters, location):
        return [] if parameters["file"] != "secret.csv" else [problem(("file",), "not for you")]

    def writer_problems(self, parameters, location):
        return []


SOURCE_TYPE = Ftp()
"""

USE_OF_IT = """
import json
import sys

import jsonschema

import config.sources

config.sources.__path__.append(sys.argv[1])
from config.load import SpecInvalid, json_schema, parse_spec
from config.run_failures import classify
from config.sources.base import Environment
from tests.config.specs import example

written = example(type="ftp", location={"server": "files"}, sync_task__reader={"file": "orders.csv"})
jsonschema.Draft202012Validator(json_schema()).validate(written)
spec = parse_spec(written)
try:
    parse_spec(example(type="ftp", location={"server": "files"}, sync_task__reader={"file": "secret.csv"}))
except SpecInvalid as error:
    refused = [(problem.path, problem.rule) for problem in error.problems]
step = spec.task_content()["steps"][0]
print(json.dumps({
    "location": spec.location.model_dump(),
    "schema": {"const": "ftp"} in json_schema()["properties"]["type"]["anyOf"],
    "refused": refused,
    "permissions": [[each.action, *each.resources] for each in spec.required_permissions()],
    "content": spec.content("7", Environment.PROD),
    "by role": [spec.source_type.opened_by_role(environment) for environment in Environment],
    "step": [step["stepType"], step["parameter"]["file"]],
    "prerequisites": [[each.what, each.how] for each in spec.prerequisites("7")],
    "findings": [each.code for each in spec.location_findings()],
    "refusal": classify("550 denied", spec.source_type.refusals).what,
}))
"""


def test_a_new_source_type_is_one_new_file(tmp_path: Path) -> None:
    (tmp_path / "ftp.py").write_text(NEW_TYPE, encoding="utf-8")
    command = [sys.executable, "-c", USE_OF_IT, str(tmp_path)]
    root = Path(__file__).parents[2]
    result = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True, timeout=60)
    assert json.loads(result.stdout) == {
        "location": {"server": "files"},
        "schema": True,
        "refused": [["sync_task.reader.file", "not for you"]],
        "permissions": [["files:Read", "acs:files:*:*:files"]],
        "content": {"server": "files", "authIdentity": "7"},
        "by role": [False, True],
        "step": ["ftp", "orders.csv"],
        "prerequisites": [["an account", "add 7"]],
        "findings": ["FTP001"],
        "refusal": "the server refused {role}",
    }
