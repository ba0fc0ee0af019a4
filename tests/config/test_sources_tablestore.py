"""Tablestore: rules of the specification, permissions, Content, steps, refusals."""

from __future__ import annotations

from typing import Any

import pytest

from config.load import parse_spec
from config.personas import Persona
from config.run_failures import classify
from config.sources import get_source_type
from config.sources.base import Access, Environment
from config.sources.tablestore import TablestoreLocation
from tests.config.source_specs import actions, example_of, found, spec_of, writing_of
from tests.config.specs import MISSING

OTS = get_source_type("tablestore")
START = "acs:ots:*:*:instance/shop-ots/table/"
TABLES = {f"{START}orders", f"{START}Items"}
# Instance names are case-insensitive, and lower-case in a resource.
TWO = TablestoreLocation(instance="Shop-OTS", tables=("orders", "Items"))
WRITER: dict[str, Any] = {
    "table": "orders",
    "primaryKey": [{"name": "gid", "type": "INT"}, {"name": "uid", "type": "STRING"}],
    "column": [{"name": "amount", "type": "DOUBLE"}],
    "writeMode": "PutRow",
}
INLINE = "credentials and addresses belong to the data source: in role mode a step names only its data source"
ENDPOINT = "https://shop-ots.cn-hangzhou.vpc.tablestore.aliyuncs.com"


@pytest.mark.parametrize(
    ("changes", "path", "rule"),
    [
        (
            {"location__instance": "ab"},
            "location.instance",
            "an instance name has 3 to 16 characters, this one has 2",
        ),
        (
            {"location__instance": "1shop"},
            "location.instance",
            "an instance name may hold only letters, digits and '-', starts with a letter "
            "and does not end with '-'",
        ),
        (
            {"location__tables": []},
            "location.tables",
            "Tuple should have at least 1 item after validation, not 0",
        ),
        ({"location__tables": ["orders", "orders"]}, "location.tables", "'orders' is named twice"),
        (
            {"location__tables": ["orders", "1a"]},
            "location.tables[1]",
            "a table name has 1 to 255 letters, digits and '_' and does not start with a digit",
        ),
        (
            {"location__endpoint": "https://tablestore.aliyuncs.com"},
            "location.endpoint",
            f"a Tablestore endpoint looks like {ENDPOINT}",
        ),
        (
            {"location__endpoint": "http://other.cn-hangzhou.ots.aliyuncs.com"},
            "location.endpoint",
            "the endpoint belongs to another instance than the location's, shop-ots",
        ),
        (
            {"location__endpoint": "http://shop-ots.cn-beijing.ots-internal.aliyuncs.com"},
            "location.endpoint",
            "the endpoint belongs to another region than the specification's, cn-hangzhou",
        ),
        (
            {"sync_task__reader__table": "Orders"},
            "sync_task.reader.table",
            "is none of the location's tables: orders",
        ),
        ({"sync_task__reader__table": MISSING}, "sync_task.reader.table", "is required"),
        (
            {"sync_task__reader__column": [{"name": "gid"}]},
            "sync_task.writer.column",
            "columns are matched by position: 3 here, 1 on the other side",
        ),
        (
            {"sync_task__reader__column": [{"name": "gid"}, {"name": "uid"}, {}]},
            "sync_task.reader.column[2]",
            "a column has either a name or a constant value",
        ),
        (
            {"sync_task__reader__column": [{"name": "gid"}, {"name": "uid"}, {"value": "web"}]},
            "sync_task.reader.column[2].type",
            "a constant has a type, a column that is read has none",
        ),
        (
            {"sync_task__reader__range__end": [{"type": "INF_MAX"}]},
            "sync_task.reader.range.end",
            "one value per primary key column: 1 here, 2 in begin",
        ),
        (
            {"sync_task__reader__range__begin": [{"type": "INT"}, {"type": "INF_MIN"}]},
            "sync_task.reader.range.begin[0].value",
            "INF_MIN and INF_MAX have no value, all other types have one",
        ),
        (
            {"sync_task__reader__range__begin": [{"type": "INF_MIN", "value": 1}, {"type": "INF_MIN"}]},
            "sync_task.reader.range.begin[0].value",
            "INF_MIN and INF_MAX have no value, all other types have one",
        ),
        (
            {"sync_task__reader__range__begin": [{"type": "INTEGER", "value": 1}, {"type": "INF_MIN"}]},
            "sync_task.reader.range.begin[0].type",
            "Input should be 'STRING', 'INT', 'BINARY', 'INF_MIN' or 'INF_MAX'",
        ),
        (
            {"sync_task__reader__isTimeseriesTable": True},
            "sync_task.reader.isTimeseriesTable",
            "time-series tables are not supported: their permissions are not fully documented",
        ),
        (
            {"sync_task__reader__maxVersion": 3},
            "sync_task.reader.maxVersion",
            "only mode multiVersion has maxVersion",
        ),
        (
            {"sync_task__reader__timeRange": {"begin": 0, "end": 1}},
            "sync_task.reader.timeRange",
            "only mode multiVersion has timeRange",
        ),
        (
            {"sync_task__reader__mode": "all"},
            "sync_task.reader.mode",
            "Input should be 'normal' or 'multiVersion'",
        ),
        ({"sync_task__reader__instanceName": "shop-ots"}, "sync_task.reader.instanceName", INLINE),
        ({"sync_task__reader__accessKey": "hush"}, "sync_task.reader.accessKey", INLINE),
    ],
)
def test_broken_rule_is_named_with_its_path(changes: dict[str, Any], path: str, rule: str) -> None:
    assert found(example_of("tablestore", **changes)) == [(path, rule)]


