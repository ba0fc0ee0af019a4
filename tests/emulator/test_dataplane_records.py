"""Records: parsing, types, dirty records, partitions, write modes, parameters; and what the engine does not do."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from config.scheduler import SCHEDULER_ZONE
from emulator.dataplane.parameters import evaluate, values
from emulator.server import RunningCloud
from emulator.state import Bucket, Instance, Table
from tests.emulator.shop import (
    PT,
    READ_ACTIONS,
    ROWS,
    WRITE_ACTIONS,
    Shop,
    odps_reader,
    odps_writer,
    oss_reader,
    oss_writer,
    task,
)

STAMP = PT.removeprefix("pt=")


@pytest.fixture
def shop(local: RunningCloud) -> Shop:
    """A shop whose role may read and write; one look ends an instance."""
    made = Shop(local)
    made.local.cloud.settings.instance_steps = 0
    made.opened(actions=sorted({*READ_ACTIONS, *WRITE_ACTIONS}))
    return made


def bucket(shop: Shop) -> Bucket:
    return shop.local.cloud.state.data.buckets["shop-orders"]


def table(shop: Shop) -> Table:
    return shop.local.cloud.state.data.maxcompute["retail"].tables["ods_orders"]


def run(
    shop: Shop, reader: dict[str, Any] | None = None, writer: dict[str, Any] | None = None, limit: str = "0"
) -> Instance:
    return shop.smoke(shop.published(task(reader, writer, limit)))


def one_object(shop: Shop, text: str) -> None:
    """Only this object lies under yesterday's prefix."""
    objects = bucket(shop).objects
    for name in [name for name in objects if STAMP in name]:
        del objects[name]
    objects[f"orders/dt={STAMP}/part-0.csv"] = text


# -- reading objects -----------------------------------------------------------------------------------


def test_the_header_is_a_dirty_record_when_it_is_not_skipped(shop: Shop) -> None:
    instance = run(shop, oss_reader(skipHeader="false"))
    assert instance.status == "FAILURE"
    assert "'id' is no long" in instance.log
    assert "1 dirty records are more than the limit of 0" in instance.log
    tolerant = run_again(shop, oss_reader(skipHeader="false"), "2")
    assert (tolerant.status, tolerant.records_read, tolerant.records_written) == ("SUCCESS", 7, 5)
    assert "Read/write failures     : 2" in tolerant.log
    assert run_again(shop, oss_reader(skipHeader="false"), "1").status == "FAILURE"
    assert run_again(shop, oss_reader(skipHeader="false"), "").status == "SUCCESS"


def run_again(shop: Shop, reader: dict[str, Any], limit: str) -> Instance:
    """The same task with other content, published anew."""
    (file_id,) = shop.local.cloud.state.dataworks.files
    shop.here(
        "UpdateDISyncTask", FileId=file_id, TaskType="DI_OFFLINE", TaskContent=task(reader, None, limit)
    )
    shop.submit(file_id)
    shop.deploy(file_id)
    return shop.smoke(shop.node_of(file_id))


def test_columns_by_index_constant_and_order(shop: Shop) -> None:
    columns = [
        {"index": 1, "type": "string"},
        {"type": "string", "value": "web"},
        {"index": 0, "type": "long"},
    ]
    assert run(shop, oss_reader(column=columns)).status == "SUCCESS"
    assert shop.rows()[0] == ["ada", "web", "1"]


def test_a_star_reads_all_columns_as_text(shop: Shop) -> None:
    assert run(shop, oss_reader(column=["*"])).status == "SUCCESS"
    assert shop.rows() == ROWS


