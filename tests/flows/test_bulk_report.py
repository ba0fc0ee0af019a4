"""The bulk report's figures, its JSON and CSV, the merging of shards and its artifacts."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.bulk_csv import COLUMNS, defused, to_csv
from flows.bulk_merge import merge
from flows.bulk_reading import ReportInvalid, from_json, select
from flows.bulk_report import BulkReport, RowOutcome, Stop, UsagePoint, visible
from flows.bulk_summary import bulk_markdown, bulk_table
from flows.report import Failure
from tests.flows import bulk_samples as samples

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "schemas" / "bulk-report-1.json"
STOP = Stop("allowance", "100 of 100 calls are made", "after 00:00 (UTC+8)")


def _validator() -> Any:
    return jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def _lines(report: BulkReport) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(report.rows), newline="")))


# -- figures -------------------------------------------------------------------------------------------


def test_counts_name_every_outcome_and_add_up_to_the_rows() -> None:
    counts = samples.every_outcome().counts()
    assert list(counts) == [outcome.value for outcome in RowOutcome]
    assert counts["failed"] == 2
    assert sum(counts.values()) == 10


@pytest.mark.parametrize(
    ("outcomes", "stop", "code"),
    [
        ((), None, 0),
        ((RowOutcome.CREATED, RowOutcome.UPDATED, RowOutcome.UNCHANGED), None, 0),
        ((RowOutcome.PLANNED, RowOutcome.NOT_SELECTED), None, 0),
        ((RowOutcome.CREATED, RowOutcome.FAILED), None, 1),
        ((RowOutcome.BLOCKED,), None, 1),
        ((RowOutcome.INVALID,), None, 1),
        ((RowOutcome.FAILED, RowOutcome.NOT_STARTED), None, 4),
        ((RowOutcome.CREATED,), STOP, 4),
    ],
)
def test_the_exit_code_tells_done_from_failed_from_stopped(
    outcomes: tuple[RowOutcome, ...], stop: Stop | None, code: int
) -> None:
    rows = [samples.row(number, outcome) for number, outcome in enumerate(outcomes, start=2)]
    assert samples.report(rows, stop=stop).exit_code == code


def test_rows_a_second_counts_only_rows_that_came_to_an_end() -> None:
    rows = [samples.row(n, RowOutcome.CREATED) for n in range(2, 5)] + [
        samples.row(9, RowOutcome.NOT_STARTED)
    ]
    assert samples.report(rows, ended=samples.STARTED + 2).rows_per_second == 1.5
    assert samples.report(rows, ended=samples.STARTED).rows_per_second == 0


def test_rows_whose_sentences_differ_in_their_own_names_and_ids_have_one_cause() -> None:
    rows = []
    for number in (2, 3, 4):
        one = samples.row(number, RowOutcome.FAILED)
        assert one.onboarding is not None
        what = f"instance 90000{number} of {one.data_source} failed, {one.role} is refused (row {number})"
        one.onboarding.failure = Failure(5, "RunFailed", what, "", "executor", f"ask for {one.role}", "X", "")
        rows.append(one)
    (group,) = samples.report(rows).failures_by_cause()
    assert [row.row for row in group.rows] == [2, 3, 4]
    assert group.what == "instance … of (data source) failed, (role) is refused (row …)"
    assert group.remedies == ("ask for (role)",)


def test_a_name_inside_a_longer_name_is_no_name_of_the_row() -> None:
    rows = [
        samples.row(2, RowOutcome.BLOCKED, "logs", reason="audit_logs is missing"),
        samples.row(3, RowOutcome.BLOCKED, "audit_logs", reason="audit_logs is missing"),
    ]
    assert [group.what for group in samples.report(rows).failures_by_cause()] == ["audit_logs is missing"] * 2


def test_a_single_rows_cause_keeps_its_names() -> None:
    rows = [samples.row(2, RowOutcome.BLOCKED, "logs", reason="logs is missing")]
    assert samples.report(rows).failures_by_cause()[0].what == "logs is missing"


def test_the_largest_cause_and_the_persona_of_most_rows_come_first() -> None:
    report = samples.many(600)
    causes = report.failures_by_cause()
    assert [len(group.rows) for group in causes] == sorted((len(g.rows) for g in causes), reverse=True)
    personas = report.failures_by_persona()
    assert next(iter(personas)) == "administrator"
    assert sum(len(group.rows) for groups in personas.values() for group in groups) == 30


def test_rows_that_need_somebody_come_before_the_others() -> None:
    outcomes = [row.outcome for row in samples.many(200).urgent_first()]
    assert outcomes == sorted(outcomes, key=list(RowOutcome).index)
    assert outcomes[0] is RowOutcome.FAILED


def test_step_times_are_over_the_rows_that_did_the_step() -> None:
    rows = [
        samples.row(2, RowOutcome.CREATED, step_seconds={1: 1.0, 5: 9.0}),
        samples.row(3, RowOutcome.CREATED, step_seconds={1: 3.0}),
    ]
    times = samples.report(rows).step_times()
    assert [(time.number, time.seconds, time.longest, time.rows) for time in times] == [
        (1, 2.0, 3.0, 2),
        (5, 9.0, 9.0, 1),
    ]


# -- JSON ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("report", [samples.every_outcome(), samples.many(60), samples.report([])])
def test_the_json_is_as_the_published_schema_says(report: BulkReport) -> None:
    _validator().validate(json.loads(json.dumps(report.to_json())))


def test_the_schema_describes_every_field_and_takes_no_other() -> None:
    _validator().check_schema(json.loads(SCHEMA.read_text(encoding="utf-8")))
    raw = samples.every_outcome().to_json()
    raw["rows"][0]["password"] = "x"
    assert not _validator().is_valid(raw)


@pytest.mark.parametrize("report", [samples.every_outcome(), samples.many(60)])
def test_a_report_read_back_from_its_json_writes_the_same_json(report: BulkReport) -> None:
    written = json.dumps(report.to_json())
    assert json.dumps(from_json(json.loads(written)).to_json()) == written


def test_a_report_read_back_gives_the_same_csv() -> None:
    report = samples.every_outcome()
    rows = sorted(report.rows, key=lambda row: row.row)
    assert to_csv(from_json(json.loads(json.dumps(report.to_json()))).rows) == to_csv(rows)


def test_select_gives_workspace_and_name_of_the_rows_with_an_outcome() -> None:
    raw = json.loads(json.dumps(samples.every_outcome().to_json()))
    assert select(raw, {RowOutcome.FAILED}) == {(10003, "orders_00002"), (10002, "orders_00031")}
    assert select(raw, {RowOutcome.BLOCKED, RowOutcome.PLANNED}) == {
        (10001, "orders_00003"),
        (10003, "orders_00008"),
    }
    assert select(raw, set()) == set()


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ([], "no report of a bulk run"),
        (None, "no report of a bulk run"),
        ({"version": 1, "data_source": "x"}, "no report of a bulk run"),
        ({"kind": "bulk report", "version": 2, "rows": []}, "version 2, and version 1 is read"),
        ({"kind": "bulk report", "rows": []}, "version None"),
        ({"kind": "bulk report", "version": 1}, "it has no rows"),
        ({"kind": "bulk report", "version": 1, "rows": [{"workspace": 1}]}, "entry 1 of its rows"),
        ({"kind": "bulk report", "version": 1, "rows": ["x"]}, "entry 1 of its rows"),
        (
            {
                "kind": "bulk report",
                "version": 1,
                "rows": [{"workspace": 1, "data_source": "x", "outcome": "lost"}],
            },
            "'lost'",
        ),
    ],
)
def test_another_file_is_refused_with_what_it_is(raw: object, says: str) -> None:
    with pytest.raises(ReportInvalid, match=says):
        select(raw, {RowOutcome.FAILED})


def test_a_damaged_report_is_refused_as_such() -> None:
    raw = samples.every_outcome().to_json()
    del raw["rows"][0]["onboarding"]["steps"][0]["facts"]
    with pytest.raises(ReportInvalid, match=r"damaged .*facts"):
        from_json(raw)


# -- shards --------------------------------------------------------------------------------------------


def _shard(*numbers: int, **fields: object) -> BulkReport:
    return samples.report([samples.row(number, RowOutcome.CREATED) for number in numbers], **fields)


def test_merged_shards_have_all_rows_in_the_files_order_and_the_sums() -> None:
    late = samples.STARTED + 10
    merged = merge(
        [
            _shard(5, 2, started=late, ended=late + 5, calls={"ram": 1}),
            _shard(4, 3, calls={"dataworks": 5, "ram": 2}, stop=STOP, ended=samples.STARTED + 12),
        ]
    )
    assert [row.row for row in merged.rows] == [2, 3, 4, 5]
    assert merged.calls == {"dataworks": 5, "ram": 3}
    assert (merged.started, merged.ended) == (samples.STARTED, late + 5)
    assert (merged.throttled, merged.retries, merged.stop) == (6, 10, STOP)
    assert len(merged.findings) == 1


def test_merged_usage_is_on_one_axis_and_shares_of_a_rate_add_up() -> None:
    early = _shard(2, usage=(UsagePoint(0, "ram", 3, 10.0, 0), UsagePoint(3, "ram", 4, 10.0, 1)))
    late = _shard(
        3,
        started=samples.STARTED + 2,
        usage=(UsagePoint(0, "ram", 5, 9.0, 0), UsagePoint(1, "ram", 6, 9.0, 2)),
    )
    assert merge([early, late]).usage == (
        UsagePoint(0, "ram", 3, 10.0, 0),
        UsagePoint(2, "ram", 5, 19.0, 0),
        UsagePoint(3, "ram", 10, 19.0, 3),
    )


def test_one_shard_merged_is_itself() -> None:
    report = samples.many(30)
    assert merge([report]).to_json() == report.to_json()


def test_nothing_and_reports_of_different_files_cannot_be_merged() -> None:
    with pytest.raises(ValueError, match="no report"):
        merge([])
    with pytest.raises(ValueError, match="different files"):
        merge([_shard(2), _shard(3, source="other.csv")])


# -- CSV -----------------------------------------------------------------------------------------------


def test_a_created_row_has_its_ids_steps_records_and_durations() -> None:
    (line,) = _lines(samples.report([samples.row(10, RowOutcome.CREATED, "orders")]))
    assert tuple(line) == COLUMNS
    assert [line[f"step{number}"] for number in range(1, 6)] == ["created"] * 5
    assert line["role_id"] == "300000000000000010"
    assert (line["data_source_id_dev"], line["data_source_id_prod"]) == ("40010", "40010")
    assert (line["file_id"], line["node_id"]) == ("500010", "700010")
    assert (line["instance_id_dev"], line["instance_id_prod"]) == ("900000020", "900000021")
    assert (line["records_read"], line["records_written"]) == ("2000", "2000")
    assert line["connectivity"].startswith("DEV/S_res_1=connected;DEV/S_res_2=connected;")
    assert (line["seconds_step3"], line["seconds"]) == ("3.400", "30.000")


def test_a_failed_row_tells_step_code_persona_remedy_and_request_id() -> None:
    (line,) = _lines(samples.report([samples.row(2, RowOutcome.FAILED)]))
    assert (line["outcome"], line["step2"], line["step3"], line["step4"]) == (
        "failed",
        "created",
        "failed",
        "skipped",
    )
    assert (line["failure_step"], line["failure_code"]) == ("3", "Forbidden.Access")
    assert (line["persona"], line["remedy"]) == (
        "administrator",
        "grant the creator ram:PassRole on the role",
    )
    assert line["request_id"] == "0BA5C8E7-7C2B-5B1E-9D24-6A7A1F0B3C11"


def test_rows_that_were_not_begun_tell_reason_and_remedy() -> None:
    rows = [
        samples.row(n, o)
        for n, o in ((2, RowOutcome.BLOCKED), (3, RowOutcome.INVALID), (4, RowOutcome.NOT_STARTED))
    ]
    lines = _lines(samples.report(rows))
    assert all(line["reason"] and line["remedy"] and not line["step1"] for line in lines)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1+1", "'+1+1"),
        ("-cmd|' /C calc'!A0", "'-cmd|' /C calc'!A0"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "' =1"),
        ("\rx", "' x"),
        ("  =1", "'  =1"),
        ("\x00=1", "'=1"),
        ("\u202e=1", "'=1"),
        ("＝1+1", "'＝1+1"),
        ("-1", "-1"),
        ("+3.5", "+3.5"),
        ("-1-1", "'-1-1"),
        ("plain = text", "plain = text"),
        ("two\r\nlines\x1b[31m", "two  lines[31m"),
        ("表\ud800", "表"),
    ],
)
def test_a_cell_is_no_formula_and_shows_all_it_holds(text: str, cell: str) -> None:
    assert defused(text) == cell


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_no_text_becomes_a_formula_or_breaks_its_line(text: str) -> None:
    row = samples.row(2, RowOutcome.BLOCKED, reason=text, remedy=text)
    (line,) = _lines(samples.report([row]))
    assert line["reason"] == defused(text)
    assert not line["reason"].startswith(("\t", "\r", "=", "@"))
    to_csv([row]).encode("utf-8")


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_visible_text_is_printable_and_stays_as_it_is(text: str) -> None:
    shown = visible(text)
    assert visible(shown) == shown
    assert "\n" not in shown
    assert "\u202e" not in shown
    shown.encode("utf-8")


# -- artifacts -----------------------------------------------------------------------------------------


def test_the_summary_tells_counts_causes_by_persona_and_why_it_stopped() -> None:
    text = bulk_markdown(samples.every_outcome())
    assert text.startswith("# Stopped with 3 of 10 data sources onboarded\n")
    assert "| failed | 2 |" in text
    assert "## The administrator" in text
    assert "grant the creator ram:PassRole on the role" in text
    assert "2 rows have failed" in text
    assert "2904 calls" in text


def test_markup_in_a_reason_has_no_effect_in_the_summary() -> None:
    bad = "<img src=x> [click](https://example.com) | `code`\n# heading"
    text = bulk_markdown(samples.report([samples.row(2, RowOutcome.BLOCKED, reason=bad, remedy=bad)]))
    assert "<img" not in text
    assert "[click](" not in text.replace("\\[click\\](", "")
    assert "\n# heading" not in text


def test_a_long_summary_is_cut_and_says_so() -> None:
    rows = [samples.row(n, RowOutcome.BLOCKED, reason=f"cause {chr(95 + n)}") for n in range(2, 26)]
    assert "and 4 more causes in the report" in bulk_markdown(samples.report(rows))


def test_the_table_has_the_rows_that_need_somebody_first_and_a_limit() -> None:
    table = bulk_table(samples.many(300), limit=20)
    assert len(table) == 20
    assert [entry["outcome"] for entry in table[:16]] == ["failed"] * 5 + ["blocked"] * 5 + [
        "invalid"
    ] * 5 + ["created"]
    assert table[0]["who can fix it"] == "administrator"
    assert table[0]["request id"]