@pytest.mark.parametrize(
    ("changes", "path", "rule"),
    [
        (
            {"sync_task__writer__table": "other"},
            "sync_task.writer.table",
            "is none of the location's tables: orders",
        ),
        (
            {"sync_task__writer__writeMode": "insert"},
            "sync_task.writer.writeMode",
            "Input should be 'PutRow' or 'UpdateRow'",
        ),
        ({"sync_task__writer__writeMode": MISSING}, "sync_task.writer.writeMode", "is required"),
        ({"sync_task__writer__primaryKey": MISSING}, "sync_task.writer.primaryKey", "is required"),
        (
            {"sync_task__writer__column": [{"name": "gid", "type": "INT"}]},
            "sync_task.writer.column[0].name",
            "is a primary key column already",
        ),
        (
            {"sync_task__writer__column": [{"name": "amount", "type": "INTEGER"}]},
            "sync_task.writer.column[0].type",
            "Input should be 'STRING', 'INT', 'DOUBLE', 'BOOL' or 'BINARY'",
        ),
        # Primary key columns count too.
        (
            {"sync_task__writer__column": []},
            "sync_task.reader.column",
            "columns are matched by position: 3 here, 2 on the other side",
        ),
    ],
)
def test_broken_rule_of_a_writer_is_named_with_its_path(
    changes: dict[str, Any], path: str, rule: str
) -> None:
    assert found(writing_of("tablestore", WRITER, **changes)) == [(path, rule)]


@pytest.mark.parametrize(
    ("endpoint", "codes"),
    [
        (ENDPOINT, []),
        ("http://shop-ots.cn-hangzhou.ots-internal.aliyuncs.com", []),
        ("https://Shop-OTS.cn-hangzhou.ots.aliyuncs.com", ["OTS001"]),
        ("http://shop-ots.cn-hangzhou.tablestore.aliyuncs.com/", ["OTS001", "OTS002"]),
    ],
)
def test_public_endpoint_is_kept_and_reported(endpoint: str, codes: list[str]) -> None:
    spec = parse_spec(example_of("tablestore", location__endpoint=endpoint))
    assert spec.location.model_dump()["endpoint"] == endpoint
    assert [finding.code for finding in spec.location_findings()] == codes
    assert set(codes) <= set(OTS.finding_codes)


def test_minimal_permissions_by_access() -> None:
    listing = {"ots:ListTable": {f"{START}*"}}
    read = {
        **dict.fromkeys(("ots:DescribeTable", "ots:GetRange", "ots:ComputeSplitPointsBySize"), TABLES),
        **listing,
    }
    write = {
        **dict.fromkeys(("ots:DescribeTable", "ots:BatchWriteRow", "ots:PutRow", "ots:UpdateRow"), TABLES),
        **listing,
    }
    assert actions(OTS, TWO, Access.READ) == read
    assert actions(OTS, TWO, Access.WRITE) == write
    assert actions(OTS, TWO, Access.READ_WRITE) == read | write
    assert actions(OTS, TWO, Access.WRITE, deletes=True) == {**write, "ots:DeleteRow": TABLES}
    assert actions(OTS, TWO, Access.READ, deletes=True) == read


