"""LogHub and Tablestore: windows and ranges, metadata, write modes, dirty records; and what the engine does not do."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from pydantic import ValidationError

from config.run_failures import classify
from config.scheduler import SCHEDULER_ZONE
from emulator.server import RunningCloud
from emulator.state_data import LogEntry, Logstore, OtsInstance, OtsTable
from tests.emulator.shop import PT
from tests.emulator.sources import Pipeline, arrived, example, to_write, writing

STAMP = PT.removeprefix("pt=")
MIDNIGHT = datetime.strptime(STAMP, "%Y%m%d").replace(tzinfo=SCHEDULER_ZONE).timestamp()


def store(local: RunningCloud) -> Logstore:
    return local.cloud.state.data.log_projects["shop-logs"].logstores["access-log"]


def orders(local: RunningCloud) -> OtsTable:
    return local.cloud.state.data.tablestore["shop-ots"].tables["orders"]


def failed(pipeline: Pipeline, words: str, *, known: bool = False) -> None:
    """The run fails with these words; ``known`` where the source type has a row for it."""
    instance = pipeline.run()
    assert instance.status == "FAILURE"
    assert words in instance.log
    refusals = pipeline.spec.source_type.refusals
    assert (classify(instance.log, refusals) in refusals) is known


# -- reading logs --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("begin", "end", "paths"),
    [
        ("${bizdate}000000", "${bizdate}093000", ["/"]),
        ("${bizdate}093000", "${bizdate}120501", ["/pay", "/cart"]),
        ("${bizdate}000001", "${today}000000", ["/pay", "/cart", "/orders"]),
        ("${bizdate}", "${today}", ["/", "/pay", "/cart", "/orders"]),
        ("20191231000000", "20200102000000", ["/old"]),
        ("20200101120000", "20200101120001", ["/old"]),
        ("20200101110000", "20200101120000", []),
    ],
)
def test_the_first_moment_is_read_and_the_last_is_not(
    local: RunningCloud, begin: str, end: str, paths: list[str]
) -> None:
    pipeline = Pipeline(local, example("loghub"), beginDateTime=begin, endDateTime=end)
    instance = pipeline.run()
    assert instance.status == "SUCCESS"
    assert [row[1] for row in arrived(local, "loghub")] == paths
    assert (instance.records_read, instance.records_written) == (len(paths), len(paths))


def test_windows_may_be_parameters_of_the_schedule(local: RunningCloud) -> None:
    spec = example(
        "loghub",
        sync_task__reader={
            "logstore": "access-log",
            "beginDateTime": "${startTime}",
            "endDateTime": "${endTime}",
            "column": ["host", "path", "status"],
        },
        sync_task__schedule__cron="00 30 10 * * ?",
        sync_task__schedule__parameters={
            "bizdate": "$bizdate",
            "startTime": "$[yyyymmddhh24miss-25/24]",
            "endTime": "$[yyyymmddhh24miss-22/24]",
        },
    )
    assert Pipeline(local, spec).run().status == "SUCCESS"
    assert [row[1] for row in arrived(local, "loghub")] == ["/pay", "/cart"]


@pytest.mark.parametrize(
    ("begin", "end", "count"), [(-1, -1, 5), (int(MIDNIGHT * 1000), -1, 4), (-1, int(MIDNIGHT * 1000), 1)]
)
def test_milliseconds_may_be_open_ended(local: RunningCloud, begin: int, end: int, count: int) -> None:
    changes: dict[str, Any] = {"beginTimestampMillis": begin, "endTimestampMillis": end}
    pipeline = Pipeline(local, example("loghub"), beginDateTime=None, endDateTime=None, **changes)
    assert pipeline.run().records_written == count


def test_keys_metadata_and_constants(local: RunningCloud) -> None:
    store(local).entries = [
        LogEntry(time=MIDNIGHT + 5, fields={"host": "a", "extra": "x"}, topic="shop", source="10.0.0.1")
    ]
    columns = ["Host", "C_Topic", "__source__", "C_LogTime", "'web'", "C__extract_others__", "C_MachineUUID"]
    local.cloud.state.data.maxcompute["retail"].tables["ods_access_log"].columns = list("abcdefg")
    spec = example("loghub", sync_task__reader__column=columns, sync_task__writer__column=list("abcdefg"))
    assert Pipeline(local, spec).run().status == "SUCCESS"
    (row,) = arrived(local, "loghub")
    assert row[:5] == [None, "shop", "10.0.0.1", f"{MIDNIGHT + 5:.0f}", "web"]
    assert json.loads(row[5] or "") == {"host": "a", "extra": "x"}
    assert row[6] is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"beginDateTime": "${start}"}, "Invalid beginDateTime[${start}]"),
        ({"endDateTime": "${bizdate}000000"}, "the end of reading must be after its beginning"),
        ({"batchSize": "1001"}, "Invalid batchSize[1001] value (0,1000]!"),
        ({"batchSize": "many"}, "the parameter batchSize must be a whole number above zero"),
        ({"query": "status: 500"}, "does not implement the query of the loghub reader"),
        ({"column": ["*"]}, "does not implement column *"),
    ],
)
def test_what_a_log_reader_cannot_do_is_said(
    local: RunningCloud, changes: dict[str, Any], words: str
) -> None:
    failed(Pipeline(local, example("loghub"), **changes), words)


def test_a_logstore_or_project_that_is_not_there_is_named(local: RunningCloud) -> None:
    pipeline = Pipeline(local, example("loghub"))
    project = local.cloud.state.data.log_projects["shop-logs"]
    kept = project.logstores.pop("access-log")
    failed(pipeline, "404 LogStoreNotExist: logstore access-log", known=True)
    project.logstores["access-log"], project.region = kept, "cn-shanghai"
    failed(pipeline, "404 ProjectNotExist: The Project does not exist : shop-logs", known=True)


@pytest.mark.parametrize(
    ("endpoint", "reached", "words"),
    [
        ("http://shop-logs.cn-hangzhou.log.aliyuncs.com", True, "shop-logs.shop-logs.cn-hangzhou.log"),
        ("http://cn-shanghai-intranet.log.aliyuncs.com", False, "is reached from cn-shanghai only"),
        ("http://cn-shanghai.log.aliyuncs.com", True, "ProjectNotExist"),
        ("http://cn-hangzhou.example.com", False, "UnknownHostException"),
        ("http://log-global.aliyuncs.com", True, ""),
    ],
)
def test_log_endpoints_by_region_and_name(
    local: RunningCloud, endpoint: str, reached: bool, words: str
) -> None:
    pipeline = Pipeline(local, example("loghub"))
    for source in local.cloud.state.dataworks.data_sources:
        if source.type == "loghub":
            source.content = json.dumps({**json.loads(source.content), "endpoint": endpoint})
    assert pipeline.connected().connect_status is reached
    instance = pipeline.run()
    assert (instance.status == "SUCCESS") is (words == "")
    assert words in instance.log


# -- writing logs --------------------------------------------------------------------------------------


def test_logs_are_added_in_batches_to_the_shards_in_turn(local: RunningCloud) -> None:
    to_write(local, "loghub", ["a", "/1", "200"], ["b", "/2", None], ["c", "/3", "404"])
    before = len(store(local).entries)
    pipeline = Pipeline(local, writing("loghub", topic="orders", batchSize=2))
    assert pipeline.run().records_written == 3
    added = store(local).entries[before:]
    assert [one.fields["path"] for one in added] == ["/1", "/2", "/3"]
    assert [one.shard for one in added] == [0, 0, 1]
    assert added[1].fields == {"host": "b", "path": "/2"}
    assert {one.topic for one in added} == {"orders"}
    assert abs(added[0].time - local.cloud.clock.now()) < 60
    assert pipeline.run().status == "SUCCESS"
    assert len(store(local).entries) == before + 6


def test_shards_are_not_listed_before_writing_without_a_first_look(local: RunningCloud) -> None:
    to_write(local, "loghub", ["a", "/1", "200"])
    local.cloud.settings.runs_look_first = False
    pipeline = Pipeline(local, writing("loghub"), without="log:ListShards")
    assert pipeline.run().status == "SUCCESS"
    local.cloud.reset()
    to_write(local, "loghub", ["a", "/1", "200"])
    local.cloud.settings.runs_look_first = False
    hashed = Pipeline(local, writing("loghub"), without="log:ListShards", hashByKey=True)
    failed(hashed, "action: log:ListShards", known=True)


# -- reading Tablestore --------------------------------------------------------------------------------


def bound(gid: Any, uid: Any) -> list[dict[str, str]]:
    """A key; None stands before every value, Ellipsis after it."""
    words = {None: "INF_MIN", ...: "INF_MAX"}
    return [
        {"type": words[value]} if value in words else {"type": kind, "value": str(value)}
        for value, kind in ((gid, "INT"), (uid, "STRING"))
    ]


@pytest.mark.parametrize(
    ("begin", "end", "keys"),
    [
        ((None, None), (..., ...), ["1", "2", "10"]),
        ((1, "ada"), (2, "grace"), ["1"]),
        ((1, "ada"), (2, "gracf"), ["1", "2"]),
        ((2, None), (10, None), ["2"]),
        ((2, ...), (10, ...), ["10"]),
        ((3, None), (9, ...), []),
    ],
)
def test_a_range_of_keys_is_ordered_by_type(
    local: RunningCloud, begin: tuple[Any, Any], end: tuple[Any, Any], keys: list[str]
) -> None:
    wanted = {"begin": bound(*begin), "end": bound(*end)}
    instance = Pipeline(local, example("tablestore", sync_task__reader__range=wanted)).run()
    assert instance.status == "SUCCESS"
    assert [row[0] for row in arrived(local, "tablestore")] == keys
    assert instance.records_read == len(keys)


def test_constants_and_missing_attributes(local: RunningCloud) -> None:
    del orders(local).rows[0]["amount"]
    columns = [{"name": "amount"}, {"type": "STRING", "value": "web"}, {"name": "never"}]
    assert Pipeline(local, example("tablestore"), column=columns).run().status == "SUCCESS"
    assert arrived(local, "tablestore") == [[None, "web", None], ["20.0", "web", None], ["7.25", "web", None]]


def test_a_task_that_says_how_to_split_does_not_ask(local: RunningCloud) -> None:
    wanted = {"begin": bound(None, None), "end": bound(..., ...), "split": [{"type": "INT", "value": "2"}]}
    spec = example("tablestore", sync_task__reader__range=wanted)
    assert Pipeline(local, spec, without="ots:ComputeSplitPointsBySize").run().status == "SUCCESS"


@pytest.mark.parametrize(
    ("changes", "words", "known"),
    [
        ({"range": {"begin": [{"type": "INF_MIN"}], "end": [{"type": "INF_MAX"}]}}, "primary key mismatch", True),
        ({"range": {"begin": bound(1, "a"), "end": bound("x", "b")}}, "OTSParameterInvalid: range.end has 'x'", True),
        ({"range": {"begin": [{"type": "STRING", "value": "1"}] * 2, "end": []}}, "has STRING for gid, which is INT", True),
        ({"range": {"begin": bound(..., ...), "end": bound(None, None)}}, "from a higher to a lower key", False),
        ({"table": "Orders"}, "404 OTSObjectNotExist: Requested table does not exist. Table: Orders", True),
        ({"mode": "multiVersion"}, "does not implement mode multiVersion", False),
        ({"isTimeseriesTable": "true"}, "does not implement time-series tables", False),
        ({"column": [{"name": "gid", "value": "1"}] * 3}, "a column needs a name or a value", False),
    ],
)  # fmt: skip
def test_what_a_row_reader_cannot_do_is_said(
    local: RunningCloud, changes: dict[str, Any], words: str, known: bool
) -> None:
    pipeline = Pipeline(local, example("tablestore"), **changes)
    pipeline.allow("ots:*")
    failed(pipeline, words, known=known)


@pytest.mark.parametrize(("instance", "region"), [("other-ots", "cn-hangzhou"), ("shop-ots", "cn-shanghai")])
def test_an_instance_is_found_by_its_name_and_host(local: RunningCloud, instance: str, region: str) -> None:
    pipeline = Pipeline(local, example("tablestore"))
    for source in local.cloud.state.dataworks.data_sources:
        if source.type == "ots":
            content = json.loads(source.content)
            host = f"https://shop-ots.{region}.ots.aliyuncs.com"
            source.content = json.dumps({**content, "instanceName": instance, "endpoint": host})
    failed(pipeline, f"OTSAuthFailed: Instance not found: {instance}", known=True)


# -- writing Tablestore --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "row"),
    [
        ("PutRow", {"gid": "1", "uid": "ada", "amount": "3"}),
        ("UpdateRow", {"gid": "1", "uid": "ada", "amount": "3", "note": "kept"}),
    ],
)
def test_put_replaces_a_row_and_update_changes_it(
    local: RunningCloud, mode: str, row: dict[str, str]
) -> None:
    orders(local).rows[0]["note"] = "kept"
    to_write(local, "tablestore", ["1", "ada", "3"], ["3", "new", "1"])
    instance = Pipeline(local, writing("tablestore", writeMode=mode)).run()
    assert (instance.status, instance.records_written) == ("SUCCESS", 2)
    assert orders(local).rows[0] == row
    assert [one["gid"] for one in orders(local).rows] == ["1", "2", "3", "10"]


def test_update_removes_a_column_that_is_null(local: RunningCloud) -> None:
    to_write(local, "tablestore", ["1", "ada", None])
    Pipeline(local, writing("tablestore", writeMode="UpdateRow")).run()
    assert orders(local).rows[0] == {"gid": "1", "uid": "ada"}


def test_rows_that_do_not_fit_are_dirty(local: RunningCloud) -> None:
    rows: list[list[str | None]] = [
        ["x", "a", "1"],
        ["7", None, "1"],
        ["8", "a", "much"],
        ["9", "y" * 1025, "1"],
        ["9", "ok", "1"],
    ]
    to_write(local, "tablestore", *rows)
    instance = Pipeline(local, writing("tablestore"), limit="4").run()
    assert (instance.status, instance.records_read, instance.records_written) == ("SUCCESS", 5, 1)
    assert "Read/write failures     : 4" in instance.log
    assert "exceeds the MaxLength:1024" in instance.log


def test_rows_written_before_a_failure_are_counted(local: RunningCloud) -> None:
    rows: list[list[str | None]] = [[str(number), "a", "1"] for number in range(100, 200)]
    to_write(local, "tablestore", *rows, ["x", "a", "1"])
    instance = Pipeline(local, writing("tablestore")).run()
    assert (instance.status, instance.records_read, instance.records_written) == ("FAILURE", 101, 100)
    assert len(orders(local).rows) == 103


@pytest.mark.parametrize(
    ("changes", "words", "known"),
    [
        ({"writeMode": "DeleteRow"}, "unknown writeMode 'DeleteRow'", False),
        ({"enableAutoIncrement": "true"}, "does not implement enableAutoIncrement", False),
        (
            {"primaryKey": [{"name": "gid", "type": "STRING"}, {"name": "uid", "type": "STRING"}]},
            "OTSInvalidPK: Primary key schema mismatch",
            True,
        ),
        ({"column": [{"name": "amount", "type": "MONEY"}]}, "a column needs a name and a type", False),
        ({"column": []}, "the reader has 3 columns, the writer 2", False),
    ],
)
def test_what_a_row_writer_cannot_do_is_said(
    local: RunningCloud, changes: dict[str, Any], words: str, known: bool
) -> None:
    to_write(local, "tablestore", ["1", "ada", "3"])
    failed(Pipeline(local, writing("tablestore"), **changes), words, known=known)


# -- the account file ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "value", "words"),
    [
        (Logstore, {"shards": 1, "entries": [{"time": 0, "shard": 1, "fields": {}}]}, "the Logstore has 1"),
        (OtsTable, {"primary_key": {"a": "INT"}, "rows": [{"b": "1"}]}, "a row lacks a of its primary key"),
        (OtsTable, {"primary_key": {}}, "at least 1 item"),
        (LogEntry, {"time": "20261301000000", "fields": {}}, "unconverted data remains"),
    ],
)
def test_an_account_that_contradicts_itself_is_refused(
    model: type[Logstore] | type[OtsTable] | type[LogEntry], value: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        model.model_validate(value)


def test_a_moment_needs_no_quotes_and_instances_are_lower_case(local: RunningCloud) -> None:
    quoted, plain = (
        LogEntry.model_validate({"time": time, "fields": {}}) for time in ("20260101080000", 20260101080000)
    )
    assert quoted == plain
    assert quoted.time == 1767225600
    data = local.cloud.state.data
    with pytest.raises(ValidationError, match="lower-case"):
        type(data).model_validate({"tablestore": {"Shop": OtsInstance()}})