@pytest.mark.parametrize(
    ("cell", "kind", "stored"),
    [
        ("007", "long", "7"),
        ("1e3", "double", "1e3"),
        ("TRUE", "boolean", "true"),
        ("2026-01-31 08:00:00", "date", "2026-01-31 08:00:00"),
        ("", "string", None),
        ("x", "long", "dirty"),
        ("x", "double", "dirty"),
        ("maybe", "boolean", "dirty"),
        ("31.01.2026", "date", "dirty"),
    ],
)
def test_values_are_read_by_type(shop: Shop, cell: str, kind: str, stored: str | None) -> None:
    one_object(shop, f"a,{cell}\n")
    columns = [{"index": 0, "type": "string"}, {"index": 1, "type": kind}]
    reader = oss_reader(column=columns, skipHeader="false", nullFormat="")
    instance = run(shop, reader, odps_writer(column=["id", "customer"]))
    assert instance.status == ("FAILURE" if stored == "dirty" else "SUCCESS")
    if stored != "dirty":
        assert shop.rows() == [["a", stored, None]]


def test_dates_have_the_columns_format(shop: Shop) -> None:
    one_object(shop, "31.01.2026\n")
    columns = [{"index": 0, "type": "date", "format": "dd.MM.yyyy"}]
    run(shop, oss_reader(column=columns, skipHeader="false"), odps_writer(column=["id"]))
    assert shop.rows() == [["2026-01-31 00:00:00", None, None]]


def test_quotes_and_delimiters(shop: Shop) -> None:
    one_object(shop, '1;"a;b";2\n')
    reader = oss_reader(column=["*"], fieldDelimiter=";", skipHeader="false")
    run(shop, reader)
    assert shop.rows() == [["1", "a;b", "2"]]


def test_text_knows_no_quotes(shop: Shop) -> None:
    one_object(shop, '1\t"a"\t2\n')
    reader = oss_reader(column=["*"], fieldDelimiter="\\t", fileFormat="text", skipHeader="false")
    run(shop, reader)
    assert shop.rows() == [["1", '"a"', "2"]]


def test_a_record_too_short_or_too_long_is_dirty(shop: Shop) -> None:
    one_object(shop, "1,a\n2,b,3,4\n3,c,5\n")
    by_index = run(shop, oss_reader(skipHeader="false"), limit="1")
    assert (by_index.status, by_index.records_read, by_index.records_written) == ("SUCCESS", 3, 2)
    assert "has 2 columns, index 2 is asked for" in by_index.log
    by_star = run_again(shop, oss_reader(column=["*"], skipHeader="false"), "2")
    assert (by_star.status, by_star.records_read, by_star.records_written) == ("SUCCESS", 3, 1)
    assert "Total records read      : 3" in by_star.log
    assert "2 values for the 3 columns" in by_star.log


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        (["orders/dt=${bizdate}/part-0.csv"], 3),
        (["orders/dt=${bizdate}/part-?.csv"], 5),
        ("orders/dt=${bizdate}/*", 5),
        (["orders/dt=${bizdate}/part-0.csv", "orders/dt=${bizdate}/*.csv"], 5),
        (["orders/dt=*.csv"], 6),
    ],
)
def test_objects_are_found_by_pattern(shop: Shop, pattern: object, count: int) -> None:
    assert run(shop, oss_reader(object=pattern)).records_written == count


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fileFormat": "parquet"}, "does not implement fileFormat parquet of oss"),
        ({"fileFormat": "orc"}, "does not implement fileFormat orc of oss"),
        ({"compress": "gzip"}, "does not implement compress gzip"),
        ({"encoding": "GBK"}, "does not implement encoding GBK"),
        ({"object": ["none/*"]}, "no object of bucket shop-orders matches"),
        ({"object": []}, "the parameter object is missing"),
        ({"fieldDelimiter": "||"}, "fieldDelimiter must be one character"),
        ({"column": [{"index": 0, "type": "money"}] * 3}, "unknown column type 'money'"),
        ({"column": ["id", "customer", "amount"]}, "a column needs an index or a value, not 'id'"),
        ({"column": [{"index": "first"}] * 3}, "a column needs an index or a value"),
        ({"column": "*"}, "the parameter column must be a list"),
        ({"column": [{"index": 0, "type": "long"}]}, "the reader has 1 columns, the writer 3"),
    ],
)
def test_what_a_reader_cannot_do_is_said(shop: Shop, changes: dict[str, Any], words: str) -> None:
    instance = run(shop, oss_reader(**changes))
    assert instance.status == "FAILURE"
    assert words in instance.log
    assert shop.rows() == []