def test_vendor_level_is_the_products_documented_minimum() -> None:
    both = {"ots:ListTable": {f"{START}*"}, "ots:DescribeTable": TABLES}
    read = dict.fromkeys(
        ("ots:GetRow", "ots:GetRange", "ots:BatchGetRow", "ots:ComputeSplitPointsBySize"), TABLES
    )
    write = dict.fromkeys(("ots:PutRow", "ots:UpdateRow", "ots:DeleteRow", "ots:BatchWriteRow"), TABLES)
    assert actions(OTS, TWO, Access.READ, "vendor") == {**both, **read}
    assert actions(OTS, TWO, Access.WRITE, "vendor") == {**both, **write}
    assert actions(OTS, TWO, Access.READ_WRITE, "vendor") == {**both, **read, **write}
    assert all(
        "documented minimum of the product" in each.source
        for each in OTS.permissions(TWO, Access.READ_WRITE, "vendor")
    )


@pytest.mark.parametrize(("mode", "deletes"), [("normal", False), ("multiVersion", True)])
def test_deletion_is_asked_for_only_where_versions_are_removed(mode: str, deletes: bool) -> None:
    spec = parse_spec(writing_of("tablestore", {**WRITER, "mode": mode}))
    assert ("ots:DeleteRow" in {each.action for each in spec.required_permissions()}) == deletes


@pytest.mark.parametrize("environment", Environment)
def test_content_is_the_same_in_both_environments(environment: Environment) -> None:
    assert OTS.opened_by_role(environment)
    assert spec_of("tablestore").content("301234567890123456", environment) == {
        "endpoint": ENDPOINT,
        "instanceName": "shop-ots",
        "regionId": "cn-hangzhou",
        "authType": "RamRole",
        "authIdentity": "301234567890123456",
    }


def test_reader_step_is_the_vendors() -> None:
    step = spec_of("tablestore").task_content()["steps"][0]
    assert step["stepType"] == "ots"
    assert step["parameter"] == {
        "datasource": "ots_orders",
        "envType": 1,
        "newVersion": "true",
        "mode": "normal",
        "isTimeseriesTable": "false",
        "table": "orders",
        "column": [{"name": "gid"}, {"name": "uid"}, {"name": "amount"}],
        "range": {
            "begin": [{"type": "INF_MIN"}, {"type": "INF_MIN"}],
            "end": [{"type": "INF_MAX"}, {"type": "INF_MAX"}],
            "split": [],
        },
    }


def test_values_of_a_key_are_sent_as_text_and_the_range_may_be_left_out() -> None:
    begin = [{"type": "INT", "value": 5}, {"type": "INF_MIN"}]
    spec = example_of("tablestore", sync_task__reader__range__begin=begin)
    step = parse_spec(spec).task_content()["steps"][0]
    assert step["parameter"]["range"]["begin"] == [{"type": "INT", "value": "5"}, {"type": "INF_MIN"}]
    whole = parse_spec(example_of("tablestore", sync_task__reader__range=MISSING)).task_content()["steps"][0]
    assert "range" not in whole["parameter"]


def test_writer_step_is_the_vendors() -> None:
    writer = parse_spec(writing_of("tablestore", WRITER)).task_content()["steps"][1]
    assert writer["stepType"] == "ots"
    assert writer["parameter"] == {
        "datasource": "ots_orders",
        "envType": 1,
        "newVersion": "true",
        "mode": "normal",
        "isTimeseriesTable": "false",
        **WRITER,
    }


@pytest.mark.parametrize(
    ("log", "words", "persona"),
    [
        (
            "com.alicloud.openservices.tablestore.TableStoreException: [ErrorCode]:OTSNoPermissionAccess, "
            "[Message]:You have no permission to access the requested resource, please contact the resource owner",
            "Tablestore refused role",
            Persona.ADMINISTRATOR,
        ),
        (
            "[ErrorCode]:OTSObjectNotExist, [Message]:Requested table does not exist.",
            "a table of data source",
            Persona.DEVELOPER,
        ),
        (
            "[ErrorCode]:OTSAuthFailed, [Message]:Instance not found",
            "the Tablestore instance",
            Persona.CREATOR,
        ),
        ("Request denied by instance ACL policies.", "does not accept requests", Persona.CREATOR),
        ("OTSInvalidPK: Primary key schema mismatch.", "do not fit the primary key", Persona.DEVELOPER),
        ("[ErrorCode]:OTSNotEnoughCapacityUnit", "so many requests", Persona.DEVELOPER),
        ("java.net.UnknownHostException: shop-ots.cn-x.ots.aliyuncs.com", "leads nowhere", Persona.CREATOR),
    ],
)
def test_refusals_of_the_product_are_recognised(log: str, words: str, persona: Persona) -> None:
    reason = classify(f"2026-01-01 00:00:00 [job-0] INFO starts\n{log}\n", OTS.refusals)
    assert words in reason.what
    assert reason.persona is persona