def test_another_type_is_refused_by_name(shop: Shop) -> None:
    content = {"jdbcUrl": "jdbc:mysql://db.shop.internal:3306/x", "username": "a", "password": "b"}
    shop.data_source(json.dumps(content), name="db", kind="mysql")
    reader = {"stepType": "mysql", "name": "Reader", "category": "reader", "parameter": {"datasource": "db"}}
    instance = run(shop, reader)
    assert instance.status == "FAILURE"
    assert (
        "does not implement reading from mysql; it reads from ads, analyticdb_for_mysql, holo, loghub, odps, oss, ots"
        in instance.log
    )


# -- MaxCompute ----------------------------------------------------------------------------------------


def test_without_truncate_rows_are_added(shop: Shop) -> None:
    table(shop).partitions[PT] = [["0", "old", "0"]]
    run(shop, writer=odps_writer(truncate=False))
    assert shop.rows() == [["0", "old", "0"], *ROWS]


def test_columns_a_task_does_not_name_are_null(shop: Shop) -> None:
    columns = [{"index": 0, "type": "long"}]
    run(shop, oss_reader(column=columns), odps_writer(column=["id"]))
    assert shop.rows()[0] == ["1", None, None]


def test_empty_may_mean_null(shop: Shop) -> None:
    one_object(shop, "1,,2\n")
    run(shop, oss_reader(skipHeader="false"), odps_writer(emptyAsNull=True))
    assert shop.rows() == [["1", None, "2"]]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"table": "none"}, "Table not found - table retail.none"),
        ({"column": ["id", "customer", "price"]}, "the table has no column price"),
        ({"partition": ""}, "has the partition columns ['pt'], the task names []"),
        ({"partition": "day=1"}, "the task names ['day']"),
        ({"partition": "pt=*"}, "must be exact"),
    ],
)
def test_what_a_writer_cannot_do_is_said(shop: Shop, changes: dict[str, Any], words: str) -> None:
    instance = run(shop, writer=odps_writer(**changes))
    assert instance.status == "FAILURE"
    assert words in instance.log


def test_a_project_that_is_not_there_is_named(shop: Shop) -> None:
    del shop.local.cloud.state.data.maxcompute["retail"]
    assert "Project not found - 'retail'" in run(shop).log


def test_partitions_are_read_by_pattern_and_their_columns_too(shop: Shop) -> None:
    table(shop).partitions.update({"pt=20250101": [["1", "a", "1"]], "pt=20250102": [["2", "b", "2"]]})
    reader = odps_reader(partition=["pt=2025*"], column=["id", "pt"])
    instance = run(shop, reader, oss_writer(object="export/part", writeSingleObject="true"))
    assert instance.status == "SUCCESS"
    assert bucket(shop).objects["export/part"] == "1,20250101\n2,20250102\n"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"partition": ["pt=1999*"]}, "has no partition pt=1999*"),
        ({"partition": []}, "needs a partition"),
        ({"where": "id > 1"}, "does not implement the where clause"),
    ],
)
def test_what_a_partition_reader_cannot_do_is_said(shop: Shop, changes: dict[str, Any], words: str) -> None:
    instance = run(shop, odps_reader(**changes), oss_writer())
    assert instance.status == "FAILURE"
    assert words in instance.log


# -- writing objects -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "status", "kept"),
    [("truncate", "SUCCESS", False), ("append", "SUCCESS", True), ("nonConflict", "FAILURE", True)],
)
def test_write_modes(shop: Shop, mode: str, status: str, kept: bool) -> None:
    table(shop).partitions[PT] = [list(row) for row in ROWS]
    bucket(shop).objects[f"export/{STAMP}/part-old"] = "stale\n"
    instance = run(shop, odps_reader(), oss_writer(writeMode=mode))
    assert instance.status == status
    names = [name for name in bucket(shop).objects if name.startswith("export/")]
    assert (f"export/{STAMP}/part-old" in names) is kept
    if status == "SUCCESS":
        (made,) = [name for name in names if name != f"export/{STAMP}/part-old"]
        assert bucket(shop).objects[made].splitlines() == [",".join(row) for row in ROWS]
    else:
        assert "writeMode nonConflict" in instance.log


def test_header_null_and_delimiter_of_an_object(shop: Shop) -> None:
    table(shop).partitions[PT] = [["1", None, "2"]]
    writer = oss_writer(
        object="export/one",
        writeSingleObject="true",
        header=["a", "b", "c"],
        fieldDelimiter=";",
        nullFormat="NULL",
    )
    assert run(shop, odps_reader(), writer).status == "SUCCESS"
    assert bucket(shop).objects["export/one"] == "a;b;c\n1;NULL;2\n"


@pytest.mark.parametrize(("wanted", "there"), [(True, True), (False, False)])
def test_an_empty_object_is_written_on_demand(shop: Shop, wanted: bool, there: bool) -> None:
    table(shop).partitions[PT] = []
    writer = oss_writer(object="export/one", writeSingleObject="true", generateEmptyFile=wanted)
    assert run(shop, odps_reader(), writer).status == "SUCCESS"
    assert ("export/one" in bucket(shop).objects) is there


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"writeMode": "merge"}, "unknown writeMode 'merge'"),
        ({"fileFormat": "parquet"}, "does not implement fileFormat parquet"),
    ],
)
def test_what_an_object_writer_cannot_do_is_said(shop: Shop, changes: dict[str, Any], words: str) -> None:
    table(shop).partitions[PT] = []
    instance = run(shop, odps_reader(), oss_writer(**changes))
    assert instance.status == "FAILURE"
    assert words in instance.log


def test_an_upload_that_cannot_be_given_up_stays_and_is_told(shop: Shop) -> None:
    one_object(shop, "1,a,2\nx,b,3\n")
    instance = run(shop, oss_reader(skipHeader="false"), oss_writer(object="export/part"))
    assert instance.status == "FAILURE"
    assert "the unfinished upload of export/part" in instance.log
    assert "oss:AbortMultipartUpload" in instance.log
    assert not any(name.startswith("export/") for name in bucket(shop).objects)


# -- parameters ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("$bizdate", "20260130"),
        ("$cyctime", "20260131053000"),
        ("$gmtdate", "20260131"),
        ("${yyyymmdd}", "20260130"),
        ("${yyyymmdd-1}", "20260129"),
        ("${yyyy-mm}", "${yyyy-mm}"),
        ("$[yyyymmdd]", "20260131"),
        ("$[yyyymmdd-1]", "20260130"),
        ("$[yyyy-mm-dd]", "2026-01-31"),
        ("$[yyyymmddhh24miss-1/24]", "20260131043000"),
        ("$[yyyymmddhh24miss-15/24/60]", "20260131051500"),
        ("$[add_months(yyyymmdd,-1)]", "$[add_months(yyyymmdd,-1)]"),
        ("constant", "constant"),
    ],
)
def test_scheduling_parameters(expression: str, value: str) -> None:
    business_date = datetime(2026, 1, 30, tzinfo=timezone.utc)
    scheduled = datetime(2026, 1, 31, 5, 30, tzinfo=timezone.utc)
    assert (
        evaluate(expression, business_date, scheduled, datetime(2026, 1, 31, 9, tzinfo=timezone.utc)) == value
    )


def test_the_business_date_needs_no_assignment() -> None:
    day = datetime(2026, 1, 30, tzinfo=SCHEDULER_ZONE).timestamp()
    found = values("a=1 stray", "a=2", business_date=day, cron="00 30 05 * * ?", now=day)
    assert found == {"bizdate": "20260130", "a": "2"}


def test_node_parameters_reach_the_task(shop: Shop) -> None:
    content = task(oss_reader(object=["orders/dt=${day}/*.csv"]), odps_writer(partition="pt=${day}"))
    instance = shop.smoke(shop.published(content, ParaValue="day=$[yyyymmdd-1]"))
    assert instance.status == "SUCCESS"
    assert shop.rows() == ROWS
